"""Queries on sealed tables against DuckDB on the same tables in the clear, from the same place.

1. Make about 1 GiB of tables in memory, and seal them.
2. Run each query on both sides in turn, each time in a fresh engine with the same settings, and
   compare the answers. Processor time counts: others on the machine change it least. A figure is
   the median of the ratios of all rounds.
3. Read one column of a Parquet file that DuckDB itself encrypted.
4. Sort data four times larger than the memory, and look for it in the spill.
"""

import argparse
import hashlib
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # has no types

from bench.devstack.figures import Figure
from bench.devstack.run import table
from bench.runner.tables import KEY, NOISE, Tables, made_in
from bench.space import GIB, MIB, space
from runner.sql import engine, entry
from runner.sql import tables as sql
from runner.sql.engine import Budget, Spill
from runner.sql.files import SealedFiles
from runner.sql.sealed import Arena

_BUDGET = Budget(4 * GIB, 2, None)
_SLOT, _SLOTS = 4 * MIB, 8  # as in a cell
_LEAST = 160 * MIB  # of memory, for the sort
_SPILL = 4 * GIB


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked, of which tables, and how much more it may cost."""

    name: str
    inputs: str
    text: str
    limit: float
    most: int = 9  # rounds: some take so long that fewer must do


QUERIES = (
    Query("bare scan of one column", "a", "SELECT sum(amount) AS x FROM a", 2.5),
    Query(
        "grouped aggregate",
        "a",
        "SELECT country, sum(amount) AS x, count(*) AS n, max(day) AS d FROM a GROUP BY country",
        1.6,
    ),
    Query("CSV", "c", "SELECT country, sum(amount) AS x FROM c GROUP BY country", 1.4),
    Query(
        "join",
        "ab",
        "SELECT segment, count(DISTINCT a.customer) AS n, sum(amount) AS x"
        " FROM a JOIN b ON a.customer = b.customer GROUP BY segment",
        1.1,
        most=4,
    ),
)


@dataclass(frozen=True, slots=True)
class Took:
    """Processor and elapsed seconds of one run."""

    processor: float
    elapsed: float


@dataclass(frozen=True, slots=True)
class Compared:
    """One query on both sides."""

    query: Query
    sealed: Sequence[Took]
    plain: Sequence[Took]

    @property
    def ratio(self) -> float:
        """How many times the processor time of the plain side: the median of all rounds.

        What else the machine does changes both sides of a round, and so the ratio least.
        """
        pairs = zip(self.sealed, self.plain, strict=True)
        return statistics.median(ours.processor / theirs.processor for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Sorted:
    """A sort of more than the memory holds."""

    rows: int
    data: int  # bytes
    spilled: int
    readable: int  # markers found in the spill


def _median(took: Sequence[Took]) -> float:
    return statistics.median(one.processor for one in took)


def timed(run: Callable[[], pa.Table]) -> tuple[Took, pa.Table]:
    """Run once."""
    before, start = time.process_time(), time.perf_counter()  # of all threads
    found = run()
    return Took(time.process_time() - before, time.perf_counter() - start), found


type Side = Callable[[Query], tuple[Took, pa.Table]]


def compared(tables: Tables, query: Query, rounds: int) -> Compared:
    """Run a query on files of this machine."""
    return alternated(query, partial(sealed_side, tables), partial(plain_side, tables), rounds)


def alternated(query: Query, ours: Side, theirs: Side, rounds: int) -> Compared:
    """Run a query on both sides, each first in every other round; the first is not counted."""
    (_, found), (_, expected) = ours(query), theirs(query)
    if _in_order(found) != _in_order(expected):
        raise RuntimeError(f"{query.name}: the answers differ")
    sealed: list[Took] = []
    plain: list[Took] = []
    for number in range(min(rounds, query.most)):
        for side, took in ((ours, sealed), (theirs, plain))[:: -1 if number % 2 else 1]:
            took.append(side(query)[0])
    return Compared(query, sealed, plain)


def _in_order(table: pa.Table) -> list[Mapping[str, object]]:
    return sorted(table.to_pylist(), key=str)


def sealed_side(tables: Tables, query: Query) -> tuple[Took, pa.Table]:
    """Run on sealed tables, as a cell does."""
    with ExitStack() as stack:
        arena = stack.enter_context(closing(Arena(_SLOT, _SLOTS)))
        readers = {name: arena.reader(tables.sealed(name, stack)) for name in query.inputs}
        connection = stack.enter_context(engine.connected())
        engine.lock(connection, SealedFiles(readers), _BUDGET)
        engine.provide(connection, {name: tables.contents[name] for name in query.inputs})
        return timed(lambda: engine.answer(connection, query.text, {}).read_all())


def plain_side(tables: Tables, query: Query) -> tuple[Took, pa.Table]:
    """Run on plain files."""
    with engine.connected() as connection:
        set_alike(connection)
        for name in query.inputs:
            source = str(tables.plain(name))
            connection.execute(sql.view(name, tables.contents[name], source))
        return timed(lambda: engine.answer(connection, query.text, {}).read_all())


def set_alike(connection: duckdb.DuckDBPyConnection) -> None:
    """Give DuckDB on plain tables what it has in a cell."""
    connection.execute(
        f"SET memory_limit = '{_BUDGET.memory}B'; SET threads = {_BUDGET.threads};"
        "SET enable_external_file_cache = false"
    )


def alone() -> duckdb.DuckDBPyConnection:
    """Start DuckDB as it is installed, with its own ciphers instead of OpenSSL's."""
    return duckdb.connect(
        config={"autoinstall_known_extensions": False, "autoload_known_extensions": False}
    )


