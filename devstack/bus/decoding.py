"""AMQP 1.0 values, read: any bytes in, plain Python values out, or `Malformed`.

- Types become what Python has: all integers `int`, strings and symbols `str`, a described value
  `Described`. Whoever must hand a value back as it came keeps its bytes instead (`skip`).
- Nothing is allocated on the word of a count or a size that the bytes at hand do not back.
- Compounds nest `DEEPEST` deep and no deeper.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from cleanroom.errors import Malformed

DEEPEST = 32

type _Read = tuple[Any, int]
type _Reader = Callable[[bytes, int, int], _Read]

_U16 = struct.Struct(">H").unpack_from
_U32 = struct.Struct(">I").unpack_from
_U64 = struct.Struct(">Q").unpack_from
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_WIDE = b"\xd0\xd1"
_FAILURES = (IndexError, struct.error, ValueError, TypeError)


class Timestamp(int):
    """Milliseconds since 1970, UTC."""

    def moment(self) -> datetime:
        """Return it as a date; what no calendar holds becomes the nearest that does."""
        try:
            return _EPOCH + timedelta(milliseconds=self)
        except OverflowError:
            return datetime.max.replace(tzinfo=UTC) if self > 0 else _EPOCH


@dataclass(frozen=True, slots=True)
class Described:
    """A value with a descriptor: a composite, an outcome, a filter."""

    descriptor: Any
    value: Any


def decode(data: bytes, at: int = 0) -> _Read:
    """Read the value that begins at a position; also say where it ends."""
    try:
        return _value(data, at, 0)
    except _FAILURES as error:
        raise _malformed() from error


def composite(data: bytes) -> tuple[int, list[Any], int]:
    """Read a performative: its numeric descriptor, its fields, and where it ends."""
    try:
        if data[0] != 0:
            raise _malformed()
        code, at = _value(data, 1, 0)
        fields, at = _value(data, at, 0)
    except _FAILURES as error:
        raise _malformed() from error
    if type(code) is not int or type(fields) is not list:
        raise _malformed()
    return code, fields, at


def fields_of(data: bytes, at: int) -> list[bytes]:
    """Cut the list at a position into its fields, as they are."""
    return [data[start:end] for start, end in _items(data, at, b"\xc0\xd0", b"\x45")]


def pairs_of(data: bytes, at: int) -> list[tuple[Any, bytes, bytes]]:
    """Cut the map at a position into keys, and the bytes of keys and of values."""
    cuts = _items(data, at, b"\xc1\xd1", b"")
    if len(cuts) % 2:
        raise _malformed()
    return [
        (decode(data, key)[0], data[key:key_end], data[value:value_end])
        for (key, key_end), (value, value_end) in zip(cuts[::2], cuts[1::2], strict=True)
    ]


def skip(data: bytes, at: int) -> int:
    """Say where the value at a position ends."""
    try:
        end = _skip(data, at, 0)
    except _FAILURES as error:
        raise _malformed() from error
    if end > len(data):
        raise _malformed()
    return end


def _items(data: bytes, at: int, wanted: bytes, empty: bytes) -> list[tuple[int, int]]:
    try:
        code = data[at]
        if code in empty:
            return []
        if code not in wanted:
            raise _malformed()
        end, count, at = _compound(data, at + 1, wide=code in _WIDE)
    except _FAILURES as error:
        raise _malformed() from error
    cuts = []
    for _ in range(count):
        cuts.append((at, skip(data, at)))
        at = cuts[-1][1]
    if at != end:
        raise _malformed()
    return cuts


def _malformed() -> Malformed:
    return Malformed("AMQP", "well-formed bytes")


# --- where values end, by the high half of their constructor


def _skip(data: bytes, at: int, depth: int) -> int:
    code = data[at]
    kind = code >> 4
    if kind in _WIDTHS:
        return at + _WIDTHS[kind]
    if kind in (0xA, 0xC, 0xE):
        return at + 2 + data[at + 1]
    if kind in (0xB, 0xD, 0xF):
        return int(at + 5 + _U32(data, at + 1)[0])
    if code == 0 and depth < DEEPEST:
        return _skip(data, _skip(data, at + 1, depth + 1), depth + 1)
    raise _malformed()


_WIDTHS = {0x4: 1, 0x5: 2, 0x6: 3, 0x7: 5, 0x8: 9, 0x9: 17}


# --- one reader per constructor, given the position after it


def _value(data: bytes, at: int, depth: int) -> _Read:
    return _READERS[data[at]](data, at + 1, depth)


def _unknown(_data: bytes, _at: int, _depth: int) -> _Read:
    raise _malformed()


def _described(data: bytes, at: int, depth: int) -> _Read:
    if depth >= DEEPEST:
        raise _malformed()
    descriptor, at = _value(data, at, depth + 1)
    value, at = _value(data, at, depth + 1)
    return Described(descriptor, value), at


def _compound(data: bytes, at: int, *, wide: bool) -> tuple[int, int, int]:
    """Read the end, the count and the beginning of what a list, map or array holds."""
    if wide:
        end, count, start = at + 4 + _U32(data, at)[0], _U32(data, at + 4)[0], at + 8
    else:
        end, count, start = at + 1 + data[at], data[at + 1], at + 2
    if start > end or end > len(data) or count > end - start:
        raise _malformed()
    return end, count, start


def _list(*, wide: bool) -> _Reader:
    def read(data: bytes, at: int, depth: int) -> _Read:
        if depth >= DEEPEST:
            raise _malformed()
        end, count, at = _compound(data, at, wide=wide)
        depth += 1
        items = []
        for _ in range(count):
            item, at = _READERS[data[at]](data, at + 1, depth)
            items.append(item)
        if at != end:
            raise _malformed()
        return items, end

    return read


_list8, _list32 = _list(wide=False), _list(wide=True)


def _map(*, wide: bool) -> _Reader:
    read_list = _list32 if wide else _list8

    def read(data: bytes, at: int, depth: int) -> _Read:
        items, end = read_list(data, at, depth)
        return dict(zip(items[::2], items[1::2], strict=True)), end

    return read


def _array(*, wide: bool) -> _Reader:
    def read(data: bytes, at: int, depth: int) -> _Read:
        if depth >= DEEPEST:
            raise _malformed()
        end, count, at = _compound(data, at, wide=wide)
        if not count:
            return [], end
        descriptor = None
        if described := data[at] == 0:
            descriptor, at = _value(data, at + 1, depth + 1)
        reader = _READERS[data[at]]
        at += 1
        items = []
        for _ in range(count):
            item, at = reader(data, at, depth + 1)
            items.append(Described(descriptor, item) if described else item)
        if at != end:
            raise _malformed()
        return items, end

    return read


def _constant(value: object) -> _Reader:
    return lambda _data, at, _depth: (value, at)


def _fixed(form: str) -> _Reader:
    layout = struct.Struct(form)
    unpack, width = layout.unpack_from, layout.size
    return lambda data, at, _depth: (unpack(data, at)[0], at + width)


def _made(width: int, make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, at: int, _depth: int) -> _Read:
        end = at + width
        if end > len(data):
            raise _malformed()
        return make(data[at:end]), end

    return read


def _empty_list(_data: bytes, at: int, _depth: int) -> _Read:
    return [], at


def _variable8(make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, at: int, _depth: int) -> _Read:
        end = at + 1 + data[at]
        if end > len(data):
            raise _malformed()
        return make(data[at + 1 : end]), end

    return read


def _variable32(make: Callable[[bytes], object]) -> _Reader:
    def read(data: bytes, at: int, _depth: int) -> _Read:
        end = at + 4 + _U32(data, at)[0]
        if end > len(data):
            raise _malformed()
        return make(data[at + 4 : end]), end

    return read


def _boolean(data: bytes, at: int, _depth: int) -> _Read:
    return data[at] == 1, at + 1


def _ascii(raw: bytes) -> str:
    return raw.decode("ascii")


def _utf8(raw: bytes) -> str:
    return raw.decode("utf-8")


def _readers() -> list[_Reader]:
    known: dict[int, _Reader] = {
        0x00: _described,
        0x40: _constant(None),
        0x41: _constant(True),
        0x42: _constant(False),
        0x43: _constant(0),
        0x44: _constant(0),
        0x45: _empty_list,
        0x50: _fixed(">B"),
        0x51: _fixed(">b"),
        0x52: _fixed(">B"),
        0x53: _fixed(">B"),
        0x54: _fixed(">b"),
        0x55: _fixed(">b"),
        0x56: _boolean,
        0x60: _fixed(">H"),
        0x61: _fixed(">h"),
        0x70: _fixed(">I"),
        0x71: _fixed(">i"),
        0x72: _fixed(">f"),
        0x73: _made(4, lambda raw: raw.decode("utf-32-be")),
        0x74: _made(4, bytes),  # decimals are handed on, never looked into
        0x80: _fixed(">Q"),
        0x81: _fixed(">q"),
        0x82: _fixed(">d"),
        0x83: _made(8, lambda raw: Timestamp(int.from_bytes(raw, signed=True))),
        0x84: _made(8, bytes),
        0x94: _made(16, bytes),
        0x98: _made(16, lambda raw: UUID(bytes=raw)),
        0xA0: _variable8(bytes),
        0xA1: _variable8(_utf8),
        0xA3: _variable8(_ascii),
        0xB0: _variable32(bytes),
        0xB1: _variable32(_utf8),
        0xB3: _variable32(_ascii),
        0xC0: _list8,
        0xC1: _map(wide=False),
        0xD0: _list32,
        0xD1: _map(wide=True),
        0xE0: _array(wide=False),
        0xF0: _array(wide=True),
    }
    return [known.get(code, _unknown) for code in range(256)]


_READERS = _readers()
