"""A result's bytes: CSV or Parquet, the same for the same table whenever and wherever made."""

import io

import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # has no types
from pyarrow import csv, parquet

from cleanroom.schema import Column
from cleanroom.seal.content import Dialect

DIALECT = Dialect(
    delimiter=",",
    quote='"',
    escape='"',
    header=True,
    null="",
    date_format="",
    timestamp_format="",
)
# What a spreadsheet takes for a formula at the start of a cell. The apostrophes make the mark that
# `harmless` puts in front one that can be taken away again without a doubt.
_FORMULA = r"^'*\s*[=+\-@|%＝＋－＠]|^'*[\t\r\n]"  # noqa: RUF001
_ROW_GROUP = 1 << 20  # rows


def to_bytes(table: pa.Table, columns: tuple[Column, ...], form: str) -> bytes:
    """Spell a table in a format of the contract's."""
    return to_csv(table, columns) if form == "csv" else to_parquet(table)


def to_csv(table: pa.Table, columns: tuple[Column, ...]) -> bytes:
    """Spell a table as CSV: text in quotes, an empty cell without, nothing that is a formula."""
    cells = [
        _spelled(found, column.type) for found, column in zip(table.columns, columns, strict=True)
    ]
    names = harmless(pa.chunked_array([pa.array([c.name for c in columns], pa.string())]))
    out = io.BytesIO()
    csv.write_csv(pa.table(cells, names=names.to_pylist()), out)
    return out.getvalue()


def to_parquet(table: pa.Table) -> bytes:
    """Spell a table as Parquet, with nothing about who wrote it but the library's name."""
    out = io.BytesIO()
    parquet.write_table(
        table, out, compression="zstd", store_schema=False, row_group_size=_ROW_GROUP
    )
    return out.getvalue()


def harmless(cells: pa.ChunkedArray) -> pa.ChunkedArray:
    """Put an apostrophe before text that a spreadsheet would run."""
    marked = pc.binary_join_element_wise("'", cells, "")
    return pc.if_else(pc.match_substring_regex(cells, _FORMULA), marked, cells)


def _spelled(cells: pa.ChunkedArray, kind: str) -> pa.ChunkedArray:
    if kind == "text":
        return harmless(cells)
    if kind == "binary":
        found = [None if value is None else value.hex() for value in cells.to_pylist()]
        return pa.chunked_array([pa.array(found, pa.string())])
    return cells
