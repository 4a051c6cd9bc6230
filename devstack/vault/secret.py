"""Secrets: set, shown, changed; a value is any text of at most 25 KiB."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Self

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, kind, text
from cleanroom.jose import json_object
from devstack.vault import attributes as common
from devstack.vault.attributes import Attributes, tags_of
from devstack.vault.objects import Collection
from devstack.vault.store import Row
from devstack.vault.vault import Order
from devstack.vault.wire import Answer, Json, forbidden, good

_LONGEST = 25 * 1024
_LARGEST = 1 << 20
_content_type = text(255, shortest=0)


@dataclass(frozen=True, slots=True)
class SecretVersion:
    """One version of a secret, all of it."""

    value: str = field(repr=False)
    content_type: str | None
    attributes: Attributes
    tags: Mapping[str, str] | None

    def to_bytes(self) -> bytes:
        """Spell it for the store, which seals it."""
        value = {
            "value": self.value,
            "contentType": self.content_type,
            "attributes": self.attributes.to_dict(),
            "tags": self.tags,
        }
        return json.dumps(value).encode()

    @classmethod
    def parse(cls, row: Row) -> Self:
        """Read what the store kept."""
        said = json_object(parse_json(row.content, row.name, _LARGEST), row.name)
        attributes = Fields(said, row.name).take("attributes", Attributes.parse)
        return cls(_value(said.get("value")), _content_type_of(said), attributes, tags_of(said))

    def listed(self, address: str) -> dict[str, object]:
        """Spell it without its value."""
        said: dict[str, object] = {"id": address, "attributes": common.shown(self.attributes)}
        if self.content_type is not None:
            said["contentType"] = self.content_type
        return said if self.tags is None else said | {"tags": self.tags}

    def shown(self, address: str) -> dict[str, object]:
        """Spell it with its value."""
        return {"value": self.value} | self.listed(address)


def set_(order: Order) -> Answer:
    """Keep a value, or a new version of one."""
    body = order.body
    attributes = Attributes.asked(body, order.now)
    made = SecretVersion(
        _value(body.get("value")), _content_type_of(body), attributes, tags_of(body)
    )
    address = order.keep_new(made.to_bytes())
    return SECRETS.is_deleted(order.call) if address is None else good(made.shown(address))


def get(order: Order, row: Row) -> Answer:
    """Show a version with its value; also before nbf and after exp, but not if disabled."""
    found = SecretVersion.parse(row)
    if not found.attributes.enabled:
        message = "Operation get is not allowed on a disabled secret."
        return forbidden(message, "SecretDisabled")
    return good(found.shown(order.url(row)))


def update(order: Order, row: Row) -> Answer:
    """Change what is said of a version; the value stays."""
    before, tags = SecretVersion.parse(row), tags_of(order.body)
    content_type = _content_type_of(order.body)
    after = replace(
        before,
        content_type=before.content_type if content_type is None else content_type,
        attributes=before.attributes.changed(order.body, order.now),
        tags=before.tags if tags is None else tags,
    )
    order.keep(row, after.to_bytes())
    return good(after.listed(order.url(row)))


def _item(address: str, row: Row) -> dict[str, object]:
    return SecretVersion.parse(row).listed(address)


def _content_type_of(body: Json) -> str | None:
    said = body.get("contentType")
    return None if said is None else _content_type(said, "contentType")


def _value(raw: object) -> str:
    if not isinstance(raw, str):
        raise Malformed("value", "text", kind(raw))
    try:
        size = len(raw.encode())
    except UnicodeEncodeError as error:  # half of a surrogate pair
        raise Malformed("value", "text that UTF-8 can hold") from error
    if size > _LONGEST:
        raise Malformed("value", f"at most {_LONGEST} bytes", f"{size}")
    return raw


SECRETS = Collection("Secret", _item, _item)
