"""What the runner, the zygote and a cell tell each other: a few bytes of fixed shapes.

Runner and zygote, over a socket that keeps messages apart:

1. The zygote says `UNSHARED` and waits until the runner has mapped its users (`MAPPED`), unless
   the machine refuses a user namespace; then it warms up, and says `WARM`.
2. The runner says `BEAR`, with the cell's socket and perhaps its spill; the zygote answers `BORN`
   with a descriptor of the process.

Runner and cell, over the cell's socket, a stream:

3. The runner sends limits with the output's memory; the cell locks itself down and says its walls.
4. The runner sends a `Head`, with descriptors, and the task.
5. The cell sends a `Note` about its output, which is all that is ever read from it.
"""

import struct
from dataclasses import dataclass
from enum import IntEnum, StrEnum
from typing import Self

UNSHARED, MAPPED, WARM, BEAR, BORN = b"unshared", b"mapped", b"warm", b"bear", b"born"
LARGEST = 4096  # bytes of a message between runner and zygote
MOST_INPUTS = 128  # descriptors, besides the two of a ring

_HEAD = struct.Struct("<QIIQ")
_NOTE = struct.Struct("<BQ")
HEAD_BYTES, NOTE_BYTES = _HEAD.size, _NOTE.size


class Failure(StrEnum):
    """How a program ended that gave no output; the words are all that is ever said about it."""

    PROGRAM_FAILED = "program_failed"
    OUT_OF_MEMORY = "out_of_memory"
    TIMED_OUT = "timed_out"
    TOO_LARGE = "too_large"
    KILLED = "killed"  # by a wall, by a fault of its own, or for saying what no cell says


class Ending(IntEnum):
    """What a cell says about its program."""

    DONE = 0
    FAILED = 1
    OUT_OF_MEMORY = 2
    TOO_LARGE = 3


_FAILURES = {
    Ending.FAILED: Failure.PROGRAM_FAILED,
    Ending.OUT_OF_MEMORY: Failure.OUT_OF_MEMORY,
    Ending.TOO_LARGE: Failure.TOO_LARGE,
}


@dataclass(frozen=True, slots=True)
class Head:
    """What comes with a task: its size, how many descriptors there are, and the ring's shape."""

    task: int
    descriptors: int
    slots: int = 0  # none: there is no ring
    slot_bytes: int = 0

    def to_bytes(self) -> bytes:
        """Write it."""
        return _HEAD.pack(self.task, self.descriptors, self.slots, self.slot_bytes)

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        return cls(*_HEAD.unpack(raw))


@dataclass(frozen=True, slots=True)
class Note:
    """A cell's last word."""

    ending: Ending
    length: int = 0

    def to_bytes(self) -> bytes:
        """Write it."""
        return _NOTE.pack(self.ending, self.length)


def verdict(raw: bytes, most: int) -> int | Failure:
    """Judge what a cell sent, which may be anything: a length within bounds, or how it failed."""
    if len(raw) != NOTE_BYTES:
        return Failure.KILLED
    word, length = _NOTE.unpack(raw)
    if word == Ending.DONE:
        return length if length <= most else Failure.KILLED
    return _FAILURES.get(word, Failure.KILLED)
