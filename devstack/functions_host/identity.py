"""Tokens of a managed identity, asked for as App Service has it (IDENTITY_ENDPOINT)."""

from typing import Any, Self

import aiohttp
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from cleanroom.errors import Malformed
from devstack.functions_host.settings import Settings

_VERSION = "2019-08-01"
_ENDPOINT, _HEADER = "IDENTITY_ENDPOINT", "IDENTITY_HEADER"


class Identity:
    """A credential for Azure's asynchronous clients."""

    def __init__(
        self, settings: Settings, client_id: str | None, session: aiohttp.ClientSession
    ) -> None:
        self._session = session
        self._endpoint = settings.take(_ENDPOINT, "identity")
        self._secret = settings.take(_HEADER, "identity")
        self._client_id = {"client_id": client_id} if client_id else {}

    async def get_token(self, *scopes: str, **_: Any) -> AccessToken:  # noqa: ANN401  # as the SDK
        """Return a token for the service that a scope names."""
        query = {"api-version": _VERSION, "resource": scopes[0].removesuffix("/.default")}
        header = {"X-IDENTITY-HEADER": self._secret}
        async with self._session.get(
            self._endpoint, params=query | self._client_id, headers=header
        ) as reply:
            if reply.status != 200:  # noqa: PLR2004  # OK
                raise ClientAuthenticationError(f"the identity endpoint answered {reply.status}")
            return _token(await reply.json())

    async def close(self) -> None:
        """Nothing of its own is open."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


def _token(raw: object) -> AccessToken:
    match raw:
        case {"access_token": str(token), "expires_on": str(expires)} if expires.isdecimal():
            return AccessToken(token, int(expires))
        case {"access_token": str(token), "expires_on": int(expires)}:
            return AccessToken(token, expires)
        case _:
            raise Malformed("identity", "a token and when it expires")
