"""The issuer's keys: found, kept, asked for again, and never another's."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.errors import Unavailable
from cleanroom.jose import jwk
from devstack.home import HOST
from functions.api.issuer import Issuer
from functions.settings import Directory
from tests.servers import free_ports
from tests.tokens import AUTHORITY_KEY, OTHER_KEY

HOUR = 3600.0


@dataclass
class Played:
    """An issuer that does what it is told, and the time."""

    url: str
    keys: dict[str, rsa.RSAPrivateKey]
    changes: dict[str, object] = field(default_factory=dict)
    status: int = 200
    asked: int = 0
    now: float = 0.0
    issuer: Issuer = field(init=False)

    async def configuration(self, _: web.Request) -> web.Response:
        self.asked += 1
        said = {"issuer": self.url, "jwks_uri": f"{self.url}/keys"} | self.changes
        return web.json_response(said, status=self.status)

    async def jwks(self, _: web.Request) -> web.Response:
        keys = [jwk(key.public_key()) | {"kid": name} for name, key in self.keys.items()]
        return web.json_response({"keys": keys})

    async def knows(self, name: str) -> bool:
        return await self.issuer.key(name) is not None


def playing[T](work: Callable[[Played], Awaitable[T]], **changes: object) -> T:
    """Do something with an issuer that has one key."""

    async def main() -> T:
        (port,) = free_ports(1)
        played = Played(f"http://{HOST}:{port}/tenant/", {"one": AUTHORITY_KEY}, changes)
        app = web.Application()
        app.router.add_get("/tenant/.well-known/openid-configuration", played.configuration)
        app.router.add_get("/tenant//keys", played.jwks)
        runner = web.AppRunner(app)
        await runner.setup()
        await web.TCPSite(runner, HOST, port).start()
        try:
            async with aiohttp.ClientSession() as session:
                directory = Directory(played.url, "api://cleanroom")
                played.issuer = Issuer(directory, session, lambda: played.now)
                return await work(played)
        finally:
            await runner.cleanup()

    return asyncio.run(main())


def test_keys_are_found_through_the_issuers_own_document() -> None:
    async def work(played: Played) -> list[bool]:
        return [await played.knows("one"), await played.knows("two")]

    assert playing(work) == [True, False]


def test_keys_are_kept_for_an_hour() -> None:
    async def work(played: Played) -> list[int]:
        counts = []
        for now in (0.0, 1.0, HOUR, HOUR + 1):
            played.now = now
            await played.knows("one")
            counts.append(played.asked)
        return counts

    assert playing(work) == [1, 1, 1, 2]


def test_a_new_key_is_found_soon_and_made_up_ones_are_not_asked_for_each_time() -> None:
    async def work(played: Played) -> tuple[list[bool], int]:
        found = [await played.knows("one")]
        played.keys["two"] = OTHER_KEY
        for now in (1.0, 2.0, 31.0):
            played.now = now
            found.append(await played.knows("two"))
        return found, played.asked

    assert playing(work) == ([True, False, False, True], 2)


def test_an_issuer_that_is_away_is_not_needed_for_a_day() -> None:
    async def work(played: Played) -> bool:
        await played.knows("one")
        played.status, played.now = 500, 23 * HOUR
        return await played.knows("one")

    assert playing(work)


def test_after_a_day_without_its_issuer_nobody_is_known() -> None:
    async def work(played: Played) -> None:
        await played.knows("one")
        played.status, played.now = 500, 25 * HOUR
        await played.knows("one")

    with pytest.raises(Unavailable):
        playing(work)


def test_keys_that_were_taken_back_are_forgotten() -> None:
    async def work(played: Played) -> bool:
        await played.knows("one")
        played.keys, played.now = {"two": OTHER_KEY}, HOUR + 1
        return await played.knows("one")

    assert not playing(work)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"issuer": "https://other"}, id="of another"),
        pytest.param({"issuer": None}, id="of nobody"),
        pytest.param({"jwks_uri": None}, id="no keys"),
        pytest.param({"jwks_uri": "http://127.0.0.1:1/keys"}, id="keys that are away"),
        pytest.param({"more": "x" * (1 << 18)}, id="large"),
    ],
)
def test_a_wrong_document_is_no_issuer(changes: dict[str, object]) -> None:
    async def work(played: Played) -> None:
        await played.knows("one")

    with pytest.raises(Unavailable):
        playing(work, **changes)
