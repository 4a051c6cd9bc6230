"""What the command and the supervisor tell each other, in files: what shall run, and what does.

- `Plan` is written by commands, `State` by the supervisor; both are whole or not there.
- What is in the environment of a server may be secret: the files belong to one user.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Literal, Self, cast, get_args

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, boolean, integer, list_of, one_of, optional, text

type Phase = Literal["starting", "ready", "waiting", "failed", "stopping"]

PHASES: Sequence[Phase] = get_args(Phase.__value__)
_LARGEST = 1 << 20
_line = text(1 << 16, shortest=0)
_port = integer(1, 65535)
_count = integer(0)


def _mapping[T](parse: Parser[T]) -> Parser[Mapping[str, T]]:
    def parsed(raw: object, where: str) -> Mapping[str, T]:
        if not isinstance(raw, dict):
            raise Malformed(where, "an object with named fields")
        return {name: parse(item, f"{where}.{name}") for name, item in raw.items()}

    return parsed


@dataclass(frozen=True, slots=True)
class Health:
    """A request, and the status of the answer that says that a server is ready."""

    port: int
    path: str
    tls: bool
    status: int = 200

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read what a plan holds."""
        f = Fields(raw, where)
        found = cls(
            f.take("port", _port),
            f.take("path", _line),
            f.take("tls", boolean),
            f.take("status", _count),
        )
        f.end()
        return found


@dataclass(frozen=True, slots=True)
class Server:
    """A process to be. `ports` has all that it opens, by name; `addresses` are theirs, in order."""

    name: str
    command: tuple[str, ...]
    environment: Mapping[str, str]
    ports: Mapping[str, int]
    health: Health
    addresses: tuple[str, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read what a plan holds."""
        f = Fields(raw, where)
        found = cls(
            f.take("name", _line),
            f.take("command", list_of(_line, 1, 1000)),
            f.take("environment", _mapping(_line)),
            f.take("ports", _mapping(_port)),
            f.take("health", Health.parse),
            f.take("addresses", list_of(_line, 0, 100)),
        )
        f.end()
        return found

    @property
    def digest(self) -> str:
        """Name exactly this: a process that was started as another is not it."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Plan:
    """What shall run; `number` grows with each plan."""

    number: int
    authority: str
    servers: tuple[Server, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        f = Fields(parse_json(data, "plan", _LARGEST), "plan")
        found = cls(
            f.take("number", _count),
            f.take("authority", _line),
            f.take("servers", list_of(Server.parse, 0, 100)),
        )
        f.end()
        return found

    def to_bytes(self) -> bytes:
        """Write as JSON."""
        return json.dumps(asdict(self)).encode()


@dataclass(frozen=True, slots=True)
class Running:
    """How a server is: its process, if it has one, and what became of those before."""

    name: str
    digest: str
    phase: Phase
    pid: int | None = None
    started: str = ""
    ready_in: int | None = None  # milliseconds
    restarts: int = 0
    exit: int | None = None  # of the last process that ended by itself, negative for a signal

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read what a state holds."""
        f = Fields(raw, where)
        found = cls(
            name=f.take("name", _line),
            digest=f.take("digest", _line),
            phase=cast("Phase", f.take("phase", one_of(*PHASES))),
            pid=f.take("pid", optional(_count)),
            started=f.take("started", _line),
            ready_in=f.take("ready_in", optional(_count)),
            restarts=f.take("restarts", _count),
            exit=f.take("exit", optional(integer(-256, 256))),
        )
        f.end()
        return found


@dataclass(frozen=True, slots=True)
class State:
    """What runs, and the number of the plan that it is meant to fulfil."""

    plan: int
    supervisor: int
    servers: tuple[Running, ...]

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        f = Fields(parse_json(data, "state", _LARGEST), "state")
        found = cls(
            f.take("plan", _count),
            f.take("supervisor", _count),
            f.take("servers", list_of(Running.parse, 0, 100)),
        )
        f.end()
        return found

    def to_bytes(self) -> bytes:
        """Write as JSON."""
        return json.dumps(asdict(self)).encode()

    @property
    def by_name(self) -> dict[str, Running]:
        """Find a server by its name."""
        return {one.name: one for one in self.servers}


NO_PLAN = Plan(0, "", ())
NO_STATE = State(0, 0, ())
