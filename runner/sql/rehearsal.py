"""A query on next to nothing, before any cell: what DuckDB makes at its first use is made once.

Every cell is a copy of the process that rehearsed. It finds the tables of the CSV parser and the
entries of the catalog there, instead of making its own in pages of its own.
"""

from collections.abc import Generator
from contextlib import closing

import duckdb

from cleanroom.keys import DATA_KEY_BYTES, DataKey
from cleanroom.schema import Column
from cleanroom.seal.content import CsvTable, Dialect
from cleanroom.seal.layout import DEFAULT_REGION, Layout
from cleanroom.seal.regions import FILE_ID_BYTES, RegionCipher, RegionTable
from runner.sql import engine, reading
from runner.sql.files import PROTOCOL, SealedFiles
from runner.sql.sealed import Arena, Reader, Sealed

PROGRAM = "SELECT a.x, sum(a.y + b.y) AS y, count(*) AS n FROM a JOIN b USING (x) GROUP BY a.x"
_CONTENT = CsvTable(
    (Column("x", "text", nullable=False), Column("y", "int64", nullable=True)),
    1,
    Dialect(",", '"', '"', header=True, null="", date_format="", timestamp_format=""),
)
_DATA = b"x,y\nz,1\n"
_ALIASES = ("a", "b")


class _Stored:
    """The one region of a sealed file that is no secret."""

    at_hand = True

    def __init__(self, stored: bytearray) -> None:
        self._stored = memoryview(stored)

    def regions(self, _first: int, _most: int) -> Generator[memoryview]:
        """Lend it."""
        yield self._stored


def rehearse(connection: duckdb.DuckDBPyConnection) -> None:
    """Check and run a program as a cell does, and leave no trace that a program could see."""
    reading.check(connection, PROGRAM, frozenset(_ALIASES))
    with closing(Arena(DEFAULT_REGION, len(_ALIASES))) as arena:
        readers = {alias: _sealed(arena) for alias in _ALIASES}
        connection.register_filesystem(SealedFiles(readers))
        engine.provide(connection, dict.fromkeys(_ALIASES, _CONTENT))
        for _ in engine.batches(engine.answer(connection, PROGRAM, {})):
            pass
    for alias in _ALIASES:
        connection.execute(f"DROP VIEW {alias}")
    connection.unregister_filesystem(PROTOCOL)


def _sealed(arena: Arena) -> Reader:
    """Seal the data by a key that is no secret either, so that opening is rehearsed too."""
    key, file_id = DataKey(bytes(DATA_KEY_BYTES)), bytes(FILE_ID_BYTES)
    layout = Layout(len(_DATA), DEFAULT_REGION)
    stored = bytearray(layout.stored(0).length)
    digest = RegionCipher(key, file_id).seal(0, _DATA, stored)
    table = RegionTable(bytes(digest))
    return arena.reader(Sealed(layout, file_id, table, key, _Stored(stored)))
