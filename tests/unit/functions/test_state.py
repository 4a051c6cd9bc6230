import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cleanroom.canonical import canonical
from cleanroom.errors import CleanroomError
from cleanroom.ids import Digest
from cleanroom.job import Input, JobRequest, Trigger
from functions.arrivals import Version
from functions.events import Event
from functions.state import MOST_OPEN, MOST_UNQUEUED, Open, State, Watch
from tests.builders import DIGEST, NOW

JOB = JobRequest(
    "room",
    Digest(DIGEST),
    (Input("a", Digest(DIGEST)),),
    {"least": 1},
    Trigger("request", None, "0" * 32),
)
VERSION = Version(Digest(DIGEST), 3, NOW, "room/a/3.sealed", "0x1")
EVENT = Event("job.queued", "room", "jobs/a", NOW, {"job": "a"})
FULL = State(
    {"a": Watch(VERSION, NOW), "b": Watch(None, None, (NOW, "ab"))},
    {"north": Digest(DIGEST)},
    "2026-W47",
    3,
    Digest(DIGEST),
    Digest(DIGEST),
    NOW,
    (Open(JOB.id, NOW, NOW + timedelta(hours=1), JOB), Open(Digest(DIGEST), NOW, NOW, None)),
    (EVENT,),
)


@pytest.mark.parametrize("state", [State.new(dict.fromkeys("ab")), FULL], ids=["new", "full"])
def test_a_state_is_read_as_it_is_written(state: State) -> None:
    data = state.to_bytes()

    assert State.parse(data, "state") == state
    assert State.parse(data, "state").to_bytes() == data


@pytest.mark.parametrize(
    "changes",
    [
        {"format": "cleanroom/control/v2"},
        {"other": 1},
        {"watches": []},
        {"watches": {"A": {}}},
        {"watches": {"a": {"head": None, "since": None, "at": None}}},
        {"words": {"north": "sha256:a"}},
        {"period": "2026-1"},
        {"runs": -1},
        {"slot": "now"},
        {"open": [{}]},
        {"open": [{"job": DIGEST, "since": "2026-11-21T09:30:00Z", "sent": None, "request": None}]},
        {"untold": [{}]},
    ],
    ids=lambda changes: str(changes)[:40],
)
def test_what_is_no_state_is_refused(changes: dict[str, Any]) -> None:
    value = json.loads(FULL.to_bytes()) | changes

    with pytest.raises(CleanroomError):
        State.parse(canonical(value, "state"), "state")


def test_a_request_on_the_list_must_be_what_its_name_says() -> None:
    value = json.loads(FULL.to_bytes())
    value["open"][0]["request"] = value["open"][0]["request"].replace('"least":1', '"least":2')

    with pytest.raises(CleanroomError):
        State.parse(canonical(value, "state"), "state")


def test_what_was_carried_out_is_taken_off() -> None:
    found = FULL.settled(frozenset([JOB.id]), frozenset([EVENT.id]))

    assert [one.request for one in found.open] == [None, None]
    assert found.untold == ()
    assert found.jobs == FULL.jobs


def test_a_job_that_ended_is_taken_off_and_no_other() -> None:
    assert FULL.ended(JOB.id).jobs == {Digest(DIGEST)}
    assert FULL.ended(Digest.of(b"other")) == FULL


@pytest.mark.parametrize(
    ("watch", "listed"),
    [
        (Watch(), False),
        (Watch(VERSION), False),
        (Watch(None, NOW), True),
        (Watch(VERSION, NOW, (NOW, "a")), False),
    ],
    ids=["new", "a file", "listed", "being listed"],
)
def test_a_location_is_listed_when_all_was_seen(watch: Watch, *, listed: bool) -> None:
    assert watch.listed == listed


@pytest.mark.parametrize(
    ("count", "request_", "full"),
    [
        (MOST_UNQUEUED - 1, JOB, False),
        (MOST_UNQUEUED, JOB, True),
        (MOST_OPEN - 1, None, False),
        (MOST_OPEN, None, True),
    ],
)
def test_a_state_is_full_before_it_could_not_be_read(
    count: int, request_: JobRequest | None, *, full: bool
) -> None:
    one = Open(JOB.id, NOW, NOW, request_)

    state = replace(FULL, open=(one,) * count)

    assert state.full == full
    assert State.parse(state.to_bytes(), "state") == state
