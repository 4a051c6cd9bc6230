"""What a CSV, Parquet or JSON-lines file holds, found once at sealing time, so that nobody sniffs.

- DuckDB guesses; then every row is read with what was guessed, and nothing else, as proof.
- A guess that would change a value (20 digits as a float, a date that is 1 February or 2 January)
  becomes text, which loses nothing; a declared type that would is refused.
- DuckDB's messages quote cells, and an error message is an output channel: none is passed on.
- DuckDB reaches this one file only: no network, no extension, no spill file of plaintext.
"""

import contextlib
import itertools
import mimetypes
import os
import re
import stat
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from cleanroom.errors import Malformed, Unavailable
from cleanroom.schema import MOST_COLUMNS, Column, column_name, column_type, unique_columns
from cleanroom.seal.content import Bytes, Content, CsvTable, Dialect, Table
from party.errors import Usage
from party.files import translated

type Types = dict[str, str]
"""Column types of ours, by column name; the names are those of the file."""
type Read = Callable[[Types], str]
"""Spells in SQL how to read the file with these types."""
type Counts = dict[tuple[str, str], int]
"""Answers, each by a word or a type and the column that it is about."""

# Together enough for the widest table: every thread holds 2048 rows of it.
_MEMORY = "2GB"
_MOST_THREADS = 8
_QUESTIONS = 512  # in one pass
_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_SUFFIXES |= {".jsonl": "jsonl", ".ndjson": "jsonl"}
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
# What a guess may really be, in this order; what is none of these is text.
_CSV_GUESSES = {"float64": ("int128", "float64")}  # DuckDB guesses a float past 64 bits
_JSON_GUESSES = _CSV_GUESSES | dict.fromkeys(  # and date formats that it does not tell
    ("text", "date", "timestamp"), ("date", "timestamp", "timestamptz")
)
_CSV = "CSV: rows of equally many fields, quotes that close, one kind of line end, lines under 2 MB"
_JSONL = "one JSON object in every line, with each name once"
_PARQUET = "an undamaged Parquet file"
_TABLE = "a header or rows"
_START = "the table to start in the first line, with equally many fields in every line"
_NONE = "(empty)"  # how the sniffer says that a dialect has no such sign
_ISO = "%Y-%m-%d"
_AS_BYTES = "seal it as plain bytes with --as bytes, or "


@dataclass(frozen=True, slots=True)
class DialectWish:
    """What the owner says of a CSV file; None means: find out."""

    delimiter: str | None = None
    header: bool | None = None
    null: str | None = None


@dataclass(frozen=True, slots=True)
class _File:
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


def describe(
    path: Path, kind: str | None, types: Mapping[str, str], dialect: DialectWish
) -> tuple[Content, str]:
    """Find what the file holds, and its media type; the kind None means: by the file's name."""
    with translated(path):
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(path)
    kind = kind or _SUFFIXES.get(path.suffix.lower(), "bytes")
    if kind != "csv" and dialect != DialectWish():
        raise Usage(f"{path}: only CSV has a delimiter, a header and a null text, not {kind}")
    if kind == "bytes":
        if types:
            raise Usage(f"{path}: plain bytes have no columns to give a type")
        return Bytes(), _media_type(path)
    if not stat.S_ISREG(mode):
        raise Usage(f"{path}: a table is read more than once, so it must be a regular file")
    declared = {name: column_type(wanted, f"type of {name}") for name, wanted in types.items()}
    with translated(path), path.open("rb"), _opened(path) as file:
        match kind:
            case "csv":
                with _encoding_checked(path, kind):
                    return _csv(file, declared, dialect), "text/csv"
            case "jsonl":
                with _encoding_checked(path, kind):
                    return _jsonl(file, declared), "application/x-ndjson"
            case "parquet":
                return _parquet(file, declared), "application/vnd.apache.parquet"
            case _:
                raise Usage(f"{path}: no kind {kind!r}, only csv, parquet, jsonl and bytes")


def duckdb_type(ours: str) -> str:
    """Spell a column type of ours as DuckDB does."""
    return _DUCKDB.get(ours, ours.upper())


