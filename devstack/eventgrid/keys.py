"""What filters and delivery attributes name of an event: `subject`, `eventType`, `data.a.b`.

- Attributes may be named as either schema has them, in any case; fields of data only as they are.
- What is null is as what is not there.
"""

from collections.abc import Mapping

from devstack.eventgrid.events import Event, Schema

MISSING = object()
"""What `look_up` finds if there is nothing."""

_ALIASES = {
    "id": ("id", "id"),
    "eventid": ("id", "id"),
    "topic": ("source", "topic"),
    "source": ("source", "topic"),
    "subject": ("subject", "subject"),
    "eventtype": ("type", "eventType"),
    "type": ("type", "eventType"),
    "eventtime": ("time", "eventTime"),
    "time": ("time", "eventTime"),
    "dataversion": ("dataversion", "dataVersion"),
    "eventtypeversion": ("dataversion", "dataVersion"),
}


def look_up(event: Event, key: str) -> object:
    """Find what a filter or a header names: an attribute of either schema, or `data.a.b`."""
    head, *rest = key.split(".")
    value = event.document.get(_attribute_name(event, head), MISSING)
    for name in rest:
        value = value.get(name, MISSING) if isinstance(value, Mapping) else MISSING
    return MISSING if value is None else value


def _attribute_name(event: Event, head: str) -> str:
    if head.lower() == "data":
        return "data"
    cloud, grid = _ALIASES.get(head.lower(), (head, head))
    return cloud if event.schema is Schema.CLOUD_EVENTS else grid
