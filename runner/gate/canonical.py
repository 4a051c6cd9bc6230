"""One table, one spelling: rows in one order, floats with one bit pattern for about one number.

What a program could hide in the order of rows, the sign of zero, the bits of a NaN or the last
digits of a fraction is gone; so is what threads change in them from run to run.
"""

import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # has no types

from cleanroom.schema import Column

DIGITS = {"float32": 6, "float64": 12}  # significant ones that are kept


def canonical(table: pa.Table, columns: tuple[Column, ...]) -> pa.Table:
    """Round, then sort by all columns from left to right, empty cells last."""
    rounded = pa.table(
        [
            _rounded(cells, DIGITS[column.type]) if column.type in DIGITS else cells
            for cells, column in zip(table.columns, columns, strict=True)
        ],
        schema=pa.schema([pa.field(f.name, f.type) for f in table.schema]),  # and no metadata
    )
    # by position, because a name may hold what Arrow takes for a path
    numbered = rounded.rename_columns([str(i) for i in range(len(columns))])
    keys = [(name, "ascending", "at_end") for name in numbered.schema.names]
    order = pc.sort_indices(numbered, sort_keys=keys)
    return rounded.take(order).combine_chunks()


def _rounded(cells: pa.ChunkedArray, digits: int) -> pa.ChunkedArray:
    """Keep so many significant digits by way of decimal text, which is exact."""
    found = [None if value is None else _digits(value, digits) for value in cells.to_pylist()]
    return pa.chunked_array([pa.array(found, cells.type)])


def _digits(value: float, digits: int) -> float:
    # + 0.0 takes the sign of zero away; and of NaN there is only one
    return float("nan") if value != value else float(f"{value:.{digits - 1}e}") + 0.0  # noqa: PLR0124
