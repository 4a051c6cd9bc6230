"""DuckDB as the engine of one job: what it may reach, what it may use, and what it is asked.

- It reaches the job's inputs and, if there is one, the spill folder; no network, no other file.
- What it spills is encrypted with a key of its own, by OpenSSL, which the httpfs extension brings.
- Its messages quote cells, and an error message is an output channel: none is passed on.
"""

import datetime as dt
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import duckdb
import duckdb_extension_httpfs  # type: ignore[import-untyped]  # has no types
import pyarrow as pa  # type: ignore[import-untyped]  # has no types
from duckdb.value import constant as typed

from cleanroom.errors import ProgramFailed
from cleanroom.parameters import Value
from cleanroom.seal.content import Content
from runner.sql import tables
from runner.sql.files import FOLDER, SealedFiles, url

_BATCH = 1 << 16  # rows
_FAILED = "the program failed"
_HTTPFS = (
    Path(duckdb_extension_httpfs.__path__[0])
    / "extensions"
    / f"v{duckdb.__version__}"
    / "httpfs.duckdb_extension"
)


@dataclass(frozen=True, slots=True)
class Spill:
    """A folder for what does not fit into memory, and how many bytes may lie there."""

    folder: str
    size: int


@dataclass(frozen=True, slots=True)
class Budget:
    """What DuckDB may use."""

    memory: int  # bytes of its buffers; what it needs besides comes on top
    threads: int
    spill: Spill | None


def connected() -> duckdb.DuckDBPyConnection:
    """Start DuckDB with what can be done before any job is known, and before a fork."""
    connection = duckdb.connect(
        config={
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "allow_community_extensions": False,
            "python_enable_replacements": False,
            "temp_directory": "",
            "threads": 1,  # more are threads that a fork would lose
            "enable_external_file_cache": False,  # a quarter more time for what is read once
        }
    )
    connection.execute(f"LOAD {tables.text_literal(str(_HTTPFS))}")
    connection.execute("SET TimeZone = 'UTC'; SET preserve_insertion_order = false")
    return connection


def lock(connection: duckdb.DuckDBPyConnection, files: SealedFiles, budget: Budget) -> None:
    """Set what the job may reach and use, and let nothing be set afterwards."""
    connection.register_filesystem(
        files
    )  # first: a folder is allowed of a file system that is known
    connection.execute(f"SET memory_limit = '{budget.memory}B'; SET threads = {budget.threads}")
    if budget.spill:
        folder = tables.text_literal(budget.spill.folder)
        connection.execute(
            f"SET temp_file_encryption = true; SET temp_directory = {folder};"
            f"SET max_temp_directory_size = '{budget.spill.size}B'"
        )
    connection.execute(
        f"SET allowed_directories = [{tables.text_literal(FOLDER)}];"
        "SET enable_external_access = false; SET lock_configuration = true"
    )


def provide(connection: duckdb.DuckDBPyConnection, inputs: Mapping[str, Content]) -> None:
    """Make each input a table of the columns that its manifest declares."""
    for alias, content in inputs.items():
        _run(connection, tables.view(alias, content, url(alias)), {})


def answer(
    connection: duckdb.DuckDBPyConnection, program: str, values: Mapping[str, object]
) -> pa.RecordBatchReader:
    """Start the program; its rows come as they are computed, by `batches`."""
    return _run(connection, program, values).to_arrow_reader(_BATCH)


def batches(rows: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    """Compute row after row; what fails only now fails as at the start, without its text."""
    while True:
        try:
            batch = rows.read_next_batch()
        except StopIteration:
            return
        except (OSError, pa.ArrowException):
            raise ProgramFailed(_FAILED) from None
        yield batch


def _run(
    connection: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, object]
) -> duckdb.DuckDBPyConnection:
    try:
        return connection.execute(sql, dict(values))
    except duckdb.Error:
        raise ProgramFailed(_FAILED) from None


def bound(kind: str, value: Value) -> object:
    """Turn a parameter's value into one of its type, so that no type depends on the value.

    But for decimals: DuckDB counts the digits, and a program that needs others casts.
    """
    match kind:
        case "boolean":
            return typed.BooleanValue(value)
        case "integer":
            return typed.LongValue(value)
        case "decimal":
            return Decimal(str(value))
        case "date":
            return dt.date.fromisoformat(str(value))
        case _:
            return typed.StringValue(value)