def _media_type(path: Path) -> str:
    guess, packed = mimetypes.MimeTypes().guess_file_type(path)
    return guess.lower() if guess and not packed else "application/octet-stream"


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[_File]:
    import duckdb  # here, because it is slow to load, and `--help` does without

    config: dict[str, str | bool | int | float | list[str]] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "allow_community_extensions": False,
        "python_enable_replacements": False,
        "memory_limit": _MEMORY,
        "threads": min(_MOST_THREADS, os.process_cpu_count() or 1),
        "temp_directory": "",
    }
    # Through a link, because DuckDB expands `*`, `?` and `[` in a name, and takes a folder
    # called `year=2026` for a column.
    with tempfile.TemporaryDirectory(prefix="cleanroom-") as folder:
        link = Path(folder) / "table"
        link.symlink_to(path.absolute())
        # In a second thread, because the one that waits for DuckDB does not hear Ctrl-C.
        with duckdb.connect(config=config) as db, ThreadPoolExecutor(1) as second:
            db.execute(
                f"SET TimeZone = 'UTC'; SET allowed_paths = [{_text(str(link))}];"
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

            yield _File(path, _text(str(link)), ask)


@contextlib.contextmanager
def _encoding_checked(path: Path, kind: str) -> Iterator[None]:
    """Where the table does not read, look whether its encoding is why."""
    try:
        yield
    except Malformed:
        try:
            with path.open(encoding="utf-8", newline="") as text:
                start = text.read(1)
                while text.read(1 << 20):
                    pass
        except UnicodeDecodeError:
            raise Malformed(str(path), "UTF-8 text").with_hint(
                "convert it first, for instance with: iconv -f LATIN1 -t UTF-8"
            ) from None
        if kind == "jsonl" and start == "\ufeff":  # CSV may have one: DuckDB skips it there
            raise Malformed(str(path), "no byte order mark in front of the JSON") from None
        raise


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _cell(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _struct(types: Types) -> str:
    parts = (f"{_text(name)}: {_text(duckdb_type(ours))}" for name, ours in types.items())
    return "{" + ", ".join(parts) + "}"


def _set(option: str, value: str | bool | None) -> str:
    if value is None:
        return ""
    return f", {option} = {_text(value) if isinstance(value, str) else value}"


def _named(
    file: _File, found: list[tuple[str, str]], declared: Mapping[str, str]
) -> tuple[Types, Types]:
    """Check the names and types that DuckDB found; return ours, and which of them are declared."""
    names = [name for name, _ in found]
    _check_names(file, names)
    spelled = {name.casefold(): name for name in names}
    for name in declared:
        if name.casefold() not in spelled:
            raise Usage(f"{file.path}: there is no column {name!r}, only {', '.join(names)}")
    wanted = {spelled[name.casefold()]: ours for name, ours in declared.items()}
    return {name: wanted.get(name) or _ours(file, name, theirs) for name, theirs in found}, wanted


def _check_names(file: _File, names: list[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise Malformed(str(file.path), f"at most {MOST_COLUMNS} columns", "more")
    for number, name in enumerate(names, start=1):
        column_name(name, f"{file.path}: name of column {number}")
    unique_columns(names, str(file.path))


def _ours(file: _File, name: str, theirs: str) -> str:
    if re.fullmatch(r"DECIMAL\(\d+,\d+\)", theirs):
        return theirs.lower()
    ours = "text" if re.fullmatch(r"ENUM\(.*\)", theirs, re.DOTALL) else _TYPES.get(theirs)
    if ours is None:
        nested = theirs.partition("(")[0]  # not what is inside: names of fields
        raise Malformed(
            f"{file.path}: column {name!r}", "a plain type such as text or float64", nested
        ).with_hint(_AS_BYTES + "give the column a type with --type NAME=TYPE")
    return ours


def _proven(
    file: _File,
    read: Read,
    named: tuple[Types, Types],
    guesses: Mapping[str, tuple[str, ...]],
    formats: Mapping[str, str],
    expected: str,
) -> tuple[tuple[Column, ...], int]:
    """Settle the types by the text of every cell, then read every cell with these types.

    1. Ask of each column, over its text, how many cells each type in question does not fit.
    2. Take the first type that all fit; else text, or refuse what was declared.
    3. Read with these types alone: as many cells must be there, for DuckDB turns some into NULL.
    """
    guessed, declared = named
    text = read(dict.fromkeys(guessed, "text"))
    possible = {
        name: (guess,) if name in declared else guesses.get(guess, (guess,))
        for name, guess in guessed.items()
    }
    asked = _rows_and_cells(guessed)  # 1
    for name, candidates in possible.items():
        for ours in candidates:
            for pattern in ("", *_rivals(formats.get(ours, ""))):
                fits = _fits(_cell(name), ours, {ours: pattern} if pattern else formats)
                asked[pattern or ours, name] = _misfits(name, fits)
    found = file.count(text, asked, expected)

    ambiguous = {  # all such cells of the file, as one pattern rules them all
        ours
        for ours, pattern in formats.items()
        for rival in _rivals(pattern)
        if not any(found.get((rival, name)) for name in guessed)
    }
    types = {}  # 2
    for name, candidates in possible.items():
        fitting = [c for c in candidates if c not in ambiguous and not found[c, name]]
        if name in declared and not fitting:
            raise _refusal(file, text, name, declared[name], formats)
        types[name] = fitting[0] if fitting else "text"

    again = file.count(read(types), _rows_and_cells(types), expected)  # 3
    for name, ours in types.items():
        if again["cells", name] != found["cells", name]:
            raise Malformed(f"{file.path}: column {name!r}", f"{ours} in every row")
    return _columns(types, again), again["rows", ""]


def _rows_and_cells(names: Iterable[str]) -> dict[tuple[str, str], str]:
    return {("rows", ""): "count(*)"} | {("cells", name): f"count({_cell(name)})" for name in names}


def _columns(types: Types, counts: Counts) -> tuple[Column, ...]:
    rows = counts["rows", ""]
    return tuple(Column(name, ours, counts["cells", name] < rows) for name, ours in types.items())


def _misfits(name: str, fits: str) -> str:
    # Not FILTER: each holds a copy of all columns, so that a wide table takes gigabytes.
    return f"count_if({_cell(name)} IS NOT NULL AND NOT ({fits}))"


def _fits(cell: str, ours: str, formats: Mapping[str, str]) -> str:
    """Spell in SQL that this text is a value of the type, and not only near one."""
    if ours == "text":
        return "true"
    if pattern := formats.get(ours):  # `epoch` parses too, and the reader makes 1900 of it
        parses = f"try_strptime({cell}, {_text(pattern)}) IS NOT NULL"
        return rf"{parses} AND regexp_matches({cell}, '^\s*\d')"
    shape = _WHOLE if "int" in ours else _SHAPES.get(ours, "")
    if ours.startswith("decimal"):
        scale = ours.removesuffix(")").partition(",")[2]
        shape = rf"\s*[+-]?\d*(\.\d{{0,{scale}}}0*)?\s*"
    fits = f"TRY_CAST({cell} AS {duckdb_type(ours)}) IS NOT NULL"
    return f"{fits} AND regexp_full_match({cell}, {_text(shape)})" if shape else fits


def _rivals(pattern: str) -> list[str]:
    """List the other orders that dates like these may follow; dots and a leading year are clear."""
    found = tuple(re.findall("%[dmyY]", pattern))
    orders: list[tuple[str, ...]] = []
    if "%y" in found:
        orders = [("%d", "%m", "%y"), ("%m", "%d", "%y"), ("%y", "%m", "%d")]
    elif found[-1:] == ("%Y",) and pattern[2] != ".":
        orders = [("%d", "%m", "%Y"), ("%m", "%d", "%Y")]
    blank = re.sub("%[dmyY]", "{}", pattern)
    return [blank.format(*order) for order in orders if order != found]


def _refusal(file: _File, text: str, name: str, ours: str, formats: Mapping[str, str]) -> Malformed:
    """Say where a column is not what was declared."""
    fits = _fits("value", ours, formats)
    ((row,),) = file.ask(
        f"FROM (FROM {text} SELECT {_cell(name)} AS value, row_number() OVER () AS row)"
        f" SELECT min(row) FILTER (value IS NOT NULL AND NOT ({fits}))",
        ours,
    )
    if row is None:
        return Malformed(f"{file.path}: column {name!r}", "a day over 12 in some date").with_hint(
            "is 01/02 in January or February? declare it as text, and let the program read it"
        )
    return Malformed(f"{file.path}: row {row}, column {name!r}", ours)


def _csv(file: _File, declared: Mapping[str, str], wish: DialectWish) -> CsvTable:
    if not file.path.stat().st_size:
        raise Malformed(str(file.path), _TABLE)
    dialect, guessed = _sniffed(file, wish)
    as_text = dict.fromkeys(guessed, "text")
    plain = replace(dialect, header=False, null="", date_format="", timestamp_format="")
    first = file.ask(f"FROM {_csv_source(file, plain, as_text)} LIMIT 1", _CSV)
    if not first:
        raise Malformed(str(file.path), _TABLE)
    # The sniffer takes rows of unequal length for a table of one column, and renames columns.
    if len(guessed) == 1 and wish.delimiter is None and set(first[0][0] or "") & set(",;|\t"):
        raise Malformed(str(file.path), _CSV).with_hint("name the delimiter with --delimiter")
    header = [(cell or "").strip() for cell in first[0]]
    names = header if dialect.header else list(guessed)
    named = _named(file, list(zip(names, guessed.values(), strict=True)), declared)

    def read(types: Types) -> str:
        return _csv_source(file, _narrowed(dialect, types), types)

    formats = {"date": dialect.date_format, "timestamp": dialect.timestamp_format}
    columns, rows = _proven(file, read, named, _CSV_GUESSES, formats, _CSV)
    return CsvTable(columns, rows, _narrowed(dialect, {c.name: c.type for c in columns}))


def _sniffed(file: _File, wish: DialectWish) -> tuple[Dialect, dict[str, str]]:
    """Let DuckDB guess the dialect, and the columns with its types."""
    delimiter = "," if wish.delimiter is None else wish.delimiter
    wished = Dialect(delimiter, "", "", wish.header or False, wish.null or "", "", "")
    Dialect.parse(wished.to_dict(), f"{file.path}: dialect")
    ((delimiter, quote, escape, header, day, moment, columns, comment, skipped),) = file.ask(
        f"FROM sniff_csv({file.link}, sample_size = -1, compression = 'none'"
        f"{_set('delim', wish.delimiter)}{_set('header', wish.header)}{_set('nullstr', wish.null)})"
        " SELECT Delimiter, Quote, Escape, HasHeader, DateFormat, TimestampFormat, Columns,"
        " Comment, SkipRows",
        _CSV,
    )
    if skipped or comment != _NONE:
        raise Malformed(str(file.path), _START).with_hint(
            _AS_BYTES + "take out the lines that are not of the table, such as titles and comments"
        )
    dialect = Dialect(
        delimiter=delimiter,
        quote="" if quote == _NONE else quote,
        escape="" if escape == _NONE else escape,
        header=header,
        null=wished.null,
        date_format="" if day == _ISO else day or "",
        timestamp_format=moment or "",
    )
    return dialect, {column["name"]: column["type"] for column in columns}


def _narrowed(dialect: Dialect, types: Types) -> Dialect:
    """Drop a format that no column needs: it would turn timestamps with a zone into NULL."""
    used = set(types.values())
    return replace(
        dialect,
        date_format=dialect.date_format if "date" in used else "",
        timestamp_format=dialect.timestamp_format if "timestamp" in used else "",
    )


def _csv_source(file: _File, dialect: Dialect, types: Types) -> str:
    options = (
        _set("delim", dialect.delimiter)
        + _set("quote", dialect.quote)
        + _set("escape", dialect.escape)
        + _set("header", dialect.header)
        + _set("nullstr", dialect.null)
        + _set("dateformat", dialect.date_format or None)
        + _set("timestampformat", dialect.timestamp_format or None)
    )
    return (
        f"read_csv({file.link}, auto_detect = false, strict_mode = true, compression = 'none',"
        f" hive_partitioning = false, columns = {_struct(types)}{options})"
    )


def _jsonl(file: _File, declared: Mapping[str, str]) -> Table:
    as_is = "compression = 'uncompressed', hive_partitioning = false"
    found_keys = file.ask(
        f"FROM read_ndjson_objects({file.link}, {as_is})"
        f" SELECT DISTINCT unnest(json_keys(json)) LIMIT {MOST_COLUMNS + 1}",
        _JSONL,
    )
    keys = sorted(key for (key,) in found_keys)
    _check_names(file, keys)
    source = f"read_json({file.link}, format = 'newline_delimited', {as_is}"
    described = file.ask(
        f"DESCRIBE FROM {source}, sample_size = -1, map_inference_threshold = -1,"
        " field_appearance_threshold = 0)",
        _JSONL,
    )
    found = [(name, theirs) for name, theirs, *_ in described]
    if {name for name, _ in found} != set(keys):  # lines that are no object
        raise Malformed(str(file.path), _JSONL)
    named = _named(file, found, declared)

    def read(types: Types) -> str:
        return f"{source}, auto_detect = false, columns = {_struct(types)})"

    return Table("jsonl", *_proven(file, read, named, _JSON_GUESSES, {}, _JSONL))


def _parquet(file: _File, declared: Mapping[str, str]) -> Table:
    source = f"read_parquet({file.link}, hive_partitioning = false)"
    described = file.ask(f"DESCRIBE FROM {source}", _PARQUET)
    found = [(name, theirs) for name, theirs, *_ in described]
    spelled = {
        name for (name,) in file.ask(f"FROM parquet_schema({file.link}) SELECT name", _PARQUET)
    }
    if not spelled.issuperset(name for name, _ in found):  # DuckDB renamed one
        raise Malformed(str(file.path), "each column once (names compare without case)")
    types, wanted = _named(file, found, declared)
    asked = _rows_and_cells(types)
    for name, theirs in found:
        # Counts come from the file's statistics; only a hash makes DuckDB read the values.
        asked["hash", name] = f"bit_xor(hash({_cell(name)}))"
        if wanted.get(name, "text") != "text":
            there = f"TRY_CAST({_cell(name)} AS {duckdb_type(wanted[name])})"
            back = f"TRY_CAST({there} AS {theirs})"
            asked["lost", name] = _misfits(name, f"{back} IS NOT DISTINCT FROM {_cell(name)}")
    counts = file.count(source, asked, _PARQUET)
    for name, ours in wanted.items():
        if counts.get(("lost", name)):
            raise Malformed(f"{file.path}: column {name!r}", f"{ours} in every row")
    return Table("parquet", _columns(types, counts), counts["rows", ""])
