"""The folder in memory where everything is measured, and that is gone afterwards.

On a virtual machine memory that the guest has not touched, or has freed a few seconds ago, may lie
with the host, and the first write to it is several times slower. `warm` makes memory that is fast
each time.
"""

import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SHM = Path("/dev/shm")  # noqa: S108  (tmpfs is the point; the folder in it is made by mkdtemp)
GIB = 1 << 30
MIB = 1 << 20
_PIECE = 4 * MIB
_PAGE = 4096
_GRAIN = 128 << 10  # far below the 2 MiB from which on a guest reports free memory to its host


@contextmanager
def space(needed: int) -> Iterator[Path]:
    """Make the folder if there is room, and remove it however the run ends."""
    free = room()
    if free < needed:
        sys.exit(
            f"bench: {needed / GIB:.1f} GiB are needed in {SHM}, and {free / GIB:.1f} GiB are free"
            "\nhint: free some memory, or mount a larger tmpfs there"
        )
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = Path(tempfile.mkdtemp(prefix="cleanroom-bench-", dir=SHM))
    try:
        yield folder
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a second Ctrl-C does not stop the removal
        shutil.rmtree(folder)
        signal.signal(signal.SIGINT, signal.default_int_handler)


def room() -> int:
    """Say how many bytes a tmpfs has left, and the memory behind it."""
    mounts = [line.split() for line in Path("/proc/mounts").read_text("utf-8").splitlines()]
    if not any(mount[1:3] == [str(SHM), "tmpfs"] for mount in mounts):
        sys.exit(f"bench: {SHM} is no tmpfs\nhint: mount -t tmpfs tmpfs {SHM}")
    memory = Path("/proc/meminfo").read_text("utf-8").splitlines()
    available = next(line for line in memory if line.startswith("MemAvailable:"))
    return min(shutil.disk_usage(SHM).free, int(available.split()[1]) << 10)


def largest_that_fits(wanted: int, spare: int) -> int:
    """Halve a size until a sealed and an opened file of it have room at once."""
    free = room() - spare
    while 2 * wanted > free:
        wanted //= 2
    return wanted


@contextmanager
def warm(folder: Path, size: int) -> Iterator[None]:
    """Touch so much memory, give it back, and see that it stays with this machine.

    Free memory is reported to the host in blocks of 2 MiB and more. So one page in each 128 KiB
    is kept: what is free between them is never reported, and is used first.
    """
    passing, kept = folder / "passing", folder / "kept"
    piece, page = bytes(_GRAIN - _PAGE), bytes(_PAGE)
    with passing.open("wb", buffering=0) as most, kept.open("wb", buffering=0) as rest:
        for _ in range(size // _GRAIN):
            most.write(piece)
            rest.write(page)
    passing.unlink()
    try:
        yield
    finally:
        kept.unlink()


def random_file(path: Path, size: int) -> Path:
    """Write so many bytes that no tool can make smaller."""
    with path.open("wb") as file:
        for _ in range(size // _PIECE):
            file.write(os.urandom(_PIECE))
    return path


def sparse_file(path: Path, size: int) -> Path:
    """Make a file of zeros that takes no room."""
    path.touch()
    os.truncate(path, size)
    return path
