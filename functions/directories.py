"""Who the control plane is, for accounts: its own identity, or its application elsewhere.

The accounts' clients hand on which directory a challenge names. A credential for another directory
is made when it is first needed; there are no more than settings name. An account that cannot be
asked is one that does not answer: its datasets wait, and nothing else does.
"""

import logging
from typing import Any, Self

import aiohttp
from azure.core.credentials import AccessToken, AccessTokenInfo, TokenRequestOptions
from azure.core.credentials_async import AsyncSupportsTokenInfo
from azure.core.exceptions import AzureError
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import ClientAssertionCredential

from cleanroom.directories import EXCHANGE, STORAGE, Directories, refused
from cleanroom.errors import PolicyRefused, Unavailable
from functions.telemetry import Word, say

_CONNECTION, _ANSWER = 5, 10  # seconds; a function has 30 in all


class Identity:
    """A credential of the genuine clients', for storage and nothing else."""

    def __init__(
        self,
        own: AsyncSupportsTokenInfo,
        directories: Directories,
        session: aiohttp.ClientSession,
    ) -> None:
        self._own = own
        self._directories = directories
        self._session = session
        self._others: dict[str, ClientAssertionCredential] = {}
        self._assertion = ""

    async def get_token(self, *scopes: str, **given: Any) -> AccessToken:  # noqa: ANN401  # the SDK's
        """Do what `get_token_info` does, for clients that know no other way."""
        named = {name: given.get(name) or "" for name in ("tenant_id", "claims")}
        options = TokenRequestOptions(tenant_id=named["tenant_id"], claims=named["claims"])
        found = await self.get_token_info(*scopes, options=options)
        return AccessToken(found.token, found.expires_on)

    async def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Get a token in the directory that the options name."""
        asked = TokenRequestOptions(**(options or {}))
        try:
            other = self._directories.other(scopes, asked.get("tenant_id"), STORAGE)
            if other is None:
                return await self._own.get_token_info(*scopes, options=asked)
            return await self._elsewhere(other, scopes, asked)
        except (PolicyRefused, Unavailable) as error:
            say(Word.DIRECTORY_REFUSED, error, level=logging.WARNING)
            raise Unavailable(str(error)) from error

    async def close(self) -> None:
        """Close all connections to other directories."""
        for credential in self._others.values():
            await credential.close()

    async def __aenter__(self) -> Self:
        """Have nothing to open."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close."""
        await self.close()

    async def _elsewhere(
        self, directory: str, scopes: tuple[str, ...], asked: TokenRequestOptions
    ) -> AccessTokenInfo:
        asked["tenant_id"] = directory
        try:
            # Asked for here, and remembered by the identity: the credential calls nothing async.
            self._assertion = (await self._own.get_token_info(EXCHANGE)).token
            return await self._at(directory).get_token_info(*scopes, options=asked)
        except AzureError as error:
            raise refused(directory, str(error)) from error

    def _at(self, directory: str) -> ClientAssertionCredential:
        if directory not in self._others:
            self._others[directory] = ClientAssertionCredential(
                directory,
                self._directories.application or "",
                lambda: self._assertion,
                transport=AioHttpTransport(
                    session=self._session,
                    session_owner=False,
                    connection_timeout=_CONNECTION,
                    read_timeout=_ANSWER,
                ),
                retry_total=1,
            )
        return self._others[directory]
