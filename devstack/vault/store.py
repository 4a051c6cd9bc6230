"""What a vault keeps on disk: versions of keys and secrets, each sealed for its own place.

- A version is one row of SQLite. Its content is AES-256-GCM under a key of the stack, with the
  vault's, collection's, object's and version's name as associated data: a row that was copied to
  another place, or a file to another vault, does not open.
- Deletion is soft: the rows stay, and the name is taken, until it is recovered or purged.
- A change is on disk before its method returns (write-ahead log).
"""

import secrets
import sqlite3
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.errors import Tampered

_NONCE_BYTES = 12  # random: one key seals far fewer than the 2**32 rows that this is good for
_FORMAT = "cleanroom dev vault v1"
_TABLES = """
CREATE TABLE IF NOT EXISTS versions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    collection TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE, version TEXT NOT NULL,
    sealed BLOB NOT NULL,
    UNIQUE (collection, name, version)
);
CREATE TABLE IF NOT EXISTS deleted (
    collection TEXT NOT NULL, name TEXT NOT NULL COLLATE NOCASE,
    at INTEGER NOT NULL, purge INTEGER NOT NULL,
    PRIMARY KEY (collection, name)
);
"""
_LATEST = """
SELECT v.number, v.name, v.version, v.sealed, d.at, d.purge FROM versions v
LEFT JOIN deleted d ON d.collection = v.collection AND d.name = v.name
WHERE v.collection = :collection AND (d.at IS NOT NULL) = :deleted
AND v.number = (SELECT MAX(number) FROM versions
                WHERE collection = v.collection AND name = v.name)
"""


@dataclass(frozen=True, slots=True)
class Row:
    """One version as it was stored; `number` grows with every version of the vault."""

    number: int
    name: str
    version: str
    content: bytes = field(repr=False)
    deleted_at: int | None = None
    purged_at: int | None = None


class Store:
    """The file of one vault. `lock` makes reading and then writing one step."""

    def __init__(self, path: Path, vault: str, key: bytes) -> None:
        self.lock = threading.RLock()
        self._vault = vault
        self._seal = AESGCM(key)
        self._file = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._file.execute("PRAGMA journal_mode=WAL")
        self._file.execute("PRAGMA synchronous=NORMAL")
        self._file.execute("PRAGMA secure_delete=ON")  # what is purged is gone from the file
        self._file.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def add(self, collection: str, name: str, version: str, content: bytes) -> bool:
        """Keep a new version; false if the name belongs to something deleted."""
        with self.lock:
            if self.latest(collection, name, deleted=True) is not None:
                return False
            before = self.latest(collection, name, deleted=False)
            spelled = before.name if before else name  # as the first version spelled it
            self._run(
                "INSERT INTO versions (collection, name, version, sealed) VALUES (?, ?, ?, ?)",
                (collection, spelled, version, self._sealed(collection, name, version, content)),
            )
            return True

    def replace(self, collection: str, contents: Sequence[tuple[Row, bytes]]) -> None:
        """Keep other contents of versions that there are, all at once."""
        with self.lock, self._file:  # commits, or undoes
            self._run("BEGIN IMMEDIATE")
            for row, content in contents:
                sealed = self._sealed(collection, row.name, row.version, content)
                self._run("UPDATE versions SET sealed = ? WHERE number = ?", (sealed, row.number))

    def latest(self, collection: str, name: str, *, deleted: bool) -> Row | None:
        """Find the newest version, among what is deleted or what is not."""
        found = self._latest(collection, "AND v.name = :name", {"name": name}, deleted=deleted)
        return found[0] if found else None

    def version(self, collection: str, name: str, version: str) -> Row | None:
        """Find one version of something that is not deleted."""
        newest = self.latest(collection, name, deleted=False)
        if newest is None or newest.version == version:
            return newest
        found = self._run(
            "SELECT number, name, version, sealed, NULL, NULL FROM versions"
            " WHERE collection = ? AND name = ? AND version = ?",
            (collection, name, version),
        )
        return self._row(collection, found[0]) if found else None

    def versions(self, collection: str, name: str, after: int, most: int) -> list[Row]:
        """List the versions of one thing, the oldest first, from behind a number."""
        found = self._run(
            "SELECT number, name, version, sealed, NULL, NULL FROM versions"
            " WHERE collection = ? AND name = ? AND number > ? ORDER BY number LIMIT ?",
            (collection, name, after, most),
        )
        return [self._row(collection, each) for each in found]

    def names(self, collection: str, after: str, most: int, *, deleted: bool) -> list[Row]:
        """List the newest version of everything, in order of names, from behind one."""
        condition = "AND v.name > :after ORDER BY v.name LIMIT :most"
        return self._latest(collection, condition, {"after": after, "most": most}, deleted=deleted)

    def delete(self, collection: str, name: str, at: int, purge: int) -> None:
        """Delete all versions, softly."""
        self._run("INSERT INTO deleted VALUES (?, ?, ?, ?)", (collection, name, at, purge))

    def recover(self, collection: str, name: str) -> None:
        """Undo a deletion."""
        self._run("DELETE FROM deleted WHERE collection = ? AND name = ?", (collection, name))

    def purge(self, collection: str, name: str) -> None:
        """Forget something that is deleted."""
        with self.lock, self._file:  # commits, or undoes
            self._run("BEGIN IMMEDIATE")
            self._run("DELETE FROM versions WHERE collection = ? AND name = ?", (collection, name))
            self._run("DELETE FROM deleted WHERE collection = ? AND name = ?", (collection, name))

    def purge_due(self, now: int) -> None:
        """Forget what was deleted long enough ago."""
        with self.lock:
            due = self._run("SELECT collection, name FROM deleted WHERE purge <= ?", (now,))
            for collection, name in due:
                self.purge(collection, name)

    def _latest(
        self, collection: str, condition: str, values: dict[str, object], *, deleted: bool
    ) -> list[Row]:
        values |= {"collection": collection, "deleted": deleted}
        return [self._row(collection, each) for each in self._run(_LATEST + condition, values)]

    def _run(
        self, statement: str, values: Sequence[object] | dict[str, object] = ()
    ) -> list[tuple[Any, ...]]:
        with self.lock:
            return self._file.execute(statement, values).fetchall()

    def _row(self, collection: str, found: tuple[Any, ...]) -> Row:
        number, name, version, sealed, at, purge = found
        nonce, ciphertext = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
        try:
            content = self._seal.decrypt(nonce, ciphertext, self._place(collection, name, version))
        except InvalidTag as error:
            raise Tampered(f"vault {self._vault}: a row is not what was stored there") from error
        return Row(number, name, version, content, at, purge)

    def _sealed(self, collection: str, name: str, version: str, content: bytes) -> bytes:
        nonce = secrets.token_bytes(_NONCE_BYTES)
        return nonce + self._seal.encrypt(nonce, content, self._place(collection, name, version))

    def _place(self, collection: str, name: str, version: str) -> bytes:
        """Name a row; no part can hold the character between them."""
        return f"{_FORMAT}\0{self._vault}\0{collection}\0{name.lower()}\0{version}".encode()
