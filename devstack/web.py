"""What every HTTP server of the stack does alike: loopback only, limits, health, a clean end.

A server is one or several aiohttp applications, each on a port of its own. Whatever a client sends,
its connection is all that it can end.

- A client has a minute for the head of a request, or between two of them.
- `body` reads what is small and whole, with a limit of size and of time; streams have their own.
- A client's mistake is an answer, or a closed connection: never a traceback in a log.
"""

import asyncio
import logging
import os
import signal
import ssl
import sys
from asyncio.sslproto import SSLProtocol
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.typedefs import Handler

from cleanroom.errors import CleanroomError, Unavailable
from devstack.home import HOST

HEALTH = "/devstack/health"
EXIT_CODES = {
    "malformed": 2,
    "policy_refused": 3,
    "tampered": 3,
    "unattested": 4,
    "unavailable": 5,
}
_PATIENCE = 10.0  # seconds for what is under way when the server is told to stop
_LARGEST_HEADER = 1 << 15  # a bearer token is about 1 KiB, an attestation token in a header never
IDLE = 60.0  # seconds without a whole head of a request
_SLOWEST_BODY = 30.0  # seconds
_TLS_BUFFER = 1 << 16  # bytes; asyncio takes 256 KiB for each connection, open or just dropped

log = logging.getLogger("devstack")


@dataclass(frozen=True, slots=True)
class Site:
    """One application on one port; without TLS if `tls` is nothing."""

    app: web.Application
    port: int
    tls: ssl.SSLContext | None
    idle: float = IDLE


async def serve(sites: Sequence[Site], name: str) -> None:
    """Serve until the process is told to stop (SIGTERM, SIGINT)."""
    stop = _stop_signal()
    runners: list[web.AppRunner] = []
    try:
        for site in sites:
            runners.append(await start(site))  # noqa: PERF401  # one that fails leaves those before
        log.info("%s: ready on %s", name, ", ".join(f"{HOST}:{site.port}" for site in sites))
        await stop.wait()
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def told_to_stop() -> None:
    """Wait until the process is told to stop; for servers that speak no HTTP."""
    await _stop_signal().wait()


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    return stop


async def start(site: Site) -> web.AppRunner:
    """Open one port; `cleanup` of what is returned closes it."""
    SSLProtocol.max_size = _TLS_BUFFER
    runner = runner_of(site.app, site.idle)
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, site.port, ssl_context=site.tls).start()
    except OSError as error:
        await runner.cleanup()
        reason = os.strerror(error.errno or 0).lower()  # asyncio's own words repeat the address
        raise Unavailable(f"port {site.port}: cannot be used: {reason}") from error
    return runner


def runner_of(app: web.Application, idle: float = IDLE) -> web.AppRunner:
    """Add to an application what all of them have."""
    app.router.add_get(HEALTH, _healthy)
    app.middlewares.insert(0, _no_fault_of_ours)
    return web.AppRunner(
        app,
        access_log=None,
        auto_decompress=False,  # bodies stay what they are, and nobody sends us bombs
        keepalive_timeout=idle,
        logger=_http_log,
        max_field_size=_LARGEST_HEADER,
        max_line_size=_LARGEST_HEADER,
        shutdown_timeout=_PATIENCE,
    )


async def body(request: web.Request, largest: int, slowest: float = _SLOWEST_BODY) -> bytes:
    """Read a small body whole; larger ones, and those that do not come, are refused."""
    if (request.content_length or 0) > largest:
        raise web.HTTPRequestEntityTooLarge(largest, request.content_length or 0)
    read = bytearray()
    try:
        async with asyncio.timeout(slowest):
            async for part in request.content.iter_any():
                read += part
                if len(read) > largest:
                    raise web.HTTPRequestEntityTooLarge(largest, len(read))
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    return bytes(read)


@web.middleware
async def _no_fault_of_ours(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer clients whose headers make no sense, or that hang up, without a word in the log."""
    if not _is_sound(request):
        raise web.HTTPBadRequest(text="expected a name of a host, and headers in UTF-8")
    try:
        return await handler(request)
    except ConnectionError as error:
        if request.transport is not None and not request.transport.is_closing():
            raise
        raise web.HTTPBadRequest from error  # nobody is there to read it


def _is_sound(request: web.Request) -> bool:
    """Tell whether a handler can read what aiohttp read: it takes any bytes for text, or a host."""
    try:
        for _, value in request.raw_headers:
            value.decode()
        return bool(request.url.origin())
    except ValueError:
        return False


def _is_ours(record: logging.LogRecord) -> bool:
    """Drop what aiohttp says of requests that are no HTTP: the client has it as an answer."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


_http_log = logging.getLogger("devstack.http")
_http_log.addFilter(_is_ours)


async def _healthy(_: web.Request) -> web.Response:
    return web.json_response({"status": "ready"})


def run(main: Callable[[], Coroutine[None, None, None]]) -> int:
    """Run a server's main, with a line of log each, and say in one line why it cannot."""
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
    )

    try:
        asyncio.run(main())
    except CleanroomError as error:
        sys.stderr.write(f"cleanroom-dev: {error}\n")
        return EXIT_CODES[error.code]
    return 0
