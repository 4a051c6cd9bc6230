"""A control plane that dies between any two writes loses nothing, and doubles nothing."""

from collections.abc import Awaitable, Callable, Mapping

import pytest

from cleanroom.errors import CleanroomError
from cleanroom.ids import Digest
from cleanroom.job import Ending, Outcome
from functions import clock
from functions.parts import Parts
from tests.ports.functions.kills import Killed, Killer
from tests.ports.functions.plane import deliver, later, run
from tests.ports.functions.told import Told, telling
from tests.rooms import Place, PlayedRoom
from tests.stacks import RunningStack

MOST_WRITES = 40
_QUEUED = 7  # the write that puts the job of a new room on the queue
variants = pytest.mark.parametrize(
    "after", [pytest.param(False, id="before"), pytest.param(True, id="after")]
)


def killed_at_every_write(
    place: Place,
    env: Mapping[str, str],
    prepared: Callable[[], PlayedRoom],
    work: Callable[[Parts, PlayedRoom], Awaitable[object]],
    *,
    after: bool,
) -> list[PlayedRoom]:
    """Work on a room, dying at its first write; on another, dying at its second; and so on."""
    rooms: list[PlayedRoom] = []
    for at in range(1, MOST_WRITES):
        room, killer = prepared(), Killer(at, after=after)

        async def doomed(parts: Parts, room: PlayedRoom = room, killer: Killer = killer) -> None:
            killer.watch(parts)
            await work(parts, room)

        try:
            run(place, env, doomed)
        except Killed:
            rooms.append(room)
        else:
            return rooms
    raise AssertionError("there is no end of writes")


def sweep(place: Place, env: Mapping[str, str], rooms: list[PlayedRoom]) -> None:
    async def work(parts: Parts) -> None:
        for room in rooms:
            await parts.sweeper.room(room.name)

    run(place, env, work, later())


def outcome(room: PlayedRoom) -> bytes:
    """End the room's one job."""
    (job,) = room.records()
    ending, digest = Ending("refused", "policy_refused"), room.contract.digest
    return Outcome(room.name, job, digest, ending, clock.now(), None, ()).to_bytes()


def assert_told(told: Told, room: PlayedRoom, kinds: list[str]) -> None:
    """Everything was told, and what was told twice is the same event."""
    assert sorted(set(told.kinds(room.name))) == kinds
    once = {"contract.approved": 2, "dataset.arrived": 2}
    assert {kind: len(set(told.ids(room.name, kind))) for kind in kinds} == {
        kind: once.get(kind, 1) for kind in kinds
    }


@pytest.mark.campaign
@variants
def test_one_job_comes_of_a_run_that_died_at_any_write(
    place: Place, services: RunningStack, *, after: bool
) -> None:
    env = services.env("functions")

    def prepared() -> PlayedRoom:
        room = place.room()
        room.ready()
        return room

    async def work(parts: Parts, room: PlayedRoom) -> None:
        await parts.reconciler.reconcile(room.name)

    with telling(env) as told:
        rooms = killed_at_every_write(place, env, prepared, work, after=after)
        sweep(place, env, rooms)
        queued = place.queued()

        assert len(rooms) >= 10
        for room in rooms:
            (record,) = room.records()
            assert [job.id for job in queued[room.name]] == [record]
            state = room.state()
            assert [(each["job"], each["request"]) for each in state["open"]] == [
                (record.text, None)
            ]
            assert (state["untold"], state["runs"]) == ([], 1)
            assert len(room.timeline()) == 1
            assert_told(
                told,
                room,
                ["contract.approved", "contract.proposed", "dataset.arrived", "job.queued"],
            )


@pytest.mark.campaign
@variants
def test_nothing_is_lost_where_files_arrive_one_after_the_other(
    place: Place, services: RunningStack, *, after: bool
) -> None:
    env = services.env("functions")
    newest: dict[str, Digest] = {}

    def prepared() -> PlayedRoom:
        room = place.room()
        room.ready()
        run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
        newest[room.name] = room.job(room.drop("a", 2), room.drop("b", 2))
        return room

    async def work(parts: Parts, room: PlayedRoom) -> None:
        for event in room.events():
            if event.subject.endswith("/0002.sealed"):
                await deliver(parts, event)
        await parts.reconciler.settle()

    with telling(env) as told:
        rooms = killed_at_every_write(place, env, prepared, work, after=after)
        sweep(place, env, rooms)
        queued = place.queued()

        assert len(rooms) >= 8
        for room in rooms:
            records = room.records()
            assert newest[room.name] in records
            assert sorted(job.id for job in queued[room.name]) == sorted(records)
            state = room.state()
            assert {Digest(each["job"]) for each in state["open"]} == records
            assert not any(each["request"] for each in state["open"])
            assert (state["untold"], state["runs"]) == ([], len(records))
            assert len(room.timeline()) == len(records)
            assert len(set(told.ids(room.name, "job.queued"))) == len(records)


