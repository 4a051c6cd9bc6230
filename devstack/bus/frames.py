"""Frames of AMQP 1.0: cut out of a stream of bytes, read, and written.

- What is read is typed; what only goes back to the peer (source, target, state) keeps its bytes.
- What is written has all its fields: older SDKs read them by position.
"""

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus.decoding import composite, decode, fields_of, skip
from devstack.bus.refusals import Refusal

AMQP, SASL = 0, 1
OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
ERROR = 0x1D
COORDINATOR = 0x30
RECEIVED, ACCEPTED, REJECTED, RELEASED, MODIFIED = range(0x23, 0x28)
SASL_MECHANISMS, SASL_INIT, SASL_OUTCOME = 0x40, 0x41, 0x44
SENDER, RECEIVER = False, True
LARGEST_UINT = (1 << 32) - 1
SMALLEST_FRAME = 512
HEADER_SIZE = 8

_U16 = struct.Struct(">H").pack
_U32 = struct.Struct(">I").pack
_NOTHING = b"\x00\x53"
_SIZES = struct.Struct(">IBBH").unpack_from

ACCEPTED_STATE = b"\x00\x53\x24\x45"
REJECTED_STATE = e.described(REJECTED, e.list_of([e.NULL]))


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came."""

    kind: int
    channel: int
    body: bytes


def cut(data: bytes, at: int, largest: int) -> tuple[Frame | None, int]:
    """Cut the next frame out of a stream; nothing while it is not whole."""
    if len(data) - at < HEADER_SIZE:
        return None, at
    size, offset, kind, channel = _SIZES(data, at)
    if not HEADER_SIZE <= offset * 4 <= size <= largest:
        raise Malformed("frame", f"a size of {HEADER_SIZE} to {largest} bytes", str(size))
    if len(data) - at < size:
        return None, at
    return Frame(kind, channel, data[at + offset * 4 : at + size]), at + size


# --- performatives, read


@dataclass(slots=True)
class Begin:
    """A session begins."""

    next_outgoing: int
    incoming_window: int

    @classmethod
    def read(cls, body: bytes) -> "Begin":
        """Read the performative."""
        fields = composite(body)[1]
        return cls(_number(fields, 1, 0), _number(fields, 2, 0))


@dataclass(slots=True)
class Attach:
    """A link begins; `receiver` says whether the peer receives on it."""

    name: bytes
    handle: int
    receiver: bool
    sender_settles: int
    receiver_settles: int
    source: bytes
    target: bytes
    properties: dict[str, Any]

    @classmethod
    def read(cls, body: bytes) -> "Attach":
        """Read the performative."""
        raw = _raw_fields(body, 14)
        fields = [decode(item)[0] for item in raw]
        properties = fields[13]
        if type(fields[0]) is not str:
            raise _malformed()
        return cls(
            raw[0],
            _number(fields, 1, None),
            fields[2] is True,
            _number(fields, 3, 2),
            _number(fields, 4, 0),
            raw[5],
            raw[6],
            properties if type(properties) is dict else {},
        )


@dataclass(slots=True)
class Flow:
    """Credit, windows, and questions about them."""

    next_incoming: int
    incoming_window: int
    handle: int | None
    delivery_count: int
    credit: int
    drain: bool
    echo: bool

    @classmethod
    def read(cls, body: bytes) -> "Flow":
        """Read the performative."""
        fields = composite(body)[1]
        handle = _number(fields, 4, -1)
        return cls(
            _number(fields, 0, 0),
            _number(fields, 1, 0),
            None if handle < 0 else handle,
            _number(fields, 5, 0),
            _number(fields, 6, 0),
            _flag(fields, 8),
            _flag(fields, 9),
        )


@dataclass(slots=True)
class Transfer:
    """A message, or a part of one."""

    handle: int
    delivery: int | None
    format: int
    settled: bool
    more: bool
    aborted: bool
    payload: bytes

    @classmethod
    def read(cls, body: bytes) -> "Transfer":
        """Read the performative and what follows it."""
        _, fields, at = composite(body)
        delivery = _number(fields, 1, -1)
        return cls(
            _number(fields, 0, None),
            None if delivery < 0 else delivery,
            _number(fields, 3, 0),
            _flag(fields, 4),
            _flag(fields, 5),
            _flag(fields, 9),
            body[at:],
        )


@dataclass(slots=True)
class Disposition:
    """What becomes of deliveries."""

    receiver: bool
    first: int
    last: int
    settled: bool
    state: bytes

    @classmethod
    def read(cls, body: bytes) -> "Disposition":
        """Read the performative."""
        raw = _raw_fields(body, 5)
        fields = [decode(item)[0] for item in raw[:4]]
        first = _number(fields, 1, None)
        return cls(_flag(fields, 0), first, _number(fields, 2, first), _flag(fields, 3), raw[4])


def read_detach(body: bytes) -> tuple[int, bool]:
    """Read the handle, and whether the link is closed for good."""
    fields = composite(body)[1]
    return _number(fields, 0, None), _flag(fields, 1)


def read_open(body: bytes) -> int:
    """Read the largest frame that the peer takes."""
    return _number(composite(body)[1], 2, LARGEST_UINT)


def read_terminus(raw: bytes) -> tuple[str, dict[str, Any], list[bytes]]:
    """Read the address, the filters, and the raw fields of a source or a target."""
    fields = _raw_fields(raw, 11) if raw != e.NULL else [e.NULL] * 11
    address, filters = decode(fields[0])[0], decode(fields[7])[0]
    return (
        address if type(address) is str else "",
        filters if type(filters) is dict else {},
        fields,
    )


def is_coordinator(target: bytes) -> bool:
    """Say whether a target is a coordinator of transactions."""
    return target != e.NULL and code_of(target) == COORDINATOR


def read_init(body: bytes) -> tuple[str, bytes]:
    """Read the mechanism that the peer chose, and what it says to it."""
    fields = [*composite(body)[1], None, None]
    return str(fields[0]), fields[1] if type(fields[1]) is bytes else b""


def code_of(body: bytes) -> int:
    """Say which performative a frame has."""
    if len(body) > 2 and body[:2] == _NOTHING:  # noqa: PLR2004
        return body[2]
    return composite(body)[0]


def _raw_fields(body: bytes, count: int) -> list[bytes]:
    if body[:1] != b"\x00":
        raise _malformed()
    fields = fields_of(body, skip(body, 1))[:count]
    return fields + [e.NULL] * (count - len(fields))


def _number(fields: Sequence[Any], index: int, default: int | None) -> int:
    value = fields[index] if index < len(fields) else None
    if value is None and default is not None:
        return default
    if type(value) is not int or not 0 <= value <= LARGEST_UINT:
        raise _malformed()
    return value


def _flag(fields: Sequence[Any], index: int) -> bool:
    return index < len(fields) and fields[index] is True


def _malformed() -> Malformed:
    return Malformed("frame", "the fields of the performative")


# --- performatives, written


def frame(channel: int, body: bytes, kind: int = AMQP) -> bytes:
    """Put a body into a frame."""
    return _U32(len(body) + HEADER_SIZE) + bytes((2, kind)) + _U16(channel) + body


def performative(code: int, count: int, *fields: bytes) -> bytes:
    """Write a performative with all of its fields."""
    return e.described(code, e.list_of([*fields, *[e.NULL] * (count - len(fields))]))


def open_(host: bytes, largest_frame: int, most_channels: int) -> bytes:
    """Answer a peer's open; there is no idle timeout: the SDK would not keep one."""
    product = e.map_of([e.symbol("product"), e.text("Cleanroom dev stack")])
    limits = (e.uint(largest_frame), e.ushort(most_channels))
    nulls = [e.NULL] * 5
    return performative(OPEN, 10, e.text("devstack"), host, *limits, *nulls, product)


