"""The gate cell's own part: an Arrow stream in, a decision and the result's bytes out.

1. Read the stream, which another cell wrote, and check it all.
2. Withhold rows whose groups are too small.
3. Refuse what has not exactly the contract's shape.
4. Give it one order and one spelling.
5. Write the decision as one line, then the bytes.
"""

import mmap
from collections.abc import Callable, Sequence

import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from cleanroom.errors import PolicyRefused
from cleanroom.schema import Column
from runner.gate import canonical, formats, groups, shape
from runner.gate.task import REFUSED, Decision, Task

_REHEARSED = (Column("a", "text", nullable=True), Column("b", "float64", nullable=False))

type Write = Callable[[bytes | memoryview], None]


def warm() -> None:
    """Do once, before any cell, what loads code lazily."""
    table = pa.table({"a": pa.array(["x", None]), "b": pa.array([0.1, 2.0])})
    for form in ("csv", "parquet"):
        gated(table, Task(_REHEARSED, 2, form, ()))


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
