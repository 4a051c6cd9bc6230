"""The host: keeps one app in service, and puts another in its place when it must.

- The port stays open throughout. A request begins in the app that is in service when it comes, and
  ends there; while none is, it waits.
- A worker is replaced when the app changed (if watched), crashed, or let a function overrun.
- An app that does not load never replaces one that runs.
"""

import asyncio
import logging
from collections.abc import Coroutine
from contextlib import suppress

from aiohttp import web

from cleanroom.errors import CleanroomError
from devstack.functions_host import admin, webhooks
from devstack.functions_host.app import App, Source, load
from devstack.functions_host.serving import Serving
from devstack.functions_host.watch import Snapshot, snapshot
from devstack.home import Home

LARGEST_BODY = 100 << 20
"""Bytes of a request; in the cloud the default of FUNCTIONS_REQUEST_BODY_SIZE_LIMIT."""

_POLL = 0.25  # seconds between looks at the files
_LONGEST_WAIT = 10.0  # seconds that a request waits for an app
_SETTLED = 0.1  # seconds without a change before a reload
_PAUSE = 2.0  # seconds before another try to load what does not load

log = logging.getLogger("devstack")


class Host:
    """One host process."""

    def __init__(self, home: Home, source: Source, patience: float) -> None:
        self._home = home
        self._patience = patience
        self._source = source
        self._serving: Serving | None = None
        self._in_service = asyncio.Event()
        self._restart = asyncio.Event()
        self._leaving: set[asyncio.Task[None]] = set()
        self._keeping: asyncio.Task[None] | None = None
        self._noticing: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Load the app, or refuse to start."""
        self._put_in_service(await load(self._source))
        self._keeping = asyncio.create_task(self._keep())

    async def leave(self) -> None:
        """Stop taking work."""
        for task in (self._keeping, self._noticing):
            if task is not None:
                task.cancel()
        if self._serving is not None:
            self._begin(self._serving.leave())

    async def close(self) -> None:
        """End everything."""
        await asyncio.gather(*self._leaving, return_exceptions=True)
        if self._serving is not None:
            await self._serving.close()

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request."""
        if (request.content_length or 0) > LARGEST_BODY:
            return web.Response(status=413)
        if not _is_readable(request):
            return web.Response(status=400)
        try:
            async with asyncio.timeout(_LONGEST_WAIT):
                await self._in_service.wait()
        except TimeoutError:
            return web.Response(status=503, text="Function host is not running.")
        serving = self._serving
        assert serving is not None  # noqa: S101  # the event says so
        with serving.used():
            return await _routed(request, serving)

    # --- one app in place of another

    def _put_in_service(self, app: App) -> None:
        for warning in app.host.warnings:
            log.warning(warning)
        self._serving = Serving(app, self._home, self._overran, self._patience)
        self._serving.listen()
        self._in_service.set()
        if self._noticing is not None:
            self._noticing.cancel()
        self._noticing = asyncio.create_task(self._notice_end(app))
        names = ", ".join(function.name for function in app.functions)
        log.info("functions: %d in service: %s", len(app.functions), names)

    def _overran(self, app: App) -> None:
        self._begin(app.worker.kill())

    async def _notice_end(self, app: App) -> None:
        await app.worker.ended.wait()
        self._in_service.clear()
        self._restart.set()

    async def _keep(self) -> None:
        seen = self._snapshot()
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._restart.wait(), _POLL)
            if self._restart.is_set():
                log.warning("functions: the worker has ended; starting another")
                seen = self._snapshot()
                await self._replace()
            elif self._source.watched and self._snapshot() != seen:
                seen = await self._settled()
                log.info("functions: the app has changed; loading it")
                await self._replace()
                now = self._snapshot()  # an app that took its place may have loaded other files
                seen = max(now, seen)

    async def _replace(self) -> None:
        old = self._serving
        try:
            app = await load(self._source)
        except CleanroomError as error:
            stays = "what ran before goes on" if self._in_service.is_set() else "no app"
            log.error("functions: not loaded: %s (%s)", error, stays)  # noqa: TRY400  # one line
            if self._restart.is_set():
                await asyncio.sleep(_PAUSE)
            return
        self._restart.clear()
        self._put_in_service(app)
        if old is not None:
            self._begin(_retire(old))  # timers wait for its lock; receivers may overlap a moment

    def _snapshot(self) -> Snapshot:
        return snapshot(self._serving.app.files if self._serving else ())

    async def _settled(self) -> Snapshot:
        seen = self._snapshot()
        while True:
            await asyncio.sleep(_SETTLED)
            now = self._snapshot()
            if now == seen:
                return seen
            seen = now

    def _begin(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)


async def _retire(old: Serving) -> None:
    await old.leave()
    await old.close()


def _is_readable(request: web.Request) -> bool:
    """Tell whether a request is made of characters, and names a host that there can be."""
    try:
        "".join((request.raw_path, *request.headers.keys(), *request.headers.values())).encode()
        return bool(str(request.url))
    except ValueError:
        return False


async def _routed(request: web.Request, serving: Serving) -> web.Response:
    path = request.path.lower()
    if path == webhooks.PATH:
        return await webhooks.answer(request, serving.executor, serving.keys)
    if path.startswith(admin.PREFIX):
        return await admin.answer(request, serving)
    answered = await serving.http.answer(request)
    if answered is not None:
        return answered
    if path == "/" and request.method in {"GET", "HEAD"}:
        return web.Response(text=_HOME, content_type="text/html")
    return web.Response(status=404)


_HOME = "<!doctype html><title>Functions</title><p>Your function app is up and running."
