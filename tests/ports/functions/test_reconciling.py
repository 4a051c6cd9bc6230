"""What a look at a room does: which runs it starts, what it tells, what it refuses."""

import asyncio
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from cleanroom.job import Ending, Outcome
from functions import clock
from functions.deciding import Asked
from functions.parts import Parts
from functions.reconciling import Wish
from functions.refusals import Declined, Why
from tests import builders
from tests.builders import triggers
from tests.ports.functions.plane import deliver, later, planes, run
from tests.ports.functions.told import telling
from tests.rooms import Place, PlayedRoom

REQUEST = uuid.UUID(int=1).hex
OTHER = uuid.UUID(int=2).hex


def look(
    place: Place,
    env: Mapping[str, str],
    room: PlayedRoom,
    now: Callable[[], datetime] = clock.now,
    wish: Wish | None = None,
) -> None:
    given = wish or Wish(thorough=True)
    run(place, env, lambda parts: parts.reconciler.reconcile(room.name, given), now)


def at(moment: datetime) -> Callable[[], datetime]:
    return lambda: moment


def ended(room: PlayedRoom, job: Digest, digest: Digest | None = None) -> bytes:
    ending = Ending("refused", "policy_refused")
    contract = digest or room.contract.digest
    return Outcome(room.name, job, contract, ending, clock.now(), None, ()).to_bytes()


