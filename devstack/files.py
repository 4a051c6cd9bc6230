"""Small files that are whole or not there, whatever kills the process."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path


def replace(path: Path, content: bytes) -> None:
    """Write a file; readers see the old content or the new."""
    temporary = _written(path, content)
    temporary.replace(path)
    _sync_folder(path)


def first(path: Path, make: Callable[[], bytes]) -> bytes:
    """Return what the file holds; the first to ask makes it, also if several ask at once."""
    if not path.exists():
        temporary = _written(path, make())
        try:
            os.link(temporary, path)
            _sync_folder(path)
        except FileExistsError:
            pass  # another process was first, and its content is the one
        finally:
            temporary.unlink()
    return path.read_bytes()


def _written(path: Path, content: bytes) -> Path:
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return temporary


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
