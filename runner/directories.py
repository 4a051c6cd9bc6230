"""Who the runner is, for parties' services: its own identity, or its application elsewhere.

The services' clients hand on which directory a challenge names. A credential for another directory
is made when it is first needed; there are no more than settings name.
"""

import threading
from typing import Any

from azure.core.credentials import (
    AccessToken,
    AccessTokenInfo,
    SupportsTokenInfo,
    TokenRequestOptions,
)
from azure.core.exceptions import AzureError
from azure.identity import ClientAssertionCredential

from cleanroom.directories import EXCHANGE, Directories, refused

_OPTIONS = {
    "connection_timeout": 20,  # seconds, as those of an answer's parts
    "read_timeout": 20,
    "retry_total": 2,
    "retry_backoff_max": 5,
}


class Identity:
    """A credential of the genuine clients'; for one audience only, where there is only one."""

    def __init__(
        self, own: SupportsTokenInfo, directories: Directories, audience: str | None = None
    ) -> None:
        self._own = own
        self._directories = directories
        self._audience = audience
        self._others: dict[str, ClientAssertionCredential] = {}
        self._lock = threading.Lock()

    def get_token(self, *scopes: str, **given: Any) -> AccessToken:  # noqa: ANN401  # the SDK's
        """Do what `get_token_info` does, for clients that know no other way."""
        named = {name: given.get(name) or "" for name in ("tenant_id", "claims")}
        options = TokenRequestOptions(tenant_id=named["tenant_id"], claims=named["claims"])
        found = self.get_token_info(*scopes, options=options)
        return AccessToken(found.token, found.expires_on)

    def get_token_info(
        self, *scopes: str, options: TokenRequestOptions | None = None
    ) -> AccessTokenInfo:
        """Get a token in the directory that the options name."""
        asked = TokenRequestOptions(**(options or {}))
        other = self._directories.other(scopes, asked.get("tenant_id"), self._audience)
        if other is None:
            return self._own.get_token_info(*scopes, options=asked)
        asked["tenant_id"] = other
        try:
            return self._at(other).get_token_info(*scopes, options=asked)
        except AzureError as error:
            raise refused(other, str(error)) from error

    def close(self) -> None:
        """Close all connections to other directories."""
        for credential in self._others.values():
            credential.close()

    def _at(self, directory: str) -> ClientAssertionCredential:
        with self._lock:
            if directory not in self._others:
                self._others[directory] = ClientAssertionCredential(
                    directory, self._directories.application or "", self._assertion, **_OPTIONS
                )
            return self._others[directory]

    def _assertion(self) -> str:
        return self._own.get_token_info(EXCHANGE).token
