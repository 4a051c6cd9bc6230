import contextlib
import math
import struct
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from azure.servicebus._pyamqp._decode import _DECODE_BY_CONSTRUCTOR
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus.decoding import (
    DEEPEST,
    Described,
    Timestamp,
    composite,
    decode,
    fields_of,
    pairs_of,
    skip,
)

SOME_ID = UUID("12345678-1234-5678-1234-567812345678")

VALUES: dict[str, tuple[bytes, Any]] = {
    "null": (e.NULL, None),
    "true": (e.TRUE, True),
    "false": (e.FALSE, False),
    "true with a byte": (b"\x56\x01", True),
    "false with a byte": (b"\x56\x00", False),
    "ubyte": (e.ubyte(200), 200),
    "byte": (b"\x51\xff", -1),
    "ushort": (e.ushort(65535), 65535),
    "short": (b"\x61\xff\xfe", -2),
    "uint 0": (e.uint(0), 0),
    "small uint": (e.uint(255), 255),
    "uint": (e.uint(256), 256),
    "ulong 0": (e.ulong(0), 0),
    "small ulong": (e.ulong(255), 255),
    "ulong": (e.ulong(1 << 63), 1 << 63),
    "small int": (b"\x54\xff", -1),
    "int": (e.int32(-(1 << 31)), -(1 << 31)),
    "small long": (b"\x55\x80", -128),
    "long": (e.long(-(1 << 63)), -(1 << 63)),
    "float": (b"\x72" + struct.pack(">f", 0.5), 0.5),
    "double": (e.anything(-0.25), -0.25),
    "decimal32": (b"\x741234", b"1234"),
    "decimal64": (b"\x8412345678", b"12345678"),
    "decimal128": (b"\x94" + b"d" * 16, b"d" * 16),
    "char": (b"\x73\x00\x01\xf6\x00", "\U0001f600"),
    "timestamp": (e.timestamp(1234), Timestamp(1234)),
    "uuid": (e.uuid(SOME_ID.bytes), SOME_ID),
    "binary": (e.binary(b"x"), b"x"),
    "long binary": (e.binary(b"x" * 256), b"x" * 256),
    "text": (e.text("grün"), "grün"),
    "long text": (e.text("x" * 300), "x" * 300),
    "symbol": (e.symbol("s"), "s"),
    "long symbol": (e.symbol("s" * 300), "s" * 300),
    "empty list": (e.list_of([]), []),
    "list": (e.list_of([e.uint(1), e.text("a")]), [1, "a"]),
    "long list": (e.list_of([e.TRUE] * 300), [True] * 300),
    "map": (e.map_of([e.text("a"), e.NULL]), {"a": None}),
    "long map": (e.map_of([e.text("a"), e.binary(b"x" * 300)]), {"a": b"x" * 300}),
    "array of symbols": (e.symbols(["a", "bc"]), ["a", "bc"]),
    "array of longs": (e.array_of([e.long(1), e.long(2)]), [1, 2]),
    "empty array": (e.array_of([]), []),
    "small array": (b"\xe0\x05\x03\x50\x01\x02\x03", [1, 2, 3]),
    "array of described": (
        b"\xe0\x07\x02\x00\x53\x05\x50\x01\x02",
        [Described(5, 1), Described(5, 2)],
    ),
    "described": (e.described(5, e.TRUE), Described(5, True)),
    "described by a symbol": (b"\x00" + e.symbol("d") + e.NULL, Described("d", None)),
}


@pytest.mark.parametrize(("data", "value"), VALUES.values(), ids=VALUES)
def test_every_type_is_read(data: bytes, value: object) -> None:
    assert decode(b"\x40" + data, 1) == (value, len(data) + 1)


@pytest.mark.parametrize("data", [data for data, _ in VALUES.values()], ids=VALUES)
def test_every_type_can_be_skipped(data: bytes) -> None:
    assert skip(data + b"\x40", 0) == len(data)


@pytest.mark.parametrize("data", [data for data, _ in VALUES.values()], ids=VALUES)
def test_a_value_that_is_cut_short_is_refused(data: bytes) -> None:
    for size in range(len(data)):
        with pytest.raises(Malformed):
            decode(data[:size])


SAME = {
    "nothing": None,
    "true": True,
    "a whole number": -5,
    "a number": 1.5,
    "text": "text",
    "bytes": b"bytes",
    "an id": SOME_ID,
}


@pytest.mark.parametrize("value", SAME.values(), ids=SAME)
def test_a_property_is_read_as_it_was_written(value: e.Value) -> None:
    assert decode(e.anything(value))[0] == value


def test_a_date_is_written_in_milliseconds() -> None:
    moment = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)

    value = decode(e.anything(moment))[0]

    assert value.moment() == moment


def test_a_decimal_is_written_as_the_nearest_number() -> None:
    assert decode(e.anything(Decimal("0.5")))[0] == 0.5


