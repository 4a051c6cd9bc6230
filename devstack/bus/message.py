"""A message as the bus holds it: what the bus decides by is read, all else stays as it came.

- Sections may come in any order (the Python SDK writes delivery annotations last); they leave in
  the order of the standard.
- The annotations that the bus itself sets are dropped when a client sends them.
- Every message has an id: the service gives one to those that come without.
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Self
from uuid import uuid4

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus.decoding import decode, fields_of, pairs_of, skip

MESSAGE_ID, GROUP_ID = 0, 10  # positions in the properties section

_HEADER, _DELIVERY_ANNOTATIONS, _ANNOTATIONS, _PROPERTIES, _APPLICATION = range(0x70, 0x75)
_BODY = {0x75: b"\xa0\xb0", 0x76: b"\x45\xc0\xd0", 0x77: b"", 0x78: b"\xc1\xd1"}  # and footer
_LISTS, _MAPS = b"\x45\xc0\xd0", b"\xc1\xd1"
_LONGEST_TTL = 1 << 32
_I64 = struct.Struct(">q").pack
_U32 = struct.Struct(">I").pack

SCHEDULED_FOR = "x-opt-scheduled-enqueue-time"
DEAD_LETTER_SOURCE = "x-opt-deadletter-source"
_LOCK_TOKEN = "x-opt-lock-token"  # noqa: S105  # the name of an annotation
OURS = frozenset(
    (
        "x-opt-sequence-number",
        "x-opt-enqueued-time",
        "x-opt-locked-until",
        "x-opt-enqueue-sequence-number",
        _LOCK_TOKEN,
        "x-opt-message-state",
        DEAD_LETTER_SOURCE,
    )
)
_ENQUEUED_AT = e.symbol("x-opt-enqueued-time") + b"\x83"
_SEQUENCE = e.symbol("x-opt-sequence-number") + b"\x81"
_ENQUEUED_SEQUENCE = e.symbol("x-opt-enqueue-sequence-number") + b"\x81"
_LOCKED_UNTIL = e.symbol("x-opt-locked-until") + b"\x83"
_STATE = e.symbol("x-opt-message-state") + b"\x71\0\0\0"
_LOCK = e.symbol(_LOCK_TOKEN) + b"\x98"
_PLAIN_HEADER = b"\x00\x53\x70\xc0\x07\x05\x40\x40\x40\x40"
_NO_DELIVERY_ANNOTATIONS = b"\x00\x53\x71\xc1\x01\x00"
_LOCK_ANNOTATION = b"\x00\x53\x71\xc1" + bytes((len(_LOCK) + 17, 2)) + _LOCK


class State(IntEnum):
    """Where a message stands; the numbers are those of `x-opt-message-state`, and one of ours."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2
    LOCKED = 3


@dataclass(slots=True, eq=False)
class Message:
    """One message in one entity."""

    tail: bytes
    """Properties, application properties, body and footer."""
    durable: bool | None = None
    priority: int | None = None
    ttl: int | None = None
    annotations: bytes = b""
    annotation_count: int = 0
    delivery_annotations: bytes = b""
    delivery_annotation_count: int = 0
    scheduled_for: int | None = None

    sequence: int = 0
    enqueued_sequence: int = 0
    enqueued_at: int = 0
    expires_at: int | None = None
    delivery_count: int = 0
    state: State = State.ACTIVE
    deferred: bool = False
    """Whether it goes back to the deferred ones when its lock ends."""
    token: bytes | None = None
    locked_until: int = 0
    session: str = ""
    hops: int = 0
    """How often it was forwarded."""

    @property
    def size(self) -> int:
        """Count the bytes that it takes, about."""
        return len(self.tail) + len(self.annotations) + len(self.delivery_annotations)

    def property(self, index: int) -> Any:  # noqa: ANN401  # ids have four types
        """Return one of the standard properties."""
        fields = decode(self.tail, 3)[0]
        return fields[index] if index < len(fields) else None

    def copy(self) -> Self:
        """Return a copy for another entity: the content, and nothing that happened to it here."""
        return type(self)(
            tail=self.tail,
            durable=self.durable,
            priority=self.priority,
            ttl=self.ttl,
            annotations=self.annotations,
            annotation_count=self.annotation_count,
            delivery_annotations=self.delivery_annotations,
            delivery_annotation_count=self.delivery_annotation_count,
            enqueued_sequence=self.enqueued_sequence,
            hops=self.hops,
        )

    def buried_in(self, path: str) -> Self:
        """Return a copy that says in which entity it was dead-lettered."""
        copy = self.copy()
        copy.annotations += e.symbol(DEAD_LETTER_SOURCE) + e.text(path)
        copy.annotation_count += 1
        return copy


