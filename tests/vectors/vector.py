"""A test vector: `name: value` lines, an empty line, the bytes (docs/spec/vectors.md)."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

CREATED = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)


@dataclass(frozen=True)
class Vector:
    """Bytes, and what must come of reading them."""

    folder: str
    name: str
    expect: str
    comment: str
    data: bytes
    headers: tuple[tuple[str, str], ...] = ()

    def to_bytes(self) -> bytes:
        lines = [("expect", self.expect), ("comment", self.comment), *self.headers]
        return "".join(f"{name}: {value}\n" for name, value in lines).encode() + b"\n" + self.data

    @classmethod
    def read(cls, path: Path) -> Self:
        head, _, data = path.read_bytes().partition(b"\n\n")
        lines = [line.split(": ", 1) for line in head.decode().splitlines()]
        (_, expect), (_, comment), *headers = lines
        named = tuple((name, value) for name, value in headers)
        return cls(path.parent.name, path.stem, expect, comment, data, named)

    def __getitem__(self, name: str) -> str:
        return dict(self.headers)[name]
