"""What is told of a room: all at the first look, then what is new, each thing once."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cleanroom.ids import Digest
from party import timeline, views
from party.timeline import Look
from party.views import Agreement, Ended, Job, Room, Runs, Waiting, Word
from tests.builders import NOW

CONTRACT, JOB = Digest.of(b"contract"), Digest.of(b"job")
APPROVED = Word("north", "approve", NOW, NOW + timedelta(days=1))


def agreement(**changes: Any) -> Agreement:
    known: dict[str, Any] = {
        "contract": CONTRACT,
        "sequence": 1,
        "status": "awaiting_approval",
        "expires": NOW + timedelta(days=9),
        "parties": ("north", "south"),
        "words": (),
        "missing": ("north", "south"),
        "waiting": (Waiting("a", "missing"),),
        "runs": Runs("day", 5, 0),
    }
    return Agreement(**known | changes)


def job(**changes: Any) -> Job:
    known: dict[str, Any] = {
        "job": JOB,
        "contract": CONTRACT,
        "trigger": "arrival",
        "timeline": (("recorded", NOW),),
        "outcome": None,
    }
    return Job(**known | changes)


def look(*agreements: Agreement, jobs: tuple[Job, ...] = ()) -> Look:
    return Look(Room("room", agreements), jobs)


def told(before: Look | None, after: Look) -> list[tuple[str, str]]:
    return [(one.what, one.text) for one in timeline.happened(before, after)]


FIRST = look(agreement())


def test_the_first_look_tells_all_that_there_is() -> None:
    assert told(None, look(agreement(words=(APPROVED,)), jobs=(job(),))) == [
        ("proposed", f"contract 1 is proposed: {CONTRACT.words}"),
        ("approve", "north approved contract 1"),
        ("waiting", "data a is not there"),
        ("recorded", f"job {JOB.hex[:12]} is due (arrival)"),
    ]


def test_a_look_at_what_has_not_changed_tells_nothing() -> None:
    assert told(FIRST, FIRST) == []


REVOKED = replace(APPROVED, decision="revoke", issued=NOW + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"words": (APPROVED,)}, [("approve", "north approved contract 1")], id="yes"),
        pytest.param(
            {"words": (REVOKED,)}, [("revoke", "north revoked its approval of contract 1")], id="no"
        ),
        pytest.param({"waiting": ()}, [("arrived", "data a is there")], id="data"),
        pytest.param(
            {"waiting": (Waiting("a", "missing"), Waiting("b", "too_long_ago"))},
            [("waiting", "data b is there, but sealed too long ago for the contract")],
            id="too old by now",
        ),
        pytest.param(
            {"status": "in_force"},
            [("in_force", "contract 1 is in force: all have approved")],
            id="in force",
        ),
        pytest.param({"status": "over"}, [("over", "contract 1 is over")], id="over"),
        pytest.param({"status": "something_new"}, [], id="a status to come"),
    ],
)
def test_what_is_new_of_a_contract_is_told(
    change: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert told(FIRST, look(agreement(**change))) == expected


def test_a_later_contract_is_told_and_not_the_one_before_again() -> None:
    second = agreement(contract=Digest.of(b"second"), sequence=2, waiting=())

    assert [what for what, _ in told(FIRST, look(agreement(), second))] == ["proposed"]


def test_a_job_is_told_step_by_step_each_once() -> None:
    queued = job(timeline=(("recorded", NOW), ("queued", NOW)))
    done = replace(queued, outcome=Ended("completed", None, NOW, ("result",)))
    looks = [look(agreement(), jobs=(each,)) for each in (job(), queued, done)]

    steps = [told(before, after) for before, after in zip([FIRST, *looks], looks, strict=False)]

    name = f"job {JOB.hex[:12]}"
    assert steps == [
        [("recorded", f"{name} is due (arrival)")],
        [("queued", f"{name} is queued")],
        [("completed", f"{name} completed: result")],
    ]


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        pytest.param(None, "has not ended", id="runs"),
        pytest.param(Ended("completed", None, NOW, ("a", "b")), "completed: a, b", id="done"),
        pytest.param(Ended("refused", "unattested", NOW, ()), "was refused: unattested", id="no"),
        pytest.param(Ended("failed", "tampered", NOW, ()), "failed: tampered", id="failed"),
    ],
)
def test_an_ending_is_said_in_words(outcome: Ended | None, expected: str) -> None:
    assert timeline.ending(job(outcome=outcome)) == expected


def test_times_are_those_of_the_control_plane() -> None:
    found = timeline.happened(FIRST, look(agreement(words=(APPROVED,)), jobs=(job(),)))

    assert [one.at for one in found] == [NOW, NOW]


# --- reading what the control plane says


SAID: dict[str, Any] = {
    "room": "room",
    "contracts": [
        {
            "contract": Digest.of(name).text,
            "sequence": number,
            "previous": None,
            "status": status,
            "expires": "2027-01-01T00:00:00Z",
            "parties": ["north"],
            "words": [],
            "missing": [],
            "waiting": [],
            "runs": {"period": "day", "allowed": 5, "made": 0},
        }
        for name, number, status in ((b"2", 2, "over"), (b"1", 1, "in_force"))
    ],
    "refused": [],
    "to come": 1,
}


def test_a_room_is_read_by_its_sequence_whatever_may_be_added() -> None:
    found = Room.parse(SAID, "answer")

    assert [one.sequence for one in found.agreements] == [1, 2]


def test_the_latest_contract_is_one_that_is_not_over() -> None:
    found = Room.parse(SAID, "answer")

    assert found.latest
    assert found.latest.sequence == 1
    assert Room("room", ()).latest is None


def test_a_room_is_given_to_programs_as_it_was_read() -> None:
    found = views.as_json(Room.parse(SAID, "answer"))

    contracts: Any = found["contracts"]
    assert [one["sequence"] for one in contracts] == [1, 2]
    assert contracts[0]["runs"] == {"made": 0, "allowed": 5, "period": "day"}
