"""Parties' accounts in directories of their own, and who the control plane is there."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, field
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
from devstack.home import Home
from functions.directories import Identity
from functions.storing import Container
from tests.abroad import LONELY, Abroad, parties_abroad
from tests.directories import be, running_directory
from tests.ports.scripted import Reply, scripted
from tests.stacks import being

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
            assert [one.name async for one in account.listing("room/")] == ["room/file"]
            read = await account.read("room/file", 10)
            assert read is not None
            found.append(read.data)
        return found

    assert with_identity(directories(abroad), work) == [b"north", b"south"] * 2


def error_of(
    abroad: Abroad, known: Directories, caplog: pytest.LogCaptureFixture
) -> CleanroomError:
    """Ask south's account in vain, and find the reason in the log too."""

    async def work(container: Callable[[str, str], Container]) -> CleanroomError:
        account = container(abroad.accounts["south"].url, "datasets-south")
        with pytest.raises(CleanroomError) as caught:
            await account.read("room/file", 10)
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
            await container(f"{server.url}/account", "datasets").read("file", 10)

    trust = ssl.create_default_context()
    ca.configure_trust(trust)
    with scripted(reply, ca=ca) as server:
        with_identity(directories(abroad), work, own, trust)

    assert own.asked == [STORAGE]
    assert len(server.asked) == 1
