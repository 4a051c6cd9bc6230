"""What a CSV, Parquet or JSON-lines file holds, found once at sealing time, so that nobody sniffs.

- DuckDB guesses; then every row is read with what was guessed, and nothing else, as proof.
- A guess that would change a value (20 digits as a float, a date that is 1 February or 2 January)
  becomes text, which loses nothing; a declared type that would is refused.
- Column names stand in the manifest in the clear, so a first row is taken for a header only where
  its types tell it from data and every cell looks like a name; else the owner says which it is.
- Lines nested so deep that DuckDB would die of them are refused before it sees them.
"""

import contextlib
import itertools
import mimetypes
import re
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cleanroom.errors import Malformed
from cleanroom.schema import MOST_COLUMNS, Column, column_name, column_type, unique_columns
from cleanroom.seal.content import Bytes, Content, CsvTable, Dialect, Table
from party import duck
from party.duck import Counts, File, Types
from party.errors import Usage
from party.files import Identity, translated, unchanged

type Read = Callable[[Types], str]
"""Spells in SQL how to read the file with these types."""

_SUFFIXES = {".csv": "csv", ".tsv": "csv", ".parquet": "parquet"}
_SUFFIXES |= {".jsonl": "jsonl", ".ndjson": "jsonl"}
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
# What may be published as a column's name unasked; no number of an account is among it.
_NAME = re.compile(r"(?!.*\d{5})[^\W\d](?:[\w.-]| (?! ))*", re.DOTALL)
_LONGEST_NAME = 64
_NO_NAMES = {"n/a", "na", "null", "none", "nil", "unknown", "nan", "true", "false", "yes", "no"}
_WHICH = "say --header or --no-header"
_DEEPEST = 64  # levels; DuckDB calls itself for each, until the stack is full
_LONGEST_LINE = 32 << 20  # bytes, more than DuckDB takes
_BRACKETS = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_AS_BYTES = "seal it as plain bytes with --as bytes, or "


@dataclass(frozen=True, slots=True)
class DialectWish:
    """What the owner says of a CSV file; None means: find out."""

    delimiter: str | None = None
    header: bool | None = None
    null: str | None = None


@dataclass(frozen=True, slots=True)
class Description:
    """What a file holds, and of which file in which state that is true."""

    content: Content
    media_type: str
    identity: Identity | None  # None for plain bytes: nothing was read
    header_found: bool = False  # out by us: nobody said that the first line is one


def describe(
    path: Path, kind: str | None, types: Mapping[str, str], dialect: DialectWish
) -> Description:
    """Find what the file holds; the kind None means: by the file's name."""
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
        return Description(Bytes(), _media_type(path), None)
    if not stat.S_ISREG(mode):
        raise Usage(f"{path}: a table is read more than once, so it must be a regular file")
    declared = {name: _declared(name, wanted) for name, wanted in types.items()}
    with unchanged(path) as identity, duck.opened(path) as file:
        content, media_type = _table(file, kind, declared, dialect)
    header_found = isinstance(content, CsvTable) and content.dialect.header and not dialect.header
    return Description(content, media_type, identity, header_found)


def is_csv(path: Path, kind: str | None) -> bool:
    """Tell whether a file is read as CSV."""
    return (kind or _SUFFIXES.get(path.suffix.lower())) == "csv"


def agreed(found: Description, columns: Sequence[Column]) -> Description:
    """Say of columns that they may be empty where a contract says so, even if none is now."""
    wanted = {column.name: column for column in columns if column.nullable}
    if isinstance(found.content, Bytes) or not wanted:
        return found
    widened = tuple(wanted.get(column.name, column) for column in found.content.columns)
    same = [(one.name, one.type) for one in found.content.columns]
    if [(one.name, one.type) for one in widened] != same:  # another type: for the check to name
        return found
    return replace(found, content=replace(found.content, columns=widened))


def _declared(name: str, wanted: str) -> str:
    try:
        return column_type(wanted, f"type of {name}")
    except Malformed as error:
        if wanted.startswith("decimal"):
            raise error.with_hint("a decimal says its digits: decimal(12,2)") from None
        raise


def _table(
    file: File, kind: str, declared: Mapping[str, str], dialect: DialectWish
) -> tuple[Content, str]:
    match kind:
        case "csv":
            with _encoding_checked(file.path, kind):
                return _csv(file, declared, dialect), "text/csv"
        case "jsonl":
            with _encoding_checked(file.path, kind):
                return _jsonl(file, declared), "application/x-ndjson"
        case "parquet":
            return _parquet(file, declared), "application/vnd.apache.parquet"
        case _:
            raise Usage(f"{file.path}: no kind {kind!r}, only csv, parquet, jsonl and bytes")


