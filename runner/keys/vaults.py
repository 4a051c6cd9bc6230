"""The parties' Key Vaults, by the genuine clients: release a key, read a secret.

Addresses come from the contract, and only hosts that the runner may call are called. What a vault
says in an error goes no further than its status.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
)
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient

from cleanroom.errors import Malformed, PolicyRefused, Unavailable
from cleanroom.release.wrapping import Wrapping
from cleanroom.seal.manifest import wrapped_key
from runner.room.places import Hosts
from runner.room.transport import transport

WRAPPING = Wrapping.SHA256  # of those that vaults have, the one that TPMs know too
_REFUSED = (400, 403, 404, 409)
_PATIENCE = 20.0  # seconds for a connection, and for each part of an answer
_RETRIES = 3
_PAUSE = 0.3  # seconds before the first retry; each further one is twice as long
_LONGEST_PAUSE = 5.0


class Vaults:
    """Clients by vault; safe to use from several threads."""

    def __init__(
        self, credential: TokenCredential, hosts: Hosts, patience: float = _PATIENCE
    ) -> None:
        self._credential = credential
        self._hosts = hosts
        self._options = {
            "permit_redirects": False,
            "retry_total": _RETRIES,
            "retry_backoff_factor": _PAUSE,
            "retry_backoff_max": _LONGEST_PAUSE,
        }
        self._patience = patience
        self._lock = threading.Lock()
        self._keys: dict[str, KeyClient] = {}
        self._secrets: dict[str, SecretClient] = {}

    def close(self) -> None:
        """Close all connections."""
        for keys in self._keys.values():
            keys.close()
        for secrets in self._secrets.values():
            secrets.close()

    def release(self, url: str, token: str, nonce: str) -> str:
        """Ask for a key, and return the vault's answer, which nobody has verified."""
        vault, name = self._part(url)
        with _translated(vault):
            client = self._keys_of(vault)
            return client.release_key(name, token, algorithm=WRAPPING.value, nonce=nonce).value

    def wrapped_key(self, url: str, room_key: str) -> bytes:
        """Read a wrapped data key; from its owner's vault only, whatever a manifest names."""
        vault, name = self._part(url)
        if vault != self._part(room_key)[0]:
            raise PolicyRefused(f"{url}: not in the vault of {room_key}")
        with _translated(vault):
            value = self._secrets_of(vault).get_secret(name).value
        return wrapped_key((value or "").strip(), f"{vault}: secret")

    def check(self, url: str) -> None:
        """Ask for a key that no vault has: a vault that refuses is one that answers."""
        self._hosts.check(url)
        nothing = f"{url.removesuffix('/')}/keys/cleanroom-check"
        try:
            self.release(nothing, "e30.e30.e30", "check")
        except PolicyRefused:
            return

    def _keys_of(self, vault: str) -> KeyClient:
        with self._lock:
            if vault not in self._keys:
                self._keys[vault] = KeyClient(
                    vault, self._credential, transport=transport(self._patience), **self._options
                )
            return self._keys[vault]

    def _secrets_of(self, vault: str) -> SecretClient:
        with self._lock:
            if vault not in self._secrets:
                self._secrets[vault] = SecretClient(
                    vault, self._credential, transport=transport(self._patience), **self._options
                )
            return self._secrets[vault]

    def _part(self, url: str) -> tuple[str, str]:
        """Take vault and name out of an address whose shape the contract's parser checked."""
        self._hosts.check(url)
        found = urlsplit(url)
        return f"{found.scheme}://{found.netloc}", found.path.rpartition("/")[2]


@contextmanager
def _translated(vault: str) -> Iterator[None]:
    try:
        yield
    except ClientAuthenticationError as error:
        raise Unavailable(f"{vault}: does not know this runner's identity") from error
    except HttpResponseError as error:
        if error.status_code in _REFUSED:
            raise PolicyRefused(f"{vault}: refused, HTTP status {error.status_code}") from error
        raise Unavailable(f"{vault}: answered with HTTP status {error.status_code}") from error
    except AzureError as error:
        raise Unavailable(f"{vault}: does not answer") from error
    except ValueError as error:  # of the challenge: the vault asks for a token for somebody else
        raise Malformed(vault, "a challenge for its own host") from error
