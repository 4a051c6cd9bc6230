"""Memory that crosses the wall: the output of a cell, and what it is given to read.

The output is as large as it may become from the beginning, and its size is sealed. Once the cell is
dead its content is sealed too: the kernel refuses that while anybody could still write.
"""

import errno
import fcntl
import mmap
import os
from collections.abc import Iterator
from dataclasses import dataclass

_SIZE = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW
_WHOLE = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SEAL | _SIZE
_ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR


def fixed(name: str, size: int) -> int:
    """Make memory of a size that nobody can change."""
    held = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(held, size)
    fcntl.fcntl(held, fcntl.F_ADD_SEALS, _SIZE)
    return held


def seal(descriptor: int) -> bool:
    """Let nobody write to memory again; return whether nobody could still."""
    try:
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, _WHOLE)
    except OSError:
        return False
    return True


def holding(content: bytes | bytearray | memoryview) -> int:
    """Make sealed memory with a content, to give to a cell."""
    held = fixed("input", len(content))
    left, place = memoryview(content), 0
    while place < len(left):
        place += os.pwrite(held, left[place:], place)
    seal(held)
    return held


def check_readable_only(descriptor: int) -> None:
    """Refuse to give a cell what it could write: the next to read it would read the cell's."""
    if fcntl.fcntl(descriptor, fcntl.F_GETFL) & _ACCESS == os.O_RDONLY:
        return
    try:
        seals = fcntl.fcntl(descriptor, fcntl.F_GET_SEALS)
    except OSError:
        seals = 0
    if not seals & fcntl.F_SEAL_WRITE:
        raise ValueError("a cell is given only what it cannot write")


class Output:
    """What a program writes, one piece after the other, into memory of a fixed size."""

    def __init__(self, descriptor: int, size: int) -> None:
        self._place = mmap.mmap(descriptor, size, trackfd=False)
        self.length = 0
        self.full = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add a piece; raises OSError (EFBIG) if there is no room for it, then and ever after."""
        piece = memoryview(data).cast("B")
        end = self.length + len(piece)
        if self.full or end > len(self._place):
            self.full = True
            raise OSError(errno.EFBIG, "the output is full")
        self._place[self.length : end] = piece
        self.length = end


@dataclass(frozen=True, slots=True)
class Done:
    """What a program wrote: so many bytes of sealed memory, for as long as the cell is held."""

    descriptor: int
    length: int

    def read(self) -> bytes:
        """Copy it all."""
        return b"".join(self.pieces(1 << 20))

    def pieces(self, size: int) -> Iterator[bytes]:
        """Copy it in pieces of at most so many bytes."""
        for place in range(0, self.length, size):
            yield os.pread(self.descriptor, min(size, self.length - place), place)
