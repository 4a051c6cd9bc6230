"""Blobs of one storage account, through the genuine SDK: bounded, retried, written once.

What comes from here is bytes that nobody has verified. An error of the SDK becomes one of ours, and
its text, which the storage chose, goes no further.
"""

import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NoReturn

from azure.core import MatchConditions
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    AzureError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobClient, BlobServiceClient, ExponentialRetry

from cleanroom.errors import Tampered, Unavailable
from cleanroom.seal.layout import Span
from runner.room.body import Body
from runner.room.places import Hosts
from runner.room.transport import BODY, transport

_PATIENCE = 20.0  # seconds for a connection, and for each part of an answer
_RETRIES = 4
_PAUSE = 0.2  # seconds before the first retry; each further one is twice as long
_PAUSES = tuple(_PAUSE * float(2**number) for number in range(_RETRIES))
_NO_SUCH_RANGE = 416
_LONGEST_NAME = 1024  # of a blob, as Azure has it
_MOST_CLIENTS = 64  # of blobs: one takes as long to make as a third of a request


@dataclass(frozen=True, slots=True)
class Listed:
    """What a listing says of a blob."""

    name: str
    size: int
    etag: str
    modified: datetime


class _Retry(ExponentialRetry):
    """Comes again after pauses that double; the SDK's own first one is two seconds longer."""

    def get_backoff_time(self, settings: dict[str, Any]) -> float:
        """Say how long to wait before the next try."""
        tries: int = settings["count"]
        return _PAUSES[min(tries, _RETRIES) - 1]


