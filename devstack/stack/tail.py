"""The ends of logs, of several servers side by side; what comes is shown as it comes."""

from collections import deque
from collections.abc import Mapping
from pathlib import Path

_LONGEST = 1 << 14  # a line; what is longer is shown in pieces


class Tails:
    """Reads logs from where it stopped the last time; lines are whole, or very long."""

    def __init__(self, files: Mapping[str, Path], *, named: bool) -> None:
        """Read these files; with `named`, each line begins with whose it is."""
        self._files = files
        self._named = named
        self._width = max(map(len, files), default=0)
        self._places: dict[str, tuple[int, int]] = {}  # which file it was, and how far

    def last(self, lines: int) -> list[str]:
        """Return the last lines of each file, and skip what was before them."""
        found: list[str] = []
        for name, file in self._files.items():
            found += deque(self._rest(name, file), lines)
        return found

    def more(self) -> list[str]:
        """Return the lines that came since."""
        return [line for name, file in self._files.items() for line in self._rest(name, file)]

    def _rest(self, name: str, file: Path) -> list[str]:
        if not file.exists():
            return []
        with file.open("rb") as log:
            number, place = self._places.get(name, (0, 0))
            inode = file.stat().st_ino
            log.seek(place if number == inode else 0)  # the log was turned: begin the new one
            content = log.read()
            whole = content.rfind(b"\n") + 1
            if len(content) - whole > _LONGEST:
                whole = len(content)
            self._places[name] = (inode, log.tell() - len(content) + whole)
        lines = content[:whole].decode("utf-8", "replace").splitlines()
        return [self._shown(name, line) for line in lines]

    def _shown(self, name: str, line: str) -> str:
        return f"{name:{self._width}} | {line}" if self._named else line