def parse(raw: bytes, new_id: Callable[[], str], dropped: frozenset[str] = OURS) -> Message:
    """Read what a client sent, or what `stored` wrote: that loses no annotation."""
    message = Message(b"")
    properties = application = b""
    body: list[bytes] = []
    at, size = 0, len(raw)
    while at < size:
        code, value_at, end = section(raw, at)
        constructor = raw[value_at]
        if code in _BODY:
            if _BODY[code] and constructor not in _BODY[code]:
                raise _malformed()
            body.append(raw[at:end])
        elif constructor not in (_LISTS if code in {_HEADER, _PROPERTIES} else _MAPS):
            raise _malformed()
        elif code == _PROPERTIES:
            properties = _with_id(raw, value_at, end, new_id)
        elif code == _APPLICATION:
            application = b"\x00\x53\x74" + raw[value_at:end]
        elif code == _HEADER:
            _read_header(message, decode(raw, value_at)[0])
        elif code == _ANNOTATIONS:
            _read_annotations(message, pairs_of(raw, value_at), dropped)
        elif code == _DELIVERY_ANNOTATIONS:
            pairs = [p for p in pairs_of(raw, value_at) if p[0] != _LOCK_TOKEN]
            message.delivery_annotations = b"".join(key + value for _, key, value in pairs)
            message.delivery_annotation_count = len(pairs)
        else:
            raise _malformed()
        at = end
    body.insert(0, application)
    body.insert(0, properties or e.described(_PROPERTIES, e.list_of([e.text(new_id())])))
    message.tail = b"".join(body)
    return message


def new_id() -> str:
    """Return an id for a message that comes without."""
    return uuid4().hex


def section(raw: bytes, at: int) -> tuple[int, int, int]:
    """Read one section's code, where its value begins, and where it ends."""
    if raw[at : at + 2] == b"\x00\x53" and at + 3 < len(raw):
        return raw[at + 2], at + 3, skip(raw, at + 3)
    if raw[at : at + 1] != b"\x00":
        raise _malformed()
    code, value_at = decode(raw, at + 1)
    end = skip(raw, value_at)
    if type(code) is not int:
        raise _malformed()
    return code, value_at, end


def _malformed() -> Malformed:
    return Malformed("message", "the sections of an AMQP message")


def _with_id(raw: bytes, value_at: int, end: int, new_id: Callable[[], str]) -> bytes:
    constructor = raw[value_at]
    first = value_at + (3 if constructor == 0xC0 else 9)  # noqa: PLR2004  # list8, else list32
    if constructor != 0x45 and raw[first : first + 1] != e.NULL:  # noqa: PLR2004  # an empty list
        return b"\x00\x53\x73" + raw[value_at:end]
    others = fields_of(raw, value_at)[1:]
    return e.described(_PROPERTIES, e.list_of([e.text(new_id()), *others]))


def _read_header(message: Message, fields: list[Any]) -> None:
    durable, priority, ttl = [*fields, None, None, None][:3]
    if not isinstance(priority, int | None) or not isinstance(ttl, int | None):
        raise _malformed()
    message.durable = None if durable is None else bool(durable)
    message.priority = None if priority is None else priority & 0xFF
    message.ttl = ttl


def _read_annotations(
    message: Message, pairs: list[tuple[Any, bytes, bytes]], dropped: frozenset[str]
) -> None:
    kept = []
    for name, key, value in pairs:
        if name == SCHEDULED_FOR:
            due = decode(value)[0]
            if not isinstance(due, int | None):
                raise _malformed()
            message.scheduled_for = due
        if name not in dropped:
            kept.append(key + value)
    message.annotations = b"".join(kept)
    message.annotation_count = len(kept)


