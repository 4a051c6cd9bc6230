"""The sealed inputs of a job as the file system that DuckDB reads: `sealed:///in/{alias}`.

- DuckDB asks for size and details of a file again and again: each answer is one look-up.
- Its bridge copies what `read` returned and trusts the length: never more than was asked for.
- Nothing can be written, listed or opened that is not one of the inputs.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Any, Protocol

from fsspec.spec import AbstractFileSystem  # type: ignore[import-untyped]  # has no types

PROTOCOL = "sealed"
FOLDER = f"{PROTOCOL}:///in/"
# The same for every file and job: nothing that DuckDB keeps by it lives longer than the cell.
_MODIFIED = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)


class Ranges(Protocol):
    """Whatever can give any range of a file's plaintext."""

    @property
    def size(self) -> int:
        """Bytes of plaintext."""
        ...

    def read(self, offset: int, length: int) -> bytes:
        """Give a range: as many bytes as asked for, or as there are; never more."""
        ...


def url(alias: str) -> str:
    """Name an input as SQL does."""
    return FOLDER + alias


class File:
    """One open input; each belongs to one thread of DuckDB's."""

    __slots__ = ("_at", "_reader")

    def __init__(self, reader: Ranges) -> None:
        self._reader = reader
        self._at = 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self._reader.size)[whence]
        return self._at

    def tell(self) -> int:
        """Tell the place."""
        return self._at

    def read(self, length: int = -1) -> bytes:
        """Read on from the place, at most so many bytes."""
        left = self._reader.size - self._at
        data = self._reader.read(self._at, left if length < 0 else length)
        self._at += len(data)
        return data

    def flush(self) -> None:
        """Nothing: there is nothing to write."""

    def close(self) -> None:
        """Nothing: the arena belongs to the job."""


class SealedFiles(AbstractFileSystem):  # type: ignore[misc]  # has no types
    """The inputs by their names, and nothing else."""

    protocol = PROTOCOL
    cachable = False  # else fsspec keeps the instance, and with it the keys

    def __init__(self, readers: Mapping[str, Ranges]) -> None:
        super().__init__()
        self._readers = {self._strip_protocol(url(alias)): r for alias, r in readers.items()}
        self._readers |= {url(alias): reader for alias, reader in readers.items()}

    def _reader(self, path: str) -> Ranges:
        if path not in self._readers:
            raise FileNotFoundError
        return self._readers[path]

    def open(self, path: str, mode: str = "rb", **_options: object) -> File:
        """Open an input for reading."""
        if mode != "rb":
            raise PermissionError
        return File(self._reader(path))

    def size(self, path: str) -> int:
        """Give the bytes of plaintext."""
        return self._reader(path).size

    def info(self, path: str, **_options: object) -> dict[str, Any]:
        """Describe an input."""
        return {"name": path, "size": self._reader(path).size, "type": "file"}

    def exists(self, path: str, **_options: object) -> bool:
        """Tell whether it is an input."""
        return path in self._readers

    def isfile(self, path: str) -> bool:
        """Tell whether it is an input."""
        return path in self._readers

    def glob(self, path: str, **_options: object) -> list[str]:
        """Expand nothing: a name stands for itself."""
        return [path] if path in self._readers else []

    def unstrip_protocol(self, name: str) -> str:
        """Spell the name with its protocol."""
        return name if name.startswith(f"{PROTOCOL}:") else f"{PROTOCOL}://{name}"

    def modified(self, _path: str) -> dt.datetime:
        """Give a time that never changes: nor do the inputs."""
        return _MODIFIED
