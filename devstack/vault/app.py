"""A vault's HTTP: takes requests apart, fetches what a release needs to know, sends answers."""

import asyncio
import json
import logging
import re
import uuid
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime

from aiohttp import web

from cleanroom.errors import CleanroomError
from devstack.vault.authorities import Authorities
from devstack.vault.releasing import Wanted
from devstack.vault.service import answer
from devstack.vault.vault import Vault
from devstack.vault.wire import LARGEST_BODY, Answer, Request, broken
from devstack.web import body

log = logging.getLogger("devstack")

_CLIENT_ID = "x-ms-client-request-id"
_ECHOED = re.compile(r"[ -~]{1,128}")
_HEADERS = {
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
    "Expires": "-1",
    "X-Content-Type-Options": "nosniff",
    "x-ms-keyvault-region": "loopback",
    "x-ms-keyvault-service-version": "1.9.0.0",
}


def application(
    vault: Vault, authorities: Authorities, pool: Executor, clock: Callable[[], datetime]
) -> web.Application:
    """Serve a vault. Its work is done in threads: a private key's operation takes its time."""

    async def handle(request: web.Request) -> web.Response:
        came = Request(
            str(uuid.uuid4()),
            request.method,
            request.raw_path,
            request.headers.get("Authorization"),
            await body(request, LARGEST_BODY),
        )
        return _response(request, came, await decide(came))

    async def decide(came: Request) -> Answer:
        loop = asyncio.get_running_loop()
        known = authorities.at_hand()
        while True:
            try:
                found = await loop.run_in_executor(pool, answer, vault, came, clock(), known)
            except CleanroomError as error:  # a file of the vault's that is not as it should be
                log.error("vault %s: %s", vault.name, error)  # noqa: TRY400  # it says it all
                return broken()
            if not isinstance(found, Wanted):
                return found
            known[found] = await authorities.keys(found)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handle)
    return app


def _response(request: web.Request, came: Request, found: Answer) -> web.Response:
    headers = {**_HEADERS, "x-ms-request-id": came.id, **found.headers}
    named = request.headers.get(_CLIENT_ID, "")
    if _ECHOED.fullmatch(named):
        headers[_CLIENT_ID] = named
    if found.body is None:
        return web.Response(status=found.status, headers=headers)
    content = json.dumps(found.body).encode()
    return web.Response(
        status=found.status,
        headers=headers,
        body=content,
        content_type="application/json",
        charset="utf-8",
    )
