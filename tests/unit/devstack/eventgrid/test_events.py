"""Reading events strictly, and spelling them in the other schema."""

import json
from typing import Any

import pytest

from cleanroom.errors import Malformed
from devstack.eventgrid.events import (
    CLOUD_BATCH,
    CLOUD_SINGLE,
    GRID_ARRAY,
    Event,
    Schema,
    content_type,
    published,
)
from devstack.eventgrid.keys import MISSING, look_up

TOPIC = "/subscriptions/s/topics/outcomes"
CLOUD: dict[str, Any] = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/jobs",
    "type": "Job.Completed",
    "subject": "jobs/1",
    "time": "2026-11-21T09:30:00.1234567Z",
    "data": {"rows": 3, "room": {"name": "r1"}, "tags": ["a", "b"]},
    "traceparent": "00-1-2-01",
}
GRID: dict[str, Any] = {
    "id": "e1",
    "subject": "jobs/1",
    "eventType": "Job.Completed",
    "eventTime": "2026-11-21T09:30:00Z",
    "data": {"rows": 3},
    "dataVersion": "1.0",
}


def cloud(*events: object, kind: str = CLOUD_BATCH) -> tuple[Event, ...]:
    return published(json.dumps(events).encode(), kind, Schema.CLOUD_EVENTS, TOPIC)


def grid(*events: object) -> tuple[Event, ...]:
    return published(json.dumps(events).encode(), GRID_ARRAY, Schema.EVENT_GRID, TOPIC)


def test_cloud_events_are_kept_whole() -> None:
    (event,) = cloud(CLOUD)

    assert event.document == CLOUD
    assert (event.id, event.type, event.subject) == ("e1", "Job.Completed", "jobs/1")
    assert event.data_version == ""


def test_a_single_cloud_event_may_come_alone() -> None:
    body = json.dumps(CLOUD).encode()

    (event,) = published(body, CLOUD_SINGLE, Schema.CLOUD_EVENTS, TOPIC)

    assert event.id == "e1"


@pytest.mark.parametrize("subject", ["a\x01b", "é" * 5000, None], ids=["odd", "long", "null"])
def test_a_subject_may_be_any_name(subject: str | None) -> None:
    (event,) = cloud({**CLOUD, "subject": subject})

    assert event.subject == (subject or "")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"id": None}, "id", id="no id"),
        pytest.param({"id": ""}, "id", id="empty id"),
        pytest.param({"id": "a\ud800"}, "id", id="half a character"),
        pytest.param({"source": 1}, "source", id="source"),
        pytest.param({"type": ""}, "type", id="type"),
        pytest.param({"specversion": "0.3"}, "specversion", id="version"),
        pytest.param({"subject": 5}, "subject", id="subject"),
        pytest.param({"time": "yesterday"}, "time", id="no time"),
        pytest.param({"time": "2026-11-21"}, "time", id="a day"),
        pytest.param({"dataschema": []}, "dataschema", id="data's schema"),
        pytest.param({"data_base64": "?"}, "data_base64", id="no base64"),
        pytest.param({"data_base64": "AA=="}, "data", id="data twice"),
    ],
)
def test_a_cloud_event_that_is_none_is_refused(change: dict[str, object], where: str) -> None:
    with pytest.raises(Malformed, match=f"the event at 1.*{where}"):
        cloud(CLOUD, {**CLOUD, **change})


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
def test_a_cloud_event_has_what_the_specification_requires(name: str) -> None:
    with pytest.raises(Malformed, match=name):
        cloud({key: value for key, value in CLOUD.items() if key != name})


@pytest.mark.parametrize(
    "body", [b"{}", b"[]", b"1", b"[1]", b"[[]]", b"null", b"{"], ids=lambda body: body.decode()
)
@pytest.mark.parametrize("schema", list(Schema), ids=lambda schema: schema.value)
def test_a_body_without_events_is_refused(body: bytes, schema: Schema) -> None:
    with pytest.raises(Malformed):
        published(body, CLOUD_BATCH, schema, TOPIC)


