"""The directory's HTTP: one call for tokens, two pages that everybody may read."""

from collections.abc import Callable
from datetime import datetime

from aiohttp import web

from devstack.identity.directory import Directory

TOKEN = "/msi/token"  # noqa: S105  # a path, as App Service has it
SECRET_HEADER = "X-IDENTITY-HEADER"  # noqa: S105  # a header's name


def application(directory: Directory, clock: Callable[[], datetime]) -> web.Application:
    """Serve a directory."""

    async def token(request: web.Request) -> web.Response:
        secret = request.headers.get(SECRET_HEADER)
        answer = directory.token(secret, list(request.query.items()), clock())
        return web.json_response(answer.body, status=answer.status)

    async def configuration(_: web.Request) -> web.Response:
        return web.json_response(directory.configuration())

    async def keys(_: web.Request) -> web.Response:
        return web.json_response(directory.keys())

    app = web.Application()
    tenant = f"/{directory.issuer.tenant}"
    app.router.add_get(TOKEN, token)
    app.router.add_get(f"{tenant}/.well-known/openid-configuration", configuration)
    app.router.add_get(f"{tenant}/discovery/keys", keys)
    return app
