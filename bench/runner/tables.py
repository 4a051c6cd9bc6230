"""The tables that queries are timed on: made by DuckDB, then sealed as a party seals them."""

from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from bench.engine import Keys
from cleanroom.seal.content import Content
from cleanroom.seal.layout import DEFAULT_REGION
from cleanroom.seal.manifest import DatasetOrigin
from party.files import Output
from party.opening import SealedFile, opened
from party.sealing import Label, Reader, seal
from party.tabular import DialectWish, describe
from runner.sql.ciphertext import Mapped
from runner.sql.sealed import Sealed

_TRANSACTIONS = """
    SELECT (hash(i) % 5000000)::BIGINT AS customer,
        ((hash(i + 7) % 1000000) / 100)::DECIMAL(12,2) AS amount,
        (hash(i + 1) % 200)::SMALLINT AS country,
        DATE '2026-01-01' + (i // 200000)::INTEGER AS day
    FROM range({rows}) t(i)
"""
_CUSTOMERS = """
    SELECT i::BIGINT AS customer, (hash(i * 11) % 100)::INTEGER AS segment,
        'n' || (hash(i) % 1000000) AS name
    FROM range({rows}) t(i)
"""
_NOISE = "SELECT i AS n, unhex(sha256(i::text)) AS x FROM range({rows}) t(i)"
FILES = {"a": "transactions.parquet", "b": "customers.parquet", "c": "transactions.csv"}
NOISE = "noise.parquet"
KEY = "0123456789abcdef" * 2
"""Of the encrypted Parquet file of the peer."""


@dataclass(frozen=True, slots=True)
class Tables:
    """A folder of plain files, and the same ones sealed beside them."""

    folder: Path
    keys: Keys
    contents: Mapping[str, Content]

    def plain(self, name: str) -> Path:
        """Name a plain file by its alias or its own name."""
        return self.folder / FILES.get(name, name)

    def sealed_path(self, name: str) -> Path:
        """Name the sealed file beside a plain one."""
        return _beside(self.plain(name))

    def sealed(self, name: str, stack: ExitStack) -> Sealed:
        """Open a sealed file as the runner does for a cell."""
        fd = stack.enter_context(opened(self.sealed_path(name)))
        file = SealedFile(fd, name, self.keys.owner.key)
        manifest, key = file.manifest, self.keys.data_key(file)
        return Sealed(file.layout, manifest.file_id, file.table, key, Mapped(fd, file.layout))


def made_in(folder: Path, transactions: int, noise: int) -> Tables:
    """Make the files; sizes are numbers of rows."""
    keys = Keys.made_in(folder)
    large, small = folder / FILES["a"], folder / FILES["b"]
    with duckdb.connect() as db:
        for path, query, rows in (
            (large, _TRANSACTIONS, transactions),
            (small, _CUSTOMERS, transactions // 12),
            (folder / NOISE, _NOISE, noise),
        ):
            db.execute(f"COPY ({query.format(rows=rows)}) TO '{path}' (FORMAT parquet)")
        db.read_parquet(str(large)).limit(transactions // 5).write_csv(str(folder / FILES["c"]))
    contents = {name: _seal(folder / file, keys) for name, file in FILES.items()}
    contents[NOISE] = _seal(folder / NOISE, keys)
    return Tables(folder, keys, contents)


def _seal(path: Path, keys: Keys) -> Content:
    types = {"amount": "decimal(12,2)"} if path.suffix == ".csv" else {}  # not a guessed float
    description = describe(path, None, types, DialectWish())
    origin = DatasetOrigin("bank", path.stem, 1)
    label = Label(
        origin, datetime.now(UTC), description.media_type, description.content, None, DEFAULT_REGION
    )
    with opened(path) as fd, Output(_beside(path), force=False) as sealed:
        reader = Reader(keys.reader.public, None)
        seal(fd, sealed, label, [reader], keys.owner.signer, lambda _count: None)
    return description.content


def _beside(path: Path) -> Path:
    return path.with_name(path.name + ".sealed")
