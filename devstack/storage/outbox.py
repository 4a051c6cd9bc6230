"""What was committed and not yet told: on disk, so that it outlives the process.

- An *intent* is written before a request that may commit is complete at Azurite. If no answer came,
  it stays until Azurite is asked what became of it.
- A *commit* takes the intent's place before the client has its answer, with the next number of all;
  numbers never repeat. It stays until Event Grid has taken it.
- What is known of each blob is kept, so that a commit that was told is not told again.
"""

import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from json import dumps, loads
from pathlib import Path

from devstack.storage.changes import DELETED, Blob, Change
from devstack.storage.events import Commit, Properties, parse_commit

_TABLES = """
CREATE TABLE IF NOT EXISTS intents (number INTEGER PRIMARY KEY, change TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS commits
    (number INTEGER PRIMARY KEY AUTOINCREMENT, written TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS blobs (
    container TEXT, name TEXT, etag TEXT NOT NULL, content_type TEXT NOT NULL,
    content_length INTEGER NOT NULL, blob_type TEXT NOT NULL, PRIMARY KEY (container, name)
) WITHOUT ROWID;
"""


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that was asked for; what became of it is not known yet."""

    number: int
    change: Change


class Outbox:
    """The file, used by one process."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        # What is written outlives the process, if not a power cut; nobody waits for the disk.
        self._database.execute("PRAGMA synchronous = OFF")
        self._database.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def intend(self, change: Change) -> Intent:
        """Write down that a change is about to be asked for."""
        written = self._database.execute(
            "INSERT INTO intents (change) VALUES (?)", (dumps(asdict(change)),)
        )
        assert written.lastrowid is not None  # noqa: S101  # an INSERT has one
        return Intent(written.lastrowid, change)

    def forget(self, intent: Intent) -> None:
        """Write down that the change did not take place."""
        self._database.execute("DELETE FROM intents WHERE number = ?", (intent.number,))

    def unsettled(self) -> Sequence[Intent]:
        """List the intents of which nobody knows what became of them, oldest first."""
        rows = self._database.execute("SELECT number, change FROM intents ORDER BY number")
        return [Intent(number, _change(written)) for number, written in rows.fetchall()]

    def settle(self, intent: Intent, commit: Commit) -> None:
        """Write down that the change took place, as this commit, unless that was told already."""
        known = self.known(commit.blob)
        with self._transaction():
            self.forget(intent)
            if commit.event_type == DELETED:
                self._forget_blob(commit.blob)
            elif known is not None and known.etag == commit.properties.etag:
                return
            else:
                self.note(commit.blob, commit.properties)
            self._database.execute("INSERT INTO commits (written) VALUES (?)", (commit.to_json(),))

    def known(self, blob: Blob) -> Properties | None:
        """Say what a blob was when it was last changed."""
        row = self._database.execute(
            "SELECT etag, content_type, content_length, blob_type FROM blobs"
            " WHERE container = ? AND name = ?",
            (blob.container, blob.name),
        ).fetchone()
        return None if row is None else Properties(*row)

    def note(self, blob: Blob, properties: Properties) -> None:
        """Write down what a blob is now."""
        self._database.execute(
            "REPLACE INTO blobs VALUES (?, ?, ?, ?, ?, ?)",
            (
                *(blob.container, blob.name, properties.etag, properties.content_type),
                *(properties.content_length, properties.blob_type),
            ),
        )

    def note_etag(self, blob: Blob, etag: str) -> None:
        """Write down that a silent change gave a blob a new etag."""
        self._database.execute(
            "UPDATE blobs SET etag = ? WHERE container = ? AND name = ?",
            (etag, blob.container, blob.name),
        )

    def forget_container(self, container: str) -> None:
        """Write down that a container and all its blobs are gone, of which no events tell."""
        self._database.execute("DELETE FROM blobs WHERE container = ?", (container,))

    def commits(self, most: int) -> Sequence[tuple[int, Commit]]:
        """List what Event Grid has not taken, in its order."""
        rows = self._database.execute(
            "SELECT number, written FROM commits ORDER BY number LIMIT ?", (most,)
        )
        return [(number, parse_commit(written)) for number, written in rows.fetchall()]

    def taken(self, last: int) -> None:
        """Write down that Event Grid has taken all commits up to one."""
        self._database.execute("DELETE FROM commits WHERE number <= ?", (last,))

    def _forget_blob(self, blob: Blob) -> None:
        self._database.execute(
            "DELETE FROM blobs WHERE container = ? AND name = ?", (blob.container, blob.name)
        )

    def _transaction(self) -> sqlite3.Connection:
        self._database.execute("BEGIN IMMEDIATE")
        return self._database  # as a context manager it commits, or rolls back


def _change(written: str) -> Change:
    fields = loads(written)
    return Change(blob=Blob(**fields.pop("blob")), **fields)
