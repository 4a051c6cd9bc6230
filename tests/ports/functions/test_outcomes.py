"""How jobs end: recorded once, told once, and taken off the list; also those nobody could take."""

from collections.abc import Mapping

import pytest

from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.ids import Digest
from cleanroom.job import Ending, Outcome, ResultRef
from functions import clock, names
from functions.parts import Parts
from tests.ports.functions.plane import run
from tests.ports.functions.told import telling
from tests.rooms import Place, PlayedRoom

OTHER = Digest.of(b"another")


@pytest.fixture
def room(place: Place, env: Mapping[str, str]) -> PlayedRoom:
    """A room with a job under way."""
    room = place.room()
    room.ready()
    run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
    return room


def outcome(
    room: PlayedRoom,
    status: str = "completed",
    job: Digest | None = None,
    contract: Digest | None = None,
) -> Outcome:
    job = job or next(iter(room.records()))
    good = status == "completed"
    return Outcome(
        room.name,
        job,
        contract or room.contract.digest,
        Ending(status, None if good else "program_failed"),
        clock.now(),
        Digest.of(b"receipt") if good else None,
        (ResultRef("result", Digest.of(b"manifest")),) if good else (),
    )


def test_an_outcome_is_recorded_as_it_came_told_once_and_the_job_leaves_the_list(
    place: Place, env: Mapping[str, str], room: PlayedRoom
) -> None:
    given = outcome(room)

    async def work(parts: Parts) -> None:
        await parts.endings.ended(given.to_bytes(), None)
        await parts.endings.ended(given.to_bytes(), None)

    with telling(env) as told:
        run(place, env, work)

        (event,) = told.of(room.name)
        assert event["type"] == "cleanroom.job.completed"
        assert event["subject"] == f"jobs/{given.job.hex}"
        assert event["data"] == {
            "contract": given.contract.text,
            "job": given.job.text,
            "status": "completed",
            "receipt": Digest.of(b"receipt").text,
            "result.result": Digest.of(b"manifest").text,
        }
    recorded = room.rooms.download_blob(names.job(room.name, given.job, "outcome")).readall()
    assert recorded == given.to_bytes()
    assert room.state()["open"] == []


def test_the_first_outcome_of_a_job_is_its_outcome(
    place: Place, env: Mapping[str, str], room: PlayedRoom
) -> None:
    first, second = outcome(room), outcome(room, "failed")

    async def work(parts: Parts) -> Outcome:
        await parts.endings.ended(first.to_bytes(), None)
        return await parts.endings.ended(second.to_bytes(), None)

    with telling(env) as told:
        found = run(place, env, work)

        assert found == first
        assert told.kinds(room.name) == ["job.completed"]


@pytest.mark.parametrize(
    ("job", "contract"),
    [
        pytest.param(OTHER, None, id="job"),
        pytest.param(None, OTHER, id="contract"),
    ],
)
def test_an_outcome_is_refused_that_is_of_an_unknown(
    place: Place,
    env: Mapping[str, str],
    room: PlayedRoom,
    job: Digest | None,
    contract: Digest | None,
) -> None:
    given = outcome(room, "failed", job, contract)

    with pytest.raises(Tampered):
        run(place, env, lambda parts: parts.endings.ended(given.to_bytes(), None))

    assert len(room.state()["open"]) == 1


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b"[" * 100_000], ids=range(4))
def test_what_is_no_outcome_is_refused(place: Place, env: Mapping[str, str], data: bytes) -> None:
    with pytest.raises(Malformed):
        run(place, env, lambda parts: parts.endings.ended(data, None))


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("TTLExpiredException", "expired"),
        ("MaxDeliveryCountExceeded", "undeliverable"),
        ("malformed", "undeliverable"),
        (None, "undeliverable"),
    ],
)
def test_a_job_that_nobody_could_take_fails_with_a_code(
    place: Place, env: Mapping[str, str], room: PlayedRoom, reason: str | None, code: str
) -> None:
    (message,) = place.messages(room.name, 1)

    async def work(parts: Parts) -> None:
        for _ in range(2):
            await parts.endings.undeliverable(message.to_bytes(), message.id.hex, reason, None)

    with telling(env) as told:
        run(place, env, work)

        (event,) = told.of(room.name)
        assert (event["type"], event["data"]["reason"]) == ("cleanroom.job.failed", code)
    assert room.state()["open"] == []


def test_a_dead_letter_of_a_job_that_ended_changes_nothing(
    place: Place, env: Mapping[str, str], room: PlayedRoom
) -> None:
    (message,) = place.messages(room.name, 1)
    given = outcome(room)

    async def work(parts: Parts) -> Outcome | None:
        await parts.endings.ended(given.to_bytes(), None)
        await parts.endings.undeliverable(message.to_bytes(), message.id.hex, None, None)
        return await parts.endings.recorded(room.name, given.job)

    with telling(env) as told:
        assert run(place, env, work) == given
        assert told.kinds(room.name) == ["job.completed"]


@pytest.mark.parametrize("message", ["", "a name", "x" * 128])
def test_a_dead_letter_that_is_of_no_job_is_kept(
    place: Place, env: Mapping[str, str], room: PlayedRoom, message: str
) -> None:
    stranger = outcome(room).to_bytes() + message.encode()

    async def work(parts: Parts) -> list[bytes]:
        await parts.endings.undeliverable(stranger, message, None, None)
        await parts.endings.undeliverable(stranger, message, None, None)
        found = [file async for file in parts.control.listing("undeliverable/")]
        kept = [await parts.control.read(file.name, 1 << 20) for file in found]
        return [one.data for one in kept if one]

    assert run(place, env, work).count(stranger) == 1


def test_an_outcome_while_the_topic_is_away_is_told_of_when_it_comes_again(
    place: Place, env: Mapping[str, str], room: PlayedRoom
) -> None:
    given = outcome(room, "failed")
    nowhere = {**env, "CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY": "d3Jvbmc="}

    with telling(env) as told:
        with pytest.raises(CleanroomError):
            run(place, nowhere, lambda parts: parts.endings.ended(given.to_bytes(), None))
        assert len(room.state()["open"]) == 1
        run(place, env, lambda parts: parts.endings.ended(given.to_bytes(), None))

        assert told.kinds(room.name) == ["job.failed"]
    assert room.state()["open"] == []
