"""A result's shape: exactly the contract's columns, in order and of their types, and few rows."""

import re

import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # has no types

from cleanroom.errors import PolicyRefused
from cleanroom.schema import Column

_ARROW = {
    "boolean": pa.bool_(),
    "int8": pa.int8(),
    "int16": pa.int16(),
    "int32": pa.int32(),
    "int64": pa.int64(),
    "int128": pa.decimal128(38, 0),  # as DuckDB gives it: Arrow has no such integer
    "uint8": pa.uint8(),
    "uint16": pa.uint16(),
    "uint32": pa.uint32(),
    "uint64": pa.uint64(),
    "float32": pa.float32(),
    "float64": pa.float64(),
    "text": pa.string(),
    "binary": pa.binary(),
    "date": pa.date32(),
    "time": pa.time64("us"),
    "timestamp": pa.timestamp("us"),
    "timestamptz": pa.timestamp("us", "UTC"),
    "uuid": pa.string(),  # as DuckDB gives it
}
_UUID = r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$"


def arrow_type(ours: str) -> pa.DataType:
    """Name a column type of ours as Arrow does."""
    if ours in _ARROW:
        return _ARROW[ours]
    precision, scale = re.findall(r"\d+", ours)
    return pa.decimal128(int(precision), int(scale))


def check(table: pa.Table, columns: tuple[Column, ...], maximum_rows: int) -> None:
    """Refuse a table of another shape."""
    if len(table.schema.names) != len(columns):
        raise PolicyRefused("the result has not as many columns as the contract says")
    if table.num_rows > maximum_rows:
        raise PolicyRefused(f"the result has more than the contract's {maximum_rows} rows")
    for found, cells, column in zip(table.schema, table.columns, columns, strict=True):
        _check_column(found, cells, column)


def _check_column(found: pa.Field, cells: pa.ChunkedArray, column: Column) -> None:
    # Nothing of what was found is said: names and types may depend on data.
    if found.name != column.name:
        raise PolicyRefused(f"the result has another column where {column.name!r} should stand")
    if found.type != arrow_type(column.type):
        raise PolicyRefused(f"column {column.name!r} of the result is not {column.type}")
    if cells.null_count and not column.nullable:
        raise PolicyRefused(f"column {column.name!r} of the result has empty cells")
    if column.type == "uuid" and not _all(pc.match_substring_regex(cells, _UUID)):
        raise PolicyRefused(f"column {column.name!r} of the result is not {column.type}")


def _all(holds: pa.ChunkedArray) -> bool:
    return bool(pc.all(holds, min_count=0).as_py())
