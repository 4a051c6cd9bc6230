"""Whose storage may be asked: our own account, and parties' accounts in the cloud's own domain.

A contract names locations, and anybody may propose a contract. Our identity's token goes only where
the cloud itself answers: a host that somebody else runs would get hold of it (threats.md N3).
"""

from typing import Any
from urllib.parse import urlsplit

import aiohttp
from azure.core.credentials_async import AsyncTokenCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.storage.blob.aio import BlobServiceClient

from cleanroom.errors import PolicyRefused
from functions import names
from functions.names import Location
from functions.owned import Account, Owned
from functions.settings import Settings
from functions.storing import Container

# Own clients wait 15 s before they try again; a function has 30 s in all.
_OWN: dict[str, Any] = {
    "retry_total": 3,
    "initial_backoff": 1,
    "increment_base": 2,
    "random_jitter_range": 1,
}
_OTHERS: dict[str, Any] = {**_OWN, "retry_total": 1, "connection_timeout": 5, "read_timeout": 20}


class Accounts:
    """Clients of storage accounts, each made once."""

    def __init__(
        self, settings: Settings, credential: AsyncTokenCredential, session: aiohttp.ClientSession
    ) -> None:
        self._own = settings.storage
        self._hosts = f".{settings.storage_hosts}"
        self._credential = credential
        self._session = session
        self._account = Account(settings.storage, credential, session)
        self._services: dict[str, BlobServiceClient] = {}
        self._owned: dict[str, Owned] = {}
        self._others: dict[tuple[str, str], Container] = {}

    def own(self, container: str) -> Owned:
        """Return a container of our own account."""
        if container not in self._owned:
            client = self._service(self._own).get_container_client(container)
            self._owned[container] = Owned(client, self._account)
        return self._owned[container]

    def service(self) -> BlobServiceClient:
        """Return the client of our own account."""
        return self._service(self._own)

    def at(self, url: str, room: str) -> tuple[Location, Container]:
        """Return the location that a room's contract names, if the room may have files there."""
        location = Location.parse(url, self._own)
        host = urlsplit(location.account).hostname or ""
        if location.account != self._own and not host.endswith(self._hosts):
            raise PolicyRefused(f"{location.account} is no storage that may be asked")
        if location.account == self._own and not _is_for(location, room):
            raise PolicyRefused(f"{url} is not where files of room {room!r} may lie")
        return location, self._container(location.account, location.container)

    def _container(self, account: str, name: str) -> Container:
        if account == self._own:
            return self.own(name)
        key = (account, name)
        if key not in self._others:
            client = self._service(account).get_container_client(name)
            self._others[key] = Container(client, ours=False)
        return self._others[key]

    def _service(self, account: str) -> BlobServiceClient:
        if account not in self._services:
            self._services[account] = BlobServiceClient(
                account,
                self._credential,
                transport=AioHttpTransport(session=self._session, session_owner=False),
                **(_OWN if account == self._own else _OTHERS),
            )
        return self._services[account]


def _is_for(location: Location, room: str) -> bool:
    """Keep rooms to their own folder of the shared container, and out of what is not for files."""
    if location.container == names.DATASETS:
        return location.folder.startswith(f"{room}/")
    return location.container not in (names.ROOMS, names.CONTROL, names.RESULTS)
