"""The edge to webhooks: what is posted to them, and what comes of it.

- Only the loopback is ever asked: a redirect is an answer that is not a success.
- An answer's body is of no interest but in a handshake, where it is short.
"""

import ssl
import uuid
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Self

import aiohttp

from devstack.eventgrid.events import Schema
from devstack.eventgrid.handshake import Proof, State
from devstack.eventgrid.schedule import SOCKET_ERROR, TIMED_OUT, Outcome

_LONGEST_ANSWER = 1 << 16
_PIECE = 1 << 14


class WebHooks:
    """One client for all webhooks; `patience` is how many seconds each has for an answer."""

    def __init__(self, tls: ssl.SSLContext, patience: float) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=patience),
            auto_decompress=False,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def post(
        self, url: str, body: bytes, headers: Mapping[str, str], *, resource: bool
    ) -> Outcome:
        """Deliver once."""
        try:
            status, _, _ = await self._ask("POST", url, body, headers)
        except TimeoutError:
            return Outcome(TIMED_OUT)
        except (aiohttp.ClientError, OSError, ValueError):
            return Outcome(SOCKET_ERROR)
        return Outcome.of_status(status, resource=resource)

    async def prove(
        self, url: str, proof: Proof, schema: Schema, clock: Callable[[], datetime]
    ) -> State:
        """Shake hands once."""
        cloud = schema is Schema.CLOUD_EVENTS
        try:
            if cloud:
                status, headers, _ = await self._ask("OPTIONS", url, None, proof.cloud_headers())
                return proof.judge_cloud(status, headers)
            asked = proof.grid_body(str(uuid.uuid4()), clock())
            status, _, body = await self._ask("POST", url, asked, proof.grid_headers())
            return proof.judge_grid(status, body)
        except (TimeoutError, aiohttp.ClientError, OSError, ValueError):
            return State.FAILED

    async def _ask(
        self, method: str, url: str, body: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, Mapping[str, str], bytes]:
        async with self._session.request(
            method, url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            content = bytearray()
            async for piece in answer.content.iter_chunked(_PIECE):
                content += piece
                if len(content) > _LONGEST_ANSWER:
                    answer.close()  # nobody reads the rest, so the connection is of no more use
                    break
            return answer.status, answer.headers, bytes(content)
