"""The bus as a process: its store read back, its ports opened, until it is told to stop."""

import asyncio
import contextlib
import logging
import signal
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Unavailable
from devstack import web
from devstack.bus import recovery
from devstack.bus.access import Access
from devstack.bus.attaching import attach
from devstack.bus.broker import Broker
from devstack.bus.config import Namespace as Wanted
from devstack.bus.config import parse_config
from devstack.bus.connection import Connection
from devstack.bus.control import control
from devstack.bus.entity import QUOTA
from devstack.bus.store import Store
from devstack.home import HOST, Home

LARGEST_MESSAGE = 1 << 20
MOST_CONNECTIONS = 5000
_BACKLOG = 512
_TLS_PATIENCE = 10.0

log = logging.getLogger("devstack")


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line says."""

    home: Home
    port: int
    tls_port: int
    control_port: int
    config: Path | None = None
    largest_message: int = LARGEST_MESSAGE
    quota: int = QUOTA


async def serve(options: Options) -> None:
    """Serve until the process is told to stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for which in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(which, stop.set)
    async with running(options) as broker:
        log.info("bus: ready on %s:%s, TLS on %s", HOST, options.port, options.tls_port)
        waits = [asyncio.ensure_future(event.wait()) for event in (stop, broker.failed)]
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
        for wait in waits:
            wait.cancel()
        if broker.failed.is_set():
            raise Unavailable("bus: the store cannot be written")


@contextlib.asynccontextmanager
async def running(options: Options) -> AsyncIterator[Broker]:
    """Run the bus in this loop."""
    wanted = await asyncio.to_thread(_configuration, options.config)
    store = Store(options.home.folder("bus") / "bus.sqlite")
    try:
        broker = _broker(options, wanted, store)
        async with contextlib.AsyncExitStack() as ports:
            await ports.enter_async_context(await _listen(broker, options.port, None))
            tls = options.home.tls()
            await ports.enter_async_context(await _listen(broker, options.tls_port, tls))
            site = web.Site(control(broker, options.home), options.control_port, None)
            runner = await web.start(site)
            ports.push_async_callback(runner.cleanup)
            ports.callback(broker.hang_up)
            yield broker
    finally:
        store.close()


def _configuration(path: Path | None) -> Wanted | None:
    if path is None:
        return None
    try:
        return parse_config(path.read_bytes())
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error


def _broker(options: Options, wanted: Wanted | None, store: Store) -> Broker:
    broker = Broker(
        recovery.recovered(store, options.quota),
        store,
        Access.of(options.home, wanted.access if wanted else ()),
        options.largest_message,
        MOST_CONNECTIONS,
    )
    recovery.resume(broker.namespace, store, broker.now())
    if wanted and (refusal := broker.namespace.apply(wanted)):
        raise Unavailable(f"config: {refusal.description}")
    broker.tick()
    return broker


async def _listen(broker: Broker, port: int, tls: ssl.SSLContext | None) -> asyncio.Server:
    patience = None if tls is None else _TLS_PATIENCE
    try:
        return await asyncio.get_running_loop().create_server(
            lambda: Connection(broker, attach),
            HOST,
            port,
            ssl=tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=patience,
        )
    except OSError as error:
        raise Unavailable(f"port {port}: cannot be used: {error.strerror}") from error
