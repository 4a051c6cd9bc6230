"""What a sweep sets right, and what one room cannot do to the sweep of others."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from cleanroom.job import Ending, Outcome
from functions import clock, names
from functions.parts import Parts
from functions.sweeping import Swept
from tests.ports.functions.plane import later, run
from tests.ports.functions.told import telling
from tests.rooms import Place, PlayedRoom

AGES = timedelta(hours=2)


@pytest.fixture
def alone(place: Place) -> None:
    """Leave no room of another test: a sweep looks at all of them."""
    for container in ("rooms", "control"):
        place.storage.delete_container(container)
        place.storage.create_container(container)


def started(place: Place, env: Mapping[str, str]) -> PlayedRoom:
    room = place.room()
    room.ready()
    run(place, env, lambda parts: parts.reconciler.reconcile(room.name))
    return room


@pytest.mark.usefixtures("alone")
def test_rooms_that_no_event_told_of_are_found(place: Place, env: Mapping[str, str]) -> None:
    rooms = [place.room() for _ in range(3)]
    for room in rooms:
        room.ready()

    run(place, env, lambda parts: parts.sweeper.sweep())

    assert all(len(room.records()) == 1 for room in rooms)


class Void:
    """A bus that takes messages and loses them."""

    def get_queue_sender(self, _name: str) -> "Void":
        return self

    async def send_messages(self, _message: object) -> None:
        pass


def test_a_job_whose_message_was_lost_is_queued_again(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room.ready()

    async def lose(parts: Parts) -> None:
        vars(parts.queue)["_client"] = Void()
        await parts.reconciler.reconcile(room.name)

    run(place, env, lose)
    run(place, env, lambda parts: parts.sweeper.room(room.name), later())
    assert place.messages(room.name) == []

    run(place, env, lambda parts: parts.sweeper.room(room.name), later(AGES))

    assert {job.id for job in place.messages(room.name, 1)} == room.records()
    assert len(room.timeline()) == 1
    assert (room.state()["runs"], room.state()["open"][0]["request"]) == (1, None)


def test_a_job_is_not_queued_again_before_its_time(place: Place, env: Mapping[str, str]) -> None:
    room = started(place, env)
    sent = room.state()["open"][0]["sent"]

    run(place, env, lambda parts: parts.sweeper.room(room.name), later())

    assert room.state()["open"][0]["sent"] == sent


def test_an_outcome_that_was_recorded_and_never_told_of_is_told_of(
    place: Place, env: Mapping[str, str]
) -> None:
    room = started(place, env)
    (job,) = room.records()
    ending = Ending("refused", "policy_refused")
    outcome = Outcome(room.name, job, room.contract.digest, ending, clock.now(), None, ())
    room.upload("rooms", names.job(room.name, job, "outcome"), outcome.to_bytes())

    with telling(env) as told:
        run(place, env, lambda parts: parts.sweeper.room(room.name), later())
        run(place, env, lambda parts: parts.sweeper.room(room.name), later())

        assert told.kinds(room.name) == ["job.refused"]
    assert room.state()["open"] == []


def test_it_says_since_when_the_oldest_job_is_under_way(
    place: Place, env: Mapping[str, str]
) -> None:
    room = started(place, env)

    found = run(place, env, lambda parts: parts.sweeper.room(room.name), later(AGES))

    assert found is not None
    assert names.moment_in(room.timeline()[0]) == (next(iter(room.records())), found)


@pytest.mark.usefixtures("alone")
def test_a_room_that_fails_is_named_and_keeps_no_other_back(
    place: Place, env: Mapping[str, str]
) -> None:
    bad, good = place.room(), place.room()
    for room in (bad, good):
        room.ready()
    name = f"rooms/{bad.name}/state/{bad.contract.digest.hex}.json"
    bad.upload("control", name, b"{}")

    found: Swept = run(place, env, lambda parts: parts.sweeper.sweep())
    place.storage.get_blob_client("control", name).delete_blob()

    assert (bad.name, "malformed") in found.failed
    assert good.name not in dict(found.failed)
    assert len(good.records()) == 1


@pytest.mark.usefixtures("alone")
def test_a_contract_that_fails_keeps_no_outcome_of_another_back(
    place: Place, env: Mapping[str, str]
) -> None:
    room = started(place, env)
    other = place.room_of(room.name, purpose="Find something else.")
    other.propose()
    room.upload("control", f"rooms/{room.name}/state/{other.contract.digest.hex}.json", b"rubbish")
    (job,) = room.records()
    ending = Ending("refused", "policy_refused")
    outcome = Outcome(room.name, job, room.contract.digest, ending, clock.now(), None, ())
    room.upload("rooms", names.job(room.name, job, "outcome"), outcome.to_bytes())

    with telling(env) as told:
        found = run(place, env, lambda parts: parts.sweeper.sweep(), later())
        other.rooms.delete_blob(f"{room.name}/contracts/{other.contract.digest.hex}.json")

        assert dict(found.failed)[room.name] == "malformed"
        assert told.kinds(room.name) == ["job.refused"]
