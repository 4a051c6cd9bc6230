"""What a sealed file says its plaintext is, so that nobody ever has to guess (sniff) it."""

from dataclasses import dataclass
from typing import Literal

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, boolean, integer, one_of, shown, text
from cleanroom.schema import Column, columns

_LONGEST_FORMAT = 64  # of a strftime pattern


def _sign(raw: object, where: str) -> str:
    """Accept one visible ASCII character, tab, or nothing."""
    allowed = isinstance(raw, str) and (raw in ("", "\t") or (len(raw) == 1 and "!" <= raw <= "~"))
    if not isinstance(raw, str) or not allowed:
        raise Malformed(where, "one visible ASCII character, a tab or nothing", shown(raw))
    return raw


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a CSV file spells a table."""

    delimiter: str
    quote: str
    escape: str
    header: bool
    null: str
    date_format: str
    timestamp_format: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "Dialect":
        """Accept a dialect; an empty pattern means ISO 8601, an empty sign means none."""
        f = Fields(raw, where)
        dialect = cls(
            f.take("delimiter", _sign),
            f.take("quote", _sign),
            f.take("escape", _sign),
            f.take("header", boolean),
            f.take("null", text(_LONGEST_FORMAT, shortest=0)),
            f.take("date_format", text(_LONGEST_FORMAT, shortest=0)),
            f.take("timestamp_format", text(_LONGEST_FORMAT, shortest=0)),
        )
        f.end()
        if not dialect.delimiter:
            raise Malformed(f"{where}.delimiter", "a delimiter")
        return dialect

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "delimiter": self.delimiter,
            "quote": self.quote,
            "escape": self.escape,
            "header": self.header,
            "null": self.null,
            "date_format": self.date_format,
            "timestamp_format": self.timestamp_format,
        }


@dataclass(frozen=True, slots=True)
class Bytes:
    """Any file."""

    kind: Literal["bytes"] = "bytes"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `content` reads it."""
        return {"kind": self.kind}


@dataclass(frozen=True, slots=True)
class Table:
    """A Parquet file, or JSON with one object a line."""

    kind: Literal["parquet", "jsonl"]
    columns: tuple[Column, ...]
    rows: int

    def to_dict(self) -> dict[str, object]:
        """Spell it as `content` reads it."""
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "rows": self.rows,
        }


@dataclass(frozen=True, slots=True)
class CsvTable:
    """A CSV file and its dialect."""

    columns: tuple[Column, ...]
    rows: int
    dialect: Dialect
    kind: Literal["csv"] = "csv"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `content` reads it."""
        return {
            "kind": self.kind,
            "columns": [column.to_dict() for column in self.columns],
            "rows": self.rows,
            "dialect": self.dialect.to_dict(),
        }


type Content = Bytes | Table | CsvTable


def content(raw: object, where: str) -> Content:
    """Accept one of the kinds."""
    f = Fields(raw, where)
    kind = f.take("kind", one_of("bytes", "csv", "jsonl", "parquet"))
    found: Content
    if kind == "bytes":
        found = Bytes()
    else:
        names, rows = f.take("columns", columns), f.take("rows", integer(0))
        match kind:
            case "csv":
                found = CsvTable(names, rows, f.take("dialect", Dialect.parse))
            case "parquet":
                found = Table("parquet", names, rows)
            case _:
                found = Table("jsonl", names, rows)
    f.end()
    return found
