"""Where fuzzing starts: the test vectors and what is inside them, and what lies beside this."""

from collections.abc import Iterator
from pathlib import Path

from cleanroom import dsse
from cleanroom.errors import CleanroomError
from tests.fuzz import hardware_seeds, release_seeds
from tests.fuzz.targets import MISPLACED, VECTORS
from tests.vectors.vector import Vector

CORPUS = Path(__file__).parent / "corpus"
_TAIL = 8192  # bytes: enough for the envelope of every vector
_BODIES = {"short": b"hello, clean room\n", "empty": b"", "two-regions": b"ab" * 40_000}


def seeds(target: str) -> dict[str, bytes]:
    """Make the seeds of a target, by name."""
    return dict(_MADE[target]())


def committed(target: str) -> dict[str, bytes]:
    """Read the inputs that were findings once, or go where seeds do not."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / target).glob("*"))}


def _tail() -> Iterator[tuple[str, bytes]]:
    for vector in _vectors("sealed"):
        yield vector.name, vector.data[-_TAIL:]


def _manifest() -> Iterator[tuple[str, bytes]]:
    for vector in _vectors("sealed"):
        envelope = vector.data[vector.data.rfind(b'{"payload":') : -16]
        yield from _payload(vector.name, envelope)


def _documents() -> Iterator[tuple[str, bytes]]:
    for folder in ("approval", "contract", "job", "outcome", "receipt"):
        for vector in _vectors(folder):
            name = f"{folder}-{vector.name}"
            yield name, vector.data
            yield from _payload(f"{name}-payload", vector.data)
    yield "nested", b"[" * 33 + b"]" * 33
    yield "texts", '["","\\\\","\\"","\\u001f","\u20ac","\U0001f600"]'.encode()
    yield "numbers", b"[0,-1,9007199254740991,1e3,1.5]"


def _regions() -> Iterator[tuple[str, bytes]]:
    size, small = (2**40).to_bytes(8, "big"), (20).to_bytes(8, "big")
    span = (1).to_bytes(4, "big") + (70_000).to_bytes(4, "big")
    for flags in range(16):
        for name, body in _BODIES.items():
            yield f"{flags:04b}-{name}", bytes([flags, 0]) + size + span + body
    yield "misplaced-table", bytes([MISPLACED, 0]) + small + span + b"c" * 100


def _vectors(folder: str) -> Iterator[Vector]:
    for path in sorted((VECTORS / folder).glob("*.vector")):
        yield Vector.read(path)


def _payload(name: str, envelope: bytes) -> Iterator[tuple[str, bytes]]:
    try:
        yield name, dsse.Signed.parse(envelope, name).payload
    except CleanroomError:  # a vector with a spoilt envelope has none
        return


_MADE = {
    "tail": _tail,
    "manifest": _manifest,
    "documents": _documents,
    "regions": _regions,
    **hardware_seeds.MADE,
    **release_seeds.MADE,
}