def limits(place: Place, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = builders.contract(place.north, place.south)["limits"]
    return found | changes


def versions(place: Place, room: str, **rule: Any) -> list[dict[str, Any]]:
    """Spell the datasets of a room, the first with a rule of its own."""
    first, second = (dataset.to_dict() for dataset in place.contract(room).datasets)
    return [first | {"versions": {"minimum": 1, "only": None, "maximum_age": None} | rule}, second]


# --- approvals


def test_nothing_runs_before_everybody_approved(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room.propose()
    room.drop("a")
    room.drop("b")
    room.say("north")

    look(place, env, room)

    assert room.records() == set()


def test_the_last_approval_starts_what_waits_for_it(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room.propose()
    a, b = room.drop("a"), room.drop("b")
    room.say("north")
    look(place, env, room)
    room.say("south")

    look(place, env, room)

    assert room.records() == {room.job(a, b)}


def test_nothing_runs_after_a_revocation_and_the_same_data_not_again_after_a_new_approval(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    look(place, env, room)
    (first,) = room.records()
    room.say("north", "revoke", age=-1)
    b = room.drop("b", 2)
    look(place, env, room, lambda: clock.now() + timedelta(seconds=2))
    assert room.records() == {first}

    room.say("north", age=-3)
    look(place, env, room, lambda: clock.now() + timedelta(seconds=4))

    a = Digest.parse(room.state()["watches"]["a"]["head"]["manifest"], "a")
    assert room.records() == {first, room.job(a, b)}


@pytest.mark.parametrize(
    "late",
    [
        pytest.param(timedelta(days=31), id="approvals"),
        pytest.param(timedelta(days=365 * 90), id="contract"),
    ],
)
def test_nothing_runs_after_the_end_of(
    place: Place, env: Mapping[str, str], late: timedelta
) -> None:
    room = place.room()
    room.ready()

    look(place, env, room, lambda: clock.now() + late)

    assert room.records() == set()


def test_words_are_told_of_once(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room.propose()
    room.say("north")
    room.say("south", "revoke")

    with telling(env) as told:
        look(place, env, room)
        look(place, env, room)

        assert told.kinds(room.name) == [
            "contract.approved",
            "contract.proposed",
            "contract.revoked",
        ]


# --- triggers


def test_an_approval_starts_one_run_and_data_no_other(place: Place, env: Mapping[str, str]) -> None:
    room = place.room(triggers=triggers(on_approval=True))
    room.ready()
    look(place, env, room)
    (first,) = room.records()
    room.drop("a", 2)

    look(place, env, room)

    assert room.records() == {first}


def test_a_schedule_starts_one_run_each_time_and_makes_up_for_none(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room(triggers=triggers(schedule="0 0 * * *"), limits=limits(place, runs=9))
    room.ready()
    now = clock.now()
    midnight = now.replace(hour=0, minute=0, second=0)
    look(place, env, room)
    assert room.records() == set()  # the last time was before the contract was in force

    for hours in (25, 26, 24 * 5):
        moment = midnight + timedelta(hours=hours)
        look(place, env, room, at(moment))

    assert len(room.records()) == 2


def test_the_clock_looks_at_the_rooms_that_have_a_schedule(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room(triggers=triggers(schedule="* * * * *"))
    room.ready()
    look(place, env, room)

    run(
        place,
        env,
        lambda parts: parts.sweeper.tick(),
        lambda: clock.now() + timedelta(minutes=2),
    )

    assert len(room.records()) == 1


def test_a_request_starts_one_run_however_often_it_is_made(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room(triggers=triggers(on_request=True), limits=limits(place, runs=1))
    room.ready()
    asked = Asked(room.contract.digest, {}, REQUEST)

    async def work(parts: Parts) -> list[Digest]:
        found = list(
            await asyncio.gather(*(parts.reconciler.ask(room.name, asked) for _ in range(20)))
        )
        await parts.endings.ended(ended(room, found[0]), None)
        return [*found, await parts.reconciler.ask(room.name, asked)]

    found = run(place, env, work)

    assert room.records() == set(found)
    assert room.state()["open"] == []
    assert room.state()["runs"] == 1
    assert len(place.messages(room.name, 1)) == 1


def test_forty_requests_at_once_are_forty_runs(place: Place, env: Mapping[str, str]) -> None:
    room = place.room(triggers=triggers(on_request=True), limits=limits(place, runs=40))
    room.ready()

    async def work(parts: Parts) -> None:
        await asyncio.gather(
            *(
                parts.reconciler.ask(
                    room.name, Asked(room.contract.digest, {}, uuid.UUID(int=i).hex)
                )
                for i in range(40)
            )
        )

    run(place, env, work)

    assert len(room.records()) == 40
    assert len(place.queued()[room.name]) == 40


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        pytest.param({"contract": Digest.of(b"other")}, Why.NOT_IN_FORCE, id="no contract"),
        pytest.param({"id": OTHER}, Why.LIMIT_REACHED, id="too many"),
        pytest.param({"parameters": {"least": 2}}, Why.REQUEST_DIFFERS, id="other values"),
    ],
)
def test_a_request_is_refused_for_one_of_a_closed_set_of_reasons(
    place: Place, env: Mapping[str, str], spoil: dict[str, Any], why: Why
) -> None:
    room = place.room(
        triggers=triggers(on_request=True),
        limits=limits(place, runs=1),
        program=program(),
    )
    room.ready()
    good: dict[str, Any] = {
        "contract": room.contract.digest,
        "parameters": {"least": 1},
        "id": REQUEST,
    }

    async def work(parts: Parts) -> None:
        await parts.reconciler.ask(room.name, Asked(**good))
        await parts.reconciler.ask(room.name, Asked(**(good | spoil)))

    with pytest.raises(Declined) as caught:
        run(place, env, work)

    assert caught.value.why == why
    assert len(room.records()) == 1


@pytest.mark.parametrize(
    ("on_request", "why"),
    [(False, Why.NOT_ON_REQUEST), (True, Why.INPUTS_WAITING)],
    ids=["trigger", "data"],
)
def test_a_request_needs_its_trigger_and_all_data(
    place: Place, env: Mapping[str, str], why: Why, *, on_request: bool
) -> None:
    room = place.room(triggers=triggers(on_request=on_request, on_arrival=not on_request))
    room.propose()
    room.say("north")
    room.say("south")
    room.drop("a")
    asked = Asked(room.contract.digest, {}, REQUEST)

    with pytest.raises(Declined) as caught:
        run(place, env, lambda parts: parts.reconciler.ask(room.name, asked))

    assert caught.value.why == why


def test_values_that_make_a_message_too_large_are_refused_and_nothing_is_stuck(
    place: Place, env: Mapping[str, str]
) -> None:
    many = [f"p{i}" for i in range(64)]
    room = place.room(triggers=triggers(on_request=True), program=program("text", *many))
    room.ready()
    large = Asked(room.contract.digest, dict.fromkeys(many, "\N{GRINNING FACE}" * 1024), REQUEST)
    small = Asked(room.contract.digest, dict.fromkeys(many, "a"), REQUEST)

    async def work(parts: Parts) -> None:
        with pytest.raises(Malformed):
            await parts.reconciler.ask(room.name, large)
        await parts.reconciler.ask(room.name, small)

    run(place, env, work)

    assert len(room.records()) == 1


def program(kind: str = "integer", *names: str) -> dict[str, Any]:
    parameters = [
        {"name": name, "type": kind, "minimum": None, "maximum": None, "choices": None}
        for name in names or ("least",)
    ]
    return {
        "language": "sql",
        "source": {"kind": "inline", "text": "select 1"},
        "parameters": parameters,
    }


# --- limits


def test_no_more_runs_than_the_contract_allows_in_a_period(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room(limits=limits(place, runs=2, period="day"))
    room.ready()
    look(place, env, room)
    for number in (2, 3):
        room.drop("a", number)
        look(place, env, room)
    assert len(room.records()) == 2
    a = room.drop("a", 4)

    look(place, env, room, lambda: clock.now() + timedelta(days=1))

    b = Digest.parse(room.state()["watches"]["b"]["head"]["manifest"], "b")
    assert len(room.records()) == 3
    assert room.job(a, b) in room.records()


def test_a_run_that_ended_is_not_made_again_when_its_files_are_the_newest_again(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room(limits=limits(place, runs=9))
    room.ready()
    look(place, env, room)
    room.drop("a", 2)
    look(place, env, room)
    both = room.records()

    async def end(parts: Parts) -> None:
        for job in both:
            await parts.endings.ended(ended(room, job), None)

    run(place, env, end)
    room.say("north", "revoke", age=-1)
    room.drop("b", 2)
    look(place, env, room, later(timedelta(seconds=2)))  # sees it, and may not run it
    room.take("a", 2)
    room.take("b", 2)
    room.say("north", age=-3)
    look(place, env, room, later(timedelta(seconds=10)))

    assert room.records() == both
    assert (room.state()["runs"], room.state()["open"]) == (2, [])
    assert len(place.messages(room.name, 2)) == 2


# --- versions


def test_a_version_below_the_minimum_waits_for_a_newer_one(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room = place.room_of(room.name, datasets=versions(place, room.name, minimum=2))
    room.ready()
    look(place, env, room)
    assert room.records() == set()

    room.drop("a", 2)
    look(place, env, room)

    assert len(room.records()) == 1


def test_only_the_version_that_the_contract_names_is_taken(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    sealed = room.drop("a", 1)
    room = place.room_of(room.name, datasets=versions(place, room.name, only=sealed.text))
    room.propose()
    room.say("north")
    room.say("south")
    room.drop("a", 2)
    b = room.drop("b")

    look(place, env, room)

    assert room.records() == {room.job(sealed, b)}


def test_a_version_that_is_too_old_waits(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room = place.room_of(room.name, datasets=versions(place, room.name, maximum_age=3600))
    room.propose()
    room.say("north")
    room.say("south")
    room.drop("a", 1, created=clock.now() - timedelta(hours=2))
    room.drop("b")
    look(place, env, room)
    assert room.records() == set()

    room.drop("a", 2)
    look(place, env, room)

    assert len(room.records()) == 1


@pytest.mark.parametrize("how", ["taken away", "overwritten"])
def test_the_newest_version_that_is_still_there_is_taken(
    place: Place, env: Mapping[str, str], how: str
) -> None:
    room = place.room()
    room.propose()
    room.say("north")
    room.say("south")
    first = room.drop("a", 1)
    room.drop("a", 2)
    look(place, env, room)
    if how == "taken away":
        room.take("a", 2)
    else:
        room.take("a", 1)
        first = room.drop("a", 1, name="0002.sealed")
    b = room.drop("b")

    look(place, env, room)

    assert room.records() == {room.job(first, b)}


def test_a_file_whose_event_was_lost_is_found_by_a_thorough_look(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    look(place, env, room)
    room.drop("a", 2)
    look(place, env, room, wish=Wish())
    assert len(room.records()) == 1

    look(place, env, room)

    assert len(room.records()) == 2


# --- contracts that follow each other


def follow(room: PlayedRoom, **changes: Any) -> PlayedRoom:
    """Write the contract that follows a room's."""
    history = {
        "sequence": room.contract.sequence + 1,
        "previous": room.contract.digest.text,
        "purpose": "Find more fraud.",
    }
    return room.place.room_of(room.name, **(history | changes))


def test_a_contract_is_followed_when_everybody_approved_its_successor(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    look(place, env, room)
    (first,) = room.records()
    second = follow(room)
    second.propose()
    second.say("north")
    a = room.drop("a", 2)
    look(place, env, room)
    b = Digest.parse(room.state()["watches"]["b"]["head"]["manifest"], "b")
    assert room.records() == {first} | {room.job(a, b)}  # the first still stands

    second.say("south")
    room.drop("a", 3)
    look(place, env, room)

    assert len(second.records()) == 3
    assert second.state()["runs"] == 1
    assert room.state()["runs"] == 2


def test_a_contract_whose_predecessor_is_missing_waits_for_it(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    second = follow(room)
    second.ready()

    with telling(env) as told:
        look(place, env, room)
        assert (room.records(), told.kinds(room.name)) == (set(), [])
        room.propose()
        look(place, env, room)

    assert second.state()["runs"] == 1


def test_a_contract_of_strangers_that_claims_the_history_ends_nothing(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    stranger = builders.Keys.make()
    theirs = Place(place.storage, place.url, place.bus, stranger, place.south)
    hijack = PlayedRoom(
        theirs,
        room.name,
        theirs.contract(room.name, sequence=2, previous=room.contract.digest.text),
    )
    hijack.propose()
    hijack.say("north")
    hijack.say("south")

    look(place, env, room)

    assert len(room.records()) == 1
    assert room.state()["runs"] == 1


def test_a_contract_whose_number_does_not_follow_is_refused(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.propose()
    follow(room, sequence=3).propose()

    with telling(env) as told:
        look(place, env, room)
        look(place, env, room)

        assert told.reasons(room.name) == ["broken_history"]


# --- what one contract must not do to others


@pytest.mark.parametrize(
    "location",
    [
        pytest.param("https://storage.example.com/datasets/room/a", id="another cloud"),
        pytest.param("https://127.0.0.1:1/datasets/room/a", id="loopback"),
        pytest.param("{url}/datasets/another-room/a", id="another room"),
        pytest.param("{url}/control/rooms/a", id="control"),
    ],
)
def test_a_contract_with_a_location_that_may_not_be_asked_is_refused_once_and_alone(
    place: Place, env: Mapping[str, str], location: str
) -> None:
    room = place.room()
    room.ready()
    foreign = [each.to_dict() for each in room.contract.datasets]
    foreign[0]["location"] = location.format(url=place.url)
    bad = place.room_of(room.name, purpose="Steal a token.", datasets=foreign)
    bad.propose()
    bad.say("north")
    bad.say("south")

    with telling(env) as told:
        look(place, env, room)
        look(place, env, room)

        assert told.reasons(room.name) == ["foreign_location"]
    assert len(room.records()) == 1


def test_an_account_that_does_not_answer_keeps_only_its_own_contract_waiting(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    away = [each.to_dict() for each in room.contract.datasets]
    away[0]["location"] = "https://nobody-has-this.blob.core.windows.net/datasets/a"
    waits = place.room_of(room.name, purpose="Wait.", datasets=away)
    waits.propose()
    waits.say("north")
    waits.say("south")

    look(place, env, room)  # and does not fail: the event would come again for ever

    assert len(room.records()) == 1
    assert waits.state()["runs"] == 0


def test_a_contract_whose_memory_cannot_be_read_fails_and_keeps_no_other_back(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    other = place.room_of(room.name, purpose="Find something else.")
    other.propose()
    other.say("north")
    other.say("south")
    bad, good = sorted((room, other), key=lambda each: each.contract.digest.hex)
    name = f"rooms/{room.name}/state/{bad.contract.digest.hex}.json"
    room.upload("control", name, b"{}")

    with pytest.raises(Malformed):
        look(place, env, room)

    assert good.state()["runs"] == 1


def test_a_trace_goes_on_to_the_queue_and_to_subscribers_and_rubbish_does_not(
    place: Place, env: Mapping[str, str]
) -> None:
    trace = f"00-{'ab' * 16}-{'cd' * 8}-01"
    rooms = [place.room(), place.room()]
    for room in rooms:
        room.ready()

    with telling(env) as told:
        look(place, env, rooms[0], wish=Wish(trace=trace, thorough=True))
        look(place, env, rooms[1], wish=Wish(trace="\x00" * 300, thorough=True))
        look(place, env, rooms[1])

        assert {event["traceparent"] for event in told.of(rooms[0].name)} == {trace}
        assert not any("traceparent" in event for event in told.of(rooms[1].name))


def test_an_event_of_a_file_in_a_folder_that_some_contract_names_leads_to_its_room(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()

    with planes(place, env, 1) as (runner, (parts,)):
        for event in room.events():
            runner.run(deliver(parts, event))

    assert len(room.records()) == 1
