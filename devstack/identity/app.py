"""The directory's HTTP: calls for tokens of identities and of applications, and two open pages."""

from collections.abc import Callable
from datetime import datetime
from urllib.parse import parse_qsl

from aiohttp import web

from devstack.identity.directory import Directory
from devstack.web import body

TOKEN = "/msi/token"  # noqa: S105  # a path, as App Service has it
LARGEST = 1 << 16
SECRET_HEADER = "X-IDENTITY-HEADER"  # noqa: S105  # a header's name


def application(directory: Directory, clock: Callable[[], datetime]) -> web.Application:
    """Serve a directory."""

    async def token(request: web.Request) -> web.Response:
        secret = request.headers.get(SECRET_HEADER)
        answer = directory.token(secret, list(request.query.items()), clock())
        return web.json_response(answer.body, status=answer.status)

    async def exchange(request: web.Request) -> web.Response:
        form = parse_qsl((await body(request, LARGEST)).decode("utf-8", "replace"))
        answer = directory.exchanged(request.match_info["tenant"], form, clock())
        return web.json_response(answer.body, status=answer.status)

    async def configuration(_: web.Request) -> web.Response:
        return web.json_response(directory.configuration())

    async def keys(_: web.Request) -> web.Response:
        return web.json_response(directory.keys())

    app = web.Application()
    tenant = f"/{directory.issuer.tenant}"
    app.router.add_get(TOKEN, token)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", exchange)
    app.router.add_get(f"{tenant}/.well-known/openid-configuration", configuration)
    app.router.add_get(f"{tenant}/discovery/keys", keys)
    return app
