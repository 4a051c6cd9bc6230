"""Headers and message properties that a subscription adds to what it delivers.

- ARM's `deliveryAttributeMappings`: fixed values, or values out of the event.
- Event Grid's own start with `aeg-`, and nobody may set those or what carries the message.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from cleanroom.errors import Malformed
from cleanroom.fields import boolean, list_of, matching, one_of, text, unique
from devstack.eventgrid.events import Event
from devstack.eventgrid.given import Given, anything
from devstack.eventgrid.keys import look_up

MOST = 10
LONGEST = 4096

_name = matching(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}", "a header's name")
_value = text(LONGEST, shortest=0)
_source = text(512)
_RESERVED = frozenset(
    ("connection", "content-length", "content-type", "host", "transfer-encoding", "upgrade")
)


@dataclass(frozen=True, slots=True)
class Attribute:
    """One mapping: a fixed value, or where in the event it stands."""

    name: str
    value: str = ""
    source: str = ""
    secret: bool = False

    @classmethod
    def parse(cls, raw: object, where: str) -> "Attribute":
        """Read one of ARM's mappings."""
        f = Given(raw, where)
        name = f.take("name", _name)
        if name.lower().startswith("aeg-") or name.lower() in _RESERVED:
            raise Malformed(f"{where}.name", "a header that is not Event Grid's own", repr(name))
        sort = f.take("type", one_of("Static", "Dynamic"))
        p = Given(f.take("properties", anything), f"{where}.properties")
        f.end()
        if sort == "Dynamic":
            found = cls(name, source=p.take("sourceField", _source))
        else:
            found = cls(name, p.take("value", _value), secret=p.get("isSecret", boolean, False))
        p.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Show the mapping, without a secret's value."""
        if self.source:
            properties: dict[str, object] = {"sourceField": self.source}
            return {"name": self.name, "type": "Dynamic", "properties": properties}
        shown = None if self.secret else self.value
        properties = {"value": shown, "isSecret": self.secret}
        return {"name": self.name, "type": "Static", "properties": properties}

    def of(self, event: Event) -> str | None:
        """Give the value for an event; nothing if the event has none that a header can hold."""
        if not self.source:
            return self.value
        found = look_up(event, self.source)
        if isinstance(found, bool):
            return "true" if found else "false"
        return str(found) if isinstance(found, str | int | float) else None


def parse_all(raw: object, where: str) -> tuple[Attribute, ...]:
    """Read ARM's list of mappings."""
    found = list_of(Attribute.parse, 0, MOST)(raw, where)
    unique([one.name.lower() for one in found], where)
    return found


def values(attributes: Sequence[Attribute], event: Event) -> dict[str, str]:
    """Give what the mappings say of an event."""
    found = ((one.name, one.of(event)) for one in attributes)
    return {name: value for name, value in found if value is not None}


def headers(attributes: Sequence[Attribute], event: Event) -> dict[str, str]:
    """Give the same as headers: the service drops what no header may hold."""
    return {
        name: value
        for name, value in values(attributes, event).items()
        if value.isascii() and value.isprintable() and len(value) <= LONGEST
    }


def system(event: Event, *, subscription: str, attempts: int, uid: str) -> dict[str, str]:
    """Give Event Grid's own: which subscription, which try, what kind of event."""
    return {
        "aeg-subscription-name": subscription.upper(),
        "aeg-delivery-count": str(attempts),
        "aeg-data-version": event.data_version,
        "aeg-metadata-version": "1",
        "aeg-event-type": "Notification",
        "aeg-output-event-id": uid,
    }
