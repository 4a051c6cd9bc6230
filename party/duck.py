"""DuckDB as the reader of one file: what it may reach, what it is asked, and how it is spelled.

- It reaches this one file only: no network, no extension, no spill file of plaintext.
- Its messages quote cells, and an error message is an output channel: none is passed on.
- Its casts accept more than values of a type, so `fits` asks for the shape of the text too.
"""

import contextlib
import itertools
import os
import re
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cleanroom.errors import Malformed, Unavailable
from cleanroom.schema import Column
from cleanroom.seal.content import Dialect

type Types = dict[str, str]
"""Column types by column name, ours unless said otherwise."""
type Counts = dict[tuple[str, str], int]
"""Answers, each by a word or a type and the column that it is about."""

# Together enough for the widest table: every thread holds 2048 rows of it.
_MEMORY = "2GB"
_MOST_THREADS = 8
_QUESTIONS = 512  # in one pass
_NONE = "(empty)"  # how the sniffer says that a dialect has no such sign
_ISO = "%Y-%m-%d"
_AS_IT_IS = "compression = 'uncompressed', hive_partitioning = false"  # of JSON
_TYPES = {
    "BOOLEAN": "boolean",
    "TINYINT": "int8",
    "SMALLINT": "int16",
    "INTEGER": "int32",
    "BIGINT": "int64",
    "HUGEINT": "int128",
    "UTINYINT": "uint8",
    "USMALLINT": "uint16",
    "UINTEGER": "uint32",
    "UBIGINT": "uint64",
    "FLOAT": "float32",
    "DOUBLE": "float64",
    "VARCHAR": "text",
    "BLOB": "binary",
    "DATE": "date",
    "TIME": "time",
    "TIMESTAMP_S": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamptz",
    "UUID": "uuid",
}
_DUCKDB = {ours: theirs for theirs, ours in _TYPES.items()}  # the last of several

# DuckDB's casts accept more than these: 1.5 as an integer, a time as a date, `epoch` as a date.
_DAY = r"\d+-\d{1,2}-\d{1,2}"
_MOMENT = rf"{_DAY}([T ]\d{{1,2}}:\d{{2}}(:\d{{2}}(\.\d+)?)?)?"
_SHAPES = {
    "date": rf"\s*({_DAY}|-?infinity)\s*",
    "timestamp": rf"\s*({_MOMENT}|-?infinity)\s*",
    "timestamptz": rf"\s*({_MOMENT}( ?(Z|[+-]\d{{2}}(:?\d{{2}})?))?|-?infinity)\s*",
}
_WHOLE = r"\s*([+-]?\d+|0[xX][0-9a-fA-F]+)\s*"


@dataclass(frozen=True, slots=True)
class File:
    """The one file that DuckDB can reach."""

    path: Path  # as the owner calls it
    link: str  # as SQL calls it
    ask: Callable[[str, str], list[tuple[Any, ...]]]  # runs SQL, or says what was expected

    def count(self, source: str, asked: Mapping[tuple[str, str], str], expected: str) -> Counts:
        """Answer many questions in few passes; memory grows with questions and threads."""
        answers: Counts = {}
        for some in itertools.batched(asked.items(), _QUESTIONS, strict=False):
            sql = f"FROM {source} SELECT {', '.join(question for _, question in some)}"
            (row,) = self.ask(sql, expected)
            answers |= zip((label for label, _ in some), row, strict=True)
        return answers


def duckdb_type(ours: str) -> str:
    """Spell a column type of ours as DuckDB does."""
    return _DUCKDB.get(ours, ours.upper())


def our_type(theirs: str) -> str | None:
    """Name a type of DuckDB's as we do; None means: we have none for it."""
    if re.fullmatch(r"DECIMAL\(\d+,\d+\)", theirs):
        return theirs.lower()
    return "text" if re.fullmatch(r"ENUM\(.*\)", theirs, re.DOTALL) else _TYPES.get(theirs)


