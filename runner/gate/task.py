"""What the gate is told, and what it says before the result's bytes."""

import json
from dataclasses import dataclass

from cleanroom.contract import Result
from cleanroom.fields import Fields, boolean, integer, list_of, one_of
from cleanroom.schema import Column, columns

_WHERE = "task"
_MOST = 1 << 10
LONGEST_DECISION = 1 << 10  # bytes of the first line


@dataclass(frozen=True, slots=True)
class Task:
    """The shape that may leave, and how large the group behind each row must be.

    The table has one column more for each minimum, behind the contract's own: the size of the
    row's group as that dataset's rule counts it. These columns never leave.
    """

    columns: tuple[Column, ...]
    maximum_rows: int
    form: str
    minimums: tuple[int, ...]

    @classmethod
    def of(cls, result: Result, minimums: tuple[int, ...]) -> "Task":
        """Take from a contract what the gate needs."""
        return cls(result.columns, result.maximum_rows, result.format, minimums)

    @classmethod
    def parse(cls, data: bytes) -> "Task":
        """Accept a task."""
        f = Fields(json.loads(data), _WHERE)
        task = cls(
            f.take("columns", columns),
            f.take("maximum_rows", integer(1)),
            f.take("format", one_of("csv", "parquet")),
            f.take("minimums", list_of(integer(2), 0, _MOST)),
        )
        f.end()
        return task

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        return json.dumps(
            {
                "columns": [column.to_dict() for column in self.columns],
                "maximum_rows": self.maximum_rows,
                "format": self.form,
                "minimums": list(self.minimums),
            }
        ).encode()


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the result may leave, with how many rows, and how many of them were withheld.

    Of a refusal nothing more is said: which column it was may depend on data.
    """

    passed: bool
    rows: int
    withheld: int

    @classmethod
    def parse(cls, data: bytes) -> "Decision":
        """Accept the first line of what a gate wrote."""
        f = Fields(json.loads(data), "gate")
        decision = cls(
            f.take("passed", boolean), f.take("rows", integer(0)), f.take("withheld", integer(0))
        )
        f.end()
        return decision

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        whole = {"passed": self.passed, "rows": self.rows, "withheld": self.withheld}
        return json.dumps(whole).encode() + b"\n"


REFUSED = Decision(passed=False, rows=0, withheld=0)
