"""The engine's own walls, with the checks before it left out: what if one of them fails."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import pytest

from cleanroom.errors import ProgramFailed
from runner.sql import engine
from runner.sql.engine import Budget, Spill
from runner.sql.files import SealedFiles
from runner.sql.sealed import Arena, Sealed
from tests.ports.runner.sql.cases import BUDGET, Given, descriptors, mapped, parquet, table

MARKER = "marker-4711"
SMALL = Given(
    parquet("SELECT 'marker-4711-' || i AS x, i AS n FROM range(1000) t(i)"),
    table(x="text", n="int64"),
)


@contextmanager
def locked(given: Given, budget: Budget) -> Iterator[duckdb.DuckDBPyConnection]:
    """Start the engine on one input, `a`, as a cell does."""
    with descriptors({"a": (given.sealed(), given.content)}) as [(item, fd)]:
        arena = Arena(1 << 16, 8)
        reader = arena.reader(
            Sealed(item.layout, item.file_id, item.table, item.key, mapped(item, fd))
        )
        with engine.connected() as connection:
            engine.lock(connection, SealedFiles({"a": reader}), budget)
            engine.provide(connection, {"a": given.content})
            yield connection
        arena.close()


OUTSIDE = {
    "a file": "SELECT * FROM read_text('/etc/hostname')",
    "a file by its name": "SELECT * FROM '/etc/hostname'",
    "a file by a path from the inputs": "SELECT * FROM read_text('sealed:///in/../etc/hostname')",
    "another sealed name": "SELECT * FROM read_parquet('sealed:///in/b')",
    "a list of files": "SELECT * FROM glob('/**')",
    "the process": "SELECT * FROM read_text('/proc/self/environ')",
    "a descriptor": "SELECT * FROM read_text('/proc/self/fd/0')",
    "the network": "SELECT * FROM read_csv('https://127.0.0.1:9/x.csv')",
    "object storage": "SELECT * FROM read_parquet('s3://bucket/x.parquet')",
    "a copy": "COPY a TO '/tmp/never.csv'",
    "a copy into the inputs": "COPY a TO 'sealed:///in/a'",
    "a database": "ATTACH '/tmp/never.db' AS d",
    "an extension": "INSTALL spatial",
    "an extension from a file": "LOAD '/tmp/never.duckdb_extension'",
    "a setting": "SET enable_external_access = true",
    "a longer list of folders": "SET allowed_directories = ['/']",
    "more memory": "SET memory_limit = '100GB'",
    "another spill": "SET temp_directory = '/tmp'",
    "a profile": "SET profiling_output = '/tmp/never.json'",
    "a variable of this process": "SELECT * FROM SMALL",
}


@pytest.mark.parametrize("sql", OUTSIDE.values(), ids=OUTSIDE.keys())
def test_nothing_outside_can_be_reached(sql: str) -> None:
    with locked(SMALL, BUDGET) as connection, pytest.raises(duckdb.Error):
        connection.execute(sql).fetchall()


def test_the_environment_is_not_to_be_had() -> None:
    with locked(SMALL, BUDGET) as connection, pytest.raises(duckdb.Error):
        connection.execute("SELECT getenv('PATH')").fetchall()


FAILING = {
    "at once": "SELECT CAST(x AS INTEGER) AS x FROM a",
    "in a constant": f"SELECT CAST('{MARKER}' AS INTEGER) AS x",
    "after some rows": "SELECT CASE WHEN n > 990 THEN CAST(x AS INTEGER) END AS y FROM a",
    "by the program's own words": f"SELECT error('{MARKER}') AS x",
    "in arithmetic": "SELECT n * 9223372036854775807 AS x FROM a",
    "because of a name": 'SELECT "marker-4711" FROM a',
    "as syntax": f"SELEC '{MARKER}'",
}


@pytest.mark.parametrize("sql", FAILING.values(), ids=FAILING.keys())
def test_a_failure_says_nothing_of_why(sql: str) -> None:
    with locked(SMALL, BUDGET) as connection, pytest.raises(ProgramFailed) as caught:
        list(engine.batches(engine.answer(connection, sql, {})))

    assert str(caught.value) == "the program failed"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_a_failure_that_comes_late_says_nothing_of_why() -> None:
    query = (
        "SELECT CASE WHEN i = 999999 THEN 'marker-4711' ELSE '1' END AS x FROM range(1000000) t(i)"
    )
    late = Given(parquet(query), table(x="text"))

    with locked(late, BUDGET) as connection, pytest.raises(ProgramFailed) as caught:
        list(engine.batches(engine.answer(connection, "SELECT CAST(x AS INTEGER) AS x FROM a", {})))

    assert MARKER not in str(caught.value)


MEMORY = 160 << 20
ROWS = 3_000_000


@cache
def large() -> Given:
    """Make 100 MB that cannot be packed, so that it would lie in a spill as it is."""
    query = f"SELECT i AS n, unhex(sha256(i::text)) AS x FROM range({ROWS}) t(i)"  # noqa: S608
    return Given(parquet(query), table(x="binary", n="int64"))


SORTED = "SELECT x, n FROM a ORDER BY x, n"
MARKERS = [hashlib.sha256(str(i).encode()).digest() for i in range(0, ROWS, ROWS // 20)]


def sorted_with(connection: duckdb.DuckDBPyConnection, folder: Path) -> tuple[int, int, int]:
    """Sort it all; count rows, bytes that lie in the spill at the start, and markers in them."""
    found, spilled, readable = 0, 0, 0
    for batch in engine.batches(engine.answer(connection, SORTED, {})):
        found += batch.num_rows
        for file in folder.iterdir() if not spilled else ():
            data = file.read_bytes()
            spilled, readable = spilled + len(data), readable + sum(m in data for m in MARKERS)
    return found, spilled, readable


def test_data_larger_than_the_memory_works_and_its_spill_is_not_readable(tmp_path: Path) -> None:
    with locked(large(), Budget(MEMORY, 1, Spill(str(tmp_path), 1 << 30))) as connection:
        found, spilled, readable = sorted_with(connection, tmp_path)

    assert (found, readable) == (ROWS, 0)
    assert spilled > MEMORY // 2


def test_a_spill_in_the_clear_would_be_readable(tmp_path: Path) -> None:
    plain, spill = tmp_path / "plain.parquet", tmp_path / "spill"
    plain.write_bytes(large().plain)

    with engine.connected() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}B'; SET temp_directory = '{spill}'")
        connection.execute(f"CREATE VIEW a AS FROM '{plain}'")
        found, _, readable = sorted_with(connection, spill)

    assert found == ROWS
    assert readable  # so the markers above would have been seen


def test_the_spill_has_a_limit(tmp_path: Path) -> None:
    budget = Budget(MEMORY, 1, Spill(str(tmp_path), 1 << 20))

    with locked(large(), budget) as connection, pytest.raises(ProgramFailed):
        list(engine.batches(engine.answer(connection, SORTED, {})))


def test_without_a_spill_the_memory_is_the_limit() -> None:
    with locked(large(), Budget(MEMORY, 1, None)) as connection, pytest.raises(ProgramFailed):
        list(engine.batches(engine.answer(connection, SORTED, {})))
