"""Keys: made, imported, shown, changed, followed by new versions."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Self

from cleanroom.canonical import parse_json
from cleanroom.fields import (
    Fields,
    base64_bytes,
    base64_text,
    boolean,
    list_of,
    one_of,
    optional,
    text,
)
from cleanroom.jose import json_object
from devstack.vault import attributes as common
from devstack.vault import material as materials
from devstack.vault import terms as all_terms
from devstack.vault.attributes import Attributes, tags_of
from devstack.vault.calls import CRYPTOGRAPHIC
from devstack.vault.material import HSM, Material
from devstack.vault.objects import Collection
from devstack.vault.store import Row
from devstack.vault.terms import Terms
from devstack.vault.vault import Order
from devstack.vault.wire import Answer, good, part

_OPERATIONS = (*CRYPTOGRAPHIC.values(), "import", "export")
_operations = list_of(one_of(*_OPERATIONS), 0, len(_OPERATIONS))
_pkcs8 = base64_bytes(1 << 13)
_text = text(1024, shortest=0)
_LARGEST = 1 << 20
_MOST_VERSIONS = 1 << 31  # all of them


@dataclass(frozen=True, slots=True)
class KeyVersion:
    """One version of a key, all of it."""

    material: Material
    operations: tuple[str, ...]
    attributes: Attributes
    tags: Mapping[str, str] | None
    terms: Terms | None

    def to_bytes(self) -> bytes:
        """Spell it for the store, which seals it."""
        value = {
            "kty": self.material.kind,
            "public": self.material.public,
            "pkcs8": base64_text(self.material.pkcs8),
            "operations": self.operations,
            "attributes": self.attributes.to_dict(),
            "tags": self.tags,
            "terms": self.terms and self.terms.to_dict(),
        }
        return json.dumps(value).encode()

    @classmethod
    def parse(cls, row: Row) -> Self:
        """Read what the store kept."""
        f = Fields(parse_json(row.content, row.name, _LARGEST), row.name)
        material = Material(f.take("kty", _text), f.take("public", _texts), f.take("pkcs8", _pkcs8))
        return cls(
            material,
            f.take("operations", _operations),
            f.take("attributes", Attributes.parse),
            f.take("tags", optional(_texts)),
            f.take("terms", optional(lambda raw, where: Terms.parse(json_object(raw, where)))),
        )

    def shown(self, kid: str, key_hsm: str | None = None) -> dict[str, object]:
        """Spell it as the wire does: the public half, and `key_hsm` if it is being released."""
        named = {"kid": kid, "kty": self.material.kind, "key_ops": self.operations}
        jwk: dict[str, object] = {**named, **self.material.public}
        if key_hsm is not None:
            jwk["key_hsm"] = key_hsm
        bundle = {"key": jwk, **self.listed()}
        return bundle if self.terms is None else bundle | {"release_policy": self.terms.to_dict()}

    def listed(self) -> dict[str, object]:
        """Spell what lists say of it."""
        exportable = {"exportable": self.terms is not None}
        said: dict[str, object] = {"attributes": common.shown(self.attributes) | exportable}
        return said if self.tags is None else said | {"tags": self.tags}


def create(order: Order) -> Answer:
    """Make a key, or a new version of one."""
    return _add(order, materials.generate(order.body))


def import_(order: Order) -> Answer:
    """Take in a key that was made elsewhere."""
    jwk = part(order.body, "key")
    hsm = order.body.get("Hsm", order.body.get("hsm"))
    in_hardware = str(jwk.get("kty")).endswith(HSM) if hsm is None else boolean(hsm, "Hsm")
    operations = {"key_ops": jwk.get("key_ops")}
    made = materials.imported(jwk, in_hardware=in_hardware)
    return _add(replace(order, body=operations | dict(order.body)), made)


def rotate(order: Order, row: Row) -> Answer:
    """Make a new version like the newest one."""
    before = KeyVersion.parse(row)
    fresh = replace(before.attributes, created=order.now, updated=order.now)
    return _kept(order, replace(before, material=before.material.another(), attributes=fresh))


def update(order: Order, row: Row) -> Answer:
    """Change what is said of a version; the key itself stays."""
    before, body = KeyVersion.parse(row), order.body
    terms = all_terms.of_changed(body, before.terms, order.call.version)
    if isinstance(terms, Answer):
        return terms
    operations, tags = body.get("key_ops"), tags_of(body)
    after = replace(
        before,
        operations=before.operations if operations is None else _operations(operations, "key_ops"),
        attributes=before.attributes.changed(body, order.now),
        tags=before.tags if tags is None else tags,
        terms=terms,
    )
    others = [] if terms == before.terms else _others(order, row, terms)
    order.keep_all([(row, after.to_bytes()), *others])
    return good(after.shown(order.url(row)))


def get(order: Order, row: Row) -> Answer:
    """Show a version; a key that is disabled can be seen, too."""
    return good(KeyVersion.parse(row).shown(order.url(row)))


def _add(order: Order, made: Material) -> Answer:
    vault, call, body = order.vault, order.call, order.body
    with vault.store.lock:
        row = vault.store.latest(call.collection, call.name, deleted=False)
        before = KeyVersion.parse(row) if row else None
        terms = all_terms.of_new(
            body, before.terms if before else None, made, is_first=before is None
        )
        if isinstance(terms, Answer):
            return terms
        said = body.get("key_ops")
        operations = _operations(said, "key_ops") if said else _usual(made)
        attributes = Attributes.asked(body, order.now)
        if before is not None and before.terms != terms:
            order.keep_all(_others(order, None, terms))
        return _kept(order, KeyVersion(made, operations, attributes, tags_of(body), terms))


def _others(order: Order, changed: Row | None, terms: Terms | None) -> list[tuple[Row, bytes]]:
    """Give the other versions these terms: none may leave under those of before."""
    store, name = order.vault.store, order.call.name
    rows = store.versions(order.call.collection, name, 0, _MOST_VERSIONS)
    return [
        (row, replace(KeyVersion.parse(row), terms=terms).to_bytes())
        for row in rows
        if changed is None or row.number != changed.number
    ]


def _kept(order: Order, made: KeyVersion) -> Answer:
    kid = order.keep_new(made.to_bytes())
    return KEYS.is_deleted(order.call) if kid is None else good(made.shown(kid))


def _usual(made: Material) -> tuple[str, ...]:
    return ("sign", "verify") if made.kind.startswith("EC") else tuple(CRYPTOGRAPHIC.values())


def _item(kid: str, row: Row) -> dict[str, object]:
    return {"kid": kid} | KeyVersion.parse(row).listed()


def _whole(kid: str, row: Row) -> dict[str, object]:
    return KeyVersion.parse(row).shown(kid)


def _texts(raw: object, where: str) -> Mapping[str, str]:
    return {name: _text(value, where) for name, value in json_object(raw, where).items()}


KEYS = Collection("Key", _whole, _item)
