"""The command: which folder, which port, where the bus, the storage and the functions are."""

import argparse
import asyncio
import logging
import random
import ssl
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web as http

from devstack import clock, web
from devstack.eventgrid import configuration, publishing
from devstack.eventgrid.access import Sender
from devstack.eventgrid.bus import Bus
from devstack.eventgrid.containers import Containers
from devstack.eventgrid.control import Control
from devstack.eventgrid.courier import Courier, Host
from devstack.eventgrid.events import LARGEST_BATCH
from devstack.eventgrid.grid import Grid
from devstack.eventgrid.means import Means
from devstack.eventgrid.names import Names
from devstack.eventgrid.store import Store
from devstack.eventgrid.webhooks import WebHooks
from devstack.home import HOST, Home

SENDERS = ("functions", "runner")
"""Identities that may publish to every custom topic."""


def main(arguments: Sequence[str]) -> int:
    """Serve until told to stop."""
    options = _parser().parse_args(arguments)
    logging.getLogger("azure").setLevel(logging.CRITICAL)  # what fails, we say ourselves

    async def serve() -> None:
        topics = configuration.read(options.config) if options.config else ()
        home = Home.at(options.home)
        async with AsyncExitStack() as stack:
            grid = await _grid(options, home, stack)
            configuration.prepare(topics, grid)
            app = http.Application(client_max_size=LARGEST_BATCH)
            senders = [Sender.parse(one) for one in options.sender]
            app.router.add_routes([publishing.route(grid, home, senders, clock.now)])
            app.router.add_routes(Control(grid, home.secret("eventgrid/control")).routes())
            app.on_shutdown.append(grid.stop)
            applying = asyncio.create_task(configuration.apply(topics, grid, options.speed))
            stack.push_async_callback(_stopped, applying)
            await web.serve([web.Site(app, options.port, home.tls())], "eventgrid")

    return web.run(serve)


async def _grid(options: argparse.Namespace, home: Home, stack: AsyncExitStack) -> Grid:
    """Open the edges and the store; they are closed in the opposite order."""
    store = stack.enter_context(Store(home.folder("eventgrid") / "eventgrid.sqlite"))
    tls = ssl.create_default_context(cafile=str(home.authority_file))
    webhooks = await stack.enter_async_context(WebHooks(tls, options.patience))
    key = home.secret("bus/RootManageSharedAccessKey")
    bus = await stack.enter_async_context(Bus(options.bus, key, options.patience))
    containers = await stack.enter_async_context(
        Containers(options.storage, home.secret("storage/account"), home.authority_file)
    )
    host = Host(options.functions.rstrip("/"), home.secret("functions/eventgrid_extension"))
    means = Means(
        store=store,
        courier=Courier(webhooks, bus, host),
        containers=containers,
        clock=clock.now,
        speed=options.speed,
        chance=random.SystemRandom().random,
        settled=asyncio.Event(),
    )
    names = Names(home.object_id("subscription"), f"https://{HOST}:{options.port}")
    grid = Grid(means, webhooks, names)
    stack.push_async_callback(grid.close)
    return grid


async def _stopped(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.eventgrid", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument("--port", type=int, default=8442, help="where to listen (%(default)s)")
    parser.add_argument(
        "--bus", default=f"{HOST}:5672", help="where the bus listens for AMQP (%(default)s)"
    )
    parser.add_argument(
        "--storage",
        default=f"https://{HOST}:10000/cleanroom",
        help="the storage account, for dead letters (%(default)s)",
    )
    parser.add_argument(
        "--functions", default=f"http://{HOST}:7071", help="the functions host (%(default)s)"
    )
    parser.add_argument(
        "--speed",
        type=_positive,
        default=60.0,
        help="how many times faster than the service to retry and expire (%(default)s)",
    )
    parser.add_argument(
        "--patience",
        type=_positive,
        default=30.0,
        help="seconds that an endpoint has for an answer (%(default)s)",
    )
    parser.add_argument(
        "--sender",
        action="append",
        default=list(SENDERS),
        metavar="IDENTITY[:TOPIC]",
        help=f"who may publish with a token, beside {' and '.join(SENDERS)}; repeat it for each",
    )
    parser.add_argument("--config", type=Path, help="topics and subscriptions to make at start")
    return parser


def _positive(text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text!r}")
    return number
