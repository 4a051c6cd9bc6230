"""The service's HTTP: what comes in goes to the service whole, and what goes out is JSON."""

import asyncio
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus

from aiohttp import web

from devstack.attestation.service import Answer, AttestationService, error
from devstack.attestation.wire import LARGEST_BODY
from devstack.web import body


def application(service: AttestationService, clock: Callable[[], datetime]) -> web.Application:
    """Serve one authority."""

    async def page(request: web.Request) -> web.Response:
        return _response(service.get(request.path))

    async def call(request: web.Request) -> web.Response:
        try:
            data = await body(request, LARGEST_BODY)
        except web.HTTPRequestEntityTooLarge:
            return _too_large()
        # Verifying takes milliseconds of arithmetic, during which others are to be answered.
        return _response(await asyncio.to_thread(service.post, request.path_qs, data, clock()))

    async def neither(request: web.Request) -> web.Response:
        message = f"no such call: {request.method}"
        return _response(error(HTTPStatus.METHOD_NOT_ALLOWED, "MethodNotAllowed", message))

    app = web.Application()
    everything = app.router.add_resource("/{path:.*}")
    everything.add_route("GET", page)
    everything.add_route("POST", call)
    everything.add_route("*", neither)
    return app


def _too_large() -> web.Response:
    message = f"expected at most {LARGEST_BODY} bytes"
    made = _response(error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "InvalidParameter", message))
    made.force_close()  # what follows is a body that nobody reads
    return made


def _response(answer: Answer) -> web.Response:
    return web.Response(
        status=answer.status, body=answer.body, headers={"Content-Type": "application/json"}
    )
