"""AMQP 1.0 values, written: one function per type, bytes out.

Compounds take the bytes of what they hold, so that a value which came from a peer is handed on
as it is, with its very type.
"""

import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

NULL = b"\x40"
TRUE = b"\x41"
FALSE = b"\x42"
EMPTY_LIST = b"\x45"

type Value = str | int | float | bool | bytes | Decimal | datetime | UUID | None

_U16 = struct.Struct(">H").pack
_U32 = struct.Struct(">I").pack
_I64 = struct.Struct(">q").pack
_F64 = struct.Struct(">d").pack
_BYTE = 256
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = 1 << 63


def boolean(value: bool) -> bytes:
    """Encode a boolean."""
    return TRUE if value else FALSE


def ubyte(value: int) -> bytes:
    """Encode a ubyte."""
    return bytes((0x50, value))


def ushort(value: int) -> bytes:
    """Encode a ushort."""
    return b"\x60" + _U16(value)


def uint(value: int) -> bytes:
    """Encode a uint as short as it goes."""
    if value < _BYTE:
        return bytes((0x52, value)) if value else b"\x43"
    return b"\x70" + _U32(value)


def ulong(value: int) -> bytes:
    """Encode a ulong as short as it goes."""
    if value < _BYTE:
        return bytes((0x53, value)) if value else b"\x44"
    return b"\x80" + value.to_bytes(8)


def int32(value: int) -> bytes:
    """Encode an int."""
    return b"\x71" + value.to_bytes(4, signed=True)


def long(value: int) -> bytes:
    """Encode a long, all eight bytes of it."""
    return b"\x81" + _I64(value)


def timestamp(value: int) -> bytes:
    """Encode milliseconds since 1970."""
    return b"\x83" + _I64(value)


def uuid(raw: bytes) -> bytes:
    """Encode 16 bytes as a UUID."""
    return b"\x98" + raw


def binary(value: bytes) -> bytes:
    """Encode bytes."""
    return _variable(0xA0, value)


def text(value: str) -> bytes:
    """Encode a string."""
    return _variable(0xA1, value.encode("utf-8", "replace"))


def symbol(value: str) -> bytes:
    """Encode a symbol."""
    return _variable(0xA3, value.encode("ascii", "replace"))


def list_of(items: Sequence[bytes]) -> bytes:
    """Encode a list of encoded items."""
    return _compound(0xC0, b"".join(items), len(items)) if items else EMPTY_LIST


def map_of(items: Sequence[bytes]) -> bytes:
    """Encode a map of encoded keys and values in turn."""
    return map_body(b"".join(items), len(items))


def map_body(body: bytes, count: int) -> bytes:
    """Encode a map whose keys and values are joined already; `count` counts both."""
    return _compound(0xC1, body, count)


def array_of(items: Iterable[bytes]) -> bytes:
    """Encode an array of items that all have the constructor of the first, and its width."""
    encoded = list(items)
    constructor = encoded[0][:1] if encoded else b"\x81"
    body = constructor + b"".join(item[1:] for item in encoded)
    return b"\xf0" + _U32(len(body) + 4) + _U32(len(encoded)) + body


def symbols(names: Sequence[str]) -> bytes:
    """Encode an array of symbols."""
    return array_of(b"\xb3" + _U32(len(name)) + name.encode("ascii") for name in names)


def described(code: int, value: bytes) -> bytes:
    """Encode a value with a numeric descriptor."""
    return b"\x00" + ulong(code) + value


def anything(value: Value) -> bytes:
    """Encode a value of a type that message properties have."""
    return NULL if value is None else _WRITERS[type(value)](value)


def _whole(value: int) -> bytes:
    return long(value) if -_LONG <= value < _LONG else text(str(value))


def _moment(value: datetime) -> bytes:
    return timestamp((value - _EPOCH) // timedelta(milliseconds=1))


_WRITERS: Mapping[type, Callable[[Any], bytes]] = {
    bool: boolean,
    int: _whole,
    float: lambda value: b"\x82" + _F64(value),
    Decimal: lambda value: b"\x82" + _F64(float(value)),
    str: text,
    bytes: binary,
    UUID: lambda value: uuid(value.bytes),
    datetime: _moment,
}


def _variable(code: int, raw: bytes) -> bytes:
    if len(raw) < _BYTE:
        return bytes((code, len(raw))) + raw
    return bytes((code + 0x10,)) + _U32(len(raw)) + raw


def _compound(code: int, body: bytes, count: int) -> bytes:
    if len(body) < _BYTE - 1 and count < _BYTE:
        return bytes((code, len(body) + 1, count)) + body
    return bytes((code + 0x10,)) + _U32(len(body) + 4) + _U32(count) + body