@pytest.mark.campaign
@variants
def test_an_outcome_is_recorded_and_told_of_if_the_function_died_at_any_write(
    place: Place, services: RunningStack, *, after: bool
) -> None:
    env = services.env("functions")

    def prepared() -> PlayedRoom:
        room = place.room()
        room.ready()
        run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
        return room

    async def work(parts: Parts, room: PlayedRoom) -> None:
        await parts.endings.ended(outcome(room), None)

    with telling(env) as told:
        rooms = killed_at_every_write(place, env, prepared, work, after=after)
        for room in rooms:  # the message comes again, or it was the last write that failed

            async def again(parts: Parts, room: PlayedRoom = room) -> None:
                await parts.endings.ended(outcome(room), None)

            run(place, env, again)
        place.queued()

        assert len(rooms) == 3
        for room in rooms:
            assert room.state()["open"] == []
            assert len(set(told.ids(room.name, "job.refused"))) == 1


@variants
def test_an_outcome_whose_message_is_lost_too_is_told_of_by_the_sweep(
    place: Place, services: RunningStack, *, after: bool
) -> None:
    env = services.env("functions")

    def prepared() -> PlayedRoom:
        room = place.room()
        room.ready()
        run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
        return room

    async def work(parts: Parts, room: PlayedRoom) -> None:
        await parts.endings.ended(outcome(room), None)

    with telling(env) as told:
        rooms = killed_at_every_write(place, env, prepared, work, after=after)
        recorded = rooms if after else rooms[1:]
        sweep(place, env, rooms)
        queued = place.queued()

        for room in recorded:
            assert room.state()["open"] == []
            assert len(set(told.ids(room.name, "job.refused"))) == 1
        assert all(len(queued[room.name]) == 1 for room in rooms)


def test_a_job_that_ended_before_it_was_noted_has_its_place_in_the_timeline(
    place: Place, services: RunningStack
) -> None:
    env = services.env("functions")
    room = place.room()
    room.ready()
    killer = Killer(_QUEUED, after=True)

    async def doomed(parts: Parts) -> None:
        killer.watch(parts)
        await parts.reconciler.reconcile(room.name)

    with pytest.raises(Killed):
        run(place, env, doomed)
    (message,) = place.messages(room.name, 1)
    noted = room.timeline()
    run(place, env, lambda parts: parts.endings.ended(outcome(room), None))

    assert noted == []
    assert [name.rpartition("-")[2] for name in room.timeline()] == [message.id.hex]
    assert room.state()["open"] == []


@pytest.mark.campaign
def test_a_refusal_is_told_of_if_the_function_died_at_any_write(
    place: Place, services: RunningStack
) -> None:
    env = services.env("functions")

    def prepared() -> PlayedRoom:
        room = place.room()
        room.rooms.upload_blob(f"{room.name}/contracts/rubbish", b"rubbish")
        return room

    async def work(parts: Parts, room: PlayedRoom) -> None:
        await parts.reconciler.reconcile(room.name)

    with telling(env) as told:
        rooms = [
            *killed_at_every_write(place, env, prepared, work, after=False),
            *killed_at_every_write(place, env, prepared, work, after=True),
        ]
        sweep(place, env, rooms)
        sweep(place, env, rooms)

        assert len(rooms) == 4
        assert all(len(set(told.ids(room.name, "document.refused"))) == 1 for room in rooms)


def test_a_look_that_dies_keeps_nobody_waiting(place: Place, services: RunningStack) -> None:
    room = place.room()
    room.ready()

    async def work(parts: Parts) -> None:
        killer = Killer(3, after=False)
        killer.watch(parts)
        with pytest.raises(Killed):
            await parts.reconciler.reconcile(room.name)
        killer.at = MOST_WRITES
        await parts.reconciler.reconcile(room.name)

    run(place, services.env("functions"), work)

    assert len(room.records()) == 1
    assert len(place.messages(room.name, 1)) == 1


def test_an_error_of_a_server_is_not_the_end(place: Place, services: RunningStack) -> None:
    room = place.room()
    room.ready()

    async def work(parts: Parts) -> None:
        real = parts.queue._client
        vars(parts.queue)["_client"] = _Broken()
        with pytest.raises(CleanroomError):
            await parts.reconciler.reconcile(room.name)
        vars(parts.queue)["_client"] = real
        await parts.reconciler.reconcile(room.name)  # without any waiting

    run(place, services.env("functions"), work)

    assert len(place.messages(room.name, 1)) == 1
    assert room.state()["untold"] == []


class _Broken:
    def get_queue_sender(self, _name: str) -> object:
        raise OSError("no bus")
