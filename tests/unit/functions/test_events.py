import json
from dataclasses import replace
from datetime import timedelta

import pytest
from azure.core.messaging import CloudEvent

from cleanroom.errors import Malformed
from functions.events import Event, traceparent
from tests.builders import NOW

TRACE = f"00-{'ab' * 16}-{'cd' * 8}-01"
EVENT = Event("job.queued", "room", "jobs/a", NOW, {"job": "sha256:a"}, TRACE)


def test_an_event_is_read_as_it_is_written() -> None:
    for event in (EVENT, replace(EVENT, trace=None), replace(EVENT, data={})):
        assert Event.parse(json.loads(json.dumps(event.to_dict())), "event") == event


@pytest.mark.parametrize(
    "changes",
    [
        {"type": ""},
        {"room": None},
        {"time": "today"},
        {"data": []},
        {"data": {"a": 1}},
        {"trace": None},
        {"other": ""},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_no_event_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Event.parse(EVENT.to_dict() | changes, "event")


@pytest.mark.parametrize(
    ("other", "same"),
    [
        (replace(EVENT, time=NOW + timedelta(days=1), trace=None), True),
        (replace(EVENT, type="job.failed"), False),
        (replace(EVENT, room="other"), False),
        (replace(EVENT, subject="jobs/b"), False),
        (replace(EVENT, data={"job": "sha256:b"}), False),
    ],
    ids=["time", "type", "room", "subject", "data"],
)
def test_an_event_is_named_by_what_it_says(other: Event, *, same: bool) -> None:
    assert (other.id == EVENT.id) == same


def test_it_is_a_cloud_event_with_a_prefix_and_a_trace() -> None:
    found: CloudEvent[dict[str, str]] = EVENT.cloud_event()

    assert (found.type, found.source) == ("cleanroom.job.queued", "/rooms/room")
    assert (found.id, found.time, found.data) == (EVENT.id, NOW, EVENT.data)
    assert found.extensions == {"traceparent": TRACE}


@pytest.mark.parametrize("given", [None, "", "rubbish", TRACE + "\n", TRACE.upper(), "\x00" * 300])
def test_what_is_no_trace_is_left_out(given: str | None) -> None:
    event = replace(EVENT, trace=given)

    assert traceparent(given) is None
    assert not event.cloud_event().extensions
    assert Event.parse(event.to_dict(), "event") == replace(EVENT, trace=None)
