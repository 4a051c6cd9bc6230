"""UEFI programs for tests: real in every field that measuring reads."""

import struct
from collections.abc import Sequence

_HEADERS, _AT, _ALIGNED = 0x400, 0x80, 0x200


def program(sections: Sequence[tuple[str, bytes]], signature: bytes = b"") -> bytes:
    """Make a PE32+ with these sections, and a signature after them."""
    table, body = b"", b""
    for name, data in sections:
        raw = -(-len(data) // _ALIGNED) * _ALIGNED
        begin = _HEADERS + len(body)
        where = (len(data), 0x1000, raw, begin)
        table += struct.pack("<8sIIIIIIHHI", name.encode(), *where, 0, 0, 0, 0, 0)
        body += data.ljust(raw, b"\0")
    optional = bytearray(240)
    for at, value in ((0, 0x20B), (32, 0x1000), (36, _ALIGNED), (60, _HEADERS), (108, 16)):
        struct.pack_into("<I", optional, at, value)
    struct.pack_into("<I", optional, 64, 0xDEADBEEF)  # the checksum, which is not measured
    if signature:
        struct.pack_into("<II", optional, 144, _HEADERS + len(body), len(signature))
    headers = bytearray(b"MZ".ljust(_AT, b"\0"))
    struct.pack_into("<I", headers, 0x3C, _AT)
    coff = struct.pack("<HHIIIHH", 0x8664, len(sections), 0, 0, 0, len(optional), 0x22)
    return bytes(headers + b"PE\0\0" + coff + optional + table).ljust(_HEADERS, b"\0") + (
        body + signature
    )
