"""A message's properties, for rules that look into them and for settlements that change them."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

from devstack.bus import encoding as e
from devstack.bus.decoding import Timestamp, decode, pairs_of
from devstack.bus.filters import MessageView, Value
from devstack.bus.message import Message, section

type Changes = Mapping[str, bytes]
"""Application properties to set, by name, as encoded values."""

_STANDARD = (
    *("messageid", "userid", "to", "label", "replyto", "correlationid", "contenttype"),
    *("contentencoding", "absoluteexpirytime", "creationtime", "sessionid", "groupsequence"),
    "replytosessionid",
)
"""Names of the standard properties in filters, in their order in the section."""

_PROPERTIES, _APPLICATION = 0x73, 0x74
_SYMBOLS = {6, 7}  # positions whose values are symbols


def view(message: Message) -> MessageView:
    """Show a message to filters."""
    standard, application = _split(message.tail)[:2]
    fields = decode(standard)[0]
    system: dict[str, Value] = {
        name: _plain(value)
        for name, value in zip(_STANDARD, fields, strict=False)
        if value is not None
    }
    system["sequencenumber"] = message.sequence
    system["enqueuedsequencenumber"] = message.enqueued_sequence
    system["enqueuedtimeutc"] = _moment(message.enqueued_at)
    system["deliverycount"] = message.delivery_count
    system["size"] = message.size
    user = decode(application)[0] if application else {}
    return MessageView(system, {str(key): _plain(value) for key, value in user.items()})


def changed(message: Message, before: MessageView, after: MessageView) -> Message:
    """Return a copy in which an action's changes are made."""
    copy = message.copy()
    copy.tail = with_properties(
        copy.tail,
        {
            name: e.anything(value)
            for name, value in after.user.items()
            if name not in before.user or value is not before.user[name]
        },
        frozenset(before.user) - frozenset(after.user),
    )
    copy.tail = _with_standard(copy.tail, before.system, after.system)
    return copy


def with_properties(tail: bytes, changes: Changes, gone: frozenset[str] = frozenset()) -> bytes:
    """Set and remove application properties; the others keep their very types."""
    if not changes and not gone:
        return tail
    standard, application, rest = _split(tail)
    kept = [
        key + value
        for name, key, value in (pairs_of(application, 0) if application else [])
        if name not in changes and name not in gone
    ]
    kept += [e.text(name) + value for name, value in changes.items()]
    pairs = e.map_body(b"".join(kept), 2 * len(kept))
    return e.described(_PROPERTIES, standard) + e.described(_APPLICATION, pairs) + rest


def _split(tail: bytes) -> tuple[bytes, bytes, bytes]:
    """Cut a tail into its properties, its application properties, and body with footer."""
    _, value_at, end = section(tail, 0)
    standard, application = tail[value_at:end], b""
    if end < len(tail):
        code, value_at, next_end = section(tail, end)
        if code == _APPLICATION:
            application, end = tail[value_at:next_end], next_end
    return standard, application, tail[end:]


def _with_standard(tail: bytes, before: Mapping[str, Value], after: Mapping[str, Value]) -> bytes:
    """Set standard properties that an action changed."""
    changes = {
        name: after.get(name) for name in _STANDARD if after.get(name) is not before.get(name)
    }
    if not changes:
        return tail
    _, value_at, end = section(tail, 0)
    fields = [e.NULL] * len(_STANDARD)
    for index, value in enumerate(decode(tail, value_at)[0][: len(_STANDARD)]):
        fields[index] = _field(index, _plain(value))
    for name, value in changes.items():
        index = _STANDARD.index(name)
        fields[index] = _field(index, value)
    return e.described(_PROPERTIES, e.list_of(fields)) + tail[end:]


def _field(index: int, value: Value) -> bytes:
    if isinstance(value, str) and index in _SYMBOLS:
        return e.symbol(value)
    return e.uint(value) if isinstance(value, int) and index == _GROUP else e.anything(value)


_GROUP = 11  # group-sequence, the one property that is a uint


def _moment(milliseconds: int) -> datetime:
    return Timestamp(milliseconds).moment()


def _plain(value: Any) -> Value:  # noqa: ANN401  # whatever a sender put there
    if isinstance(value, Timestamp):
        return value.moment()
    if isinstance(value, str | int | float | bool | bytes | UUID | Decimal | None):
        return value
    return None