def begin(channel: int, most_handles: int) -> bytes:
    """Answer a peer's begin."""
    window = e.uint(LARGEST_UINT >> 1)
    return performative(
        BEGIN, 8, e.ushort(channel), e.uint(0), window, window, e.uint(most_handles)
    )


def attach(
    asked: Attach, source: bytes, target: bytes, largest: int, properties: bytes = e.NULL
) -> bytes:
    """Answer a peer's attach; without source and target it is a refusal."""
    return performative(
        ATTACH,
        14,
        asked.name,
        e.uint(asked.handle),
        e.boolean(not asked.receiver),
        e.ubyte(asked.sender_settles & 0xFF),
        e.ubyte(asked.receiver_settles & 0xFF),
        source,
        target,
        e.NULL,
        e.NULL,
        e.uint(0) if asked.receiver else e.NULL,  # without it, the SDK detaches
        e.ulong(largest),
        e.NULL,
        e.NULL,
        properties,
    )


def transfer_head(handle: int, tag_size: int) -> bytes:
    """Write what all transfers of a link begin with."""
    number = e.uint(handle)
    tag = 2 + tag_size if tag_size else 1
    return b"\x00\x53\x14\xc0" + bytes((1 + len(number) + 5 + tag + 8, 11)) + number + b"\x70"


def transfer_tail(*, settled: bool, more: bool) -> bytes:
    """Write what stands between a transfer's tag and its payload."""
    return b"\x43" + e.boolean(settled) + e.boolean(more) + e.NULL * 5


def disposition(role: bool, first: int, last: int, state: bytes, *, settled: bool = True) -> bytes:
    """Say what became of deliveries."""
    return performative(
        DISPOSITION,
        6,
        e.boolean(role),
        e.uint(first),
        e.uint(last),
        e.boolean(settled),
        state,
        e.FALSE,
    )


def error(refusal: Refusal) -> bytes:
    """Write an error, with all three of its fields."""
    return e.described(
        ERROR, e.list_of([e.symbol(refusal.condition), e.text(refusal.description), e.NULL])
    )


def rejected(refusal: Refusal) -> bytes:
    """Write the state of a delivery that was refused."""
    return e.described(REJECTED, e.list_of([error(refusal)]))


def detach(handle: int, *, closed: bool, refusal: Refusal | None = None) -> bytes:
    """End a link."""
    why = e.NULL if refusal is None else error(refusal)
    return performative(DETACH, 3, e.uint(handle), e.boolean(closed), why)


def ended(code: int, refusal: Refusal | None = None) -> bytes:
    """End a session or a connection."""
    return performative(code, 1, e.NULL if refusal is None else error(refusal))
