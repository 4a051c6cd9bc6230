"""Where each byte of a sealed file stands (docs/spec/sealed-file.md §2).

    stored regions | region table | envelope of the manifest | footer

Every region holds `region_size` bytes of plaintext but the last, which holds what is left; stored,
each is longer by its tag. The table has one digest per region; the footer has a fixed size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from cleanroom.errors import Malformed, Tampered
from cleanroom.fields import integer

TAG_BYTES = 16  # AES-GCM
DIGEST_BYTES = 32  # BLAKE3
SMALLEST_REGION = 1 << 16
LARGEST_REGION = 1 << 26
DEFAULT_REGION = 1 << 22
MOST_REGIONS = 1 << 20  # so a table is at most 32 MiB

# 0x89 no text file starts a line with; CR LF, 1A and LF break when a transfer "mends" line ends;
# the last byte is the format version.
MAGIC = b"\x89sealed\r\n\x1a\n\x01"
FOOTER_BYTES = 4 + len(MAGIC)


@dataclass(frozen=True, slots=True)
class Span:
    """A run of bytes."""

    offset: int
    length: int

    @property
    def end(self) -> int:
        """The first offset behind the span."""
        return self.offset + self.length


@dataclass(frozen=True, slots=True)
class Layout:
    """The region arithmetic of one sealed file."""

    plaintext_size: int
    region_size: int

    @property
    def regions(self) -> int:
        """How many regions there are; an empty file has none."""
        return -(-self.plaintext_size // self.region_size)

    @property
    def body_size(self) -> int:
        """The bytes of all stored regions."""
        return self.plaintext_size + self.regions * TAG_BYTES

    @property
    def table(self) -> Span:
        """Where the digests of the stored regions stand."""
        return Span(self.body_size, self.regions * DIGEST_BYTES)

    def plain(self, index: int) -> Span:
        """Where a region's plaintext belongs."""
        offset = index * self.region_size
        return Span(offset, min(self.region_size, self.plaintext_size - offset))

    def stored(self, index: int) -> Span:
        """Where a region stands in the file."""
        return Span(index * (self.region_size + TAG_BYTES), self.plain(index).length + TAG_BYTES)

    def covering(self, wanted: Span) -> range:
        """Which regions hold a span of the plaintext."""
        if wanted.length == 0:
            return range(0)
        return range(wanted.offset // self.region_size, (wanted.end - 1) // self.region_size + 1)

    def pieces(self, wanted: Span) -> Iterator[tuple[int, Span]]:
        """Split a span of the plaintext into (region, span within that region)."""
        for index in self.covering(wanted):
            plain = self.plain(index)
            start = max(wanted.offset, plain.offset)
            end = min(wanted.end, plain.end)
            yield index, Span(start - plain.offset, end - start)


def region_size(raw: object, where: str) -> int:
    """Accept a power of two from 64 KiB to 64 MiB."""
    found = integer(SMALLEST_REGION, LARGEST_REGION)(raw, where)
    if found & (found - 1):
        raise Malformed(where, "a power of two", str(found))
    return found


def footer(envelope: bytes) -> bytes:
    """Write what ends the file: the envelope's length and the magic number."""
    return len(envelope).to_bytes(4, "big") + MAGIC


def envelope_span(tail: bytes, file_size: int, where: str, largest: int) -> Span:
    """Find the envelope from the last bytes of the file."""
    if file_size < FOOTER_BYTES or tail[-len(MAGIC) :] != MAGIC:
        raise Malformed(where, "a sealed file, which ends in its magic number").with_hint(
            "was the file cut, or sent in text mode?"
        )
    length = int.from_bytes(tail[-FOOTER_BYTES : -len(MAGIC)], "big")
    if not 0 < length <= min(largest, file_size - FOOTER_BYTES):
        raise Malformed(where, "a manifest that fits the file", f"{length} bytes")
    return Span(file_size - FOOTER_BYTES - length, length)


def check_size(layout: Layout, envelope: Span, where: str) -> None:
    """Refuse a file in which the signed sizes and the real ones differ (cut, grown)."""
    if layout.table.end != envelope.offset:
        raise Tampered(
            f"{where}: the manifest says {layout.table.end} bytes come before it,"
            f" but there are {envelope.offset}"
        )
