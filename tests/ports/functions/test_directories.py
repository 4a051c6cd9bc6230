"""Parties' accounts in directories of their own, and who the control plane is there."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

import aiohttp
import pytest
import trustme
from azure.core.credentials import AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob.aio import BlobServiceClient

from cleanroom.directories import EXCHANGE, STORAGE, Directories
from cleanroom.errors import CleanroomError, Unavailable
from cleanroom.ids import Digest
from devstack.home import HOST, Home
from functions import parts
from functions.directories import Identity
from functions.reconciling import Wish
from functions.settings import Bus, Settings, Topic
from functions.storing import Container
from tests import builders
from tests.abroad import LONELY, Abroad, parties_abroad
from tests.directories import be, running_directory
from tests.ports.scripted import Reply, scripted
from tests.rooms import Place
from tests.sealing import Parts
from tests.stacks import RunningStack, being

PARTIES = ("north", "south")


@pytest.fixture(scope="module")
def abroad(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Abroad]:
    """Run the directories, and an account in each; be the functions' identity."""
    folder = tmp_path_factory.mktemp("abroad")
    home = Home.at(folder / "ours")
    home.authority()
    home.token_key()
    with (
        parties_abroad(home, folder, PARTIES, "functions") as made,
        running_directory(home, ["functions"], folder / "identity.log", made.options) as server,
        pytest.MonkeyPatch.context() as patch,
    ):
        be("functions", server, home, patch)
        authority = str(home.authority_file)
        trust = {"REQUESTS_CA_BUNDLE": authority, "SSL_CERT_FILE": authority}
        with being(made.outside() | trust):
            yield made


def directories(abroad: Abroad, **changes: str) -> Directories:
    return Directories.parse((abroad.settings() | changes).get, "")


def with_identity[T](
    known: Directories,
    work: Callable[[Callable[[str, str], Container]], Awaitable[T]],
    own: AsyncSupportsTokenInfo | None = None,
    tls: ssl.SSLContext | None = None,
) -> T:
    """Do something with containers of accounts, as the control plane has them."""

    async def main() -> T:
        connector = aiohttp.TCPConnector(ssl=tls or ssl.create_default_context())
        async with (
            own or DefaultAzureCredential() as credential,
            aiohttp.ClientSession(connector=connector) as session,
            Identity(credential, known, session) as identity,
        ):
            transport = AioHttpTransport(session=session, session_owner=False)

            def container(url: str, name: str) -> Container:
                service = BlobServiceClient(url, identity, transport=transport, retry_total=0)
                return Container(service.get_container_client(name), ours=False)

            return await work(container)

    return asyncio.run(main())


def put(abroad: Abroad, party: str, data: bytes) -> None:
    service = abroad.accounts[party].client()
    service.get_blob_client(f"datasets-{party}", "room/file").upload_blob(data, overwrite=True)


def test_files_are_read_in_each_partys_directory(abroad: Abroad) -> None:
    for party in PARTIES:
        put(abroad, party, party.encode())

    async def work(container: Callable[[str, str], Container]) -> list[bytes]:
        found = []
        for party in PARTIES * 2:
            account = container(abroad.accounts[party].url, f"datasets-{party}")
            (file,) = [one async for one in account.listing("room/")]
            read = await account.part("room/file", file.etag, 0, 10)
            assert read is not None
            found.append(read)
        return found

    assert with_identity(directories(abroad), work) == [b"north", b"south"] * 2


