"""The SQL cell's own part: open the inputs, run the program, hand the rows out as an Arrow stream.

Whatever is raised in here means that the program failed, and its text goes nowhere.
"""

import ctypes
import io
from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Protocol

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from runner.sql import engine, reading
from runner.sql.ciphertext import Mapped
from runner.sql.engine import Budget
from runner.sql.files import SealedFiles
from runner.sql.rehearsal import rehearse
from runner.sql.sealed import Arena, Ciphertext, Sealed
from runner.sql.task import Input, Task

type Write = Callable[[bytes | memoryview], None]

_ARENA = 32 << 20  # bytes, of a cell that has eight times as much; more leaves the cache
_FEWEST_SLOTS = 4
_SMALLEST_SLOT = 1 << 16
_MMAP_THRESHOLD, _TRIM_THRESHOLD = -3, -1  # of mallopt, in malloc.h
_ready: list[duckdb.DuckDBPyConnection] = []
_used: list[duckdb.DuckDBPyConnection] = []  # never closed: it takes longer than a small job


class Regions(Protocol):
    """The stored regions of all inputs, fetched by the runner."""

    def regions(self, file: int, first: int, most: int) -> Generator[memoryview]:
        """Lend stored regions, one after the other."""


class _Ringed:
    """One file of the ring."""

    at_hand = False

    def __init__(self, ring: Regions, file: int) -> None:
        self._ring = ring
        self._file = file

    def regions(self, first: int, most: int) -> Generator[memoryview]:
        """Lend stored regions, one after the other."""
        return self._ring.regions(self._file, first, most)


class _Sink(io.RawIOBase):
    """A file of which every write is handed on."""

    def __init__(self, write: Write) -> None:
        self._write = write

    def writable(self) -> bool:
        """Say so."""
        return True

    def write(self, data: object) -> int:
        """Hand on."""
        view = memoryview(data).cast("B")  # type: ignore[arg-type]  # Arrow gives buffers
        self._write(view)
        return len(view)


def warm() -> None:
    """Do once, before any cell, what is the same for all."""
    keep_freed_memory()
    connection = engine.connected()
    rehearse(connection)
    _ready.append(connection)


def keep_freed_memory() -> None:
    """Let buffers of some megabytes stay with the process, else every read faults in new pages."""
    libc = ctypes.CDLL(None)
    libc.mallopt(_MMAP_THRESHOLD, 1 << 30)
    libc.mallopt(_TRIM_THRESHOLD, 512 << 20)


def run(task: bytes, descriptors: Sequence[int], ring: Regions | None, write: Write) -> None:
    """Run one program, after its engine has checked it as before any key was asked for."""
    job = Task.parse(task)
    connection = _ready.pop() if _ready else engine.connected()
    _used.append(connection)
    aliases = frozenset(item.alias for item in job.inputs)
    names = frozenset(item.name for item in job.values)
    with closing(arena_for(job)) as arena:
        readers = {
            item.alias: arena.reader(_sealed(item, descriptors, ring)) for item in job.inputs
        }
        engine.lock(connection, SealedFiles(readers), _engines(job.budget, arena.size))
        used = reading.used(reading.check(connection, job.program, aliases), names)
        engine.provide(connection, {item.alias: item.content for item in job.inputs})
        values = {v.name: engine.bound(v.kind, v.value) for v in job.values if v.name in used}
        send(engine.answer(connection, job.program, values), job.maximum_rows + 1, write)


def arena_for(job: Task) -> Arena:
    """Make an arena whose slots hold any region of any input."""
    sizes = [item.layout.plain(0).length for item in job.inputs if item.layout.regions]
    largest = max([*sizes, _SMALLEST_SLOT])
    return Arena(largest, max(_FEWEST_SLOTS, min(_ARENA, job.budget.memory // 8) // largest))


def _engines(cell: Budget, arena: int) -> Budget:
    """Leave a third of what the arena leaves to what DuckDB does not count."""
    return replace(cell, memory=max(1, (cell.memory - arena) * 2 // 3))


def _sealed(item: Input, descriptors: Sequence[int], ring: Regions | None) -> Sealed:
    source: Ciphertext
    if item.source.kind == "descriptor":
        source = Mapped(descriptors[item.source.number], item.layout)
    elif ring is not None:
        source = _Ringed(ring, item.source.number)
    else:
        raise ValueError("there is no ring")
    return Sealed(item.layout, item.file_id, item.table, item.key, source)


def send(rows: pa.RecordBatchReader, most: int, write: Write) -> None:
    """Write at most so many rows: one too many is enough for the gate to refuse."""
    with pa.ipc.new_stream(_Sink(write), rows.schema) as stream:
        left = most
        for batch in engine.batches(rows):
            stream.write_batch(batch.slice(0, left))
            left -= min(left, batch.num_rows)
            if not left:
                return
