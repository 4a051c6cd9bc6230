"""Seal a file: read, encrypt and write its regions from as many threads as there are cores.

Each worker has one pair of buffers that it uses again and again, because fresh memory costs more
than the cipher does. A pipe is read in order under a lock; a file from any offset.
"""

import os
import secrets
import select
import stat
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

from cleanroom import dsse
from cleanroom.errors import PolicyRefused
from cleanroom.keys import DATA_KEY_BYTES, DataKey, ReaderKey
from cleanroom.rules import Rule
from cleanroom.seal.content import Content
from cleanroom.seal.document import trailer
from cleanroom.seal.layout import MOST_REGIONS, TAG_BYTES, Layout
from cleanroom.seal.manifest import (
    PAYLOAD_TYPE,
    InlineKey,
    Manifest,
    Origin,
    VaultKey,
    WrappedKey,
)
from cleanroom.seal.regions import FILE_ID_BYTES, RegionCipher, RegionTable
from party.files import Identity, Output, changed, translated

_PATIENCE = 100  # milliseconds that an interrupted read of a pipe lasts on

type Progress = Callable[[int], object]
"""Told how many bytes more are done."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the manifest says of the file besides its bytes."""

    origin: Origin
    created: datetime
    media_type: str
    content: Content
    rule: Rule | None
    region_size: int


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom to seal for, and where the wrapped key shall be kept."""

    key: ReaderKey
    secret: str | None  # the URL of a vault secret, or None for "in the manifest"


@dataclass(frozen=True, slots=True)
class Sealed:
    """What came of sealing."""

    manifest: Manifest
    kept_apart: dict[str, bytes]  # wrapped keys for the vault, by the URL of their secret


def workers() -> int:
    """How many threads are worth starting: the cores this process may use, to eight."""
    return min(os.process_cpu_count() or 1, 8)


def finish(jobs: Sequence[Future[None]]) -> None:
    """Wait until all jobs are done or one fails, and raise its error.

    In short steps: a signal that comes just before Python blocks is noticed only when it wakes.
    """
    pending = set(jobs)
    while pending:
        done, pending = wait(pending, _PATIENCE / 1000, FIRST_EXCEPTION)
        for job in done:
            job.result()


def seal(
    source: int,
    output: Output,
    label: Label,
    readers: Sequence[Reader],
    signer: dsse.Signer,
    progress: Progress,
    *,
    start: int = 0,
) -> Sealed:
    """Seal what can be read from a descriptor into an output, and sign the manifest.

    1. Make a data key and a file id of its own for this file.
    2. Encrypt every region; note the digest of each.
    3. Refuse a source that changed size meanwhile.
    4. Wrap the data key for each reader, sign the manifest, write table, envelope and footer.
    """
    key, file_id = DataKey(secrets.token_bytes(DATA_KEY_BYTES)), secrets.token_bytes(FILE_ID_BYTES)
    cipher = RegionCipher(key, file_id)
    regions = _Regions(source, start, output, label.region_size, cipher, progress)
    layout = regions.run()
    table = RegionTable(regions.table())
    wrapped, kept_apart = _wrap(key, readers)
    manifest = Manifest(
        origin=label.origin,
        created=label.created,
        media_type=label.media_type,
        content=label.content,
        rule=label.rule,
        layout=layout,
        file_id=file_id,
        table_digest=table.digest,
        readers=wrapped,
    )
    payload = manifest.to_bytes()
    Manifest.parse(payload, "manifest")  # never write what we would refuse to read
    envelope = dsse.sign(payload, PAYLOAD_TYPE, signer)
    output.write_at(trailer(table, envelope), layout.body_size)
    return Sealed(manifest, kept_apart)


def _wrap(
    key: DataKey, readers: Sequence[Reader]
) -> tuple[tuple[WrappedKey, ...], dict[str, bytes]]:
    wrapped: list[WrappedKey] = []
    kept_apart: dict[str, bytes] = {}
    for reader in readers:
        data = reader.key.wrap(key)
        if reader.secret is None:
            wrapped.append(InlineKey(reader.key.id, data))
        else:
            wrapped.append(VaultKey(reader.key.id, reader.secret))
            kept_apart[reader.secret] = data
    return tuple(wrapped), kept_apart


class _Regions:
    """The shared state of the workers: which region is next, and the digests so far."""

    def __init__(
        self,
        source: int,
        start: int,
        output: Output,
        region_size: int,
        cipher: RegionCipher,
        progress: Progress,
    ) -> None:
        self._source = source
        self._output = output
        self._region_size = region_size
        self._cipher = cipher
        self._progress = progress
        self._lock = threading.Lock()
        self._next = 0
        self._size = 0
        self._stopped = False
        self._digests: dict[int, bytes] = {}
        self._before = self._stat()
        self._seekable = stat.S_ISREG(self._before.st_mode)
        self._start = start  # of a file; a pipe stands where it stands
        self._there = max(0, self._before.st_size - start)
        if self._seekable:
            self._check_count(Layout(self._there, region_size).regions)

    def run(self) -> Layout:
        """Seal all there is, and return its arithmetic."""
        count = workers()
        with ThreadPoolExecutor(count) as pool:
            try:
                finish([pool.submit(self._work) for _ in range(count)])
            finally:
                self._stopped = True  # an error or an interrupt: no worker starts another region
        if self._seekable:
            self._check_unchanged()
        return Layout(self._size, self._region_size)

    def table(self) -> bytes:
        """Join the digests in order."""
        return b"".join(self._digests[index] for index in range(len(self._digests)))

    def _work(self) -> None:
        plain = memoryview(bytearray(self._region_size))
        stored = memoryview(bytearray(self._region_size + TAG_BYTES))
        while (taken := self._take(plain)) is not None:
            index, size = taken
            sealed = stored[: size + TAG_BYTES]
            digest = self._cipher.seal(index, plain[:size], sealed)
            self._output.write_at(sealed, index * (self._region_size + TAG_BYTES))
            self._digests[index] = digest  # without the lock, which may be waiting for a slow pipe
            self._progress(size)

    def _take(self, plain: memoryview) -> tuple[int, int] | None:
        """Claim the next region and fill the buffer with it; None when there is no more."""
        with self._lock:
            index = self._next
            size = self._size_of_next(plain)
            if self._stopped or size == 0:
                return None
            self._check_count(index + 1)
            self._next += 1
            self._size += size
        offset = self._start + index * self._region_size
        if self._seekable and self._fill(plain[:size], offset) != size:
            self._refuse_changed()
        return index, size

    def _size_of_next(self, plain: memoryview) -> int:
        """Tell how much the next region holds; a pipe tells only by being read."""
        if self._seekable:
            left = self._there - self._next * self._region_size
            return max(0, min(self._region_size, left))
        return self._fill(plain, None)

    def _check_count(self, regions: int) -> None:
        if regions > MOST_REGIONS:
            raise PolicyRefused(
                f"more than {MOST_REGIONS} regions of {self._region_size} bytes"
            ).with_hint("choose a larger --region-size")

    def _fill(self, plain: memoryview, offset: int | None) -> int:
        filled = 0
        with translated("the source"):
            while filled < len(plain):
                if offset is None and not self._readable():
                    break
                rest = plain[filled:]
                count = (
                    os.readv(self._source, [rest])
                    if offset is None
                    else os.preadv(self._source, [rest], offset + filled)
                )
                if count == 0:
                    break
                filled += count
        return filled

    def _readable(self) -> bool:
        """Wait for a pipe, but not when the work is stopped: its writer may never write again."""
        poll = select.poll()
        poll.register(self._source, select.POLLIN)
        while not self._stopped:
            if poll.poll(_PATIENCE):
                return True
        return False

    def _stat(self) -> os.stat_result:
        with translated("the source"):
            return os.fstat(self._source)

    def _check_unchanged(self) -> None:
        if Identity.of(self._stat()) != Identity.of(self._before):
            self._refuse_changed()
        if (
            self._fill(memoryview(bytearray(1)), self._start + self._size) > 0
        ):  # /proc says 0 and has bytes
            self._refuse_changed()

    def _refuse_changed(self) -> NoReturn:
        raise changed("the source")