@contextlib.contextmanager
def opened(path: Path) -> Iterator[File]:
    """Let DuckDB reach this file and nothing else; a second thread waits for it."""
    import duckdb  # here, because it is slow to load, and `--help` does without

    # Through a link, because DuckDB expands `*`, `?` and `[` in a name, and takes a folder
    # called `year=2026` for a column.
    with tempfile.TemporaryDirectory(prefix="cleanroom-") as folder:
        link = Path(folder) / "table"
        link.symlink_to(path.absolute())
        # In a second thread, because the one that waits for DuckDB does not hear Ctrl-C.
        with duckdb.connect(config=_config()) as db, ThreadPoolExecutor(1) as second:
            db.execute(
                f"SET TimeZone = 'UTC'; SET allowed_paths = [{text_literal(str(link))}];"
                "SET enable_external_access = false; SET lock_configuration = true"
            )

            def ask(sql: str, expected: str) -> list[tuple[Any, ...]]:
                rows = second.submit(lambda: db.execute(sql).fetchall())
                try:
                    return rows.result()
                except (
                    duckdb.IOException,
                    duckdb.OutOfMemoryException,
                    duckdb.PermissionException,
                ):
                    raise Unavailable(f"{path}: not readable with {_MEMORY} of memory") from None
                except duckdb.Error:
                    raise Malformed(str(path), expected) from None
                except KeyboardInterrupt:
                    db.interrupt()
                    raise

            yield File(path, text_literal(str(link)), ask)


def described(sql: str, tables: Mapping[str, Sequence[Column]]) -> list[tuple[str, str]]:
    """Tell which columns a program gives, by DuckDB's types, over tables that have no rows."""
    import duckdb

    with duckdb.connect(config=_config()) as db:
        for alias, columns in tables.items():
            spelled = ", ".join(f"{cell_name(one.name)} {duckdb_type(one.type)}" for one in columns)
            db.execute(f"CREATE TABLE {cell_name(alias)} ({spelled})")
        db.execute("SET enable_external_access = false; SET lock_configuration = true")
        try:
            return [(name, theirs) for name, theirs, *_ in db.execute(f"DESCRIBE {sql}").fetchall()]
        except duckdb.Error as error:  # there are no rows, so it quotes the program and no cell
            said = str(error).split("\n", maxsplit=1)[0]
            raise Malformed("the program", "one SELECT over these tables", said) from None


def _config() -> dict[str, str | bool | int | float | list[str]]:
    """Reach nothing, load nothing, spill nothing."""
    return {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "memory_limit": _MEMORY,
        "threads": min(_MOST_THREADS, os.process_cpu_count() or 1),
        "temp_directory": "",
    }


def text_literal(value: str) -> str:
    """Spell text as SQL does."""
    return "'" + value.replace("'", "''") + "'"


def cell_name(name: str) -> str:
    """Spell a column's name as SQL does."""
    return '"' + name.replace('"', '""') + '"'


def _struct(types: Types) -> str:
    parts = (
        f"{text_literal(name)}: {text_literal(duckdb_type(ours))}" for name, ours in types.items()
    )
    return "{" + ", ".join(parts) + "}"


def _setting(option: str, value: str | bool | None) -> str:
    if value is None:
        return ""
    return f", {option} = {text_literal(value) if isinstance(value, str) else value}"


def rows_and_cells(names: Iterable[str]) -> dict[tuple[str, str], str]:
    """Ask how many rows there are, and how many cells that hold something in each column."""
    return {("rows", ""): "count(*)"} | {
        ("cells", name): f"count({cell_name(name)})" for name in names
    }


def misfits(name: str, holds: str) -> str:
    """Ask of how many cells in a column something does not hold."""
    # Not FILTER: each holds a copy of all columns, so that a wide table takes gigabytes.
    return f"count_if({cell_name(name)} IS NOT NULL AND NOT ({holds}))"