class Account:
    """One storage account; safe to use from several threads."""

    def __init__(self, url: str, credential: TokenCredential, patience: float = _PATIENCE) -> None:
        retry: Any = _Retry(retry_total=_RETRIES)
        self._client = BlobServiceClient(
            url,
            credential,
            retry_policy=retry,
            transport=transport(patience),
            permit_redirects=False,
            max_single_get_size=1 << 26,  # a region: it comes in one piece
        )
        self._blobs: dict[tuple[str, str], BlobClient] = {}

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def read(self, container: str, name: str, most: int) -> bytes | None:
        """Read a small blob whole; nothing if it is not there."""
        with _translated(container):
            try:
                blob = self._blob(container, name)
                data = blob.download_blob(0, most + 1, max_concurrency=1).readall()
            except ResourceNotFoundError:
                return None
            except HttpResponseError as error:
                if error.status_code != _NO_SUCH_RANGE:
                    raise
                data = b""  # of an empty blob there is no range
        if len(data) > most:
            raise Tampered(f"{container}: a document is longer than {most} bytes")
        return data

    def part(self, container: str, listed: Listed, span: Span) -> bytes:
        """Read a part of exactly the blob that was listed."""
        data = bytearray(span.length)
        for _ in self.fill(container, listed, span.offset, (memoryview(data),)):
            pass
        return bytes(data)

    def fill(
        self, container: str, listed: Listed, offset: int, into: Sequence[memoryview]
    ) -> Generator[int]:
        """Read on from an offset into one piece of memory after the other; tell of each.

        A download that breaks off goes on where it did: what was told of is not written again.
        """
        pauses = iter(_PAUSES)
        left = deque(into)
        while left:
            body = self._body(container, listed, Span(offset, sum(map(len, left))))
            try:
                while left:
                    body.read_into(left[0])
                    offset += len(left[0])
                    yield len(left.popleft())
            except Unavailable:
                if (pause := next(pauses, None)) is None:
                    raise
                time.sleep(pause)
            finally:
                body.close()

    def _body(self, container: str, listed: Listed, span: Span) -> Body:
        """Ask for a part of exactly the blob that was listed, and read no more than the head."""
        body = Body(span.length)
        option: Mapping[str, Any] = {BODY: body}
        with _translated(container):
            try:
                self._blob(container, listed.name).download_blob(
                    span.offset,
                    span.length,
                    etag=listed.etag,
                    match_condition=MatchConditions.IfNotModified,
                    max_concurrency=1,
                    decompress=False,
                    **option,
                )
            except (ResourceModifiedError, ResourceNotFoundError) as error:
                body.close()
                raise Tampered(f"{container}: a blob changed while it was read") from error
            except BaseException:
                body.close()
                raise
        return body

    def stands(self, container: str, listed: Listed) -> bool:
        """Tell whether exactly the blob that was listed is there."""
        with _translated(container):
            try:
                self._blob(container, listed.name).get_blob_properties(
                    etag=listed.etag, match_condition=MatchConditions.IfNotModified
                )
            except (ResourceModifiedError, ResourceNotFoundError):
                return False
        return True

    def listed(self, container: str, folder: str, most: int) -> tuple[Listed, ...]:
        """List what is directly in a folder; at most so many, whatever there is."""
        found: list[Listed] = []
        with _translated(container):
            try:
                client = self._client.get_container_client(container)
                for blob in client.list_blobs(folder, results_per_page=most):
                    if "/" not in blob.name[len(folder) :] and len(blob.name) <= _LONGEST_NAME:
                        found.append(
                            Listed(blob.name, int(blob.size), str(blob.etag), blob.last_modified)
                        )
                    if len(found) == most:
                        break
            except ResourceNotFoundError:
                return ()
        return tuple(found)

    def create(self, container: str, name: str, data: bytes) -> bool:
        """Write a blob if there is none; tell whether it was written."""
        with _translated(container):
            try:
                self._blob(container, name).upload_blob(data, overwrite=False)
            except ResourceExistsError:
                return False
        return True

    def stage(self, container: str, name: str, block: str, data: bytes | bytearray) -> None:
        """Hand in a block of a blob that does not exist until its blocks are committed."""
        with _translated(container):
            blob = self._blob(container, name)
            blob.stage_block(block, bytes(data), len(data))

    def staged(self, container: str, name: str) -> tuple[str, ...]:
        """Name the blocks that were handed in and not committed."""
        with _translated(container):
            try:
                _, uncommitted = self._blob(container, name).get_block_list("uncommitted")
            except (ResourceNotFoundError, UnicodeDecodeError):  # none of ours has such a name
                return ()
        return tuple(str(block.id) for block in uncommitted)

    def commit(self, container: str, name: str, blocks: Sequence[str]) -> bool:
        """Make a blob of blocks if there is none; tell whether it was made."""
        with _translated(container):
            try:
                self._blob(container, name).commit_block_list(
                    [BlobBlock(block) for block in blocks],
                    match_condition=MatchConditions.IfMissing,
                )
            except ResourceExistsError:
                return False
        return True

    def exists(self, container: str, name: str) -> bool:
        """Tell whether there is such a blob."""
        with _translated(container):
            return self._blob(container, name).exists()

    def check(self, container: str) -> None:
        """Find a container."""
        with _translated(container):
            self._client.get_container_client(container).get_container_properties()

    def _blob(self, container: str, name: str) -> BlobClient:
        found = self._blobs.get((container, name))
        if found is None:
            if len(self._blobs) >= _MOST_CLIENTS:
                self._blobs.clear()
            found = self._blobs[container, name] = self._client.get_blob_client(container, name)
        return found


class Accounts:
    """Accounts that contracts name, each at one of the hosts that may be called."""

    def __init__(self, credential: TokenCredential, hosts: Hosts) -> None:
        self._credential = credential
        self._hosts = hosts
        self._known: dict[str, Account] = {}
        self._lock = threading.Lock()

    def at(self, url: str) -> Account:
        """Give the client of an account."""
        self._hosts.check(url)
        with self._lock:
            if url not in self._known:
                self._known[url] = Account(url, self._credential)
            return self._known[url]

    def close(self) -> None:
        """Close all connections."""
        for account in self._known.values():
            account.close()


@contextmanager
def _translated(container: str) -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        _answered(container, error)
    except AzureError as error:
        raise Unavailable(f"{container}: the storage does not answer") from error


def _answered(container: str, error: HttpResponseError) -> NoReturn:
    status = error.status_code if error.status_code is not None else "none"
    raise Unavailable(f"{container}: the storage answered with HTTP status {status}") from error
