"""Requests and answers on $cbs and $management: a map of properties, and a value as body."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from devstack.bus import encoding as e
from devstack.bus.message import request

_MESSAGE_ID, _REPLY_TO = 0, 4


@dataclass(frozen=True, slots=True)
class Request:
    """A request; `number` is its message id as it came, since the answer must repeat its type."""

    number: bytes
    reply_to: bytes
    properties: Mapping[str, Any]
    body: bytes

    @classmethod
    def parse(cls, raw: bytes) -> "Request":
        """Read a message."""
        fields, properties, body = request(raw)
        fields += [e.NULL] * (5 - len(fields))
        return cls(fields[_MESSAGE_ID], fields[_REPLY_TO], properties, body)

    def answer(self, properties: Mapping[str, bytes], body: bytes = e.NULL) -> bytes:
        """Write the answer."""
        pairs = [part for name, value in properties.items() for part in (e.text(name), value)]
        nulls = [e.NULL] * 5
        return (
            e.described(0x73, e.list_of([*nulls, self.number]))
            + e.described(0x74, e.map_of(pairs))
            + e.described(0x77, body)
        )
