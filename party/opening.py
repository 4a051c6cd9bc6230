"""Read sealed files: the manifest first, then any region alone, or all of them in parallel."""

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from cleanroom import dsse
from cleanroom.errors import Tampered
from cleanroom.keys import DataKey, SigningKey
from cleanroom.seal import document, layout
from cleanroom.seal.layout import Layout, Span
from cleanroom.seal.manifest import Manifest
from cleanroom.seal.regions import RegionCipher, RegionTable, check_region
from party.files import Output, translated
from party.sealing import Progress, finish, workers

type _Take = Callable[[int, memoryview, memoryview], None]
"""Given a region's index, its stored bytes, and a buffer for its plaintext."""

_TAIL = 1 << 16  # one read that holds footer, manifest and table of most files


class SealedFile:
    """A sealed file whose owner is known: the manifest is verified, the regions are on call."""

    def __init__(self, fd: int, where: str, owner: SigningKey) -> None:
        self._fd = fd
        self._where = where
        envelope, span = read_envelope(fd, where)
        self.manifest: Manifest = document.verified(envelope, owner, where)
        layout.check_size(self.layout, span, where)
        table = self.layout.table
        self.table: RegionTable = document.region_table(self.manifest, read_at(fd, table, where))

    @property
    def layout(self) -> Layout:
        """The region arithmetic."""
        return self.manifest.layout

    def reader(self, key: DataKey) -> "RegionReader":
        """Get ready to open single spans."""
        return RegionReader(self, key)

    def read_region(self, index: int, stored: memoryview) -> None:
        """Read one stored region as it stands."""
        read_into(self._fd, stored, self.layout.stored(index).offset, self._where)

    def open_to(self, key: DataKey, output: Output, progress: Progress) -> None:
        """Open every region into an output, from several threads."""
        cipher = RegionCipher(key, self.manifest.file_id)

        def take(index: int, stored: memoryview, plain: memoryview) -> None:
            cipher.open(index, stored, self.table[index], plain)
            output.write_at(plain, self.layout.plain(index).offset)

        self._each(take, progress)

    def verify_regions(self, progress: Progress) -> None:
        """Check every stored region against the signed table; needs no key."""

        def take(index: int, stored: memoryview, _plain: memoryview) -> None:
            check_region(index, stored, self.table[index])

        self._each(take, progress)

    def _each(self, take: _Take, progress: Progress) -> None:
        work = _Work(self, take, progress)
        count = workers()
        with ThreadPoolExecutor(count) as pool:
            try:
                finish([pool.submit(work.run) for _ in range(count)])
            finally:
                work.stopped = True  # an error or an interrupt: the others stop at the next region


class RegionReader:
    """Opens spans of the plaintext, decrypting only the regions that hold them; for one thread.

    The buffers are used again and the last region stays open, so reading on costs nothing.
    """

    def __init__(self, file: SealedFile, key: DataKey) -> None:
        self._file = file
        self._cipher = RegionCipher(key, file.manifest.file_id)
        largest = min(file.layout.region_size, file.layout.plaintext_size)
        self._stored = memoryview(bytearray(largest + layout.TAG_BYTES))
        self._plain = memoryview(bytearray(largest))
        self._open: int | None = None
        self.decrypted = 0  # regions so far

    def read(self, wanted: Span) -> bytes:
        """Open one span, which must lie within the plaintext."""
        if not 0 <= wanted.offset <= wanted.end <= self._file.layout.plaintext_size:
            raise ValueError("a span must lie within the plaintext")
        return b"".join(
            bytes(self._region(index)[piece.offset : piece.end])
            for index, piece in self._file.layout.pieces(wanted)
        )

    def _region(self, index: int) -> memoryview:
        plain = self._plain[: self._file.layout.plain(index).length]
        if self._open != index:
            self._open = None
            stored = self._stored[: len(plain) + layout.TAG_BYTES]
            self._file.read_region(index, stored)
            self._cipher.open(index, stored, self._file.table[index], plain)
            self._open = index
            self.decrypted += 1
        return plain


class _Work:
    """One pass over all regions, shared by the workers."""

    def __init__(self, file: SealedFile, take: _Take, progress: Progress) -> None:
        self._file = file
        self._take = take
        self._progress = progress
        self._lock = threading.Lock()
        self._indexes = iter(range(file.layout.regions))
        self.stopped = False

    def run(self) -> None:
        largest = min(self._file.layout.region_size, self._file.layout.plaintext_size)
        stored = memoryview(bytearray(largest + layout.TAG_BYTES))
        plain = memoryview(bytearray(largest))
        while (index := self._claim()) is not None:
            size = self._file.layout.plain(index).length
            sealed = stored[: size + layout.TAG_BYTES]
            self._file.read_region(index, sealed)
            self._take(index, sealed, plain[:size])
            self._progress(size)

    def _claim(self) -> int | None:
        with self._lock:
            return None if self.stopped else next(self._indexes, None)


def read_envelope(fd: int, where: str) -> tuple[bytes, Span]:
    """Read the envelope of the manifest, and say where it stands."""
    with translated(where):
        size = os.fstat(fd).st_size
    tail = last_bytes(fd, _TAIL, where)
    span = layout.envelope_span(tail, size, where, dsse.LARGEST_ENVELOPE)
    start = len(tail) - layout.FOOTER_BYTES - span.length
    if start >= 0:
        return tail[start : start + span.length], span
    return read_at(fd, span, where), span


def read_at(fd: int, span: Span, where: str) -> bytes:
    """Read exactly a span; the caller has bounded its length."""
    data = bytearray(span.length)
    read_into(fd, memoryview(data), span.offset, where)
    return bytes(data)


def read_into(fd: int, buffer: memoryview, offset: int, where: str) -> None:
    """Fill a buffer from an offset, or refuse a file that ends before."""
    with translated(where):
        while buffer:
            count = os.preadv(fd, [buffer], offset)
            if count == 0:
                raise Tampered(f"{where}: the file ends before its signed size")
            buffer, offset = buffer[count:], offset + count


@contextmanager
def opened(path: Path) -> Iterator[int]:
    """Open a file for reading at offsets."""
    with translated(path):
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def last_bytes(fd: int, count: int, where: str) -> bytes:
    """Read the last bytes of a file, fewer if it is shorter."""
    with translated(where):
        size = os.fstat(fd).st_size
    return read_at(fd, Span(max(0, size - count), min(size, count)), where)
