"""What survives: topics, subscriptions, events that somebody still has to get, ids seen before.

- One SQLite file in WAL mode; what a method has done is safe from the death of the process, if not
  from a power cut, so that nobody waits for the disk.
- An event is kept once, a delivery for each subscription that wants it; the event goes with its
  last delivery.
- Used from one thread: every call is short (tens of microseconds).
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from devstack.eventgrid import json_values
from devstack.eventgrid.events import Event, Schema

SEEN_FOR = 7 * 24 * 3600.0
"""Seconds for which an id of the system topic is remembered."""

_TABLES = """
CREATE TABLE IF NOT EXISTS topic (name TEXT PRIMARY KEY, schema TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS subscription (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    topic TEXT NOT NULL REFERENCES topic ON DELETE CASCADE,
    name TEXT NOT NULL,
    properties TEXT NOT NULL,
    state TEXT NOT NULL,
    code TEXT NOT NULL,
    until REAL NOT NULL,
    UNIQUE (topic, name)
);
CREATE TABLE IF NOT EXISTS event (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    uid TEXT NOT NULL,
    schema TEXT NOT NULL,
    document TEXT NOT NULL,
    published REAL NOT NULL
);
CREATE TABLE IF NOT EXISTS delivery (
    subscription INTEGER NOT NULL REFERENCES subscription ON DELETE CASCADE,
    event INTEGER NOT NULL REFERENCES event,
    attempts INTEGER NOT NULL DEFAULT 0,
    due REAL NOT NULL,
    outcome TEXT NOT NULL DEFAULT '',
    status INTEGER,
    attempted REAL NOT NULL DEFAULT 0,
    reason TEXT,
    given_up REAL NOT NULL DEFAULT 0,
    PRIMARY KEY (subscription, event)
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS delivery_of_event ON delivery (event);
CREATE TABLE IF NOT EXISTS seen (id TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS seen_at ON seen (at);
"""
_ORPHANS = "DELETE FROM event WHERE NOT EXISTS (SELECT 1 FROM delivery WHERE event = seq)"


@dataclass(frozen=True, slots=True)
class Record:
    """A subscription as it is kept: `state` as ARM names it, and the code it may be proven with."""

    id: int
    topic: str
    name: str
    properties: object
    state: str
    code: str
    until: float


@dataclass(frozen=True, slots=True)
class Pending:
    """An event that a subscription has yet to get; with a reason it is to be dead-lettered."""

    seq: int
    uid: str
    event: Event
    size: int
    published: float
    attempts: int
    outcome: str
    status: int | None
    attempted: float
    reason: str | None
    given_up: float


class Store:
    """The one file of this server."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._db.executescript(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA foreign_keys=ON;" + _TABLES
        )
        self._db.execute(_ORPHANS)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._db.close()

    def topics(self) -> dict[str, Schema]:
        """List the topics."""
        return {name: Schema(s) for name, s in self._db.execute("SELECT name, schema FROM topic")}

    def put_topic(self, name: str, schema: Schema) -> None:
        """Make a topic, if there is none of the name."""
        self._db.execute("INSERT OR IGNORE INTO topic VALUES (?, ?)", (name, schema.value))

    def delete_topic(self, name: str) -> None:
        """Forget a topic, its subscriptions, and what they had yet to get."""
        with self._transaction():
            self._db.execute("DELETE FROM topic WHERE name = ?", (name,))
            self._db.execute(_ORPHANS)

    def subscriptions(self) -> list[Record]:
        """List the subscriptions of all topics."""
        rows = self._db.execute(
            "SELECT id, topic, name, properties, state, code, until FROM subscription ORDER BY id"
        )
        return [
            Record(number, topic, name, json.loads(properties), state, code, until)
            for number, topic, name, properties, state, code, until in rows
        ]

    def put_subscription(self, record: Record) -> Record:
        """Make a subscription or replace it; what it had yet to get stays its own."""
        ((number,),) = self._db.execute(
            """INSERT INTO subscription (topic, name, properties, state, code, until)
            VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (topic, name) DO UPDATE SET
            properties = excluded.properties, state = excluded.state, code = excluded.code,
            until = excluded.until RETURNING id""",
            (
                *(record.topic, record.name, json_values.dump(record.properties)),
                *(record.state, record.code, record.until),
            ),
        )
        return replace(record, id=number)

    def delete_subscription(self, number: int) -> None:
        """Forget a subscription and what it had yet to get."""
        with self._transaction():
            self._db.execute("DELETE FROM subscription WHERE id = ?", (number,))
            self._db.execute(_ORPHANS)

    def accept(
        self, wanted: Iterable[tuple[Event, str, Sequence[int]]], now: float, *, once: bool
    ) -> list[tuple[int, Sequence[int]]]:
        """Keep events, each with a name of ours, for the subscriptions that want it.

        With `once`, an event whose id was accepted before is left out.
        """
        kept = []
        with self._transaction():
            for event, uid, subscriptions in wanted:
                if (not once or self._first(event.id, now)) and subscriptions:
                    kept.append((self._keep(event, uid, subscriptions, now), subscriptions))
        return kept

    def _first(self, identifier: str, now: float) -> bool:
        self._db.execute("DELETE FROM seen WHERE at < ?", (now - SEEN_FOR,))
        found = self._db.execute("INSERT OR IGNORE INTO seen VALUES (?, ?)", (identifier, now))
        return found.rowcount == 1

    def _keep(self, event: Event, uid: str, subscriptions: Sequence[int], now: float) -> int:
        cursor = self._db.execute(
            "INSERT INTO event (uid, schema, document, published) VALUES (?, ?, ?, ?)",
            (uid, event.schema.value, json_values.dump(event.document), now),
        )
        seq = cursor.lastrowid or 0
        self._db.executemany(
            "INSERT INTO delivery (subscription, event, due) VALUES (?, ?, ?)",
            [(subscription, seq, now) for subscription in subscriptions],
        )
        return seq

    def waiting(self) -> list[tuple[int, int, float]]:
        """List all deliveries: subscription, event, and when it is due."""
        return self._db.execute(
            "SELECT subscription, event, due FROM delivery ORDER BY event"
        ).fetchall()

    def pending(self, subscription: int, seq: int) -> Pending | None:
        """Read a delivery, if it is still wanted."""
        row = self._db.execute(
            """SELECT uid, schema, document, published, attempts, outcome, status, attempted,
            reason, given_up FROM delivery JOIN event ON seq = event
            WHERE subscription = ? AND event = ?""",
            (subscription, seq),
        ).fetchone()
        if row is None:
            return None
        uid, schema, document, *rest = row
        return Pending(seq, uid, Event(Schema(schema), json.loads(document)), len(document), *rest)

    def settle(self, subscription: int, seqs: Iterable[int]) -> None:
        """Forget deliveries that are done, and events that nobody waits for any more."""
        with self._transaction():
            for seq in seqs:
                self._db.execute(
                    "DELETE FROM delivery WHERE subscription = ? AND event = ?",
                    (subscription, seq),
                )
                self._db.execute(f"{_ORPHANS} AND seq = ?", (seq,))

    def postpone(self, subscription: int, tried: Pending, due: float) -> None:
        """Write down how far a delivery is, and when to go on with it."""
        self._db.execute(
            """UPDATE delivery SET attempts = ?, outcome = ?, status = ?, attempted = ?, reason = ?,
            given_up = ?, due = ? WHERE subscription = ? AND event = ?""",
            (
                *(tried.attempts, tried.outcome, tried.status, tried.attempted, tried.reason),
                *(tried.given_up, due, subscription, tried.seq),
            ),
        )

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")
