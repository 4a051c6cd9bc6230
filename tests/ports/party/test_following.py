"""Following a room: what happens is told once, services may be away, and patience ends."""

import itertools
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from party import following, looking
from party.cloud.api import Api
from party.following import Stop
from party.online import Online
from party.profiles import Profile
from tests.builders import NOW
from tests.ports.scripted import Reply, scripted

JOB, CONTRACT = Digest.of(b"job"), Digest.of(b"contract")
AT = "2026-11-21T09:30:00Z"
AGREEMENT: dict[str, Any] = {
    "contract": CONTRACT.text,
    "sequence": 1,
    "status": "in_force",
    "expires": "2027-01-01T00:00:00Z",
    "parties": ["north"],
    "words": [{"party": "north", "decision": "approve", "issued": AT, "expires": AT}],
    "missing": [],
    "waiting": [],
    "runs": {"period": "day", "allowed": 5, "made": 1},
}
ROOM = {"room": "room", "contracts": [AGREEMENT]}
AWAY = Reply(503)


def said(value: object) -> Reply:
    return Reply(200, json.dumps(value).encode())


def job(status: str | None = None, reason: str | None = None) -> dict[str, Any]:
    results = [{"name": "result", "manifest": JOB.text}] if status == "completed" else []
    ended = {"status": status, "reason": reason, "finished": AT, "receipt": None}
    return {
        "job": JOB.text,
        "contract": CONTRACT.text,
        "trigger": {"kind": "arrival", "at": None, "id": None},
        "timeline": [{"what": "recorded", "at": AT}],
        "outcome": {**ended, "results": results} if status else None,
    }


def looks(*jobs: dict[str, Any] | None) -> list[Reply]:
    """Answer a look each: the room, its jobs, and the job if there is one."""
    found = []
    for one in jobs:
        line = {"job": JOB.text, "due": AT, "status": "queued", "finished": None}
        found += [said(ROOM), said({"jobs": [line] if one else [], "next": None})]
        found += [said(one)] if one else []
    return found


def online(url: str) -> Online:
    made = Online(Profile("north"))
    vars(made)["api"] = Api(url, lambda: "secret")  # as if it had been asked for before
    return made


def ticking() -> Callable[[], datetime]:
    """Let ten seconds pass with each look at the clock."""
    passed = itertools.count()
    return lambda: NOW + timedelta(seconds=10 * next(passed))


def test_what_happens_is_told_until_enough_jobs_have_ended() -> None:
    replies = looks(None, job(), job("completed"))
    with scripted(*replies) as server:
        found = list(following.follow(online(server.url), "room", Stop(jobs=1), ticking()))

    assert [one.what for one in found] == [
        "proposed",
        "approve",
        "in_force",
        "recorded",
        "completed",
    ]
    assert [one.at is None for one in found] == [True, False, True, False, False]


def test_what_was_there_before_counts_too() -> None:
    with scripted(*looks(job("completed"))) as server:
        found = list(following.follow(online(server.url), "room", Stop(jobs=1), ticking()))

    assert found[-1].what == "completed"
    assert len(server.asked) == 3


def test_a_control_plane_that_is_away_for_a_while_is_waited_for() -> None:
    with scripted(*looks(None), AWAY, *looks(job("completed"))) as server:
        found = list(following.follow(online(server.url), "room", Stop(jobs=1), ticking()))

    assert found[-1].what == "completed"


def test_a_control_plane_that_is_away_from_the_start_is_not() -> None:
    with scripted(AWAY) as server, pytest.raises(Unavailable):
        list(following.follow(online(server.url), "room", Stop(jobs=1), ticking()))


@pytest.mark.parametrize(
    ("status", "reason", "message"),
    [
        pytest.param("refused", "unattested", "was refused: unattested", id="refused"),
        pytest.param("failed", "program_failed", "failed: program_failed", id="failed"),
    ],
)
def test_a_job_that_did_not_complete_is_the_end(status: str, reason: str, message: str) -> None:
    with scripted(*looks(job(status, reason))) as server:
        found = following.follow(online(server.url), "room", Stop(jobs=1), ticking())

        with pytest.raises(PolicyRefused, match=message) as caught:
            list(found)

    assert "errors.md" in caught.value.hint


def test_patience_ends() -> None:
    stop = Stop(jobs=1, patience=timedelta(seconds=5))

    with scripted(*looks(None)) as server, pytest.raises(Unavailable, match="patience has ended"):
        list(following.follow(online(server.url), "room", stop, ticking()))


# --- status and results


def test_a_room_is_told_of_without_its_contract_if_that_is_away() -> None:
    with scripted(*looks(job("failed", "tampered")), AWAY) as server:
        found = looking.room(online(server.url), "room")

    shown = dict(found.rows)
    assert shown["contract 1"] == "in force, until 2027-01-01T00:00:00Z"
    assert shown["  approved by"] == "north"
    assert shown[f"job {JOB.hex[:12]}"] == f"failed: tampered, {AT}"
    assert found.as_json["jobs"] == [
        {
            "job": JOB.text,
            "contract": CONTRACT.text,
            "trigger": "arrival",
            "timeline": [{"what": "recorded", "at": AT}],
            "status": "failed",
            "reason": "tampered",
            "results": [],
        }
    ]


@pytest.mark.parametrize(
    ("replies", "headline", "following_step"),
    [
        pytest.param(looks(None), "room room: 0 results", "cleanroom status room says", id="none"),
        pytest.param(
            looks(job("completed")),
            "room room: 1 result",
            f"cleanroom open room/{JOB.hex[:12]}",
            id="one",
        ),
    ],
)
def test_results_say_what_to_do_next(
    replies: list[Reply], headline: str, following_step: str
) -> None:
    with scripted(*replies) as server:
        found = looking.results(online(server.url), "room")

    assert found.headline == headline
    assert str(dict(found.rows)["next"]).startswith(following_step)


def test_who_has_no_room_is_told_how_to_begin_one() -> None:
    with scripted(said({"rooms": [], "next": None})) as server:
        found = looking.rooms(online(server.url))

    assert (found.headline, dict(found.rows)["next"]) == (
        "north: 0 rooms",
        "cleanroom propose contract.yaml begins one",
    )


def test_a_room_without_a_contract_is_said_to_be_so() -> None:
    empty = said({"room": "room", "contracts": []})
    with scripted(said({"rooms": ["room"], "next": None}), empty, empty) as server:
        made = online(server.url)
        found = looking.rooms(made)

        with pytest.raises(CleanroomError, match="has no contract yet"):
            made.contract("room")

    assert dict(found.rows) == {"room": "no contract"}
