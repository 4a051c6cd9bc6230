"""The server: its options, and how its parts are put together."""

import argparse
import asyncio
import logging
import signal
import ssl
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from aiohttp import web

from devstack import clock
from devstack.home import HOST, Home, default_path
from devstack.storage import ACCOUNT, EVENT_TOPIC
from devstack.storage.access import DEFAULT_ROLES, Access, Role
from devstack.storage.azurite import account_key
from devstack.storage.commits import Commits
from devstack.storage.delegation import Delegation
from devstack.storage.delivery import Delivery
from devstack.storage.events import Account
from devstack.storage.front import Front
from devstack.storage.outbox import Outbox
from devstack.storage.upstream import Upstream
from devstack.web import Site, run, serve

log = logging.getLogger("devstack")


def main(arguments: Sequence[str]) -> int:
    """Run the server until it is told to stop."""
    options = _parser().parse_args(arguments)
    return run(lambda: _serve(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.storage", description=__doc__)
    parser.add_argument("--home", type=Path, default=default_path())
    parser.add_argument("--port", type=int, default=10000)
    parser.add_argument("--azurite-port", type=int, default=10010)
    parser.add_argument("--eventgrid", default=f"https://{HOST}:8442")
    parser.add_argument("--authority", help="where tokens come from, for challenges")
    parser.add_argument(
        "--directory", default="", help="whose tokens are believed; the operator's, unless named"
    )
    parser.add_argument(
        "--role",
        action="append",
        default=list(DEFAULT_ROLES),
        metavar="IDENTITY=reader|contributor[:CONTAINER]",
        help="what an identity's token allows, beside the defaults",
    )
    return parser


async def _serve(options: argparse.Namespace) -> None:
    home = Home.at(options.home)
    await serve([Site(_app(home, options), options.port, home.tls())], "storage")


def _app(home: Home, options: argparse.Namespace) -> web.Application:
    async def parts(app: web.Application) -> AsyncIterator[None]:
        roles = [Role.parse(role) for role in options.role]
        tenant = home.directory(options.directory)
        authority = options.authority or f"http://{HOST}:8440/{tenant}"
        names = {home.object_id(role.identity): role.identity for role in roles}
        access = Access(
            home.token_key().public_key(),
            tenant,
            account_key(home),
            roles,
            Delegation(tenant, names, home.key("storage/delegation")),
            clock.now,
        )
        upstream = Upstream(options.azurite_port, access)
        outbox = Outbox(home.folder("storage") / "outbox.db")
        account = Account.named(
            ACCOUNT, home.object_id("subscription"), f"https://{HOST}:{options.port}"
        )
        delivery = Delivery(
            outbox,
            account,
            f"{options.eventgrid}/topics/{EVENT_TOPIC}/api/events",
            home.secret(f"eventgrid/{EVENT_TOPIC}"),
            ssl.create_default_context(cafile=home.authority_file),
        )
        commits = Commits(outbox, upstream, delivery, clock.now)
        front = Front(access, upstream, outbox, commits, authority, clock.now)
        app[_FRONT] = front
        tasks = [
            asyncio.create_task(delivery.run()),
            asyncio.create_task(commits.settle_for_ever()),
        ]
        for task in tasks:
            task.add_done_callback(_fatal)
        yield
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await upstream.close()
        outbox.close()

    app = web.Application()
    app.cleanup_ctx.append(parts)
    app.router.add_route("*", "/{path:(?s:.*)}", _handle)
    return app


def _fatal(task: asyncio.Task[None]) -> None:
    """End the server, rather than have it go on without telling of anything."""
    if not task.cancelled():
        log.critical("storage: ends, for a bug or a full disk", exc_info=task.exception())
        signal.raise_signal(signal.SIGTERM)


async def _handle(request: web.Request) -> web.StreamResponse:
    return await request.app[_FRONT].handle(request)


_FRONT = web.AppKey("front", Front)
