"""A party's own vault comes first: before data goes anywhere, and before a word is taken back."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from devstack.home import HOST, Home
from party import approving, dropping
from party.cloud.api import Api
from party.cloud.vault import Vault, closed
from party.online import Online
from party.profiles import Profile
from tests.builders import NOW, Keys, contract, party
from tests.directories import be, running_directory
from tests.ports.scripted import Reply, Scripted, scripted
from tests.vaults import Vaults, keep_room_key, keep_signing_key, running_vaults

type Asking = Callable[[Reply], AbstractContextManager[Scripted]]

AUTHORITY = "https://sharedweu.weu.attest.azure.net"
PLACE = "https://account.blob.core.windows.net/datasets"


@pytest.fixture(scope="module")
def vaults(tmp_path_factory: pytest.TempPathFactory, north: Keys) -> Iterator[Vaults]:
    """Have a vault with the party's signing key, and with its keys for two rooms."""
    with running_vaults(Home.at(tmp_path_factory.mktemp("home")), "north") as made:
        with pytest.MonkeyPatch.context() as patch, made.keys("north", "north") as client:
            patch.setenv("REQUESTS_CA_BUNDLE", str(made.home.authority_file))
            patch.setenv("NO_PROXY", HOST)
            keep_signing_key(client, "signing", north.private_signing)
            for room in ("room", "other"):
                nobody = closed(AUTHORITY).to_bytes()
                keep_room_key(client, f"room-{room}", north.private_reader, nobody)
        yield made


@pytest.fixture
def online(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> Online:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    url = vaults.url("north")
    made = Online(Profile("north", vault=url, authority=AUTHORITY, datasets=PLACE))
    vars(made)["vault"] = Vault(url, vaults.credential("north", "north"))
    return made


def agreed(vaults: Vaults, north: Keys, south: Keys, room: str = "room", **ours: Any) -> Contract:
    key = {
        "url": f"{vaults.url('north')}/keys/room-{room}",
        "public": north.reader.to_json(),
        "authority": AUTHORITY,
    }
    parties = [party("north", north, room_key=key | ours), party("south", south)]
    return Contract.from_value(contract(north, south, parties=parties), "contract")


@pytest.fixture
def asked(vaults: Vaults, online: Online, monkeypatch: pytest.MonkeyPatch) -> Asking:
    """Be signed in, and have a control plane that always answers the same."""

    @contextmanager
    def asking(reply: Reply) -> Iterator[Scripted]:
        log = vaults.home.path / "identity.log"
        with (
            running_directory(vaults.home, ["north"], log) as directory,
            scripted(reply) as server,
        ):
            be("north", directory, vaults.home, monkeypatch)
            vars(online)["api"] = Api(server.url, lambda: "secret")
            yield server

    return asking


def test_data_is_sealed_for_no_key_that_somebody_else_could_have(
    vaults: Vaults, online: Online, north: Keys, south: Keys, tmp_path: Path
) -> None:
    made = agreed(vaults, north, south, public=Keys.make().reader.to_json())
    (tmp_path / "table.csv").write_text("customer,amount\nann,1.50\n")

    with pytest.raises(PolicyRefused, match=r"in your vault, and .* in the contract"):
        dropping.drop(online, made, tmp_path / "table.csv", None, NOW)


def test_a_key_is_for_one_room_only(
    vaults: Vaults, online: Online, north: Keys, south: Keys, tmp_path: Path
) -> None:
    made = agreed(vaults, north, south, room="other")
    (tmp_path / "table.csv").write_text("customer,amount\nann,1.50\n")

    with pytest.raises(PolicyRefused, match="is not room-room, your key for the room 'room'"):
        approving.check(online, made, NOW)
    with pytest.raises(PolicyRefused, match="is not room-room"):
        dropping.drop(online, made, tmp_path / "table.csv", None, NOW)


def test_the_right_keys_are_taken(vaults: Vaults, online: Online, north: Keys, south: Keys) -> None:
    made = agreed(vaults, north, south)

    assert approving.check(online, made, NOW) == made.parties[0]


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(403, b'{"code": "forbidden", "detail": "no"}'), id="refuses"),
        pytest.param(Reply(404), id="knows nothing"),
        pytest.param(Reply(0), id="is away"),
    ],
)
def test_whatever_a_control_plane_answers_what_is_revoked_is_released_no_more(
    reply: Reply,
    vaults: Vaults,
    online: Online,
    north: Keys,
    south: Keys,
    asked: Asking,
) -> None:
    made = agreed(vaults, north, south)
    key = f"{vaults.url('north')}/keys/room-room"
    online.vault.set_policy(key, release_policy(made.digest, made.runners, AUTHORITY, svns=True))
    no_more = "your vault releases the key no more, but"
    with asked(reply) as server, pytest.raises(Unavailable, match=no_more) as caught:
        approving.revoke(online, made, made.limits.expires, NOW)

    assert server.asked[0].method == "PUT"
    assert "no further run can open your data" in caught.value.hint
    assert meaning.equal(online.vault.policy(key), closed(AUTHORITY))


def test_whoever_approves_where_the_word_is_not_taken_is_told_that_the_vault_releases_already(
    vaults: Vaults,
    online: Online,
    north: Keys,
    south: Keys,
    asked: Asking,
) -> None:
    made = agreed(vaults, north, south)
    key = f"{vaults.url('north')}/keys/room-room"
    already = "releases the key for this contract already, but"
    with asked(Reply(0)), pytest.raises(Unavailable, match=already):
        approving.approve(online, made, made.limits.expires, NOW, svns=True)

    wanted = release_policy(made.digest, made.runners, AUTHORITY, svns=True)
    assert meaning.equal(online.vault.policy(key), wanted)


def test_a_key_that_is_for_another_contract_by_now_stays_so_and_that_is_said(
    vaults: Vaults,
    online: Online,
    north: Keys,
    south: Keys,
    asked: Asking,
) -> None:
    made = agreed(vaults, north, south)
    key = f"{vaults.url('north')}/keys/room-room"
    other = release_policy(Digest.of(b"other"), made.runners, AUTHORITY, svns=True)
    with asked(Reply(201, b"{}")):
        online.vault.set_policy(key, other)

        kept = approving.revoke(online, made, made.limits.expires, NOW)
        policy = online.vault.policy(key)
        online.vault.set_policy(key, closed(AUTHORITY))
        was_closed = approving.revoke(online, made, made.limits.expires, NOW)

    assert meaning.equal(policy, other)
    assert (kept.before, kept.elsewhere) == (False, True)
    assert (was_closed.before, was_closed.elsewhere) == (False, False)