def test_a_whole_number_that_no_long_holds_is_written_as_text() -> None:
    assert decode(e.anything(1 << 70))[0] == str(1 << 70)


@pytest.mark.parametrize(
    ("milliseconds", "year"), [(1 << 62, 9999), (-(1 << 62), 1970)], ids=["late", "early"]
)
def test_a_time_that_no_calendar_holds_becomes_one_that_does(milliseconds: int, year: int) -> None:
    assert Timestamp(milliseconds).moment().year == year


def nested(depth: int) -> bytes:
    value = e.NULL
    for _ in range(depth):
        value = e.list_of([value])
    return value


def test_nesting_has_an_end() -> None:
    assert decode(nested(DEEPEST))[0]
    for data in (
        nested(DEEPEST + 1),
        b"\x00" * 1000 + b"\x40" * 1001,
        b"\xf0\x00\x00\x10\x00\x00\x00\x00\x01" * 100 + b"\x40" * 4096,
    ):
        with pytest.raises(Malformed):
            decode(data)


MALFORMED = {
    "nothing": b"",
    "an unknown constructor": b"\x01",
    "text that is no UTF-8": b"\xa1\x01\xff",
    "a symbol that is no ASCII": b"\xa3\x01\xff",
    "a char that is none": b"\x73\xff\xff\xff\xff",
    "a list that is longer than it says": b"\xc0\x02\x02\x40\x40",
    "a list that is shorter than it says": b"\xc0\x04\x01\x40\x40\x40",
    "a list of more items than bytes": b"\xd0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
    "an array of more items than bytes": b"\xf0\x00\x00\x00\x05\xff\xff\xff\xff\x40",
    "an array that is shorter than it says": b"\xe0\x04\x01\x50\x01\x02",
    "a list of no size": b"\xc0\x00\x00",
    "a map with half a pair": b"\xc1\x02\x01\x40",
    "a map with a list as a key": b"\xc1\x03\x02\x45\x40",
    "binary of 4 GiB": b"\xb0\xff\xff\xff\xff",
}


@pytest.mark.parametrize("data", MALFORMED.values(), ids=MALFORMED)
def test_what_is_not_well_formed_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        decode(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    for read in (
        decode,
        composite,
        lambda given: skip(given, 0),
        lambda given: fields_of(given, 0),
        lambda given: pairs_of(given, 0),
    ):
        with contextlib.suppress(Malformed):
            read(data)


NOT_COMPOSITE = {
    "no descriptor": e.list_of([]),
    "a symbol as descriptor": b"\x00" + e.symbol("a") + e.list_of([]),
    "a map": e.described(1, e.map_of([])),
    "nothing": b"",
    "half of it": b"\x00\x53",
}


@pytest.mark.parametrize("data", NOT_COMPOSITE.values(), ids=NOT_COMPOSITE)
def test_what_is_no_performative_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed):
        composite(data)


def test_fields_keep_their_bytes() -> None:
    fields = [b"\x52\x05", b"\x70\x00\x00\x00\x05", e.described(1, e.list_of([e.NULL]))]

    assert fields_of(e.list_of(fields), 0) == fields
    assert fields_of(e.list_of(fields * 100), 0) == fields * 100
    assert fields_of(e.EMPTY_LIST, 0) == []


def test_pairs_keep_their_bytes() -> None:
    pairs = e.map_of([e.symbol("a"), b"\x52\x05", b"\xb1\x00\x00\x00\x01b", e.NULL])

    assert pairs_of(pairs, 0) == [
        ("a", e.symbol("a"), b"\x52\x05"),
        ("b", b"\xb1\x00\x00\x00\x01b", e.NULL),
    ]


@pytest.mark.parametrize(
    "data",
    [e.TRUE, b"\xc0\x03\x01\x40\x40", b"\xc1\x02\x01\x40", b"\xc0"],
    ids=["no list", "a list with more in it", "half a pair", "half a list"],
)
def test_only_lists_and_maps_are_cut(data: bytes) -> None:
    with pytest.raises(Malformed):
        fields_of(data, 0)
    with pytest.raises(Malformed):
        pairs_of(data, 0)


_OTHERWISE = {"decimal32", "decimal64", "decimal128", "char", "array of described", "empty array"}
READ_ALIKE = sorted(set(VALUES) - _OTHERWISE)


@pytest.mark.parametrize("name", READ_ALIKE)
def test_the_sdk_reads_what_we_write(name: str) -> None:
    data, value = VALUES[name]

    rest, read = _DECODE_BY_CONSTRUCTOR[data[0]](memoryview(data)[1:])

    assert bytes(rest) == b""
    assert plain(read) == plain(value)


def plain(value: Any) -> Any:
    """Make values of two readers comparable: the SDK has bytes for text, and lists."""
    match value:
        case Described():
            return plain(value.value)
        case str():
            return value.encode()
        case float():
            return math.fsum([value])
        case list():
            return [plain(item) for item in value]
        case dict():
            return {plain(key): plain(item) for key, item in value.items()}
        case _:
            return value
