"""The message objects that Microsoft's worker library exchanges with whoever drives it.

- The library never imports protobuf: it builds its answers from whatever namespace it is handed,
  and reads requests by attribute. So any object with the attributes will do.
- A message's kind is known by its one attribute, as `WhichOneof` tells.
- These are the only objects here without types: their names are Microsoft's, and they end in
  `library.py`, which turns them into values of ours.
"""

from datetime import timedelta
from types import SimpleNamespace
from typing import Any


class Message(SimpleNamespace):
    """A message of the worker protocol: attributes, and which of them is set."""

    def WhichOneof(self, group: str) -> str | None:  # noqa: N802  # protobuf's name
        """Name the attribute that is set."""
        return "data" if group == "rpc_data" else next(iter(vars(self)), None)


class BindingInfo(Message):
    """A binding; the worker library compares its directions with these."""

    undefined, inout, out = 0, 2, 1


class StatusResult(Message):
    """How a request ended."""

    Failure, Success, Cancelled = 0, 1, 2


class _SameSite:
    Lax, Strict, ExplicitNone = 1, 2, 3


setattr(_SameSite, "None", 0)  # no statement can spell this name


class RpcHttpCookie(Message):
    """A cookie of an answer."""

    SameSite = _SameSite


class Protos:
    """The namespace: any message type by its name, and the three that have enumerations."""

    BindingInfo = BindingInfo
    StatusResult = StatusResult
    RpcHttpCookie = RpcHttpCookie

    def __getattr__(self, name: str) -> type[Message]:
        """Make the message type of this name."""
        if name.startswith("_"):
            raise AttributeError(name)
        kind = type(name, (Message,), {})
        setattr(self, name, kind)
        return kind


def seconds(value: Any) -> float:  # noqa: ANN401  # an attribute of a message
    """Read a duration of a retry policy."""
    return value.total_seconds() if isinstance(value, timedelta) else 0.0
