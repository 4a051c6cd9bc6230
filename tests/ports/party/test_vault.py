"""A party's own vault through the genuine clients: what is made in it, and what it is believed."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from azure.keyvault.keys import KeyClient

from cleanroom.contract import RoomKey
from cleanroom.errors import CleanroomError, PolicyRefused, Tampered, Unavailable
from cleanroom.ids import Digest
from cleanroom.keys import DATA_KEY_BYTES, DataKey, ReaderKey
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import ReleasePolicy
from cleanroom.requirements import RunnerRequirement
from devstack.home import HOST, Home
from devstack.runner import policy as stack_policy
from party.cloud.vault import Vault, closed, room_key_name
from tests.builders import Keys
from tests.vaults import Vaults, running_vaults

AUTHORITY = "https://127.0.0.1:8441"


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaults]:
    with running_vaults(Home.at(tmp_path_factory.mktemp("home")), "north", "south") as made:
        yield made


@pytest.fixture(autouse=True)
def trusting(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


def vault(vaults: Vaults, name: str = "north", who: str = "north") -> Vault:
    return Vault(vaults.url(name), vaults.credential(name, who))


def for_contract(digest: Digest) -> ReleasePolicy:
    runner = RunnerRequirement.parse(stack_policy.requirement(), "runner")
    return release_policy(digest, [runner], AUTHORITY, svns=True)


def test_keys_are_made_once(vaults: Vaults) -> None:
    ours = vault(vaults)

    first = [ours.begin_signing(), ours.begin_reader(), ours.begin_room("once", AUTHORITY)]
    again = [ours.begin_signing(), ours.begin_reader(), ours.begin_room("once", AUTHORITY)]

    assert [one.new for one in again] == [False] * 3
    assert [one.key for one in again] == [one.key for one in first]
    assert (ours.signing(), ours.reader()) == (first[0].key, first[1].key)
    assert first[2].url == f"{vaults.url('north')}/keys/room-once"


def test_a_new_room_key_is_released_to_nobody(vaults: Vaults) -> None:
    ours = vault(vaults)

    key = ours.begin_room("closed", AUTHORITY)

    assert meaning.equal(ours.policy(key.url), closed(AUTHORITY))


def test_a_policy_is_set_and_read_back(vaults: Vaults) -> None:
    ours, wanted = vault(vaults), for_contract(Digest.of(b"contract"))
    key = ours.begin_room("set", AUTHORITY)

    ours.set_policy(key.url, wanted)

    assert meaning.equal(ours.policy(key.url), wanted)


def test_the_reader_key_opens_inside_the_vault(vaults: Vaults) -> None:
    ours = vault(vaults)
    key = ours.begin_reader().key
    assert isinstance(key, ReaderKey)
    data = bytes(range(DATA_KEY_BYTES))

    assert ours.unwrap(key.wrap(DataKey(data))) == data


def test_what_was_wrapped_for_another_does_not_open(vaults: Vaults, south: Keys) -> None:
    ours = vault(vaults)
    ours.begin_reader()

    with pytest.raises(Tampered, match="does not open with your key"):
        ours.unwrap(south.reader.wrap(DataKey(bytes(DATA_KEY_BYTES))))


def test_a_contract_with_this_vaults_key_is_fine_and_another_is_not(
    vaults: Vaults, south: Keys
) -> None:
    ours = vault(vaults)
    made = ours.begin_room("named", AUTHORITY)
    assert isinstance(made.key, ReaderKey)

    ours.check_room_key(RoomKey(made.url, made.key, AUTHORITY))

    with pytest.raises(PolicyRefused, match=r"in your vault, and .* in the contract"):
        ours.check_room_key(RoomKey(made.url, south.reader, AUTHORITY))


def test_another_vault_is_never_asked(vaults: Vaults) -> None:
    ours, theirs = vault(vaults), f"{vaults.url('south')}/keys/room-any"

    with pytest.raises(PolicyRefused, match="is no key of your vault"):
        ours.set_policy(theirs, closed(AUTHORITY))
    with pytest.raises(PolicyRefused, match="is no key of your vault"):
        ours.policy(theirs)


def test_a_key_that_can_never_be_released_is_no_room_key(vaults: Vaults) -> None:
    with vaults.keys("north", "north") as client:
        client.create_rsa_key(room_key_name("fixed"), size=2048)

    with pytest.raises(PolicyRefused, match="can never be released") as caught:
        vault(vaults).begin_room("fixed", AUTHORITY)

    assert caught.value.hint


@pytest.mark.parametrize("name", ["signing", "reader"])
def test_a_key_of_another_kind_is_refused(name: str, vaults: Vaults) -> None:
    ours = vault(vaults, "south", "south")
    with vaults.keys("south", "south") as client:
        _of_another_kind(client, name)

    with pytest.raises(PolicyRefused, match="is not an"):
        ours.begin_signing() if name == "signing" else ours.begin_reader()


def _of_another_kind(client: KeyClient, name: str) -> None:
    if name == "signing":
        client.create_rsa_key(name, size=2048)
    else:
        client.create_ec_key(name, curve="P-256")


def test_somebody_elses_vault_lets_nobody_in(vaults: Vaults) -> None:
    with pytest.raises(PolicyRefused, match="your vault does not let you") as caught:
        vault(vaults, "north", "south").begin_signing()

    assert "Key Vault Crypto Officer" in caught.value.hint


def test_a_key_that_is_not_there_is_said_how_to_make(vaults: Vaults) -> None:
    with pytest.raises(Unavailable, match="there is no such key") as caught:
        vault(vaults).policy(f"{vaults.url('north')}/keys/room-never")

    assert "cleanroom init" in caught.value.hint


def test_a_vault_that_is_away_is_said_to_be(vaults: Vaults, tmp_path: Path) -> None:
    del tmp_path
    ours = vault(vaults)
    vaults.server.stop()
    try:
        with pytest.raises(CleanroomError, match="the vault does not answer") as caught:
            ours.signing()
    finally:
        vaults.server.restart()

    assert caught.value.code == "unavailable"
