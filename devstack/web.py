"""What every HTTP server of the stack does alike: loopback only, limits, health, a clean end.

A server is one or several aiohttp applications, each on a port of its own. Whatever a client sends,
its connection is all that it can end.
"""

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass

from aiohttp import web

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

log = logging.getLogger("devstack")


@dataclass(frozen=True, slots=True)
class Site:
    """One application on one port; without TLS if `tls` is nothing."""

    app: web.Application
    port: int
    tls: ssl.SSLContext | None


async def serve(sites: Sequence[Site], name: str) -> None:
    """Serve until the process is told to stop (SIGTERM, SIGINT)."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    runners = [await start(site) for site in sites]
    log.info("%s: ready on %s", name, ", ".join(f"{HOST}:{site.port}" for site in sites))
    try:
        await stop.wait()
    finally:
        await asyncio.gather(*(runner.cleanup() for runner in runners))


async def start(site: Site) -> web.AppRunner:
    """Open one port; `cleanup` of what is returned closes it."""
    site.app.router.add_get(HEALTH, _healthy)
    runner = web.AppRunner(
        site.app,
        access_log=None,
        max_field_size=_LARGEST_HEADER,
        max_line_size=_LARGEST_HEADER,
        shutdown_timeout=_PATIENCE,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, HOST, site.port, ssl_context=site.tls).start()
    except OSError as error:
        await runner.cleanup()
        raise Unavailable(f"port {site.port}: cannot be used: {error.strerror}") from error
    return runner


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
