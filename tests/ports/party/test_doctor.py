"""`cleanroom doctor party`, against a stack whose servers the genuine clients cannot tell apart."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.identity import DefaultAzureCredential

from cleanroom.errors import PolicyRefused, Unavailable
from cleanroom.release.policy import AllOf, Clause, Leaf, ReleasePolicy
from party.cloud import fetching
from party.cloud.vault import Vault
from tests.parties import Party, whole_stack
from tests.stacks import RunningStack, being


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with whole_stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture
def north(stack: RunningStack, tmp_path: Path) -> Party:
    return Party("north", tmp_path, stack.env("north"))


def agreed(north: Party, south: Party, room: str) -> None:
    """Have both approve a contract."""
    north.write("orders.csv", "customer,amount\nann,1\n")
    north.write(
        "query.sql", "SELECT count(*) AS customers FROM orders JOIN accounts USING (customer)\n"
    )
    north.write("accounts.csv", "customer,balance\nann,1\n")
    cards = [one.good("init", "--room", room)["card"] for one in (north, south)]
    north.good(
        *("contract", "new", "--program", "query.sql", "--reader", "north"),
        *(word for card in cards for word in ("--card", card)),
        *("--table", "north:orders.csv", "--table", "south:accounts.csv", "--purpose", "Count."),
    )
    north.good("propose", "contract.yaml")


def test_what_was_set_up_is_well(north: Party, stack: RunningStack) -> None:
    south = Party("south", north.folder, stack.env("south"))
    agreed(north, south, "well")
    north.good("approve", "contract.yaml", "--yes")

    found = north.good("doctor", "party", "well")

    assert found["ok"]
    assert [each["what"] for each in found["findings"]] == [
        *("vault: signing key", "vault: reader key", "attestation service", "control plane"),
        *("storage: datasets", "storage: rooms", "storage: control", "room well: key"),
    ]


def test_a_room_without_a_key_is_to_mend(north: Party) -> None:
    north.good("init", "--room", "other")

    ran = north("doctor", "party", "nowhere")

    assert ran.code == 3
    assert "room nowhere: key" in ran.out.splitlines()[1]
    assert "mend: cleanroom init makes it" in ran.out
    assert ran.err == "cleanroom: north: 1 of 8 to mend\n"


def test_a_key_that_is_released_for_something_else_is_found(
    north: Party, stack: RunningStack
) -> None:
    south = Party("south", north.folder, stack.env("south"))
    agreed(north, south, "else")
    anything = Leaf("x-ms-attestation-type", "equals", "sevsnpvm")
    loose = ReleasePolicy(
        (Clause(stack.env("north")["CLEANROOM_PARTY_AUTHORITY"], AllOf((anything,))),)
    )
    with being(stack.env("north")), DefaultAzureCredential() as credential:
        vault = Vault(stack.env("north")["CLEANROOM_PARTY_VAULT"], credential)
        vault.set_policy(f"{vault.url}/keys/room-else", loose)

    ran = north("doctor", "party", "else")

    assert ran.code == 3
    assert "/keys/room-else: is released for what is no contract of this room" in ran.out


def test_a_key_that_is_released_without_a_word_is_found(north: Party, stack: RunningStack) -> None:
    south = Party("south", north.folder, stack.env("south"))
    agreed(north, south, "word")
    north.good("approve", "contract.yaml", "--yes")
    with being(stack.env("north")), DefaultAzureCredential() as credential:
        vault = Vault(stack.env("north")["CLEANROOM_PARTY_VAULT"], credential)
        url = f"{vault.url}/keys/room-word"
        policy = vault.policy(url)
        north.good("revoke", "word")
        vault.set_policy(url, policy)

    ran = north("doctor", "party", "word")

    assert ran.code == 3
    assert "is released for a contract on which your word is revoke" in ran.out


def test_who_may_read_too_much_is_told(north: Party, stack: RunningStack) -> None:
    operator = {k: v for k, v in stack.env("operator").items() if k.startswith("IDENTITY_")}
    wide = Party("north", north.folder, {**north.variables, **operator})

    ran = wide("doctor", "party")

    assert ran.code == 3
    assert "/control: your identity may read it, and should not" in ran.out


def test_answers_that_are_none_are_told_apart(stack: RunningStack) -> None:
    api = stack.env("north")["CLEANROOM_PARTY_API"]

    with pytest.raises(PolicyRefused, match="does not let you"):
        fetching.get(f"{api}/rooms")
    with pytest.raises(Unavailable, match="HTTP status 404"):
        fetching.get(f"{api}/nowhere")


def test_services_that_are_not_there_are_named(north: Party) -> None:
    nowhere = {
        "CLEANROOM_PARTY_AUTHORITY": "https://127.0.0.1:9",
        "CLEANROOM_PARTY_DATASETS": "https://127.0.0.1:9/account/datasets-north",
        "CLEANROOM_PARTY_API": "",
    }
    gone = Party("north", north.folder, {**north.variables, **nowhere})

    ran = gone("doctor", "party")

    assert ran.code == 3
    assert "https://127.0.0.1:9/account/datasets-north: the storage does not answer" in ran.out
    assert "https://127.0.0.1:9/.well-known/openid-configuration: does not answer" in ran.out


def test_a_container_of_another_party_is_refused(north: Party) -> None:
    theirs = north.variables["CLEANROOM_PARTY_DATASETS"].replace("north", "south")
    odd = Party("north", north.folder, {**north.variables, "CLEANROOM_PARTY_DATASETS": theirs})

    ran = odd("doctor", "party")

    assert ran.code == 3
    assert f"{theirs}: your identity may not read it" in ran.out
