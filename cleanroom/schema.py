"""Columns and their types: what a sealed table declares, and what a contract expects of it.

The types are those that DuckDB, Parquet and CSV share. Column names compare without case, as SQL
does, so two names that differ only in case are refused.
"""

from dataclasses import dataclass

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, boolean, is_unseen, list_of, matching, text

MOST_COLUMNS = 2048
_LONGEST_NAME = 128

_TYPES = (
    "boolean|u?int(8|16|32|64)|int128|float(32|64)|text|binary|date|time|timestamp|timestamptz|uuid"
    r"|decimal\(([1-9]|[12][0-9]|3[0-8]),(0|[1-9]|[12][0-9]|3[0-8])\)"
)
_spelled = matching(
    _TYPES,
    "a column type (boolean, int8 to int128, uint8 to uint64, float32, float64, decimal(p,s), text,"
    " binary, date, time, timestamp, timestamptz or uuid)",
)


def column_type(raw: object, where: str) -> str:
    """Accept a type; of the 1 to 38 digits of a decimal, at most all stand behind the point."""
    found = _spelled(raw, where)
    if found.startswith("decimal"):
        precision, scale = found.removeprefix("decimal(").removesuffix(")").split(",")
        if int(scale) > int(precision):
            raise Malformed(where, "decimal(p,s) with s not above p", found)
    return found


def column_name(raw: object, where: str) -> str:
    """Accept a column's name: any script, nothing that cannot be seen."""
    found = text(_LONGEST_NAME)(raw, where)
    if any(map(is_unseen, found)) or found != found.strip():
        raise Malformed(where, "a column name without invisible characters or outer spaces")
    return found


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    name: str
    type: str
    nullable: bool

    @classmethod
    def parse(cls, raw: object, where: str) -> "Column":
        """Accept name, type and whether it may be empty."""
        f = Fields(raw, where)
        column = cls(
            f.take("name", column_name), f.take("type", column_type), f.take("nullable", boolean)
        )
        f.end()
        return column

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"name": self.name, "type": self.type, "nullable": self.nullable}


def columns(raw: object, where: str) -> tuple[Column, ...]:
    """Accept a table's columns, in order."""
    found = list_of(Column.parse, 1, MOST_COLUMNS)(raw, where)
    unique_columns([column.name for column in found], where)
    return found


def unique_columns(names: list[str], where: str) -> None:
    """Refuse a column named twice, whatever the case."""
    seen: set[str] = set()
    for name in names:
        if name.casefold() in seen:
            raise Malformed(where, "each column once (names compare without case)", repr(name))
        seen.add(name.casefold())
