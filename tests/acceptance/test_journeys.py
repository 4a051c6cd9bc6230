"""What a whole clean room endures: events that lie, servers that die, a hundred files at once.

Whatever happens, each job is recorded, put on the queue and told once, ends once, in the right
outcome, and its receipt holds.
"""

import random
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Keys
from tests.journeys import Journey, agree, drop
from tests.whole import PARTIES, Whole, kill, running_whole, until

SERVERS = ("bus", "vault", "storage", "azurite", "functions", "eventgrid", "runner")
TWO = "SELECT sum(a.amount * b.amount) AS total FROM a JOIN b USING (customer)"
FOUR = (
    "SELECT sum(a.amount + b.amount + c.amount + d.amount) AS total"
    " FROM a JOIN b USING (customer) JOIN c USING (customer) JOIN d USING (customer)"
)
SLOW = "SELECT sum(a.amount * b.amount) AS total FROM a CROSS JOIN b"  # takes seconds
MANY = range(20_000)
ONCE = {"queued": 1, "completed": 1, "refused": 0, "failed": 0}
_AT_ONCE = 4

type Said = list[dict[str, Any]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Whole]:
    with running_whole(tmp_path_factory.mktemp("whole")) as made:
        yield made


@pytest.fixture(scope="module")
def two(north: Keys, south: Keys) -> Mapping[str, Keys]:
    return {"north": north, "south": south}


def have_ended(journeys: Sequence[Journey]) -> None:
    """Wait until every room has an outcome, and nothing is under way."""
    until(lambda: all(journey.has_ended() for journey in journeys))
    until(journeys[0].whole.is_at_rest)


def counted(journey: Journey) -> dict[str, int]:
    """Count what became of a room's one job, by everybody who tells of it."""
    job, whole = journey.job(), journey.whole
    assert whole.put_aside() == 0
    assert [name.rpartition("-")[2] for name in journey.timeline()] == [job.hex]
    assert whole.outcomes(journey.room) == [journey.outcome()]
    return {kind: len(set(whole.told.ids(journey.room, f"job.{kind}"))) for kind in ONCE}


def holds(journey: Journey, total: int, folder: Path) -> bool:
    """Tell whether the reader gets what was to be computed, and the receipt holds offline."""
    right = journey.opened() == f'"total"\n{total}\n'.encode()
    return right and journey.verdict(folder).refusal is None


# --- events


def of(journey: Journey, said: Said) -> Said:
    return [event for event in said if f"/blobs/{journey.room}/" in event["subject"]]


def is_of_file(event: Mapping[str, Any]) -> bool:
    return str(event["subject"]).endswith(".sealed")


