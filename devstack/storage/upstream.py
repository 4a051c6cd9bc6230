"""Azurite as the front sees it: a few warm connections, and one question of its own."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import quote

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from cleanroom.errors import Unavailable
from devstack.home import HOST
from devstack.storage import ACCOUNT
from devstack.storage.access import ROLES, Access
from devstack.storage.changes import Blob
from devstack.storage.events import Properties

_OWN = ("connection", "expect", "keep-alive", "proxy-authorization", "proxy-connection")
HOP_BY_HOP = frozenset((*_OWN, "te", "trailer", "transfer-encoding", "upgrade"))
_AS_THEY_CAME = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
_PATIENCE = 2.0  # seconds that a restart may take before clients are told to come again
_POLL = 0.05
_SILENCE = 300.0  # seconds between two pieces of an answer

type Body = AsyncIterable[bytes] | bytes | None


class Upstream:
    """A client of Azurite that changes nothing on the way."""

    def __init__(self, port: int, access: Access) -> None:
        self._url = f"http://{HOST}:{port}"
        self._access = access
        self._session = aiohttp.ClientSession(
            auto_decompress=False,
            connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=300),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=_SILENCE),
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._session.close()

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        raw: str,
        headers: Mapping[str, str],
        body: Body = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask Azurite; a body is begun only when there is somebody to listen.

        Raises `Unavailable` if nobody listens, or if the connection breaks before an answer.
        """
        async with await self._answer(
            method, URL(self._url + raw, encoded=True), headers, body
        ) as answer:
            yield answer

    async def _answer(
        self, method: str, url: URL, headers: Mapping[str, str], body: Body
    ) -> aiohttp.ClientResponse:
        until = asyncio.get_running_loop().time() + _PATIENCE
        while True:
            try:
                return await self._session.request(
                    method,
                    url,
                    headers=headers,
                    data=body,
                    allow_redirects=False,
                    skip_auto_headers=_AS_THEY_CAME,
                )
            except aiohttp.ClientConnectorError as error:
                if asyncio.get_running_loop().time() > until:
                    raise Unavailable("azurite: does not answer") from error
                await asyncio.sleep(_POLL)
            except (aiohttp.ClientError, TimeoutError) as error:
                raise Unavailable("azurite: broke off") from error

    async def properties(self, blob: Blob) -> Properties | None:
        """Ask what a blob is; nothing, if there is none."""
        raw = self._access.signed(
            f"/{ACCOUNT}/{blob.container}/{quote(blob.name)}", ROLES["reader"]
        )
        async with self.ask("HEAD", raw, {"x-ms-version": "2021-12-02"}) as answer:
            if answer.status == 404:  # noqa: PLR2004
                return None
            if not answer.ok:
                raise Unavailable(f"azurite: does not say what a blob is: status {answer.status}")
            return Properties(
                etag(answer.headers),
                answer.headers["Content-Type"],
                int(answer.headers["Content-Length"]),
                answer.headers["x-ms-blob-type"],
            )


def etag(headers: Mapping[str, str]) -> str:
    """Read the etag out of an answer, as events have it: without quotes."""
    return headers.get("ETag", "").strip('"')


def end_to_end(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """Copy the headers that are meant for the other end."""
    named = {name.strip().lower() for name in headers.get("Connection", "").split(",")}
    dropped = HOP_BY_HOP | named
    return CIMultiDict(
        (name, value) for name, value in headers.items() if name.lower() not in dropped
    )
