"""A query on next to nothing, before any cell: what DuckDB makes at its first use is made once.

Every cell is a copy of the process that rehearsed. It finds the tables of the CSV parser and the
entries of the catalog there, instead of making its own in pages of its own.
"""

import duckdb

from cleanroom.schema import Column
from cleanroom.seal.content import CsvTable, Dialect
from runner.sql import engine, statement
from runner.sql.files import PROTOCOL, SealedFiles

PROGRAM = "SELECT a.x, sum(a.y + b.y) AS y, count(*) AS n FROM a JOIN b USING (x) GROUP BY a.x"
_CONTENT = CsvTable(
    (Column("x", "text", nullable=False), Column("y", "int64", nullable=True)),
    1,
    Dialect(",", '"', '"', header=True, null="", date_format="", timestamp_format=""),
)
_DATA = b"x,y\nz,1\n"
_ALIASES = ("a", "b")


class _Plain:
    """A file that is no secret."""

    size = len(_DATA)

    def read(self, offset: int, length: int) -> bytes:
        """Give a range."""
        return _DATA[offset : offset + length]


def rehearse(connection: duckdb.DuckDBPyConnection) -> None:
    """Check and run a program as a cell does, and leave no trace that a program could see."""
    statement.check(connection, PROGRAM, frozenset(_ALIASES), frozenset())
    connection.register_filesystem(SealedFiles(dict.fromkeys(_ALIASES, _Plain())))
    engine.provide(connection, dict.fromkeys(_ALIASES, _CONTENT))
    for _ in engine.batches(engine.answer(connection, PROGRAM, {})):
        pass
    for alias in _ALIASES:
        connection.execute(f"DROP VIEW {alias}")
    connection.unregister_filesystem(PROTOCOL)
