"""Who listens on a port, as far as this user may know. Linux only."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

_PROC = Path("/proc")
_LISTENS = "0A"
_LOCAL, _STATE, _INODE = 1, 3, 9  # columns of /proc/net/tcp


def describe(port: int) -> str:
    """Say by whom a port is used."""
    sockets = set(_sockets(port))
    for pid, link in _links():
        if link in sockets:
            name = _read(_PROC / str(pid) / "comm").strip()
            return f"in use by {name}, process {pid}"
    return "in use"


def _sockets(port: int) -> Iterator[str]:
    for table in ("tcp", "tcp6"):
        for line in _read(_PROC / "net" / table).splitlines()[1:]:
            cells = line.split()
            if cells[_STATE] == _LISTENS and int(cells[_LOCAL].rpartition(":")[2], 16) == port:
                yield f"socket:[{cells[_INODE]}]"


def _links() -> Iterator[tuple[int, str]]:
    for folder in _PROC.glob("[0-9]*/fd"):
        with contextlib.suppress(OSError):  # another user's, or ended meanwhile
            for link in folder.iterdir():
                with contextlib.suppress(OSError):
                    yield int(folder.parent.name), str(link.readlink())


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
