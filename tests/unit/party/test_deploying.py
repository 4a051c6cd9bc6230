"""Parameters of a party's deployment: its policies are those that it approves."""

import json
from base64 import urlsafe_b64decode
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from party import deploying
from party.cloud.vault import closed
from party.deploying import Deployment, Room
from party.errors import Usage
from tests.builders import Keys, contract, party
from tests.infra.bicep import Expression
from tests.infra.tree import PARTY, tree

AUTHORITY = "https://sharedweu.weu.attest.azure.net"
SOMEBODY = "00000000-0000-4000-8000-000000000001"


def agreed(north: Keys, south: Keys, url: str, **changes: Any) -> Contract:
    """Give a contract whose first party has this room key."""
    key = {"url": url, "public": north.reader.to_json(), "authority": AUTHORITY}
    parties = [party("north", north, room_key=key), party("south", south)]
    return Contract.from_value(contract(north, south, parties=parties, **changes), "contract")


def deployment(*rooms: Room) -> Deployment:
    return Deployment("north", "north", rooms, SOMEBODY, SOMEBODY, SOMEBODY, "User")


def policy_in(found: Deployment) -> ReleasePolicy:
    """Decode the policy of the only room as Azure does."""
    (room,) = json.loads(found.to_bytes())["parameters"]["rooms"]["value"]
    text = room["releasePolicy"]
    return ReleasePolicy.parse(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "policy")


def test_what_is_deployed_is_what_approving_would_set(north: Keys, south: Keys) -> None:
    ours = agreed(north, south, "https://north.vault.azure.net/keys/room-room")

    found = policy_in(deployment(Room.of(ours, "north", "north", svns=True)))

    assert meaning.equal(found, release_policy(ours.digest, ours.runners, AUTHORITY, svns=True))
    assert ours.digest.text in found.to_bytes().decode()


def test_a_room_without_a_contract_has_the_policy_that_nothing_meets() -> None:
    found = policy_in(deployment(Room.closed("room", AUTHORITY)))

    assert meaning.equal(found, closed(AUTHORITY))


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("https://other.vault.azure.net/keys/room-room", id="another vault"),
        pytest.param("https://north.vault.azure.net/keys/room-other", id="another room's key"),
    ],
)
def test_a_contract_that_names_another_key_is_refused(north: Keys, south: Keys, url: str) -> None:
    ours = agreed(north, south, url)

    with pytest.raises(PolicyRefused, match="names https://"):
        Room.of(ours, "north", "north", svns=True)


def test_each_room_is_deployed_once(north: Keys, south: Keys) -> None:
    ours = agreed(north, south, "https://north.vault.azure.net/keys/room-room")

    found = deploying.rooms(["room", "b"], [ours], "north", "north", AUTHORITY, svns=True)

    assert [room.name for room in found] == ["b", "room"]
    assert not meaning.equal(found[1].policy, closed(AUTHORITY))


def test_two_contracts_of_one_room_are_refused(north: Keys, south: Keys) -> None:
    ours = agreed(north, south, "https://north.vault.azure.net/keys/room-room")

    with pytest.raises(Usage, match="one of them"):
        deploying.rooms([], [ours, ours], "north", "north", None, svns=True)


@pytest.mark.parametrize(
    ("names", "said"),
    [([], "--room or --contract"), (["room"], "--authority"), (["Room"], "--room")],
)
def test_what_is_missing_or_wrong_is_named(names: list[str], said: str) -> None:
    with pytest.raises(CleanroomError, match=said):
        deploying.rooms(names, [], "north", "north", None, svns=True)


def test_parameters_are_those_of_the_template() -> None:
    template = tree().templates[PARTY]

    given = deployment(Room.closed("room", AUTHORITY)).parameters()

    assert given.keys() <= template.parameters.keys()
    needed = {name for name, each in template.parameters.items() if each.default is None}
    assert needed <= given.keys()


def test_the_template_reads_of_a_room_what_is_given() -> None:
    parameters = json.loads(deployment(Room.closed("room", AUTHORITY)).to_bytes())["parameters"]
    (room,) = parameters["rooms"]["value"]

    resources = tree().templates["party/vault.bicep"].resources
    read = [resources["roomKeys"].body["name"], resources["roomKeys"].properties["release_policy"]]

    names = {name for name in room if f"room.{name}" in str(read)}
    assert isinstance(read[0], Expression)
    assert names == room.keys()


@pytest.mark.parametrize(
    ("parse", "wrong"),
    [
        (deploying.vault_name, "North"),
        (deploying.vault_name, "a" * 25),
        (deploying.object_id, "somebody"),
        (deploying.subnet_id, "/subscriptions/x/subnets/y"),
        (deploying.address_range, "203.0.113.0/33"),
        (deploying.administrator_type, "Anybody"),
    ],
)
def test_odd_values_are_refused(parse: Any, wrong: str) -> None:
    with pytest.raises(Malformed):
        parse(wrong, "value")
