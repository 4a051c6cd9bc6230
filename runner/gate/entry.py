"""The gate cell's own part: an Arrow stream in, a decision and the result's bytes out.

1. Read the stream, which another cell wrote, and check it all.
2. Withhold rows whose groups are too small.
3. Refuse what has not exactly the contract's shape.
4. Give it one order and one spelling.
5. Write the decision as one line, then the bytes.
"""

import datetime as dt
import mmap
from collections.abc import Callable, Sequence
from decimal import Decimal

import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from cleanroom.errors import PolicyRefused
from cleanroom.schema import Column
from runner.gate import canonical, formats, groups, shape
from runner.gate.task import REFUSED, Decision, Task

_MOMENT = dt.datetime(2000, 1, 2, 3, 4, 5)  # noqa: DTZ001  (some columns have no zone)
_REHEARSED = {
    "boolean": True,
    "int64": 1,
    "float64": 0.1,
    "decimal(12,2)": Decimal("1.25"),
    "text": "=x",
    "binary": b"x",
    "date": _MOMENT.date(),
    "time": _MOMENT.time(),
    "timestamp": _MOMENT,
    "timestamptz": _MOMENT,
    "uuid": "00000000-0000-0000-0000-000000000000",
}

type Write = Callable[[bytes | memoryview], None]


def warm() -> None:
    """Do once, before any cell, what loads code lazily."""
    # of every type: to spell a time with a zone, for one, Arrow opens files, which no cell can
    cells = {
        kind: pa.array([value, None], shape.arrow_type(kind)) for kind, value in _REHEARSED.items()
    }
    columns = tuple(Column(kind, kind, nullable=True) for kind in cells)
    for form in ("csv", "parquet"):
        gated(pa.table(cells), Task(columns, 2, form, ()))


def run(task: bytes, descriptors: Sequence[int], _ring: object, write: Write) -> None:
    """Let a result leave, or say that it may not."""
    asked = Task.parse(task)
    table = received(descriptors[0])  # 1
    try:
        decision, data = gated(table, asked)
    except PolicyRefused:
        decision, data = REFUSED, b""
    write(decision.to_bytes())  # 5
    write(data)


def received(descriptor: int) -> pa.Table:
    """Read a whole Arrow stream and validate every value of it."""
    memory = mmap.mmap(descriptor, 0, prot=mmap.PROT_READ)  # the table is a view of it
    with pa.ipc.open_stream(pa.py_buffer(memory)) as stream:
        table = stream.read_all()
    table.validate(full=True)
    return table


def gated(table: pa.Table, task: Task) -> tuple[Decision, bytes]:
    """Decide on a table, and spell what may leave."""
    kept = groups.withhold(table, task.minimums)  # 2
    shape.check(kept, task.columns, task.maximum_rows)  # 3
    final = canonical.canonical(kept, task.columns)  # 4
    decision = Decision(passed=True, rows=kept.num_rows, withheld=table.num_rows - kept.num_rows)
    return decision, formats.to_bytes(final, task.columns, task.form)
