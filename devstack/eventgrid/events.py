"""What an event is: CloudEvents 1.0 or Event Grid's own schema, read strictly, turned into both.

- The attributes that a schema demands are demanded; extension attributes of CloudEvents are kept.
- Event Grid's schema has no extensions: an unknown property is refused, as the service does.
- `document` is the event in the schema in which it was published, as it will be filtered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import cast

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, base64_bytes, exactly, kind, text
from devstack.eventgrid import json_values

LARGEST_BATCH = 1 << 20
"""Bytes of one request, and so of one event: the service allows 1 MiB for either."""

CLOUD_BATCH = "application/cloudevents-batch+json"
CLOUD_SINGLE = "application/cloudevents+json"
GRID_ARRAY = "application/json"

_attribute = text(2048)
_anything = text(2048, shortest=0)
_version = exactly("1.0")
_grid_version = exactly("1")
_data = base64_bytes(LARGEST_BATCH)
_GRID_PROPERTIES = frozenset(
    ("id", "subject", "eventType", "eventTime", "data", "dataVersion", "metadataVersion", "topic")
)


class Schema(Enum):
    """The two schemas, by the names that ARM has for them."""

    CLOUD_EVENTS = "CloudEventSchemaV1_0"
    EVENT_GRID = "EventGridSchema"


@dataclass(frozen=True, slots=True)
class Event:
    """One event, in the schema of its topic."""

    schema: Schema
    document: Mapping[str, object]

    @property
    def id(self) -> str:
        """What its publisher named it."""
        return str(self.document["id"])

    @property
    def type(self) -> str:
        """What happened."""
        return str(self.document["type" if self._cloud else "eventType"])

    @property
    def subject(self) -> str:
        """To what it happened; empty if nobody says."""
        return str(self.document.get("subject") or "")

    @property
    def data_version(self) -> str:
        """The version of the data's own schema, which CloudEvents do not have."""
        return "" if self._cloud else str(self.document["dataVersion"])

    @property
    def _cloud(self) -> bool:
        return self.schema is Schema.CLOUD_EVENTS

    def as_schema(self, schema: Schema) -> Mapping[str, object]:
        """Spell the event in a subscription's schema."""
        if schema is self.schema:
            return self.document
        return _to_cloud(self.document) if schema is Schema.CLOUD_EVENTS else _to_grid(self)


def published(body: bytes, content_type: str, schema: Schema, topic_id: str) -> tuple[Event, ...]:
    """Read the events of one request, all or none."""
    raw = json_values.parse(body, "the body")
    if schema is Schema.CLOUD_EVENTS and content_type != CLOUD_BATCH:
        return (Event(schema, _cloud_event(raw, "the event")),)
    if not isinstance(raw, list) or not raw:
        raise Malformed("the body", "an array of events", kind(raw) if raw != [] else "none")
    places = [(item, f"the event at {i}") for i, item in enumerate(raw)]
    if schema is Schema.CLOUD_EVENTS:
        return tuple(Event(schema, _cloud_event(item, where)) for item, where in places)
    return tuple(Event(schema, _grid_event(item, where, topic_id)) for item, where in places)


def _cloud_event(raw: object, where: str) -> dict[str, object]:
    f = Fields(raw, where)
    f.take("id", _attribute)
    f.take("source", _attribute)
    f.take("type", _attribute)
    f.take("specversion", _version)
    document = dict(cast("dict[str, object]", raw))  # as Fields has seen
    if document.get("subject") is not None:
        _subject(document["subject"], f"{where}.subject")
    for name in ("datacontenttype", "dataschema"):
        if document.get(name) is not None:
            _attribute(document[name], f"{where}.{name}")
    if document.get("time") is not None:
        _time(document["time"], f"{where}.time")
    if "data_base64" in document:
        _data(document["data_base64"], f"{where}.data_base64")
        if "data" in document:
            raise Malformed(where, "either 'data' or 'data_base64'", "both")
    return document


def _grid_event(raw: object, where: str, topic_id: str) -> dict[str, object]:
    f = Fields(raw, where)
    f.take("id", _attribute)
    f.take("subject", _subject)
    f.take("eventType", _attribute)
    f.take("eventTime", _time)
    document = dict(cast("dict[str, object]", raw))  # as Fields has seen
    unknown = sorted(document.keys() - _GRID_PROPERTIES)
    if unknown:
        raise Malformed(where, "properties of the schema only", repr(unknown[0][:40]))
    document.setdefault("data", None)
    document["dataVersion"] = _anything(document.get("dataVersion") or "", f"{where}.dataVersion")
    document["metadataVersion"] = _grid_version(
        document.get("metadataVersion") or "1", f"{where}.metadataVersion"
    )
    document["topic"] = exactly(topic_id)(document.get("topic") or topic_id, f"{where}.topic")
    return document


def _subject(raw: object, where: str) -> str:
    """Take any text: names of blobs may hold any character."""
    if not isinstance(raw, str):
        raise Malformed(where, "text", kind(raw))
    return raw


def _time(raw: object, where: str) -> str:
    value = _attribute(raw, where)
    try:
        datetime.fromisoformat(value)
    except ValueError as error:
        raise Malformed(where, "a time such as 2026-11-21T09:30:00Z") from error
    if "T" not in value.upper():
        raise Malformed(where, "a date and a time of day")
    return value


def _to_cloud(grid: Mapping[str, object]) -> dict[str, object]:
    return {
        "id": grid["id"],
        "source": grid["topic"],
        "specversion": "1.0",
        "type": grid["eventType"],
        "subject": grid["subject"],
        "time": grid["eventTime"],
        "data": grid["data"],
        "dataschema": f"#{grid['dataVersion']}",  # the service spells it so, bare if there is none
    }


def _to_grid(event: Event) -> dict[str, object]:
    cloud = event.document
    return {
        "id": cloud["id"],
        "topic": cloud["source"],
        "subject": event.subject,
        "eventType": cloud["type"],
        "eventTime": cloud.get("time"),
        "data": cloud.get("data"),
        "dataVersion": "",
        "metadataVersion": "1",
    }


def content_type(schema: Schema, *, batch: bool) -> str:
    """Name what a delivery's body is."""
    if schema is Schema.EVENT_GRID:
        return f"{GRID_ARRAY}; charset=utf-8"
    return f"{CLOUD_BATCH if batch else CLOUD_SINGLE}; charset=utf-8"
