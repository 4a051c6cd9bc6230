"""URLs that read one sealed result for some minutes, signed with a user delegation key.

Such a key is the identity's own, asked for and kept until it is near its end: the account's key is
not needed, and no signature outlives the key's few hours.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError
from azure.storage.blob import BlobSasPermissions, UserDelegationKey, generate_blob_sas
from azure.storage.blob.aio import BlobServiceClient

from cleanroom.errors import Unavailable
from functions import names

LIFE = timedelta(minutes=10)
_KEY_LIFE = timedelta(hours=2)
_SKEW = timedelta(minutes=5)
"""How far the clocks of storage and caller may differ."""


@dataclass(frozen=True, slots=True)
class Link:
    """A URL that reads, and until when."""

    url: str = field(repr=False)
    expires: datetime


class Links:
    """Signs URLs."""

    def __init__(self, service: BlobServiceClient, clock: Callable[[], datetime]) -> None:
        self._service = service
        self._clock = clock
        self._key: UserDelegationKey | None = None
        self._until: datetime | None = None
        self._turn = asyncio.Lock()

    async def to(self, blob: str) -> Link:
        """Sign a URL of a blob of the container of results."""
        now = self._clock()
        key = await self._fresh(now)
        signature = generate_blob_sas(
            str(self._service.account_name),
            names.RESULTS,
            blob,
            user_delegation_key=key,
            permission=BlobSasPermissions(read=True),
            expiry=now + LIFE,
            protocol="https",
        )
        client = self._service.get_blob_client(names.RESULTS, blob)
        return Link(f"{client.url}?{signature}", now + LIFE)

    async def _fresh(self, now: datetime) -> UserDelegationKey:
        """Return a key that will be good for longer than what it signs."""
        async with self._turn:
            if self._key is None or self._until is None or now + LIFE + _SKEW > self._until:
                until = now + _KEY_LIFE
                try:
                    self._key = await self._service.get_user_delegation_key(now - _SKEW, until)
                except AzureError as error:
                    code = getattr(error, "error_code", None) or type(error).__name__
                    raise Unavailable(f"storage: no key to sign with ({code})") from error
                self._until = until
            return self._key