def encrypted_side(
    tables: Tables, connected: Callable[[], duckdb.DuckDBPyConnection], query: Query
) -> tuple[Took, pa.Table]:
    """Run on a Parquet file that DuckDB encrypted."""
    path = tables.plain("encrypted.parquet")
    key = f"PRAGMA add_parquet_key('key', '{KEY}')"
    how = "encryption_config = {footer_key: 'key'}"
    if not path.exists():
        with engine.connected() as connection:
            connection.execute(key)
            source, option = tables.plain("a"), how.replace(" =", "", 1)
            connection.execute(f"COPY (FROM '{source}') TO '{path}' ({option})")
    with connected() as connection:
        set_alike(connection)
        connection.execute(key)
        connection.execute(f"CREATE VIEW a AS FROM read_parquet('{path}', {how})")
        return timed(lambda: engine.answer(connection, query.text, {}).read_all())


def sorted_beyond_memory(tables: Tables, rows: int, spill: Path) -> Sorted:
    """Sort more than fits into memory, and look into the spill at the start."""
    spill.mkdir()
    markers = [hashlib.sha256(str(i).encode()).digest() for i in range(0, rows, rows // 20)]
    found = spilled = readable = 0
    with ExitStack() as stack:
        arena = stack.enter_context(closing(Arena(_SLOT, 4)))
        reader = arena.reader(tables.sealed(NOISE, stack))
        connection = stack.enter_context(engine.connected())
        budget = Budget(_LEAST, 1, Spill(str(spill), _SPILL))
        engine.lock(connection, SealedFiles({"noise": reader}), budget)
        engine.provide(connection, {"noise": tables.contents[NOISE]})
        answer = engine.answer(connection, "SELECT x, n FROM noise ORDER BY x, n", {})
        for batch in engine.batches(answer):
            found += batch.num_rows
            for file in spill.iterdir() if not spilled else ():
                data = file.read_bytes()
                spilled, readable = spilled + len(data), readable + sum(m in data for m in markers)
    return Sorted(found, tables.plain(NOISE).stat().st_size, spilled, readable)


type More = Callable[[Tables, int], Iterable[Compared]]


def measure(*, quick: bool = False, more: More = lambda _tables, _rounds: ()) -> list[Figure]:
    """Make the tables, compare every query, and print each as it is known; then what is more."""
    rows, noise, rounds = (600_000, 4_000_000, 2) if quick else (60_000_000, 17_000_000, 8)
    entry.keep_freed_memory()
    with space(GIB if quick else 9 * GIB) as folder:
        print("making the tables", flush=True)
        tables = made_in(folder, rows, noise)
        figures = [_figure(shown(compared(tables, query, rounds))) for query in QUERIES]
        figures += _peers(tables, rounds)
        figures += [_figure(shown(one)) for one in more(tables, rounds)]
        return [*figures, *_beyond(sorted_beyond_memory(tables, noise, folder / "spill"), noise)]


def _peers(tables: Tables, rounds: int) -> list[Figure]:
    """Scan Parquet that DuckDB encrypted: as it is installed, and with the ciphers of a cell's."""
    ours = partial(sealed_side, tables)
    own, fast = (
        alternated(QUERIES[0], ours, partial(encrypted_side, tables, start), rounds).ratio
        for start in (alone, engine.connected)
    )
    name = "the scan, of one of DuckDB's own encrypted Parquet"
    return [
        Figure(name, own, "x", 1 / 4),
        Figure("peer: the latter with OpenSSL, of the scan", 1 / fast, "x", 0, at_least=True),
    ]


def _beyond(found: Sorted, rows: int) -> list[Figure]:
    name = f"{found.data >> 20} MiB sorted within {_LEAST >> 20} MiB"
    return [
        Figure(f"{name}: rows lost", rows - found.rows, "", 0),
        Figure(f"{name}: spilled", found.spilled / MIB, "MiB", 1, at_least=True),
        Figure(f"{name}: values readable in the spill", found.readable, "", 0),
    ]


def _figure(found: Compared) -> Figure:
    return Figure(found.query.name, found.ratio, "x", found.query.limit)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure queries on sealed tables.")
    parser.add_argument("--quick", action="store_true", help="small tables, nothing judged")
    quick = parser.parse_args().quick
    figures = measure(quick=quick)
    print(table(figures))
    return 0 if quick or all(figure.passed for figure in figures) else 1


def shown(found: Compared) -> Compared:
    """Print one comparison."""
    elapsed = [statistics.median(t.elapsed for t in side) for side in (found.sealed, found.plain)]
    print(
        f"{found.query.name}: {found.ratio:.2f} x;"
        f" processor {_median(found.sealed):.2f} s and {_median(found.plain):.2f} s,"
        f" elapsed {elapsed[0]:.2f} s and {elapsed[1]:.2f} s",
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
