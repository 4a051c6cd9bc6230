"""A storage account, a vault and a topic for tests: of the dev stack, or of Azure.

The tests know nothing of the place: the same clients of the SDK get other addresses, another
credential and other options.
"""

import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from azure.core.credentials import AccessToken, AzureKeyCredential, TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.core.polling import LROPoller
from azure.eventgrid import EventGridPublisherClient
from azure.identity import DefaultAzureCredential
from azure.keyvault.keys import KeyClient
from azure.keyvault.secrets import SecretClient
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    generate_container_sas,
)

from devstack import clock, tokens
from devstack.home import Home
from devstack.storage import azurite
from tests.grids import running_grid
from tests.ports.azure import settings
from tests.ports.namespaces import Credential
from tests.storages import storage
from tests.vaults import running_vaults

_FAR = 4_000_000_000  # a time, in seconds, at which no test looks at a token
_PATIENCE = 60.0
_POLL = 0.5


def unique(kind: str) -> str:
    """Make a name that nothing else has, nor will have."""
    return f"cleanroom-{kind}-{uuid.uuid4().hex[:16]}"


class Nobody:
    """A credential with a token that no directory issued."""

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Give what is no token."""
        return AccessToken("nonsense", _FAR)


@dataclass(frozen=True)
class Account:
    """A storage account: its key, and who may use its blobs by a role."""

    connection_string: str
    credential: TokenCredential
    options: Mapping[str, Any] = field(default_factory=dict)

    def client(self) -> BlobServiceClient:
        """Connect with the account's key."""
        return BlobServiceClient.from_connection_string(self.connection_string, **self.options)

    def by(self, credential: TokenCredential) -> BlobServiceClient:
        """Connect by a token."""
        return BlobServiceClient(self.client().url, credential, **self.options)

    def signed(self, container: str, signature: str) -> ContainerClient:
        """Connect as whoever has a shared access signature."""
        return ContainerClient(self.client().url, container, signature, **self.options)

    def sas(
        self, container: str, permission: str = "racwdl", life: timedelta = timedelta(hours=1)
    ) -> str:
        """Sign what a party gets: access to one container."""
        key = self.client().credential
        return generate_container_sas(
            key.account_name,
            container,
            key.account_key,
            permission=ContainerSasPermissions.from_string(permission),
            expiry=clock.now() + life,
            protocol="https",
        )


@dataclass(frozen=True)
class KeyVault:
    """A vault, and its administrator."""

    url: str
    credential: TokenCredential
    premium: bool = True
    options: Mapping[str, Any] = field(default_factory=dict)
    pause: Mapping[str, Any] = field(default_factory=dict)
    run: str = field(default_factory=lambda: unique("run"))

    def name(self) -> str:
        """Make a name for a key or a secret of this run."""
        return f"{self.run}-{uuid.uuid4().hex[:8]}"

    def keys(self, credential: TokenCredential | None = None) -> KeyClient:
        """Connect for keys."""
        return KeyClient(self.url, credential or self.credential, **self.options)

    def secrets(self, credential: TokenCredential | None = None) -> SecretClient:
        """Connect for secrets."""
        return SecretClient(self.url, credential or self.credential, **self.options)

    def clear(self) -> None:
        """Delete and purge all that this run made."""
        with self.keys() as keys, self.secrets() as secrets:
            pending: list[LROPoller[Any]] = [
                keys.begin_delete_key(name, **self.pause)
                for name in self._ours(keys.list_properties_of_keys())
            ]
            pending += [
                secrets.begin_delete_secret(name, **self.pause)
                for name in self._ours(secrets.list_properties_of_secrets())
            ]
            for each in pending:
                each.wait()
            for name in self._ours(keys.list_deleted_keys()):
                keys.purge_deleted_key(name)
            for name in self._ours(secrets.list_deleted_secrets()):
                secrets.purge_deleted_secret(name)

    def _ours(self, listed: Any) -> list[str]:
        return [each.name for each in listed if each.name.startswith(self.run)]


@dataclass(frozen=True)
class Topic:
    """A topic for CloudEvents, its key, and who may publish by a role.

    Whom its clients are to trust they learn from REQUESTS_CA_BUNDLE alone.
    """

    endpoint: str
    missing: str
    key: str
    credential: TokenCredential
    trust: Path | None = None

    def publisher(
        self, credential: Any = None, endpoint: str | None = None
    ) -> EventGridPublisherClient:
        """Connect with the topic's key, or with another credential, or to somewhere else."""
        return EventGridPublisherClient(
            endpoint or self.endpoint, credential or AzureKeyCredential(self.key)
        )


@contextmanager
def account_at(place: str, folder: Path) -> Iterator[Account]:
    """Have a storage account at one of the places of tests/ports/azure.py."""
    if place == "azure":  # pragma: no cover  # runs where there is an Azure
        with DefaultAzureCredential() as credential:
            yield Account(settings("STORAGE")["STORAGE_CONNECTION"], credential)
        return
    with storage(folder) as made:
        connection_string = azurite.connection_string(made.home, made.port)
        runner = Credential(made.home, tokens.STORAGE)
        yield Account(connection_string, runner, {"connection_verify": made.trust})


@contextmanager
def vault_at(place: str, folder: Path) -> Iterator[KeyVault]:
    """Have a vault at one of the places, and leave nothing in it."""
    if place == "azure":  # pragma: no cover  # as above
        given = settings("VAULT")
        with DefaultAzureCredential() as credential:
            found = KeyVault(given["VAULT_URL"], credential, given["VAULT_TIER"] == "premium")
            try:
                yield found
            finally:
                found.clear()
        return
    home = Home.at(folder / "home")
    with running_vaults(home, "north") as made:
        found = KeyVault(
            made.url("north"),
            made.credential("north", "north"),
            options={"connection_verify": str(home.authority_file)},
            pause={"_polling_interval": 0},
        )
        yield found
        found.clear()


@contextmanager
def topic_at(place: str, folder: Path) -> Iterator[Topic]:
    """Have a topic at one of the places."""
    if place == "azure":  # pragma: no cover  # as above
        given = settings("EVENTGRID")
        endpoint = urlsplit(given["EVENTGRID_TOPIC"])
        region = endpoint.netloc.partition(".")[2]
        missing = endpoint._replace(netloc=f"{unique('topic')}.{region}").geturl()
        with DefaultAzureCredential() as credential:
            yield Topic(endpoint.geturl(), missing, given["EVENTGRID_KEY"], credential)
        return
    home = Home.at(folder / "home")
    with running_grid(home) as grid:
        yield Topic(
            grid.topic("outcomes"),
            grid.topic_url("nowhere"),
            grid.key("outcomes"),
            Credential(home, tokens.EVENT_GRID),
            home.authority_file,
        )


def is_gone(ask: Callable[[], object]) -> bool:
    """Wait until something is not found: a vault purges when it comes to it."""
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until:
        try:
            ask()
        except ResourceNotFoundError:
            return True
        time.sleep(_POLL)  # pragma: no cover  # the dev stack purges at once
    return False  # pragma: no cover