def test_events_of_event_grid_are_stamped() -> None:
    (event,) = grid({**GRID, "dataVersion": None})

    assert event.document["topic"] == TOPIC
    assert (event.document["metadataVersion"], event.data_version) == ("1", "")
    assert (event.id, event.type, event.subject) == ("e1", "Job.Completed", "jobs/1")


@pytest.mark.parametrize(
    ("change", "where"),
    [
        pytest.param({"id": ""}, "id", id="id"),
        pytest.param({"subject": None}, "subject", id="subject"),
        pytest.param({"eventType": 1}, "eventType", id="type"),
        pytest.param({"eventTime": "now"}, "eventTime", id="time"),
        pytest.param({"dataVersion": 2}, "dataVersion", id="data's version"),
        pytest.param({"metadataVersion": "2"}, "metadataVersion", id="version"),
        pytest.param({"topic": "/another"}, "topic", id="another topic"),
        pytest.param({"source": "/x"}, "'source'", id="another property"),
    ],
)
def test_an_event_that_is_none_of_event_grid_is_refused(
    change: dict[str, object], where: str
) -> None:
    with pytest.raises(Malformed, match=where):
        grid({**GRID, **change})


def test_an_event_of_event_grid_becomes_a_cloud_event() -> None:
    (event,) = grid(GRID)

    assert event.as_schema(Schema.CLOUD_EVENTS) == {
        "specversion": "1.0",
        "id": "e1",
        "source": TOPIC,
        "type": "Job.Completed",
        "subject": "jobs/1",
        "time": "2026-11-21T09:30:00Z",
        "data": {"rows": 3},
        "dataschema": "#1.0",
    }


def test_a_cloud_event_becomes_an_event_of_event_grid() -> None:
    (event,) = cloud(CLOUD)

    assert event.as_schema(Schema.CLOUD_EVENTS) is event.document
    assert event.as_schema(Schema.EVENT_GRID) == {
        "id": "e1",
        "topic": "/jobs",
        "subject": "jobs/1",
        "eventType": "Job.Completed",
        "eventTime": CLOUD["time"],
        "data": CLOUD["data"],
        "dataVersion": "",
        "metadataVersion": "1",
    }


@pytest.mark.parametrize(
    ("schema", "batch", "found"),
    [
        (Schema.CLOUD_EVENTS, False, "application/cloudevents+json; charset=utf-8"),
        (Schema.CLOUD_EVENTS, True, "application/cloudevents-batch+json; charset=utf-8"),
        (Schema.EVENT_GRID, False, "application/json; charset=utf-8"),
    ],
)
def test_a_delivery_says_what_it_is(schema: Schema, batch: bool, found: str) -> None:
    assert content_type(schema, batch=batch) == found


@pytest.mark.parametrize(
    ("key", "found"),
    [
        ("id", "e1"),
        ("Subject", "jobs/1"),
        ("EventType", "Job.Completed"),
        ("topic", "/jobs"),
        ("traceparent", "00-1-2-01"),
        ("data.rows", 3),
        ("Data.room.name", "r1"),
        ("data.room.none", MISSING),
        ("data.rows.deeper", MISSING),
        ("data.Rows", MISSING),
        ("nothing", MISSING),
    ],
)
def test_a_key_finds_attributes_of_either_schema_and_data(key: str, found: object) -> None:
    (event,) = cloud(CLOUD)

    assert look_up(event, key) is found or look_up(event, key) == found


@pytest.mark.parametrize(
    ("key", "found"), [("source", TOPIC), ("type", "Job.Completed"), ("DataVersion", "1.0")]
)
def test_a_key_finds_the_same_in_events_of_event_grid(key: str, found: object) -> None:
    (event,) = grid(GRID)

    assert look_up(event, key) == found
