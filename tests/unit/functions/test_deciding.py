from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from functions import deciding
from functions.arrivals import Version, Wait
from functions.deciding import Asked, Ready
from functions.state import State, Watch
from tests import builders
from tests.builders import NOW, Keys, triggers

LONG_AGO = NOW - timedelta(days=400)


def version(number: int = 1, created: datetime = NOW) -> Version:
    return Version(Digest.of(b"%d" % number), number, created, f"{number}.sealed", "0x1")


def made(north: Keys, south: Keys, **changes: Any) -> Contract:
    return Contract.from_value(builders.contract(north, south, **changes), "contract")


def state(**changes: Any) -> State:
    watch = Watch(version(), NOW)
    return replace(State.new({}), **({"watches": {"a": watch, "b": watch}} | changes))


def due(
    contract: Contract, before: State, now: datetime = NOW, since: datetime = LONG_AGO
) -> list[JobRequest]:
    ready = deciding.ready(contract, before.watches, now)
    assert ready is not None
    return deciding.due(contract, contract.digest, before, ready, since, now)


def kinds(runs: list[JobRequest]) -> list[str]:
    return [run.trigger.kind for run in runs]


# --- what keeps a run from starting


@pytest.mark.parametrize(
    ("watch", "rule", "wait"),
    [
        (Watch(), {}, Wait.COUNTING),
        (Watch(version()), {}, Wait.COUNTING),
        (Watch(version(), NOW, (NOW, "a")), {}, Wait.COUNTING),
        (Watch(None, NOW), {}, Wait.MISSING),
        (Watch(version(1), NOW), {"minimum": 2}, Wait.TOO_OLD),
        (Watch(version(1, NOW - timedelta(seconds=61)), NOW), {"maximum_age": 60}, Wait.STALE),
        (Watch(version(1, NOW - timedelta(seconds=60)), NOW), {"maximum_age": 60}, None),
        (Watch(version(2), NOW), {"minimum": 2}, None),
    ],
    ids=["new", "not listed", "listing", "missing", "minimum", "age", "just", "enough"],
)
def test_a_run_waits_for_data_of_the_right_version(
    north: Keys, south: Keys, watch: Watch, rule: dict[str, Any], wait: Wait | None
) -> None:
    versions = {"minimum": 1, "only": None, "maximum_age": None} | rule
    datasets = [builders.dataset("a", "north", versions=versions), builders.dataset("b", "south")]
    contract = made(north, south, datasets=datasets)
    watches = {"a": watch, "b": Watch(version(), NOW)}

    found = deciding.waiting(contract, watches, NOW)

    assert found == ({"a": wait} if wait else {})
    assert (deciding.ready(contract, watches, NOW) is None) == bool(wait)


# --- triggers


def test_an_arrival_is_due_once_for_a_set_of_versions(north: Keys, south: Keys) -> None:
    contract = made(north, south)
    (run,) = due(contract, state())
    after = deciding.admitted(state(), run, contract, NOW)

    assert due(contract, after) == []
    newer = replace(after, watches={**after.watches, "a": Watch(version(2), NOW)})
    (second,) = due(contract, newer)
    assert kinds([run, second]) == ["arrival", "arrival"]
    assert run.id != second.id


def test_an_approval_is_due_once_whatever_arrives(north: Keys, south: Keys) -> None:
    contract = made(north, south, triggers=triggers(on_approval=True))
    (run,) = due(contract, state())
    after = deciding.admitted(state(), run, contract, NOW)

    assert run.trigger.kind == "approval"
    newer = replace(after, watches={**after.watches, "a": Watch(version(2), NOW)})
    assert due(contract, newer) == []


def test_where_both_are_wanted_the_arrival_is_it(north: Keys, south: Keys) -> None:
    contract = made(north, south, triggers=triggers(on_approval=True, on_arrival=True))

    assert kinds(due(contract, state())) == ["arrival"]


def test_a_request_is_never_due(north: Keys, south: Keys) -> None:
    contract = made(north, south, triggers=triggers(on_request=True))

    assert due(contract, state()) == []


@pytest.mark.parametrize(
    ("since", "slot", "times"),
    [
        (NOW - timedelta(days=2), None, 1),
        (NOW - timedelta(days=2), datetime(2026, 11, 20, tzinfo=UTC), 1),
        (NOW - timedelta(days=2), datetime(2026, 11, 21, tzinfo=UTC), 0),
        (NOW, None, 0),
    ],
    ids=["first", "next", "made", "in force since"],
)
def test_a_schedule_is_due_once_for_its_last_time(
    north: Keys, south: Keys, since: datetime, slot: datetime | None, times: int
) -> None:
    contract = made(north, south, triggers=triggers(schedule="0 0 * * *"))

    found = due(contract, state(slot=slot), since=since)

    assert [run.trigger.at for run in found] == [datetime(2026, 11, 21, tzinfo=UTC)] * times


@pytest.mark.parametrize(
    ("schedule", "now", "slot"),
    [
        ("30 9 * * *", NOW, NOW),
        ("30 9 * * *", NOW + timedelta(seconds=59), NOW),
        ("30 9 * * *", NOW - timedelta(seconds=1), NOW - timedelta(days=1)),
        ("* * * * *", NOW, NOW),
        ("0 0 1 1 *", NOW, datetime(2026, 1, 1, tzinfo=UTC)),
    ],
    ids=["now", "this minute", "before", "each minute", "new year"],
)
def test_the_last_time_of_a_schedule(schedule: str, now: datetime, slot: datetime) -> None:
    assert deciding.last_slot(schedule, now) == slot


def test_a_run_that_is_asked_for_has_its_values_and_its_id(north: Keys, south: Keys) -> None:
    contract = made(north, south, triggers=triggers(on_request=True))
    found = Ready({"b": version(2), "a": version(1)})

    run = deciding.asked_for(contract, found, Asked(contract.digest, {"least": 1}, "0" * 32))

    assert [one.alias for one in run.inputs] == ["a", "b"]
    assert (dict(run.parameters), run.trigger.id) == ({"least": 1}, "0" * 32)


# --- limits


@pytest.mark.parametrize(
    ("period", "later", "again"),
    [
        ("day", timedelta(hours=14), False),
        ("day", timedelta(hours=15), True),
        ("week", timedelta(days=1), False),
        ("week", timedelta(days=2), True),  # 21 November 2026 is a Saturday
        ("month", timedelta(days=9), False),
        ("month", timedelta(days=10), True),
        ("lifetime", timedelta(days=10_000), False),
    ],
)
def test_runs_are_counted_in_periods(
    north: Keys, south: Keys, period: str, later: timedelta, *, again: bool
) -> None:
    limits = builders.contract(north, south)["limits"] | {"runs": 2, "period": period}
    contract = made(north, south, limits=limits)
    (run,) = due(contract, state())
    once = deciding.admitted(state(), run, contract, NOW)
    twice = deciding.admitted(once, run, contract, NOW)

    assert deciding.allowed(once, contract, NOW)
    assert not deciding.allowed(twice, contract, NOW)
    assert deciding.allowed(twice, contract, NOW + later) == again


def test_a_run_that_was_made_before_is_remembered_and_does_not_count(
    north: Keys, south: Keys
) -> None:
    contract = made(north, south)
    (run,) = due(contract, state())

    after = deciding.was_made(state(), run)

    assert (after.arrival, after.runs, after.open) == (run.id, 0, ())
    assert due(contract, after) == []