def test_a_run_is_due_when_each_party_dropped_its_file_in_its_directory(
    services: RunningStack, env: Mapping[str, str], place: Place, tmp_path: Path
) -> None:
    home, own = Home.at(services.home), ["functions"]
    with (
        parties_abroad(home, tmp_path, PARTIES, "functions") as abroad,
        running_directory(home, own, tmp_path / "identity.log", abroad.options) as server,
        being(
            {**abroad.outside(), "IDENTITY_ENDPOINT": f"http://{HOST}:{server.health[0]}/msi/token"}
        ),
    ):
        owners = dict(zip("ab", PARTIES, strict=True))
        room = place.room(
            datasets=[
                builders.dataset(
                    alias, owner, location=f"{abroad.accounts[owner].url}/datasets-{owner}/{alias}"
                )
                for alias, owner in owners.items()
            ]
        )
        room.propose()
        for party in PARTIES:
            room.say(party)
        files = {alias: room.sealed(alias, 1) for alias in owners}

        looked(place, env, room.name, directories(abroad))
        before = room.records()
        for alias, owner in owners.items():
            account = abroad.accounts[owner].client()
            file = account.get_blob_client(f"datasets-{owner}", f"{alias}/1.sealed")
            file.upload_blob(files[alias])
        looked(place, env, room.name, replace(directories(abroad), others=frozenset()))
        without = room.records()
        looked(place, env, room.name, directories(abroad))

        assert (before, without) == (set(), set())
        a, b = (Digest.of(Parts.of(files[alias]).payload) for alias in "ab")
        assert room.records() == {room.job(a, b)}


def looked(place: Place, env: Mapping[str, str], room: str, known: Directories) -> None:
    """Have a control plane of its own look at a room."""
    endpoint = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
    topic = Topic(endpoint, env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"])
    bus = Bus(place.bus, None, "jobs")
    settings = Settings(place.url, "0.0.1", bus, topic, None, None, None, known)

    async def main() -> None:
        made = parts.assemble(settings)
        try:
            await made.reconciler.reconcile(room, Wish(thorough=True))
            await made.reconciler.settle()
        finally:
            await made.close()

    asyncio.run(main())


def error_of(
    abroad: Abroad, known: Directories, caplog: pytest.LogCaptureFixture
) -> CleanroomError:
    """Ask south's account in vain, and find the reason in the log too."""

    async def work(container: Callable[[str, str], Container]) -> CleanroomError:
        account = container(abroad.accounts["south"].url, "datasets-south")
        with pytest.raises(CleanroomError) as caught:
            await account.look("room/file")
        return caught.value

    error = with_identity(known, work)
    assert f"directory.refused {error}" in caplog.messages
    return error


def test_an_account_in_a_directory_that_is_not_allowed_does_not_answer(
    abroad: Abroad, caplog: pytest.LogCaptureFixture
) -> None:
    known = directories(abroad, DIRECTORIES=abroad.home.directory("north"))

    error = error_of(abroad, known, caplog)

    assert isinstance(error, Unavailable)
    south = abroad.home.directory("south")
    assert str(error) == f"directory '{south}': not among those that are asked"


def test_an_account_in_a_directory_that_has_not_let_us_in_does_not_answer(
    abroad: Abroad, caplog: pytest.LogCaptureFixture
) -> None:
    known = directories(abroad, APPLICATION=abroad.home.object_id(LONELY))

    error = error_of(abroad, known, caplog)

    assert isinstance(error, Unavailable)
    south = abroad.home.directory("south")
    assert str(error) == f"directory {south}: gives our application no token (AADSTS7000229)"


@dataclass
class _Identity:
    """An identity that has a token for everything, and remembers what for."""

    asked: list[str] = field(default_factory=list)

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        del options
        self.asked += scopes
        return AccessTokenInfo("token", 4_000_000_000)

    async def close(self) -> None:
        """Have nothing to close."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


@pytest.mark.parametrize(
    "resource",
    ["https://vault.azure.net", EXCHANGE.removesuffix("/.default")],
    ids=["for a vault", "for the exchange"],
)
@pytest.mark.parametrize("party", ["", "north"], ids=["at home", "abroad"])
def test_an_account_that_asks_for_another_token_gets_none(
    party: str, resource: str, abroad: Abroad, ca: trustme.CA
) -> None:
    own = _Identity()
    tenant = abroad.home.directory(party)
    where = f"authorization_uri=https://127.0.0.1/{tenant}/oauth2/authorize"
    reply = Reply(401, headers=(("WWW-Authenticate", f"Bearer {where} resource_id={resource}"),))

    async def work(container: Callable[[str, str], Container]) -> None:
        with pytest.raises(Unavailable, match="for something else"):
            await container(f"{server.url}/account", "datasets").part("file", "etag", 0, 10)

    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    with scripted(reply, ca=ca) as server:
        with_identity(directories(abroad), work, own, trust)

    assert own.asked == [STORAGE]
    assert len(server.asked) == 1
