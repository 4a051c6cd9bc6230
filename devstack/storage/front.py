"""The front: what comes over TLS goes on to Azurite as it is, and comes back as it is.

- The path and the headers that signatures are made over are not touched; bodies are streams, but
  for small ones.
- Tokens of identities, signatures by their keys, and sources of copies are checked here; signatures
  by the account's key by Azurite.
- Requests that commit a blob go through `commits.py`, so that events tell of them.
- A batch is taken apart, and each of its parts goes that same way.
"""

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus

import aiohttp
from aiohttp import web

from cleanroom.errors import Unavailable
from devstack.storage import ACCOUNT, batches, delegation
from devstack.storage.access import Access, Admitted
from devstack.storage.changes import Target, change_of, is_unclear, source_of, unsigned
from devstack.storage.commits import Commits
from devstack.storage.outbox import Outbox
from devstack.storage.refusals import (
    BUSY,
    INVALID_INPUT,
    INVALID_TARGET,
    NO_LENGTH,
    NO_SOURCE,
    NOT_AUTHENTIC,
    NOT_IMPLEMENTED,
    Refusal,
)
from devstack.storage.upstream import Body, Upstream, end_to_end, etag
from devstack.web import body as small_body

_KEYS = "userdelegationkey"
_BODILESS = ("GET", "HEAD", "OPTIONS")
_SMALL = 1 << 16  # what is no larger goes on in one piece
_VERSION = "2021-12-02"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, alone or out of a batch."""

    method: str
    raw: str
    headers: Mapping[str, str]
    body: Body


class Front:
    """What answers requests."""

    def __init__(
        self,
        access: Access,
        upstream: Upstream,
        outbox: Outbox,
        commits: Commits,
        authority: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._access = access
        self._upstream = upstream
        self._outbox = outbox
        self._commits = commits
        self._challenge = (
            f"Bearer authorization_uri={authority}/oauth2/authorize"
            " resource_id=https://storage.azure.com"
        )
        self._clock = clock

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer a request, if need be with the service's errors."""
        if request.method == "POST" and request.query.get("comp") == "batch":
            return await self._batch(request)
        if _asks_for_key(request.method, request.raw_path):
            return await self._delegate(request)
        body = await _body(request)
        try:
            asked = Asked(request.method, request.raw_path, request.headers, body)
            async with self._answer(asked) as answer:
                if isinstance(answer, Refusal):
                    return self._refuse(request.headers, answer)
                return await _relay(request, answer)
        except Unavailable:
            return self._refuse(request.headers, BUSY)

    @asynccontextmanager
    async def _answer(self, asked: Asked) -> AsyncIterator[aiohttp.ClientResponse | Refusal]:
        """Have a request answered.

        1. It names something, means one thing by it, and says how much it brings.
        2. Whoever asks may do so.
        3. What it copies may be read by whoever asks.
        4. What it commits leaves a trace; of the rest, what the next commit must know is noted.
        """
        target = Target.parse(asked.raw)
        if target is None:
            yield INVALID_TARGET  # 1
            return
        if asked.body is not None and "Content-Length" not in asked.headers:
            yield NO_LENGTH  # 1
            return
        if is_unclear(asked.method, target, asked.headers):
            yield NOT_IMPLEMENTED  # 1
            return
        admitted = self._access.admit(asked.method, target, asked.headers)
        if isinstance(admitted, Refusal):
            yield admitted  # 2
            return
        unreadable = await self._source_refused(asked, admitted)
        if unreadable is not None:
            yield unreadable  # 3
            return
        async with self._passed_on(asked, target, admitted) as answer:
            yield NOT_AUTHENTIC if _is_misnamed(answer) else answer  # 4

    @asynccontextmanager
    async def _passed_on(
        self, asked: Asked, target: Target, admitted: Admitted
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = end_to_end(asked.headers)
        if admitted.by_token:
            del headers["Authorization"]
        if "x-ms-copy-source" in headers and not admitted.by_key:
            headers["x-ms-copy-source"] = unsigned(headers["x-ms-copy-source"])
        if asked.body is None and asked.method not in _BODILESS:
            headers["Content-Length"] = "0"
        change = change_of(asked.method, target, asked.headers)
        if change is not None:
            async with self._commits.ask(
                asked.method, admitted.raw, headers, change, asked.body
            ) as answer:
                yield answer
            return
        async with self._upstream.ask(asked.method, admitted.raw, headers, asked.body) as answer:
            if answer.ok:
                self._note(asked.method, target, answer)
            yield answer

    def _note(self, method: str, target: Target, answer: aiohttp.ClientResponse) -> None:
        """Keep up with changes that no events tell of."""
        if target.deletes_container(method):
            self._outbox.forget_container(target.container)
        elif method == "PUT" and target.name and "ETag" in answer.headers:
            self._outbox.note_etag(target.blob, etag(answer.headers))

    async def _source_refused(self, asked: Asked, admitted: Admitted) -> Refusal | None:
        """Check what Azurite does not: that the source of a copy may be read."""
        source = asked.headers.get("x-ms-copy-source")
        if source is None:
            return None
        target = source_of(source)
        if target is None:
            return NO_SOURCE
        if admitted.by_key:
            return None
        as_asked = admitted.by_token and "sig" not in target.query
        credentials = {"Authorization": asked.headers["Authorization"]} if as_asked else {}
        readable = self._access.admit("HEAD", target, credentials)
        if isinstance(readable, Refusal):
            return readable.about_source()
        async with self._upstream.ask("HEAD", readable.raw, {"x-ms-version": _VERSION}) as answer:
            return None if answer.ok else NO_SOURCE

    async def _delegate(self, request: web.Request) -> web.Response:
        body = await small_body(request, delegation.LARGEST)
        answer = self._access.delegate(request.headers, body)
        if isinstance(answer, Refusal):
            return self._refuse(request.headers, answer)
        headers = {
            "Content-Type": "application/xml",
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-version": request.headers["x-ms-version"],
        }
        return web.Response(headers=headers, body=answer)

    async def _batch(self, request: web.Request) -> web.Response:
        body = await small_body(request, batches.LARGEST)
        parts = batches.parts(request.headers.get("Content-Type", ""), body)
        if parts is None:
            return self._refuse(request.headers, INVALID_INPUT)
        answers = await asyncio.gather(*map(self._part, parts))
        headers = {
            "Content-Type": batches.CONTENT_TYPE,
            "x-ms-request-id": str(uuid.uuid4()),
            "x-ms-version": request.headers.get("x-ms-version", _VERSION),
        }
        return web.Response(status=202, headers=headers, body=batches.joined(answers))

    async def _part(self, part: batches.Part) -> batches.Answer:
        asked = Asked(part.method, part.raw, part.headers, None)
        try:
            async with self._answer(asked) as answer:
                if isinstance(answer, Refusal):
                    return self._refused_part(part, answer)
                return batches.Answer(
                    part.content_id,
                    answer.status,
                    answer.reason or "",
                    end_to_end(answer.headers),
                    await answer.read(),
                )
        except Unavailable:
            return self._refused_part(part, BUSY)

    def _refused_part(self, part: batches.Part, refusal: Refusal) -> batches.Answer:
        response = self._refuse(part.headers, refusal)
        body = response.body
        assert isinstance(body, bytes)  # noqa: S101  # we made it
        return batches.Answer(
            part.content_id, response.status, response.reason, response.headers, body
        )

    def _refuse(self, headers: Mapping[str, str], refusal: Refusal) -> web.Response:
        """Answer with an error of the service."""
        request_id = str(uuid.uuid4())
        told = {
            "Content-Type": "application/xml",
            "x-ms-error-code": refusal.code,
            "x-ms-request-id": request_id,
            "x-ms-version": headers.get("x-ms-version", _VERSION),
        }
        if refusal.challenged:
            told["WWW-Authenticate"] = self._challenge
        body = refusal.body(request_id, self._clock())
        return web.Response(status=refusal.status, headers=told, body=body)


async def _body(request: web.Request) -> Body:
    if not request.can_read_body:
        return None
    if request.content_length is None or request.content_length > _SMALL:
        return request.content.iter_any()
    return await small_body(request, _SMALL)


async def _relay(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    headers = end_to_end(answer.headers)
    if request.method == "HEAD" or int(answer.headers.get("Content-Length", _SMALL)) < _SMALL:
        try:
            body = await answer.read()
        except aiohttp.ClientError as error:
            raise Unavailable("azurite: broke off") from error
        return web.Response(status=answer.status, headers=headers, body=body)
    stream = web.StreamResponse(status=answer.status, headers=headers)
    await stream.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await stream.write(piece)
        await stream.write_eof()
    except aiohttp.ClientPayloadError:
        if request.transport is not None:
            request.transport.abort()  # the client must not take a part for the whole
    return stream


def _asks_for_key(method: str, raw: str) -> bool:
    target = Target.parse(raw) if method == "POST" else None
    if target is None or target.account != ACCOUNT or target.container:
        return False
    return (target.query.get("restype"), target.query.get("comp")) == ("service", _KEYS)


def _is_misnamed(answer: aiohttp.ClientResponse) -> bool:
    """Recognise the one error that Azurite calls by another name than the service does."""
    code = answer.headers.get("x-ms-error-code")
    return answer.status == HTTPStatus.FORBIDDEN and code == "AuthorizationFailure"
