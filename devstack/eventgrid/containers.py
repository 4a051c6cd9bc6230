"""The edge to dead-letter containers: blobs, written with the genuine client."""

import logging
from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceNotFoundError
from azure.storage.blob import ContentSettings
from azure.storage.blob.aio import BlobServiceClient

from devstack.eventgrid import dead_letters
from devstack.eventgrid.dead_letters import DeadLetter
from devstack.eventgrid.events import Schema

log = logging.getLogger("devstack.eventgrid")


class Kept(Enum):
    """What became of dead letters."""

    WRITTEN = "written"
    NOWHERE = "nowhere"  # no such container: the service drops them
    LATER = "later"


class Containers:
    """The storage account of the stack; `account` is its url."""

    def __init__(self, account: str, key: str, authority: Path) -> None:
        name = account.rstrip("/").rpartition("/")[2]
        self._client = BlobServiceClient(
            account,
            credential={"account_name": name, "account_key": key},
            connection_verify=str(authority),
            retry_total=0,  # ours is the service's patience
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def keep(
        self, container: str, blob: str, letters: Sequence[DeadLetter], schema: Schema
    ) -> Kept:
        """Write dead letters."""
        client = self._client.get_blob_client(container, blob)
        try:
            await client.upload_blob(
                dead_letters.content(letters, schema),
                overwrite=True,
                content_settings=ContentSettings(content_type="application/json"),
            )
        except ResourceNotFoundError:
            return Kept.NOWHERE
        except (HttpResponseError, AzureError) as error:
            log.warning("dead letters: %s is not written: %s", container, type(error).__name__)
            return Kept.LATER
        return Kept.WRITTEN
