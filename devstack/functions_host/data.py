"""What passes between host and worker, as values: typed data, invocations and their outcomes.

`Datum` is the worker protocol's `TypedData`, as far as the triggers and bindings here need it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Text:
    """A string."""

    value: str


@dataclass(frozen=True, slots=True)
class Binary:
    """Bytes."""

    value: bytes


@dataclass(frozen=True, slots=True)
class Document:
    """A JSON document, as text."""

    value: str


@dataclass(frozen=True, slots=True)
class Batch:
    """Bodies of several messages."""

    items: tuple[bytes, ...]


@dataclass(frozen=True, slots=True)
class Call:
    """An HTTP request, its route matched."""

    method: str
    url: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    params: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Answer:
    """What a function answers to an HTTP request; cookies stand among the headers."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


type Datum = Text | Binary | Document | Batch | Call | Answer


@dataclass(frozen=True, slots=True)
class Invocation:
    """One call of one function; `attempt` counts from 0 and never passes `attempts`."""

    id: str
    function_id: str
    inputs: Mapping[str, Datum | None]
    metadata: Mapping[str, Datum] = field(default_factory=dict)
    traceparent: str = ""
    attempt: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Returned:
    """A function came to its end."""

    value: Datum | None
    outputs: Mapping[str, Datum]


@dataclass(frozen=True, slots=True)
class Failed:
    """A function raised, or never came to its end."""

    message: str
    trace: str = ""


type Outcome = Returned | Failed


@dataclass(frozen=True, slots=True)
class RetryRule:
    """How often a failed invocation is repeated (-1: for ever), and after which wait in seconds."""

    most: int
    shortest: float
    longest: float

    def wait(self, attempt: int) -> float:
        """Return the wait before a repetition: fixed, or doubling up to the longest."""
        return min(self.shortest * 2.0 ** min(attempt, 30), self.longest)


@dataclass(frozen=True, slots=True)
class Indexed:
    """A function that the worker found; its bindings are JSON, as the worker library gives them."""

    name: str
    id: str
    bindings: tuple[str, ...]
    retry: RetryRule | None


@dataclass(frozen=True, slots=True)
class Index:
    """What a worker found in the app: its functions, and the files that it loaded for them."""

    functions: tuple[Indexed, ...]
    files: tuple[str, ...]
    streaming: bool


type Found = Index | Failed
