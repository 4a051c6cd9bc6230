"""Answers in Azure's words: errors by their class, whatever the client did wrong."""

import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus

from aiohttp import web

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Unattested

type Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

log = logging.getLogger("devstack.eventgrid")

_STATUSES: dict[type[CleanroomError], HTTPStatus] = {
    Malformed: HTTPStatus.BAD_REQUEST,
    Unattested: HTTPStatus.UNAUTHORIZED,
    PolicyRefused: HTTPStatus.FORBIDDEN,
}


def error(status: HTTPStatus, message: str, detail: str = "") -> web.Response:
    """Write an error; the code is the status by name, a detail may say it closer."""
    code = _name(status)
    details = [{"code": detail or code, "message": message}]
    body = {"error": {"code": code, "message": message, "details": details}}
    return web.json_response(body, status=status)


def answered(handler: Handler) -> Handler:
    """Turn what a handler raises into answers."""

    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except (Malformed, Unattested, PolicyRefused) as refusal:
            return error(_STATUSES[type(refusal)], str(refusal))
        except web.HTTPRequestEntityTooLarge:
            message = f"The maximum size ({request.client_max_size}) has been exceeded."
            return error(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, message)

    return handle


def _name(status: HTTPStatus) -> str:
    return status.name.title().replace("_", "")
