"""The order of events, their repetition and their loss decide nothing."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.ids import Digest
from tests.builders import contract
from tests.ports.functions.plane import deliver, planes
from tests.rooms import Event, Place, PlayedRoom
from tests.stacks import RunningStack

EXAMPLES = 20
OFTEN: dict[str, Any] = {"runs": 1000, "period": "lifetime", "seconds": 600}

# For each blob of a room: how often its event comes, if at all, when, and to which process.
deliveries = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1)), min_size=0, max_size=30)


def told(events: Sequence[Event], plan: Sequence[tuple[int, int]]) -> list[tuple[Event, int]]:
    return [(events[number % len(events)], process) for number, process in plan]


def lot(room: PlayedRoom) -> Digest:
    """Put everything into a room that matters, and what does not; name the one job due."""
    room.propose()
    room.say("north", "revoke", age=60)
    room.say("north")
    room.say("south")
    room.drop("a", 2, name="z.sealed")
    a = room.drop("a", 3, name="a.sealed")
    room.drop("a", 1)
    b = room.drop("b", 7)
    room.drop("b", 6)
    room.upload("datasets", f"{room.name}/a/rubbish.sealed", b"rubbish")
    room.upload("rooms", f"{room.name}/contracts/rubbish", b"rubbish")
    return room.job(a, b)


@pytest.mark.campaign
def test_any_shuffle_with_repeats_and_losses_and_one_sweep_ends_with_the_same_job(
    place: Place, services: RunningStack
) -> None:
    rooms: list[PlayedRoom] = []

    with planes(place, services.env("functions"), 2) as (runner, made):

        @settings(max_examples=EXAMPLES, deadline=None)
        @given(deliveries, st.booleans())
        def one_example(plan: list[tuple[int, int]], together: bool) -> None:
            room = place.room()
            rooms.append(room)
            job = lot(room)

            async def work() -> None:
                work = [deliver(made[to], event) for event, to in told(room.events(), plan)]
                if together:
                    await asyncio.gather(*work)
                else:
                    for one in work:
                        await one
                await made[0].sweeper.room(room.name)
                for each in made:
                    await each.reconciler.settle()

            runner.run(work())

            assert room.records() == {job}
            assert [each["job"] for each in room.state()["open"]] == [job.text]
            assert (room.state()["runs"], room.state()["untold"]) == (1, [])

        one_example()

    queued = place.queued()
    assert all([job.id for job in queued[room.name]] == list(room.records()) for room in rooms)


steps = st.lists(
    st.one_of(
        st.tuples(st.just("drop"), st.sampled_from("ab"), st.integers(1, 5)),
        st.tuples(st.just("hear"), st.integers(0, 30), st.integers(0, 1)),
        st.tuples(st.just("take"), st.sampled_from("ab"), st.integers(1, 5)),
    ),
    max_size=25,
)


@pytest.mark.campaign
def test_whatever_is_heard_between_files_that_come_and_go_the_last_set_runs_and_none_runs_twice(
    place: Place, services: RunningStack
) -> None:
    rooms: list[PlayedRoom] = []
    limits = contract(place.north, place.south)["limits"] | OFTEN

    with planes(place, services.env("functions"), 2) as (runner, made):

        @settings(max_examples=EXAMPLES, deadline=None)
        @given(steps)
        def one_example(plan: list[tuple[str, Any, Any]]) -> None:
            room = place.room(limits=limits)
            rooms.append(room)
            room.propose()
            room.say("north")
            room.say("south")
            there: dict[tuple[str, int], Digest] = {}
            heard = room.events()
            for what, first, second in plan:
                if what == "drop" and (first, second) not in there:
                    there[first, second] = room.drop(first, second)
                    heard = [*heard, *(event for event in room.events() if event not in heard)]
                elif what == "hear":
                    runner.run(deliver(made[second], heard[first % len(heard)]))
                elif what == "take" and (first, second) in there:
                    del there[first, second]
                    room.take(first, second)
            there["a", 9], there["b", 9] = room.drop("a", 9), room.drop("b", 9)
            runner.run(made[0].sweeper.room(room.name))

            assert room.job(there["a", 9], there["b", 9]) in room.records()
            assert room.state()["runs"] == len(room.records())

        one_example()

    queued = place.queued()
    for room in rooms:
        jobs = [job.id for job in queued[room.name]]
        assert len(jobs) == len(set(jobs))
        assert set(jobs) == room.records()


def test_a_hundred_events_at_once_make_one_job_and_one_message(
    place: Place, services: RunningStack
) -> None:
    room = place.room()
    room.ready()
    event = room.events()[-1]

    with planes(place, services.env("functions"), 4) as (runner, made):

        async def work() -> None:
            await asyncio.gather(*(deliver(made[i % 4], event) for i in range(100)))

        runner.run(work())

    (record,) = room.records()
    assert [job.id for job in place.queued()[room.name]] == [record]
    assert room.state()["runs"] == 1
    assert len(room.timeline()) == 1


def test_an_event_that_comes_again_does_not_bring_back_a_file_that_was_taken_away(
    place: Place, services: RunningStack
) -> None:
    room = place.room()
    room.propose()
    room.say("north")
    room.say("south")
    first, newest = room.drop("a", 1), room.drop("a", 2)
    event = next(event for event in room.events() if event.subject.endswith("/a/0002.sealed"))

    with planes(place, services.env("functions"), 1) as (runner, (parts,)):
        runner.run(deliver(parts, event))
        room.take("a", 2)
        b = room.drop("b")
        for each in room.events():
            runner.run(deliver(parts, each))
        runner.run(deliver(parts, event))

    assert newest != first
    assert room.records() == {room.job(first, b)}
    assert len(place.messages(room.name, 1)) == 1
