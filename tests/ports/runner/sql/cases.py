"""Sealed inputs and programs, run as the cells run them but in this process."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from cleanroom.schema import Column
from cleanroom.seal.content import Content, CsvTable, Dialect, Table
from party.opening import SealedFile
from runner.gate import entry as gate
from runner.gate.task import Decision
from runner.gate.task import Task as GateTask
from runner.sql import entry
from runner.sql.ciphertext import Mapped
from runner.sql.engine import Budget
from runner.sql.task import Bound, Input, Source, Task
from tests.builders import Keys
from tests.sealing import data_key, memory_file, seal_bytes

OWNER = Keys.make()
MEMORY = 512 << 20
BUDGET = Budget(MEMORY, 2, None)
DIALECT = Dialect(
    delimiter=",",
    quote='"',
    escape='"',
    header=True,
    null="",
    date_format="",
    timestamp_format="",
)


def columns(**types: str) -> tuple[Column, ...]:
    """Spell columns shortly: `text?` is text that may be empty."""
    return tuple(Column(n, t.removesuffix("?"), t.endswith("?")) for n, t in types.items())


def parquet(query: str) -> bytes:
    """Make a Parquet file of what a query computes."""
    with TemporaryDirectory() as folder, duckdb.connect() as db:
        path = Path(folder) / "table"
        db.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
        return path.read_bytes()


def csv(rows: int = 0, dialect: Dialect = DIALECT, **types: str) -> CsvTable:
    return CsvTable(columns(**types), rows, dialect)


def jsonl(rows: int = 0, **types: str) -> Table:
    return Table("jsonl", columns(**types), rows)


def table(rows: int = 0, **types: str) -> Table:
    return Table("parquet", columns(**types), rows)


@dataclass(frozen=True)
class Given:
    """An input: what its plaintext is, and what the manifest says of it."""

    plain: bytes
    content: Content

    def sealed(self, **changes: Any) -> bytes:
        return seal_bytes(self.plain, OWNER, content=self.content, **changes)


@contextmanager
def descriptors(files: Mapping[str, tuple[bytes, Content]]) -> Iterator[list[tuple[Input, int]]]:
    """Put sealed files into memory, and describe each as a task does."""
    with ExitStack() as stack:
        found = []
        for number, (alias, (sealed, content)) in enumerate(files.items()):
            fd = stack.enter_context(memory_file(sealed))
            file = SealedFile(fd, alias, OWNER.signing)
            key = data_key(file, OWNER)
            source = Source("descriptor", number)
            file_id = file.manifest.file_id
            item = Input(alias, content, file.layout, file_id, file.table, key, source)
            found.append((item, fd))
        yield found


def mapped(item: Input, descriptor: int) -> Mapped:
    return Mapped(descriptor, item.layout)


def compute(
    program: str,
    inputs: Mapping[str, Given],
    *values: Bound,
    rows: int = 1000,
    budget: Budget = BUDGET,
) -> bytes:
    """Run the SQL cell's part, and return the Arrow stream that it writes."""
    written: list[bytes] = []
    files = {alias: (given.sealed(), given.content) for alias, given in inputs.items()}
    with descriptors(files) as found:
        task = Task(program, values, tuple(item for item, _ in found), rows, budget)
        fds = [fd for _, fd in found]
        entry.run(task.to_bytes(), fds, None, lambda data: written.append(bytes(data)))
    return b"".join(written)


def answer(program: str, inputs: Mapping[str, Given], *values: Bound, **how: Any) -> pa.Table:
    """Run a program and read its rows."""
    return pa.ipc.open_stream(compute(program, inputs, *values, **how)).read_all()


def rows(program: str, inputs: Mapping[str, Given], *values: Bound) -> list[tuple[Any, ...]]:
    found = answer(program, inputs, *values).to_pylist()
    return [tuple(row.values()) for row in found]


def gated(stream: bytes, task: GateTask) -> tuple[Decision, bytes]:
    """Run the gate cell's part on an Arrow stream."""
    written: list[bytes] = []
    with memory_file(stream) as fd:
        gate.run(task.to_bytes(), [fd], None, lambda data: written.append(bytes(data)))
    return Decision.parse(written[0]), b"".join(written[1:])
