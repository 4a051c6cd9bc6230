"""Two parties in two directories, the runner in a third: a job runs, and nobody else's would."""

import http.client
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from typing import Self

import pytest
import trustme
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions

from cleanroom.directories import EXCHANGE, STORAGE, Directories
from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from devstack import clock, tokens
from devstack.home import HOST
from devstack.vault.roles import RELEASE_USER
from runner import assembly
from runner.cells import Cells
from runner.directories import Identity
from runner.job import Job, Parts
from runner.keys.vaults import Vaults
from runner.room.places import Hosts
from runner.room.storage import Account
from runner.settings import Settings
from tests import vaults
from tests.abroad import APPLICATION
from tests.ports.scripted import Reply, scripted
from tests.servers import trusting
from tests.worlds import PARTIES, TOTAL, Agreed, World, agree, running_world

VAULTS = 'Bearer authorization="https://127.0.0.1/{tenant}", resource="https://0.0.1:{port}"'
STORAGES = (
    "Bearer authorization_uri=https://127.0.0.1/{tenant}/oauth2/authorize resource_id={resource}"
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """Give the application the release role in each party's vault, as the parties would."""
    with running_world(tmp_path_factory.mktemp("abroad"), abroad=True) as made:
        for name in PARTIES:
            _let_release(made, name)
        yield made


def _let_release(world: World, party: str) -> None:
    role = {"identity": APPLICATION, "role": RELEASE_USER}
    assert world.vaults.call(party, party, "PUT", f"/devstack/roles/{APPLICATION}", role)[0] == 200


@contextmanager
def runner(world: World, cells: Cells, **settings: str) -> Iterator[Parts]:
    """Be a runner with these settings, in place of those that are right."""
    with assembly.services(Settings.parse(world.environment(**settings))) as made:
        yield assembly.parts(made, cells)


@pytest.fixture
def parts(here: World, cells: Cells) -> Iterator[Parts]:
    """Be the runner that is told of all directories."""
    with runner(here, cells) as made:
        yield made


def released(world: World, party: str) -> int:
    return len([one for one in world.releases(party) if one["verdict"] == "released"])


def error_of(room: Agreed, parts: Parts) -> CleanroomError:
    """Run a job that cannot be done."""
    with pytest.raises(CleanroomError) as caught:
        Job(room.request(), parts).run()
    return caught.value


# --- a job


def test_a_job_is_done_in_each_partys_directory(here: World, parts: Parts) -> None:
    room = agree(here)
    before = {name: released(here, name) for name in PARTIES}

    outcome = Job(room.request(), parts).run()

    assert outcome.ending.status == "completed"
    assert room.opened(outcome.job) == TOTAL
    for name in PARTIES:
        assert released(here, name) == before[name] + 1
        assert here.releases(name)[-1]["who"]["name"] == APPLICATION


def test_a_contract_that_the_key_is_not_for_gets_none_abroad_either(
    here: World, parts: Parts
) -> None:
    room = agree(here, released_for=lambda _: Digest.of(b"another contract"))

    outcome = Job(room.request(), parts).run()

    assert (outcome.ending.status, outcome.ending.reason) == ("refused", "policy_refused")


def test_a_party_that_takes_the_role_away_ends_it(here: World, parts: Parts) -> None:
    room = agree(here)
    here.vaults.call("south", "south", "DELETE", f"/devstack/roles/{APPLICATION}")

    outcome = Job(room.request(), parts).run()
    _let_release(here, "south")

    assert (outcome.ending.status, outcome.ending.reason) == ("refused", "policy_refused")
    assert here.releases("south")[-1]["reason"] == "no role allows it"


# --- directories in which nothing is asked


def test_a_directory_that_is_not_allowed_is_refused_by_its_name(here: World, cells: Cells) -> None:
    room = agree(here)
    with runner(here, cells, DIRECTORIES=here.home.directory("north")) as parts:
        error = error_of(room, parts)

    south = here.home.directory("south")
    assert isinstance(error, PolicyRefused)
    assert str(error) == f"directory '{south}': not among those that are asked"


def test_without_other_directories_a_party_there_knows_nobody(here: World, cells: Cells) -> None:
    room = agree(here)
    none = {"DIRECTORY": "", "DIRECTORIES": "", "APPLICATION": ""}
    with runner(here, cells, **none) as parts:
        error = error_of(room, parts)

    assert isinstance(error, Unavailable)
    assert str(error).endswith("the storage answered with HTTP status 401")


@pytest.mark.parametrize(
    ("known", "code"),
    [
        pytest.param("nobody's", 700016, id="no such application"),
        pytest.param("lonely", 7000229, id="not let in"),
    ],
)
def test_a_directory_that_has_not_let_the_application_in_is_named(
    known: str, code: int, here: World, cells: Cells
) -> None:
    room = agree(here)
    with runner(here, cells, APPLICATION=here.home.object_id(known)) as parts:
        error = error_of(room, parts)

    assert isinstance(error, Unavailable)
    assert re.fullmatch(
        rf"directory [0-9a-f-]{{36}}: gives our application no token \(AADSTS{code}\)", str(error)
    )


@pytest.mark.parametrize(
    ("directory", "status"),
    [("south", 403), ("north", 401), ("", 401)],
    ids=["own", "other", "ours"],
)
def test_a_vault_believes_its_own_directory_only(directory: str, status: int, world: World) -> None:
    token = vaults.token(world.home, APPLICATION, clock.now(), directory=directory)

    found = asked(world, world.vaults.ports["south"], "/keys/x?api-version=7.4", token)

    assert found == status


@pytest.mark.parametrize(
    ("directory", "status"),
    [("south", 200), ("north", 401), ("", 401)],
    ids=["own", "other", "ours"],
)
def test_an_account_believes_its_own_directory_only(
    directory: str, status: int, world: World
) -> None:
    token = vaults.token(world.home, APPLICATION, clock.now(), tokens.STORAGE, directory)
    path = "/cleanroom/datasets-south?restype=container&comp=list"

    assert asked(world, world.account("south").port, path, token) == status


def asked(world: World, port: int, path: str, token: str) -> int:
    link = http.client.HTTPSConnection(HOST, port, timeout=10, context=trusting(world.home))
    headers = {"Authorization": f"Bearer {token}", "x-ms-version": "2021-12-02"}
    with closing(link):
        link.request("GET", path, headers=headers)
        return link.getresponse().status


# --- services that lie


@dataclass
class _Identity:
    """An identity that has a token for everything, and remembers what for."""

    asked: list[str] = field(default_factory=list)

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        del options
        self.asked += scopes
        return AccessTokenInfo(f"for {scopes[0]}", 4_000_000_000)

    def close(self) -> None:
        """Have nothing to close."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


KNOWN = Directories(
    *("11111111-1111-4111-8111-111111111111", frozenset[str]()),
    "22222222-2222-4222-8222-222222222222",
)
STRANGE = "33333333-3333-4333-8333-333333333333"


def test_a_vault_that_names_a_strange_directory_gets_no_token(ca: trustme.CA) -> None:
    own = _Identity()
    with scripted(ca=ca) as server:
        port = server.url.rpartition(":")[2]
        challenge = VAULTS.format(tenant=STRANGE, port=port)
        server.replies = [Reply(401, headers=(("WWW-Authenticate", challenge),))]
        made = Vaults(Identity(own, KNOWN), Hosts((HOST,)))

        with pytest.raises(PolicyRefused, match=f"^directory '{STRANGE}': not among"):
            made.release(f"{server.url}/keys/a", "e30.e30.e30", "nonce")

        made.close()
    assert own.asked == []
    assert not any("Authorization" in one.headers for one in server.asked)


@pytest.mark.parametrize(
    ("tenant", "resource", "message"),
    [
        pytest.param(STRANGE, "https://storage.azure.com", f"'{STRANGE}'", id="strange directory"),
        pytest.param(KNOWN.own, "https://vault.azure.net", "something else", id="for a vault"),
        pytest.param(
            KNOWN.own, EXCHANGE.removesuffix("/.default"), "something else", id="for the exchange"
        ),
    ],
)
def test_an_account_that_asks_for_another_token_gets_none(
    tenant: str, resource: str, message: str, ca: trustme.CA
) -> None:
    own = _Identity()
    challenge = STORAGES.format(tenant=tenant, resource=resource)
    reply = Reply(401, headers=(("WWW-Authenticate", challenge),))
    with scripted(reply, ca=ca) as server:
        account = Account(f"{server.url}/account", Identity(own, KNOWN, STORAGE), patience=5.0)

        with pytest.raises(PolicyRefused, match=message):
            account.read("datasets", "name", 4)

        account.close()
    assert own.asked == [STORAGE]
    assert [one.headers["Authorization"] for one in server.asked] == [f"Bearer for {STORAGE}"]
