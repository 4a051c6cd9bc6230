"""Withhold rows that too few stand behind.

The seam for rules: the engine hands over, behind the contract's columns, one column for each
minimum that says how many distinct identities stand behind a row. What rules demand beyond that is
checked before a run, on the program.
"""

from functools import reduce

import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pyarrow.compute as pc  # type: ignore[import-untyped]  # has no types

from cleanroom.errors import PolicyRefused


def withhold(table: pa.Table, minimums: tuple[int, ...]) -> pa.Table:
    """Keep the rows whose every group is large enough, without the columns that say so."""
    if not minimums:
        return table
    split = table.num_columns - len(minimums)
    if split < 0 or any(not pa.types.is_int64(f.type) for f in list(table.schema)[split:]):
        raise PolicyRefused("the result does not say how large its groups are")
    large = [
        pc.fill_null(pc.greater_equal(sizes, minimum), fill_value=False)  # not known: not enough
        for sizes, minimum in zip(table.columns[split:], minimums, strict=True)
    ]
    return table.select(range(split)).filter(reduce(pc.and_, large))
