"""What a cell may use, and the kernel's limits that hold it to that."""

import resource
import struct
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Self

from cleanroom.errors import Malformed

_WIRE = struct.Struct("<QdQQ")
_DESCRIPTORS = 256
_THREADS = 512  # of the cell's user, in its user namespace; a stack each keeps them to fewer
_STACK = 8 << 20
_CPU_GRACE = 2  # seconds that a cell may compute beyond what its wall clock lets it
_MAPPED = 64 << 30  # bytes of mappings beyond its own memory: ciphertext, the ring, the output


@dataclass(frozen=True, slots=True)
class Limits:
    """Bytes of private memory, seconds by the wall clock, bytes of output, bytes of spill."""

    memory: int
    seconds: float
    output: int
    spill: int = 0

    def __post_init__(self) -> None:
        if self.memory <= 0 or self.seconds <= 0 or self.output <= 0 or self.spill < 0:
            raise ValueError("limits of a cell are positive")

    def to_bytes(self) -> bytes:
        """Write them for the cell."""
        return _WIRE.pack(*astuple(self))

    @classmethod
    def parse(cls, raw: bytes) -> Self:
        """Read what `to_bytes` wrote."""
        if len(raw) != _WIRE.size:
            raise Malformed("cell", f"limits of {_WIRE.size} bytes")
        return cls(*_WIRE.unpack(raw))


def kernel_limits(limits: Limits, cores: int, warm: int) -> Mapping[int, int]:
    """Return what the kernel holds a cell to, by the number of each limit.

    `warm` is what a cell is born with, and shares with the others until it writes to it.

    - RLIMIT_DATA is the cage of memory: it counts every private page that can be written, and the
      filter denies all other ways to own memory.
    - RLIMIT_AS bounds page tables, which nothing else counts: 1/512 of what is mapped.
    - RLIMIT_CPU is a second clock, in case the runner cannot use its own.
    """
    return {
        resource.RLIMIT_CORE: 0,  # a core file would be plaintext on disk
        resource.RLIMIT_NOFILE: _DESCRIPTORS,
        resource.RLIMIT_NPROC: _THREADS,
        resource.RLIMIT_MEMLOCK: 0,
        resource.RLIMIT_MSGQUEUE: 0,
        resource.RLIMIT_STACK: _STACK,
        resource.RLIMIT_CPU: int(limits.seconds * cores) + _CPU_GRACE,
        resource.RLIMIT_FSIZE: limits.spill,
        resource.RLIMIT_DATA: warm + limits.memory,
        resource.RLIMIT_AS: 4 * limits.memory + _MAPPED,
    }


def own_data(status: str) -> int:
    """Take the bytes that RLIMIT_DATA counts out of the status of a process."""
    line = next(line for line in status.splitlines() if line.startswith("VmData:"))
    return int(line.split()[1]) * 1024


def apply(limits: Mapping[int, int]) -> None:
    """Hold this process to limits, hard ones: it cannot raise them again."""
    for number, value in limits.items():
        _, most = resource.getrlimit(number)
        if most != resource.RLIM_INFINITY:
            value = min(value, most)  # noqa: PLW2901  # what is lower already stays so
        resource.setrlimit(number, (value, value))
