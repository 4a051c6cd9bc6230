"""Blobs as the control plane finds them, in whosever account: listings, and bounded reads.

Every error of the service becomes `Unavailable`, which names the operation and the service's code,
and never an address that could hold a signature.
"""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core import MatchConditions
from azure.core.exceptions import AzureError, ResourceModifiedError, ResourceNotFoundError
from azure.storage.blob import BlobProperties
from azure.storage.blob.aio import BlobPrefix, ContainerClient

from cleanroom.errors import Unavailable


@dataclass(frozen=True, slots=True)
class Listed:
    """A blob as a listing shows it."""

    name: str
    etag: str
    modified: datetime
    size: int


@dataclass(frozen=True, slots=True)
class Found:
    """A blob's bytes, and which version of them."""

    data: bytes
    etag: str
    modified: datetime


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the blobs that a listing shows."""

    blobs: tuple[Listed, ...]
    next: str | None


@dataclass(frozen=True, slots=True)
class Folders:
    """Some of the folders that a listing shows."""

    names: tuple[str, ...]
    next: str | None


class Container:
    """One container, through the genuine client."""

    def __init__(self, client: ContainerClient, *, ours: bool = True) -> None:
        self._client = client
        self.ours = ours

    @property
    def name(self) -> str:
        """What it is called."""
        return str(self._client.container_name)

    async def listing(self, prefix: str) -> AsyncIterator[Listed]:
        """Name the blobs under a prefix, in the order of their names."""
        with self._answers("list"):
            async for blob in self._client.list_blobs(name_starts_with=prefix):
                yield _listed(blob)

    async def page(self, prefix: str, token: str | None, size: int) -> Page:
        """Name some of the blobs under a prefix, and how to go on."""
        with self._answers("list"):
            pages = self._client.list_blobs(name_starts_with=prefix, results_per_page=size).by_page(
                token
            )
            found: list[Listed] = []
            async for page in pages:
                found = [_listed(blob) async for blob in page]
                break
            return Page(tuple(found), getattr(pages, "continuation_token", None) or None)

    async def folder_page(self, prefix: str, token: str | None, size: int) -> Folders:
        """Name some of the folders under a prefix, and how to go on."""
        with self._answers("list"):
            pages = self._client.walk_blobs(
                name_starts_with=prefix, delimiter="/", results_per_page=size
            ).by_page(token)
            found: list[str] = []
            async for page in pages:
                items = [item async for item in page if isinstance(item, BlobPrefix)]
                found = [item.name.removeprefix(prefix).rstrip("/") for item in items]
                break
            return Folders(tuple(found), getattr(pages, "continuation_token", None) or None)

    async def folders(self, prefix: str) -> AsyncIterator[str]:
        """Name the folders under a prefix."""
        with self._answers("list"):
            async for item in self._client.walk_blobs(name_starts_with=prefix, delimiter="/"):
                if isinstance(item, BlobPrefix):
                    yield item.name.removeprefix(prefix).rstrip("/")

    async def part(self, name: str, etag: str, offset: int, length: int) -> bytes | None:
        """Read a part of one version of a blob; none if that version is gone."""
        with self._answers("read"):
            try:
                stream = await self._client.download_blob(
                    name,
                    offset=offset,
                    length=length,
                    etag=f'"{etag}"',
                    match_condition=MatchConditions.IfNotModified,
                )
                return await stream.readall()
            except (ResourceNotFoundError, ResourceModifiedError):
                return None

    async def look(self, name: str) -> Listed | None:
        """Say which version of a blob is there, if any."""
        with self._answers("look"):
            try:
                found = await self._client.get_blob_client(name).get_blob_properties()
            except ResourceNotFoundError:
                return None
        return Listed(name, bare(found.etag), _utc(found.last_modified), found.size)

    @contextmanager
    def _answers(self, what: str) -> Iterator[None]:
        """Translate what the service says, or that it says nothing."""
        try:
            yield
        except AzureError as error:
            code = getattr(error, "error_code", None) or type(error).__name__
            raise Unavailable(f"storage {self.name}: cannot {what} ({code})") from error


def _listed(blob: BlobProperties) -> Listed:
    return Listed(blob.name, bare(blob.etag), _utc(blob.last_modified), blob.size)


def bare(etag: str) -> str:
    """Take an ETag without its quotes: events have none, headers do."""
    return etag.strip('"')


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