def test_events_that_come_twice_in_another_order_or_never_make_each_job_once(
    whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    chance = random.Random(4711)  # noqa: S311  # the same in every run
    with whole.deaf() as heard, ThreadPoolExecutor(_AT_ONCE) as pool:
        rooms = [agree(whole, TWO, two, [(1, 2, n), (3, 4, 5)]) for n in range(3)]
        drop(rooms)
        said = heard()
        doubled, halved, lost = (of(room, said) for room in rooms)
        plan = [*doubled, *doubled, *(event for event in halved if not is_of_file(event))]
        chance.shuffle(plan)

        list(pool.map(whole.deliver, plan))
        whole.sweep()
        have_ended(rooms)
        late = said * 2
        chance.shuffle(late)
        list(pool.map(whole.deliver, late))
        whole.sweep()
        until(whole.is_at_rest)

    assert [len(each) for each in (doubled, halved, lost)] == [5, 5, 5]
    assert [counted(room) for room in rooms] == [ONCE] * 3
    assert all(holds(room, 11 + 5 * n, tmp_path) for n, room in enumerate(rooms))


# --- servers


def next_job(whole: Whole, event: str, before: Sequence[str]) -> str:
    """Wait until the runner says so of one more job, and name it."""
    until(lambda: len(whole.jobs(event)) > len(before))
    return whole.jobs(event)[len(before)]


def test_a_power_cut_while_a_job_runs_leaves_one_outcome(
    whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    room = agree(whole, SLOW, two, [MANY, MANY])
    killed = whole.servers().values()
    before = whole.jobs("job.begun")

    drop([room])
    job = next_job(whole, "job.begun", before)
    kill(killed)
    ended = whole.jobs("job.ended")
    until(lambda: whole.are_back(killed))
    have_ended([room])

    assert {one["name"] for one in killed} > set(SERVERS)
    assert job == room.job().text
    assert job not in ended
    assert counted(room) | {"queued": 1} == ONCE
    assert holds(room, sum(MANY) ** 2, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_is_killed_while_a_job_runs_leaves_one_outcome(
    name: str, whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    room = agree(whole, SLOW, two, [MANY, MANY])
    killed = whole.servers()[name]
    before = whole.jobs("job.begun")

    drop([room])
    job = next_job(whole, "job.begun", before)
    kill([killed])
    ended = whole.jobs("job.ended")
    until(lambda: whole.are_back([killed]))
    have_ended([room])

    assert whole.servers()[name]["restarts"] == killed["restarts"] + 1
    assert job == room.job().text
    assert job not in ended
    assert counted(room) | {"queued": 1} == ONCE
    assert holds(room, sum(MANY) ** 2, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("name", [name for name in SERVERS if name != "functions"])
def test_a_server_that_is_killed_as_files_arrive_delays_a_job_and_no_more(
    name: str, whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    room = agree(whole, TWO, two, [(1, 2), (3, 4)])
    killed = whole.servers()[name]

    drop([room])
    kill([killed])
    ended = whole.jobs("job.ended")
    until(lambda: whole.are_back([killed]))
    have_ended([room])

    assert whole.servers()[name]["restarts"] == killed["restarts"] + 1
    assert room.job().text not in ended
    assert counted(room) | {"queued": 1} == ONCE
    assert holds(room, 11, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("name", SERVERS)
def test_a_server_that_is_killed_as_a_job_ends_neither_hides_nor_doubles_how(
    name: str, whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    room = agree(whole, TWO, two, [(1, 2), (3, 4)])
    killed, before = whole.servers()[name], whole.jobs("job.ended")

    drop([room])
    job = next_job(whole, "job.ended", before)
    kill([killed])
    until(lambda: whole.are_back([killed]))
    have_ended([room])

    assert whole.servers()[name]["restarts"] == killed["restarts"] + 1
    assert job == room.job().text
    assert counted(room) | {"queued": 1} == ONCE
    assert holds(room, 11, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("pause", [0.0, 0.02, 0.05, 0.1, 0.2])
def test_what_functions_leave_undone_that_are_killed_as_files_arrive_a_sweep_does(
    pause: float, whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    room = agree(whole, TWO, two, [(1, 2), (3, 4)])
    killed = whole.servers()["functions"]

    drop([room])
    time.sleep(pause)
    kill([killed])
    until(lambda: whole.are_back([killed]))
    until(lambda: swept(room))
    have_ended([room])

    assert whole.servers()["functions"]["restarts"] == killed["restarts"] + 1
    assert counted(room) | {"queued": 1} == ONCE
    assert holds(room, 11, tmp_path)


@pytest.mark.campaign
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_servers_that_die_together_at_any_moment_leave_one_outcome_for_each_job(
    seed: int, whole: Whole, two: Mapping[str, Keys], tmp_path: Path
) -> None:
    chance = random.Random(seed)  # noqa: S311  # the same in every run
    rooms = [agree(whole, TWO, two, [(1, 2, n), (3, 4, 5)]) for n in range(6)]

    drop(rooms)
    for _ in range(4):
        servers = list(whole.servers().values())
        killed = chance.sample(servers, chance.randint(1, len(servers)))
        time.sleep(chance.uniform(0, 1))
        kill(killed)
        until(partial(whole.are_back, killed))
    until(lambda: swept(*rooms))
    have_ended(rooms)

    assert [counted(room) | {"queued": 1} for room in rooms] == [ONCE] * 6
    assert all(holds(room, 11 + 5 * n, tmp_path) for n, room in enumerate(rooms))


def swept(*rooms: Journey) -> bool:
    """Look at all rooms once more, and tell whether these rooms' jobs have ended."""
    rooms[0].whole.sweep()
    return all(room.has_ended() for room in rooms)


# --- many


@pytest.mark.parametrize("count", [5, pytest.param(25, marks=pytest.mark.campaign)])
def test_files_of_many_parties_that_are_dropped_at_once_make_one_job_for_each_room(
    count: int, whole: Whole, tmp_path: Path
) -> None:
    keys = [{name: Keys.make() for name in PARTIES} for _ in range(count)]
    rooms = [
        agree(whole, FOUR, own, [(n, 1), (2, 3), (4, 5), (6, 7)]) for n, own in enumerate(keys)
    ]

    drop(rooms)
    have_ended(rooms)

    assert [counted(room) for room in rooms] == [ONCE] * count
    assert all(holds(room, 28 + n, tmp_path) for n, room in enumerate(rooms))
