"""What is told together: files that come within a second of others into one room."""

import asyncio
from collections.abc import Mapping

import pytest

from cleanroom.ids import Digest
from functions.parts import Parts
from tests.ports.functions.plane import deliver, later, run
from tests.ports.functions.told import telling
from tests.rooms import Place, PlayedRoom
from tests.stacks import RunningStack

VERSIONS = range(2, 5)  # the contract allows four runs, the first one among them


@pytest.fixture
def env(services: RunningStack) -> Mapping[str, str]:
    return services.env("functions")


def begun(place: Place, env: Mapping[str, str]) -> tuple[PlayedRoom, set[Digest]]:
    """Make a room whose first run is over and done with; return the job of that."""
    room = place.room()
    room.ready()
    run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
    return room, room.records()


async def drop(parts: Parts, room: PlayedRoom) -> None:
    """Drop files, and have each looked at before the next comes."""
    for number in VERSIONS:
        await asyncio.to_thread(room.drop, "a", number)
        events = await asyncio.to_thread(room.events)
        (event,) = [one for one in events if one.subject.endswith(f"/a/{number:04d}.sealed")]
        await deliver(parts, event)


def test_each_of_many_files_is_queued_at_once_and_told_of_once(
    place: Place, env: Mapping[str, str]
) -> None:
    room, first = begun(place, env)

    async def work(parts: Parts) -> int:
        await drop(parts, room)
        return len(room.records() - first)

    with telling(env) as told:
        recorded = run(place, env, work)

        queued = place.queued()[room.name]
        assert recorded == len(VERSIONS)
        assert {job.id for job in queued} == room.records()
        assert len(room.timeline()) == 1 + len(VERSIONS)
        ids = told.ids(room.name, "job.queued")
        assert (len(ids), len(set(ids))) == (len(VERSIONS), len(VERSIONS))
        assert room.state()["untold"] == []


def test_what_was_not_told_when_the_process_ended_is_told_by_the_next(
    place: Place, env: Mapping[str, str]
) -> None:
    room, _ = begun(place, env)

    async def doomed(parts: Parts) -> None:
        await drop(parts, room)
        raise KeyboardInterrupt  # before the second is over, and nothing more is done

    with telling(env) as told:
        with pytest.raises(KeyboardInterrupt):
            run(place, env, doomed)
        run(place, env, lambda parts: parts.sweeper.room(room.name), later())

        assert len(room.timeline()) == 1 + len(VERSIONS)
        assert len(set(told.ids(room.name, "job.queued"))) == len(VERSIONS)
        assert room.state()["untold"] == []
        place.queued()
