"""One committing request after another for each blob, and its trace in the outbox.

1. The request goes on, but for its last piece: nothing can be committed yet. One that is small and
   here as a whole waits instead.
2. The blob is ours alone; what is still unknown of earlier requests is settled.
3. The intent is written down, and the last piece, or the whole, goes on.
4. The answer says whether it was committed: the commit takes the intent's place, or nothing does.
   Without an answer the intent stays, and Azurite is asked as soon as it answers again.
5. Only then does the client get the answer.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import datetime
from weakref import WeakValueDictionary

import aiohttp

from cleanroom.errors import Unavailable
from devstack.storage.changes import DELETED, Blob, Change
from devstack.storage.delivery import Delivery
from devstack.storage.events import Commit, Properties
from devstack.storage.outbox import Intent, Outbox
from devstack.storage.upstream import Body, Upstream, etag

_SETTLE_AGAIN = 0.5  # seconds


class Commits:
    """What is being committed."""

    def __init__(
        self, outbox: Outbox, upstream: Upstream, delivery: Delivery, clock: Callable[[], datetime]
    ) -> None:
        self._outbox = outbox
        self._upstream = upstream
        self._delivery = delivery
        self._clock = clock
        self._locks: WeakValueDictionary[Blob, asyncio.Lock] = WeakValueDictionary()
        self._unsettled: dict[Blob, list[Intent]] = {}
        self._broken = asyncio.Event()
        for intent in outbox.unsettled():
            self.leave(intent)

    @asynccontextmanager
    async def ask(
        self,
        method: str,
        raw: str,
        headers: Mapping[str, str],
        change: Change,
        body: Body,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """Ask Azurite for a change, and write down what became of it."""
        attempt = _Attempt(self, change)
        try:
            if isinstance(body, bytes | None):
                await attempt.begin()
            else:
                body = attempt.passing(body)
            async with self._upstream.ask(method, raw, headers, body) as answer:
                await attempt.answered(answer)
                yield answer
        finally:
            await attempt.end()

    async def settle_for_ever(self) -> None:
        """Find out what became of requests that have no answer, as soon as that can be known."""
        while True:
            await self._broken.wait()
            self._broken.clear()
            while self._unsettled:
                try:
                    for blob in list(self._unsettled):
                        async with self.alone(blob):
                            pass
                except Unavailable:
                    await asyncio.sleep(_SETTLE_AGAIN)

    @asynccontextmanager
    async def alone(self, blob: Blob) -> AsyncIterator[None]:
        """Have a blob, of which all is settled, to oneself."""
        lock = self._locks.setdefault(blob, asyncio.Lock())
        async with lock:
            left = self._unsettled.get(blob, [])
            while left:
                await self._settle(left[0])
                left.pop(0)
            self._unsettled.pop(blob, None)
            yield

    def intend(self, change: Change) -> Intent:
        """Write down that a change is about to be asked for."""
        return self._outbox.intend(change)

    def leave(self, intent: Intent) -> None:
        """Have it found out later what became of an intent."""
        self._unsettled.setdefault(intent.change.blob, []).append(intent)
        self._broken.set()

    async def _settle(self, intent: Intent) -> None:
        """Ask what became of an intent: a new etag, or a blob that is gone, are its work."""
        properties = await self._now(intent.change)
        if properties is None:
            self._outbox.forget(intent)
        else:
            self._commit(intent, properties, "")

    async def _now(self, change: Change) -> Properties | None:
        found = await self._upstream.properties(change.blob)
        if change.event_type != DELETED:
            return found  # unless it is known, it is new
        return self._outbox.known(change.blob) if found is None else None

    async def conclude(self, intent: Intent, answer: aiohttp.ClientResponse) -> None:
        """Write down what an answer says of an intent."""
        copying = answer.headers.get("x-ms-copy-status", "success") != "success"
        if not answer.ok or copying:
            self._outbox.forget(intent)
            return
        properties = await self._properties(intent, answer)
        self._commit(intent, properties, answer.headers.get("x-ms-request-id", ""))

    async def _properties(self, intent: Intent, answer: aiohttp.ClientResponse) -> Properties:
        change = intent.change
        if change.event_type == DELETED:
            unknown = Properties(
                f"intent {intent.number}", "application/octet-stream", 0, "BlockBlob"
            )
            return self._outbox.known(change.blob) or unknown
        if change.content_type is None or change.content_length is None or change.blob_type is None:
            found = await self._upstream.properties(change.blob)
            if found is None:
                raise Unavailable("azurite: has lost a blob that it has just taken")
            return replace(found, etag=etag(answer.headers))
        return Properties(
            etag(answer.headers), change.content_type, change.content_length, change.blob_type
        )

    def _commit(self, intent: Intent, properties: Properties, request_id: str) -> None:
        commit = Commit.of(intent.change, properties, request_id, self._clock())
        self._outbox.settle(intent, commit)
        self._delivery.wake()


class _Attempt:
    """One request on its way: what is open of it, until `end`."""

    def __init__(self, commits: Commits, change: Change) -> None:
        self._commits = commits
        self._change = change
        self._intent: Intent | None = None
        self._over = False
        self._open = AsyncExitStack()

    async def begin(self) -> None:
        """Have the blob, and say what is about to be asked for."""
        await self._open.enter_async_context(self._commits.alone(self._change.blob))  # 2
        if self._over:
            await self._open.aclose()
            raise Unavailable("azurite: answered before it was asked")
        self._intent = self._commits.intend(self._change)  # 3

    async def passing(self, content: AsyncIterable[bytes]) -> AsyncGenerator[bytes]:
        """Pass on what comes, with the last piece held back until the change may take place."""
        held = b""
        async for piece in content:
            if held:
                yield held
            held = piece
        await self.begin()
        if held:
            yield held

    async def answered(self, answer: aiohttp.ClientResponse) -> None:
        """Conclude from Azurite's answer."""
        self._over = True  # it may have refused before it had all
        if self._intent is not None:
            await self._commits.conclude(self._intent, answer)  # 4
            self._intent = None

    async def end(self) -> None:
        """Let others have the blob."""
        self._over = True
        if self._intent is not None:
            self._commits.leave(self._intent)
        await self._open.aclose()
