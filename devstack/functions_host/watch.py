"""What tells that an app has changed: the files it loaded, their neighbours, and its settings."""

from collections.abc import Iterable
from pathlib import Path

type Snapshot = frozenset[tuple[str, int, int]]


def snapshot(files: Iterable[str]) -> Snapshot:
    """Note size and time of these files, and of all Python files beside them."""
    named = {Path(file) for file in files}
    beside = {one for folder in {file.parent for file in named} for one in folder.glob("*.py")}
    return frozenset(_noted(named | beside))


def _noted(files: Iterable[Path]) -> Iterable[tuple[str, int, int]]:
    for file in files:
        try:
            found = file.stat()
        except OSError:
            continue  # it is gone, which is a change too
        yield str(file), found.st_mtime_ns, found.st_size
