"""What an SQL cell is told: the program, its values, and how to open each input.

It comes from the runner by a socket that only the two share, and it holds the job's data keys.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from cleanroom.fields import Fields, base64_bytes, base64_text, integer, list_of, one_of, optional
from cleanroom.fields import text as some_text
from cleanroom.ids import alias
from cleanroom.keys import DATA_KEY_BYTES, DataKey
from cleanroom.parameters import TYPES, Value, value
from cleanroom.seal.content import Content, content
from cleanroom.seal.layout import DIGEST_BYTES, MOST_REGIONS, Layout, region_size
from cleanroom.seal.regions import FILE_ID_BYTES, RegionTable
from runner.sql.engine import Budget, Spill

_WHERE = "task"
_MOST = 1 << 10  # inputs or parameters, far above what a contract allows
_LONGEST = 1 << 20  # characters of a program or a path


@dataclass(frozen=True, slots=True)
class Source:
    """Where an input's ciphertext comes from: a descriptor, or a file of the ring, by number."""

    kind: Literal["descriptor", "ring"]
    number: int


@dataclass(frozen=True, slots=True)
class Input:
    """A verified sealed file, and the key that opens it."""

    alias: str
    content: Content
    layout: Layout
    file_id: bytes
    table: RegionTable
    key: DataKey
    source: Source

    @classmethod
    def parse(cls, raw: object, where: str) -> "Input":
        """Accept an input."""
        f = Fields(raw, where)
        found = cls(
            f.take("alias", alias),
            f.take("content", content),
            Layout(f.take("plaintext_size", integer(0)), f.take("region_size", region_size)),
            f.take("file_id", base64_bytes(FILE_ID_BYTES)),
            RegionTable(f.take("table", base64_bytes(MOST_REGIONS * DIGEST_BYTES))),
            DataKey(f.take("key", base64_bytes(DATA_KEY_BYTES))),
            Source(
                "ring"
                if f.take("source", one_of("descriptor", "ring")) == "ring"
                else "descriptor",
                f.take("number", integer(0)),
            ),
        )
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it, the key too."""
        return {
            "alias": self.alias,
            "content": self.content.to_dict(),
            "plaintext_size": self.layout.plaintext_size,
            "region_size": self.layout.region_size,
            "file_id": base64_text(self.file_id),
            "table": base64_text(self.table.data),
            "key": base64_text(self.key.expose()),
            "source": self.source.kind,
            "number": self.source.number,
        }


@dataclass(frozen=True, slots=True)
class Bound:
    """A parameter's value, and the type that its contract gives it."""

    name: str
    kind: str
    value: Value

    @classmethod
    def parse(cls, raw: object, where: str) -> "Bound":
        """Accept a value."""
        f = Fields(raw, where)
        found = cls(f.take("name", alias), f.take("type", one_of(*TYPES)), f.take("value", value))
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"name": self.name, "type": self.kind, "value": self.value}


@dataclass(frozen=True, slots=True)
class Task:
    """One run of one program."""

    program: str
    values: tuple[Bound, ...]
    inputs: tuple[Input, ...]
    maximum_rows: int
    budget: Budget  # of the whole cell, memory too

    @classmethod
    def parse(cls, data: bytes) -> "Task":
        """Accept a task."""
        f = Fields(json.loads(data), _WHERE)
        task = cls(
            f.take("program", some_text(_LONGEST)),
            f.take("values", list_of(Bound.parse, 0, _MOST)),
            f.take("inputs", list_of(Input.parse, 1, _MOST)),
            f.take("maximum_rows", integer(1)),
            f.take("budget", _budget),
        )
        f.end()
        return task

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        spill = self.budget.spill
        whole: Mapping[str, object] = {
            "program": self.program,
            "values": [value.to_dict() for value in self.values],
            "inputs": [item.to_dict() for item in self.inputs],
            "maximum_rows": self.maximum_rows,
            "budget": {
                "memory": self.budget.memory,
                "threads": self.budget.threads,
                "spill": {"folder": spill.folder, "size": spill.size} if spill else None,
            },
        }
        return json.dumps(whole).encode()


def _budget(raw: object, where: str) -> Budget:
    f = Fields(raw, where)
    budget = Budget(
        f.take("memory", integer(1)),
        f.take("threads", integer(1)),
        f.take("spill", optional(_spill)),
    )
    f.end()
    return budget


def _spill(raw: object, where: str) -> Spill:
    f = Fields(raw, where)
    spill = Spill(f.take("folder", some_text(_LONGEST)), f.take("size", integer(1)))
    f.end()
    return spill