def _media_type(path: Path) -> str:
    guess, packed = mimetypes.MimeTypes().guess_file_type(path)
    return guess.lower() if guess and not packed else "application/octet-stream"


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


def _named(
    file: File, found: list[tuple[str, str]], declared: Mapping[str, str]
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


def _check_names(file: File, names: list[str]) -> None:
    if len(names) > MOST_COLUMNS:
        raise Malformed(str(file.path), f"at most {MOST_COLUMNS} columns", "more")
    for number, name in enumerate(names, start=1):
        column_name(name, f"{file.path}: name of column {number}")
    unique_columns(names, str(file.path))


def _ours(file: File, name: str, theirs: str) -> str:
    ours = duck.our_type(theirs)
    if ours is None:
        nested = re.split(r"[(\[]", theirs, maxsplit=1)[0]  # not what is inside: names of fields
        nested += "[]" if theirs.endswith("]") else ""
        raise Malformed(
            f"{file.path}: column {name!r}", "a plain type such as text or float64", nested
        ).with_hint(_AS_BYTES + "give the column a type with --type NAME=TYPE")
    return ours


def _proven(
    file: File,
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
    asked = duck.rows_and_cells(guessed)  # 1
    for name, candidates in possible.items():
        for ours in candidates:
            for pattern in ("", *duck.rivals(formats.get(ours, ""))):
                formatted = {ours: pattern} if pattern else formats
                fits = duck.fits(duck.cell_name(name), ours, formatted)
                asked[pattern or ours, name] = duck.misfits(name, fits)
    found = file.count(text, asked, expected)

    ambiguous = {  # all such cells of the file, as one pattern rules them all
        ours
        for ours, pattern in formats.items()
        for rival in duck.rivals(pattern)
        if not any(found.get((rival, name)) for name in guessed)
    }
    types = {}  # 2
    for name, candidates in possible.items():
        fitting = [c for c in candidates if c not in ambiguous and not found[c, name]]
        if name in declared and not fitting:
            raise _refusal(file, text, name, declared[name], formats)
        types[name] = fitting[0] if fitting else "text"

    again = file.count(read(types), duck.rows_and_cells(types), expected)  # 3
    for name, ours in types.items():
        if again["cells", name] != found["cells", name]:
            raise Malformed(f"{file.path}: column {name!r}", f"{ours} in every row")
    return _columns(types, again), again["rows", ""]


def _columns(types: Types, counts: Counts) -> tuple[Column, ...]:
    rows = counts["rows", ""]
    return tuple(Column(name, ours, counts["cells", name] < rows) for name, ours in types.items())


def _refusal(file: File, text: str, name: str, ours: str, formats: Mapping[str, str]) -> Malformed:
    """Say where a column is not what was declared."""
    fits = duck.fits("value", ours, formats)
    ((row,),) = file.ask(
        f"FROM (FROM {text} SELECT {duck.cell_name(name)} AS value, row_number() OVER () AS row)"
        f" SELECT min(row) FILTER (value IS NOT NULL AND NOT ({fits}))",
        ours,
    )
    if row is None:
        return Malformed(f"{file.path}: column {name!r}", "a day over 12 in some date").with_hint(
            "is 01/02 in January or February? declare it as text, and let the program read it"
        )
    return Malformed(f"{file.path}: row {row}, column {name!r}", ours)


def _csv(file: File, declared: Mapping[str, str], wish: DialectWish) -> CsvTable:
    if not file.path.stat().st_size:
        raise Malformed(str(file.path), _TABLE)
    dialect, guessed = _sniffed(file, wish)
    as_text = dict.fromkeys(guessed, "text")
    plain = replace(dialect, header=False, null="", date_format="", timestamp_format="")
    first = file.ask(f"FROM {duck.read_csv(file, plain, as_text)} LIMIT 1", _CSV)
    if not first:
        raise Malformed(str(file.path), _TABLE)
    # The sniffer takes rows of unequal length for a table of one column, and renames columns.
    if len(guessed) == 1 and wish.delimiter is None and set(first[0][0] or "") & set(",;|\t"):
        raise Malformed(str(file.path), _CSV).with_hint("name the delimiter with --delimiter")
    if wish.header is None and {duck.our_type(theirs) for theirs in guessed.values()} == {"text"}:
        # A first row of data, taken for a header, would stand in the manifest in the clear.
        raise Usage(
            f"{file.path}: every column is text, so a header does not differ from a row"
        ).with_hint(_WHICH)
    header = [(cell or "").strip() for cell in first[0]]
    if wish.header is None and dialect.header and not all(map(_is_name, header)):
        raise Usage(
            f"{file.path}: the first line holds what may be no name of a column but data"
        ).with_hint(_WHICH)
    names = header if dialect.header else list(guessed)
    named = _named(file, list(zip(names, guessed.values(), strict=True)), declared)

    def read(types: Types) -> str:
        return duck.read_csv(file, _narrowed(dialect, types), types)

    formats = {"date": dialect.date_format, "timestamp": dialect.timestamp_format}
    columns, rows = _proven(file, read, named, _CSV_GUESSES, formats, _CSV)
    return CsvTable(columns, rows, _narrowed(dialect, {c.name: c.type for c in columns}))


def _is_name(cell: str) -> bool:
    """Tell whether a cell looks like a column's name, and like nothing that stands in a row."""
    return (
        len(cell) <= _LONGEST_NAME
        and _NAME.fullmatch(cell) is not None
        and cell.casefold() not in _NO_NAMES
    )


def _sniffed(file: File, wish: DialectWish) -> tuple[Dialect, Types]:
    """Let DuckDB guess the dialect, and the columns with its types, within what was wished."""
    delimiter = "," if wish.delimiter is None else wish.delimiter
    wished = Dialect(delimiter, "", "", wish.header or False, wish.null or "", "", "")
    Dialect.parse(wished.to_dict(), f"{file.path}: dialect")
    sniffed = duck.sniff_csv(file, wish.delimiter, wish.header, wish.null, _CSV)
    if sniffed is None:
        raise Malformed(str(file.path), _START).with_hint(
            _AS_BYTES + "take out the lines that are not of the table, such as titles and comments"
        )
    return sniffed


def _narrowed(dialect: Dialect, types: Types) -> Dialect:
    """Drop a format that no column needs: it would turn timestamps with a zone into NULL."""
    used = set(types.values())
    return replace(
        dialect,
        date_format=dialect.date_format if "date" in used else "",
        timestamp_format=dialect.timestamp_format if "timestamp" in used else "",
    )


def _jsonl(file: File, declared: Mapping[str, str]) -> Table:
    _check_depth(file.path)
    keys = sorted(key for (key,) in file.ask(duck.json_keys(file, MOST_COLUMNS + 1), _JSONL))
    _check_names(file, keys)
    described = file.ask(f"DESCRIBE FROM {duck.read_json(file, None)}", _JSONL)
    found = [(name, theirs) for name, theirs, *_ in described]
    if {name for name, _ in found} != set(keys):  # lines that are no object
        raise Malformed(str(file.path), _JSONL)
    named = _named(file, found, declared)

    def read(types: Types) -> str:
        return duck.read_json(file, types)

    return Table("jsonl", *_proven(file, read, named, _JSON_GUESSES, {}, _JSONL))


def _check_depth(path: Path) -> None:
    """Refuse a line that is nested too deep; the brackets in strings only look like it."""
    with path.open("rb") as lines:
        number = 0
        while line := lines.readline(_LONGEST_LINE + 1):
            number += 1
            if len(line) > _LONGEST_LINE:
                raise Malformed(f"{path}: line {number}", f"at most {_LONGEST_LINE >> 20} MB")
            if line.count(b"[") + line.count(b"{") > _DEEPEST and _depth(line) > _DEEPEST:
                raise Malformed(f"{path}: line {number}", f"at most {_DEEPEST} levels of nesting")


def _depth(line: bytes) -> int:
    steps = {b"[": 1, b"{": 1, b"]": -1, b"}": -1}
    found = (steps.get(match[0], 0) for match in _BRACKETS.finditer(line))
    depths = itertools.accumulate(found, lambda depth, step: max(0, depth + step), initial=0)
    return max(depths)


def _parquet(file: File, declared: Mapping[str, str]) -> Table:
    source = duck.read_parquet(file)
    described = file.ask(f"DESCRIBE FROM {source}", _PARQUET)
    found = [(name, theirs) for name, theirs, *_ in described]
    spelled = {name for (name,) in file.ask(duck.parquet_names(file), _PARQUET)}
    if not spelled.issuperset(name for name, _ in found):  # DuckDB renamed one
        raise Malformed(str(file.path), "each column once (names compare without case)")
    types, wanted = _named(file, found, declared)
    asked = duck.rows_and_cells(types)
    for name, theirs in found:
        # Counts come from the file's statistics; only a hash makes DuckDB read the values.
        asked["hash", name] = f"bit_xor(hash({duck.cell_name(name)}))"
        if wanted.get(name, "text") != "text":
            there = f"TRY_CAST({duck.cell_name(name)} AS {duck.duckdb_type(wanted[name])})"
            back = f"TRY_CAST({there} AS {theirs})"
            asked["lost", name] = duck.misfits(
                name, f"{back} IS NOT DISTINCT FROM {duck.cell_name(name)}"
            )
    counts = file.count(source, asked, _PARQUET)
    for name, ours in wanted.items():
        if counts.get(("lost", name)):
            raise Malformed(f"{file.path}: column {name!r}", f"{ours} in every row")
    return Table("parquet", _columns(types, counts), counts["rows", ""])