def delivered(message: Message, *, locked: bool) -> bytes:
    """Write the message as a receiver gets it."""
    token = message.token if locked else None
    return b"".join(
        (
            _header(message),
            _delivery_annotations(message, token),
            _annotations(message, locked=token is not None),
            message.tail,
        )
    )


def stored(message: Message) -> bytes:
    """Write the message so that `parse` gives its content again."""
    return b"".join(
        (
            _header(message),
            _section(
                _DELIVERY_ANNOTATIONS,
                message.delivery_annotations,
                message.delivery_annotation_count,
            ),
            _section(_ANNOTATIONS, message.annotations, message.annotation_count),
            message.tail,
        )
    )


def _header(message: Message) -> bytes:
    count = e.uint(message.delivery_count)
    if message.ttl is None and message.durable is None and message.priority is None:
        if len(count) == 1:
            return b"\x00\x53\x70\xc0\x06\x05\x40\x40\x40\x40" + count
        if len(count) == 2:  # noqa: PLR2004  # a small count, in one byte after its constructor
            return _PLAIN_HEADER + count
    durable = e.NULL if message.durable is None else e.boolean(message.durable)
    priority = e.NULL if message.priority is None else e.ubyte(message.priority)
    ttl = message.ttl
    life = e.uint(ttl) if ttl is not None and 0 <= ttl < _LONGEST_TTL else e.NULL
    return e.described(_HEADER, e.list_of([durable, priority, life, e.NULL, count]))


def _delivery_annotations(message: Message, token: bytes | None) -> bytes:
    if not message.delivery_annotation_count:
        return _LOCK_ANNOTATION + token if token else _NO_DELIVERY_ANNOTATIONS
    lock = _LOCK + token if token else b""
    return _section(
        _DELIVERY_ANNOTATIONS,
        message.delivery_annotations + lock,
        message.delivery_annotation_count + bool(token),
    )


def _annotations(message: Message, *, locked: bool) -> bytes:
    parts = [
        message.annotations,
        _ENQUEUED_AT,
        _I64(message.enqueued_at),
        _SEQUENCE,
        _I64(message.sequence),
    ]
    count = message.annotation_count + 2
    if message.enqueued_sequence != message.sequence:
        parts += (_ENQUEUED_SEQUENCE, _I64(message.enqueued_sequence))
        count += 1
    state = State.DEFERRED if message.deferred else message.state
    if state is State.DEFERRED or state is State.SCHEDULED:
        parts += (_STATE, bytes((state,)))
        count += 1
    if locked:
        parts += (_LOCKED_UNTIL, _I64(message.locked_until))
        count += 1
    return _section(_ANNOTATIONS, b"".join(parts), count)


def _section(code: int, pairs: bytes, count: int) -> bytes:
    return b"\x00\x53" + bytes((code,)) + e.map_body(pairs, 2 * count)


def batch(raw: bytes) -> list[bytes]:
    """Take the messages out of a batch: each is the data of one section."""
    messages = []
    at = 0
    while at < len(raw):
        code, value_at, end = section(raw, at)
        if code == 0x75:  # noqa: PLR2004  # data
            data = decode(raw, value_at)[0]
            if type(data) is not bytes:
                raise _malformed()
            messages.append(data)
        at = end
    return messages


def request(raw: bytes) -> tuple[list[bytes], dict[str, Any], bytes]:
    """Read a request: its properties as they came, its application properties, its raw body."""
    properties: list[bytes] = []
    application: dict[str, Any] = {}
    body = e.NULL
    at = 0
    while at < len(raw):
        code, value_at, end = section(raw, at)
        if code == _PROPERTIES:
            properties = fields_of(raw, value_at)
        elif code == _APPLICATION:
            application = decode(raw, value_at)[0]
        elif code == 0x77:  # noqa: PLR2004  # an AMQP value
            body = raw[value_at:end]
        at = end
    if type(application) is not dict:
        raise _malformed()
    return properties, application, body
