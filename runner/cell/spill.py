"""The spill: a folder for each cell, which the runner empties when the cell is dead.

A runner that was killed leaves folders behind. Each runner holds a lock on its own, which the
kernel lets go with it, so the next one removes what nobody holds. A cell can make plain files
only, side by side: removing them needs no care for links or for folders in folders.
"""

import fcntl
import os
import shutil
import tempfile
from contextlib import suppress
from pathlib import Path

from cleanroom.errors import Unavailable
from runner.cell.namespaces import NOBODY

_PREFIX = "cells-"
_BLOCK = 512  # bytes in which the kernel counts what a file takes
_MOST_FILES = 1024  # what the runner is willing to look at again and again


class Spill:
    """The folder of one cell."""

    def __init__(self, path: Path) -> None:
        path.mkdir(mode=0o700)
        if os.getuid() == 0:
            os.chown(path, NOBODY, NOBODY)
        self._path = path
        self.descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def used(self) -> int:
        """Return the bytes of disk that its files take; far too many, if there are too many."""
        total = 0
        for number, name in enumerate(self._names()):
            if number == _MOST_FILES:
                return 1 << 62
            with suppress(FileNotFoundError):  # the cell removes them too
                total += os.stat(name, dir_fd=self.descriptor).st_blocks * _BLOCK
        return total

    def _names(self) -> list[str]:
        return os.listdir(self.descriptor)  # noqa: PTH208  # a path could lead elsewhere by now

    def remove(self) -> None:
        """Remove it with all that is in it; the cell must be dead."""
        for name in self._names():
            os.unlink(name, dir_fd=self.descriptor)
        os.close(self.descriptor)
        self._path.rmdir()


class SpillRoot:
    """Where this runner's cells have their folders."""

    def __init__(self, parent: Path) -> None:
        _remove_abandoned(parent)
        try:
            self._path = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=parent))
        except OSError as error:
            raise Unavailable(f"{parent}: no folder for the spill can be made there") from error
        self._lock = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX)
        self._made = 0

    def folder(self) -> Spill:
        """Make a folder for one cell."""
        self._made += 1
        return Spill(self._path / str(self._made))

    def remove(self) -> None:
        """Remove it; no cell may be alive."""
        shutil.rmtree(self._path)
        os.close(self._lock)


def _remove_abandoned(parent: Path) -> None:
    for path in parent.glob(f"{_PREFIX}*"):
        held = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(path)
        except BlockingIOError:
            continue  # a runner uses it
        finally:
            os.close(held)
