"""The arguments of a request to $management, typed, and what such a request gets."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from uuid import UUID

from cleanroom.errors import Malformed
from devstack.bus import encoding as e
from devstack.bus.decoding import decode, pairs_of
from devstack.bus.namespace import Namespace, Node
from devstack.bus.refusals import Refusal

_MOST = 4096  # messages, numbers or locks in one request


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request gets."""

    status: int = HTTPStatus.OK
    description: str = "OK"
    body: bytes = e.NULL
    condition: str | None = None


type Result = Answer | Refusal


@dataclass(frozen=True, slots=True)
class Caller:
    """Where a request arrives, when, and what its sender may do."""

    namespace: Namespace
    node: Node
    now: int
    may: Callable[[str, str], bool]


@dataclass(frozen=True, slots=True)
class Arguments:
    """The map in a request's body."""

    values: Mapping[str, Any]
    raw: bytes

    @classmethod
    def parse(cls, body: bytes) -> "Arguments":
        """Read the body; none is an empty map."""
        values = decode(body)[0]
        return cls({}, e.map_of([])) if values is None else cls(expect(dict, values), body)

    def number(self, name: str, default: int | None = None) -> int:
        """Take a number."""
        value = self.values.get(name, default)
        if isinstance(value, bool):
            raise malformed()
        return int(expect(int, value))

    def text(self, name: str) -> str:
        """Take a text."""
        return str(expect(str, self.values.get(name)))

    def optional_text(self, name: str) -> str | None:
        """Take a text that may be missing."""
        return None if self.values.get(name) is None else self.text(name)

    def numbers(self, name: str) -> list[int]:
        """Take a list of numbers."""
        return [int(expect(int, item)) for item in self.items(name)]

    def tokens(self, name: str) -> list[bytes]:
        """Take a list of lock tokens."""
        return [expect(UUID, item).bytes for item in self.items(name)]

    def items(self, name: str) -> list[Any]:
        """Take a list."""
        items = self.values.get(name)
        if not isinstance(items, list) or not 0 < len(items) <= _MOST:
            raise malformed()
        return items

    def encoded(self, name: str) -> bytes:
        """Take a value as it came."""
        return next((value for key, _, value in pairs_of(self.raw, 0) if key == name), e.NULL)


def malformed() -> Malformed:
    """Return what is raised for arguments that make no sense."""
    return Malformed("request", "the arguments of its operation")


def expect[T](kind: type[T], value: object) -> T:
    """Take a value of a kind, or none at all."""
    if not isinstance(value, kind):
        raise malformed()
    return value
