"""The bus on disk: SQLite, one transaction for all that happened in a tick.

- What is committed survives a kill (WAL, synchronous=NORMAL); a power cut may cost the last of it.
- One process has the file: another that opens it is refused.
"""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Unavailable
from devstack.bus.journal import SEQUENCE_BITS, Journal
from devstack.bus.message import Message, State, parse, stored

_VERSION = 1
_SCHEMA = """
create table if not exists messages (
    id integer primary key,
    state integer not null,
    delivery_count integer not null,
    enqueued_at integer not null,
    enqueued_sequence integer not null,
    expires_at integer,
    hops integer not null,
    content blob not null
);
create table if not exists sequences (entity integer primary key, last integer not null);
create table if not exists duplicates (
    entity integer not null, name text not null, seen integer not null, primary key (entity, name)
) without rowid;
create table if not exists sessions (
    entity integer not null, name text not null, state blob not null, updated_at integer not null,
    primary key (entity, name)
) without rowid;
create table if not exists definitions (
    name text primary key, number integer not null, definition text not null
) without rowid;
"""
_WRITE = "insert or replace into messages values (?, ?, ?, ?, ?, ?, ?, ?)"
_MOVE = (
    "update messages set state = ?, delivery_count = ?, enqueued_at = ?, expires_at = ? "
    "where id = ?"
)
_REMOVE = "delete from messages where id = ?"
_CHECKPOINT_PAGES = 1000  # 4 MiB, which is copied within 10 ms: nobody is served meanwhile


@dataclass(frozen=True, slots=True)
class Definition:
    """What the store knows of an entity."""

    name: str
    number: int
    content: object


class Store:
    """An open file."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=1)
        try:
            self._db.execute("pragma locking_mode = exclusive")
            self._db.execute("pragma journal_mode = wal")
            self._db.execute("pragma synchronous = normal")
            self._db.execute(f"pragma wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            self._db.executescript(_SCHEMA)
        except sqlite3.Error as error:
            self._db.close()
            raise Unavailable(f"{path}: cannot be opened: {error}") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def commit(self, journal: Journal) -> None:
        """Make a tick's changes durable, and clear them."""
        execute, many = self._db.execute, self._db.executemany
        execute("begin")
        if journal.removed:
            many(_REMOVE, [(name,) for name in journal.removed])
            journal.removed.clear()
        if journal.written:
            many(_WRITE, [_row(name, m) for name, m in journal.written.items()])
            journal.written.clear()
        if journal.moved:
            many(_MOVE, [_move(name, m) for name, m in journal.moved.items()])
            journal.moved.clear()
        if journal.has_more():
            self._commit_more(journal)
        execute("commit")

    def _commit_more(self, journal: Journal) -> None:
        many = self._db.executemany
        for number in journal.purged:
            self._purge(number)
        many("insert or replace into sequences values (?, ?)", journal.sequences.items())
        many("delete from duplicates where entity = ? and name = ?", journal.forgotten)
        many("insert or replace into duplicates values (?, ?, ?)", journal.seen)
        for (entity, name), content in journal.sessions.items():
            if content is None:
                self._db.execute(
                    "delete from sessions where entity = ? and name = ?", (entity, name)
                )
            else:
                self._db.execute(
                    "insert or replace into sessions values (?, ?, ?, ?)", (entity, name, *content)
                )
        for name, definition in journal.definitions.items():
            self._db.execute("delete from definitions where name = ?", (name,))
            if definition is not None:
                number, body = definition
                self._db.execute(
                    "insert into definitions values (?, ?, ?)", (name, number, json.dumps(body))
                )
        journal.clear()

    def _purge(self, number: int) -> None:
        low, high = number << SEQUENCE_BITS, (number + 1) << SEQUENCE_BITS
        self._db.execute("delete from messages where id >= ? and id < ?", (low, high))
        for table in ("sequences", "duplicates", "sessions"):
            self._db.execute(f"delete from {table} where entity = ?", (number,))  # noqa: S608

    # --- reading, when the bus starts

    def definitions(self) -> list[Definition]:
        """Return the entities, a topic before its subscriptions."""
        rows = self._db.execute("select name, number, definition from definitions order by number")
        return [Definition(name, number, json.loads(body)) for name, number, body in rows]

    def sequences(self) -> dict[int, int]:
        """Return the numbers that must not be given away again."""
        return dict(self._db.execute("select entity, last from sequences"))

    def duplicates(self) -> list[tuple[int, str, int]]:
        """Return the message ids that came, oldest first."""
        return self._db.execute(
            "select entity, name, seen from duplicates order by seen"
        ).fetchall()

    def sessions(self) -> list[tuple[int, str, bytes, int]]:
        """Return the states of sessions."""
        return self._db.execute("select entity, name, state, updated_at from sessions").fetchall()

    def messages(self) -> Iterator[tuple[int, Message]]:
        """Return all messages with their entities' numbers, in the order of their own."""
        for row in self._db.execute("select * from messages order by id"):
            yield row[0] >> SEQUENCE_BITS, _message(row)


def _row(name: int, m: Message) -> tuple[object, ...]:
    state = _resting(m)
    return (
        *(name, state, m.delivery_count, m.enqueued_at, m.enqueued_sequence, m.expires_at, m.hops),
        stored(m),
    )


def _move(name: int, m: Message) -> tuple[object, ...]:
    return _resting(m), m.delivery_count, m.enqueued_at, m.expires_at, name


def _resting(message: Message) -> int:
    """Say what state a message is in without its lock: no lock outlives the process."""
    if message.deferred:
        return State.DEFERRED
    return State.ACTIVE if message.state is State.LOCKED else message.state


def _message(row: tuple[int, int, int, int, int, int | None, int, bytes]) -> Message:
    message = parse(row[7], str, frozenset())
    message.sequence = row[0] & ((1 << SEQUENCE_BITS) - 1)
    message.state = State(row[1])
    message.delivery_count, message.enqueued_at, message.enqueued_sequence = row[2:5]
    message.expires_at, message.hops = row[5:7]
    return message
