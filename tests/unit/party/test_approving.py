"""Whether a vault would still release a key for a contract: in doubt, it would."""

import pytest

from cleanroom.contract import Contract, RoomKey
from cleanroom.ids import Digest
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import AllOf, AnyOf, Clause, Condition, Leaf, ReleasePolicy
from party.approving import is_for
from party.cloud.vault import closed
from tests.builders import MILAN, Keys, contract

AUTHORITY = "https://sharedweu.weu.attest.azure.net"
OTHER = Digest.of(b"other")
MACHINE = {
    "platform": "azure-cvm",
    "code": {"kind": "pcrs", "values": [{"index": 4, "sha256": "ab" * 32}]},
    "minimum_svn": MILAN,
    "walls": [],
    "debug": False,
}
BINDS = "x-ms-runtime.cleanroom-contract"
GENUINE = Leaf("x-ms-attestation-type", "equals", "sevsnpvm")


@pytest.fixture
def made(north: Keys, south: Keys) -> Contract:
    return Contract.from_value(contract(north, south), "contract")


def key(made: Contract) -> RoomKey:
    found = made.parties[0].room_key
    assert found is not None
    return found


def only(condition: Condition) -> ReleasePolicy:
    return ReleasePolicy((Clause(AUTHORITY, AllOf((GENUINE, condition))),))


def test_what_was_approved_is_released(made: Contract) -> None:
    policy = release_policy(made.digest, made.runners, AUTHORITY, svns=True)

    assert is_for(policy, made, key(made))


def test_another_contracts_key_and_one_for_nobody_are_not(made: Contract) -> None:
    other = release_policy(OTHER, made.runners, AUTHORITY, svns=False)

    assert not is_for(other, made, key(made))
    assert not is_for(closed(AUTHORITY), made, key(made))
    assert not is_for(closed("https://another.attest.azure.net"), made, key(made))


def test_a_virtual_machines_contract_is_told_apart_too(north: Keys, south: Keys) -> None:
    made = Contract.from_value(contract(north, south, runners=[MACHINE]), "contract")
    ours = release_policy(made.digest, made.runners, AUTHORITY, svns=True)
    other = release_policy(OTHER, made.runners, AUTHORITY, svns=True)

    assert is_for(ours, made, key(made))
    assert not is_for(other, made, key(made))


@pytest.mark.parametrize(
    "condition",
    [
        pytest.param(GENUINE, id="no contract"),
        pytest.param(Leaf(BINDS, "exists", "true"), id="any contract"),
        pytest.param(Leaf(BINDS, "notEquals", OTHER.text), id="all but another"),
        pytest.param(Leaf("x-ms-client-payload.note", "equals", OTHER.text), id="another claim"),
        pytest.param(
            AnyOf((Leaf(BINDS, "equals", OTHER.text), GENUINE)), id="another contract or none"
        ),
    ],
)
def test_what_a_machine_of_this_contract_could_meet_counts_as_released(
    condition: Condition, made: Contract
) -> None:
    assert is_for(only(condition), made, key(made))


def test_one_way_that_is_open_is_enough(made: Contract) -> None:
    other = release_policy(OTHER, made.runners, AUTHORITY, svns=False)
    both = ReleasePolicy((*other.clauses, *only(GENUINE).clauses))

    assert is_for(both, made, key(made))
    assert not is_for(only(AnyOf((Leaf(BINDS, "equals", OTHER.text),))), made, key(made))
