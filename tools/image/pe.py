"""A UEFI program (PE32+) as far as measuring it needs: its sections, and its Authenticode digest.

The digest is over everything but the checksum, the entry that points to signatures, and these: so
signing does not change it. Microsoft's document "Windows Authenticode PE signature format" has it.
"""

import hashlib
import struct
from dataclasses import dataclass

_PE32_PLUS = 0x20B
_CHECKSUM_AT, _DIRECTORIES_AT = 64, 112  # in the optional header
_CERTIFICATES = 4  # the directory's index
_SECTION = 40  # bytes of an entry


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the program, by its name; as long as it is in memory, or as the file has it."""

    name: str
    data: bytes


@dataclass(frozen=True, slots=True)
class _Headers:
    optional: int  # where it begins
    sections: int
    count: int
    size: int  # of all headers, as the digest takes them
    certificates: int  # bytes of signatures at the end


def sections(program: bytes) -> tuple[Section, ...]:
    """Give the sections in the order of their table."""
    found = _headers(program)
    entries = []
    for i in range(found.count):
        at = found.sections + i * _SECTION
        name = program[at : at + 8].rstrip(b"\0").decode("ascii")
        virtual, _, raw, begin = struct.unpack_from("<IIII", program, at + 8)
        entries.append(Section(name, program[begin : begin + min(virtual, raw)]))
    return tuple(entries)


def authenticode(program: bytes) -> bytes:
    """Give the SHA-256 that firmware measures, and that a signature is over."""
    found = _headers(program)
    checksum = found.optional + _CHECKSUM_AT
    directory = found.optional + _DIRECTORIES_AT + _CERTIFICATES * 8
    digest = hashlib.sha256()
    digest.update(program[:checksum])
    digest.update(program[checksum + 4 : directory])
    digest.update(program[directory + 8 : found.size])
    end = found.size
    for begin, size in sorted(_raw(program, found)):
        digest.update(program[begin : begin + size])
        end += size
    digest.update(program[end : len(program) - found.certificates])
    return digest.digest()


def _raw(program: bytes, found: _Headers) -> list[tuple[int, int]]:
    """List where sections with content begin, and how long they are."""
    entries = []
    for i in range(found.count):
        size, begin = struct.unpack_from("<II", program, found.sections + i * _SECTION + 16)
        if size:
            entries.append((begin, size))
    return entries


def _headers(program: bytes) -> _Headers:
    (at,) = struct.unpack_from("<I", program, 0x3C)
    if program[:2] != b"MZ" or program[at : at + 4] != b"PE\0\0":
        raise ValueError("expected a UEFI program (PE)")
    count, optional_size = struct.unpack_from("<H12xH", program, at + 6)
    optional = at + 24
    (magic,) = struct.unpack_from("<H", program, optional)
    if magic != _PE32_PLUS:
        raise ValueError("expected a program of 64 bits (PE32+)")
    (size,) = struct.unpack_from("<I", program, optional + 60)
    entry = optional + _DIRECTORIES_AT + _CERTIFICATES * 8
    _, certificates = struct.unpack_from("<II", program, entry)
    return _Headers(optional, optional + optional_size, count, size, certificates)