def fits(cell: str, ours: str, formats: Mapping[str, str]) -> str:
    """Spell that this text is a value of the type, and not only near one."""
    if ours == "text":
        return "true"
    if pattern := formats.get(ours):  # `epoch` parses too, and the reader makes 1900 of it
        parses = f"try_strptime({cell}, {text_literal(pattern)}) IS NOT NULL"
        return rf"{parses} AND regexp_matches({cell}, '^\s*\d')"
    shape = _WHOLE if "int" in ours else _SHAPES.get(ours, "")
    if ours.startswith("decimal"):
        scale = ours.removesuffix(")").partition(",")[2]
        shape = rf"\s*[+-]?\d*(\.\d{{0,{scale}}}0*)?\s*"
    casts = f"TRY_CAST({cell} AS {duckdb_type(ours)}) IS NOT NULL"
    return f"{casts} AND regexp_full_match({cell}, {text_literal(shape)})" if shape else casts


def rivals(pattern: str) -> list[str]:
    """List the other orders that dates like these may follow; dots and a leading year are clear."""
    found = tuple(re.findall("%[dmyY]", pattern))
    orders: list[tuple[str, ...]] = []
    if "%y" in found:
        orders = [("%d", "%m", "%y"), ("%m", "%d", "%y"), ("%y", "%m", "%d")]
    elif found[-1:] == ("%Y",) and pattern[2] != ".":
        orders = [("%d", "%m", "%Y"), ("%m", "%d", "%Y")]
    blank = re.sub("%[dmyY]", "{}", pattern)
    return [blank.format(*order) for order in orders if order != found]


def sniff_csv(
    file: File, delimiter: str | None, header: bool | None, null: str | None, expected: str
) -> tuple[Dialect, Types] | None:
    """Guess what is None, and the columns with DuckDB's types; None: lines stand before them."""
    wished = _setting("delim", delimiter) + _setting("header", header) + _setting("nullstr", null)
    ((sign, quote, escape, named, day, moment, columns, comment, skipped),) = file.ask(
        f"FROM sniff_csv({file.link}, sample_size = -1, compression = 'none'{wished})"
        " SELECT Delimiter, Quote, Escape, HasHeader, DateFormat, TimestampFormat, Columns,"
        " Comment, SkipRows",
        expected,
    )
    if skipped or comment != _NONE:
        return None
    dialect = Dialect(
        delimiter=sign,
        quote="" if quote == _NONE else quote,
        escape="" if escape == _NONE else escape,
        header=named,
        null=null or "",
        date_format="" if day == _ISO else day or "",
        timestamp_format=moment or "",
    )
    return dialect, {column["name"]: column["type"] for column in columns}


def read_csv(file: File, dialect: Dialect, types: Types) -> str:
    """Spell how to read a CSV file by its dialect alone."""
    options = (
        _setting("delim", dialect.delimiter)
        + _setting("quote", dialect.quote)
        + _setting("escape", dialect.escape)
        + _setting("header", dialect.header)
        + _setting("nullstr", dialect.null)
        + _setting("dateformat", dialect.date_format or None)
        + _setting("timestampformat", dialect.timestamp_format or None)
    )
    return (
        f"read_csv({file.link}, auto_detect = false, strict_mode = true, compression = 'none',"
        f" hive_partitioning = false, columns = {_struct(types)}{options})"
    )


def read_json(file: File, types: Types | None) -> str:
    """Spell how to read one JSON object a line, with these types or with all guessed."""
    how = (
        "sample_size = -1, map_inference_threshold = -1, field_appearance_threshold = 0"
        if types is None
        else f"auto_detect = false, columns = {_struct(types)}"
    )
    return f"read_json({file.link}, format = 'newline_delimited', {_AS_IT_IS}, {how})"


def json_keys(file: File, most: int) -> str:
    """Ask for the names that stand in any line, at most so many."""
    return (
        f"FROM read_ndjson_objects({file.link}, {_AS_IT_IS})"
        f" SELECT DISTINCT unnest(json_keys(json)) LIMIT {most}"
    )


def read_parquet(file: File) -> str:
    """Spell how to read a Parquet file."""
    return f"read_parquet({file.link}, hive_partitioning = false)"


def parquet_names(file: File) -> str:
    """Ask how a Parquet file itself spells the names in it, which DuckDB may change."""
    return f"FROM parquet_schema({file.link}) SELECT name"
