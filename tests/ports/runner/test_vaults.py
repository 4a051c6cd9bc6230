"""The parties' vaults by the genuine clients: who may be asked, and what becomes of refusals."""

from collections.abc import Iterator

import pytest
import trustme
from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unavailable
from runner.keys.vaults import Vaults
from runner.room.places import Hosts
from runner.room.transport import LARGEST_ANSWER
from tests.ports.scripted import Reply, scripted
from tests.servers import free_ports
from tests.worlds import World

HERE = Hosts(("127.0.0.1",))
TOKEN = "e30.e30.e30"  # noqa: S105  # three empty objects
CHALLENGE = 'Bearer authorization="https://127.0.0.1/tenant", resource="https://0.0.1:{port}"'
MARKER = b'{"error":{"code":"alice","message":"alice@example.com"}}'


class _Somebody:
    """A credential with a token for everybody."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken("token", 4_000_000_000)


@pytest.fixture
def vaults(here: World) -> Iterator[Vaults]:
    del here
    with DefaultAzureCredential() as credential:
        made = Vaults(credential, HERE)
        yield made
        made.close()


def test_a_vault_that_has_no_such_key_refuses(vaults: Vaults, world: World) -> None:
    with pytest.raises(PolicyRefused, match=r"HTTP status 404$"):
        vaults.release(f"{world.vaults.url('north')}/keys/none", TOKEN, "nonce")


def test_a_vault_that_has_no_such_secret_refuses(vaults: Vaults, world: World) -> None:
    north = world.vaults.url("north")

    with pytest.raises(PolicyRefused, match=r"HTTP status 40[34]$"):
        vaults.wrapped_key(f"{north}/secrets/none", f"{north}/keys/room")


def test_a_secret_of_another_vault_is_not_read(vaults: Vaults, world: World) -> None:
    north, south = world.vaults.url("north"), world.vaults.url("south")

    with pytest.raises(PolicyRefused, match="not in the vault"):
        vaults.wrapped_key(f"{south}/secrets/none", f"{north}/keys/room")


def test_a_host_that_may_not_be_called_is_not(vaults: Vaults) -> None:
    for ask in (
        lambda url: vaults.release(f"{url}/keys/a", TOKEN, "nonce"),
        lambda url: vaults.wrapped_key(f"{url}/secrets/a", f"{url}/keys/a"),
        vaults.check,
    ):
        with pytest.raises(PolicyRefused, match="not among the hosts"):
            ask("https://metadata.example")


def test_a_vault_that_is_not_there_may_come_back(vaults: Vaults) -> None:
    with pytest.raises(Unavailable, match=r"does not answer$"):
        vaults.release(f"https://127.0.0.1:{free_ports(1)[0]}/keys/a", TOKEN, "nonce")


def test_a_vault_that_answers_is_reachable(vaults: Vaults, world: World) -> None:
    vaults.check(world.vaults.url("north"))


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        pytest.param(Reply(403, MARKER), PolicyRefused, id="forbidden"),
        pytest.param(Reply(500, MARKER), Unavailable, id="broken"),
        pytest.param(Reply(200, b"x" * (LARGEST_ANSWER + 1)), Tampered, id="endless"),
    ],
)
def test_what_a_vault_says_goes_no_further(
    reply: Reply, kind: type[CleanroomError], ca: trustme.CA
) -> None:
    with scripted(ca=ca) as server:
        challenge = CHALLENGE.format(port=server.url.rpartition(":")[2])
        server.replies = [Reply(401, headers=(("WWW-Authenticate", challenge),)), reply]
        vaults = Vaults(_Somebody(), HERE)

        with pytest.raises(kind) as caught:
            vaults.release(f"{server.url}/keys/a", TOKEN, "nonce")

        vaults.close()
    assert len(server.asked) > 1
    assert "alice" not in str(caught.value)


def test_a_vault_that_asks_for_a_token_for_somebody_else_gets_none(ca: trustme.CA) -> None:
    with scripted(ca=ca) as server:
        challenge = CHALLENGE.replace("0.0.1:{port}", "elsewhere.example")
        server.replies = [Reply(401, headers=(("WWW-Authenticate", challenge),))]
        vaults = Vaults(_Somebody(), HERE)

        with pytest.raises(Malformed, match="a challenge for its own host"):
            vaults.release(f"{server.url}/keys/a", TOKEN, "nonce")

        vaults.close()
    assert not any("Authorization" in asked.headers for asked in server.asked)
