"""What is stored opens in its own place only, and is gone when it is purged."""

import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanroom.errors import Tampered
from devstack.vault.store import Store

KEY, OTHER = b"k" * 32, b"o" * 32


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(tmp_path / "file", "north", KEY)
    yield made
    made.close()


def run(path: Path, statement: str) -> None:
    file = sqlite3.connect(path)
    with file:
        file.execute(statement)
    file.close()


def test_what_was_added_is_found_again(store: Store, tmp_path: Path) -> None:
    store.add("keys", "a", "1", b"one")
    store.close()

    again = Store(tmp_path / "file", "north", KEY)

    found = again.latest("keys", "a", deleted=False)
    assert found is not None
    assert (found.name, found.version, found.content) == ("a", "1", b"one")
    again.close()


def test_the_newest_version_is_the_latest(store: Store) -> None:
    store.add("keys", "a", "2", b"one")
    store.add("keys", "a", "1", b"two")

    found = store.latest("keys", "a", deleted=False)

    assert found is not None
    assert found.content == b"two"
    assert [row.version for row in store.versions("keys", "a", 0, 9)] == ["2", "1"]


def test_names_are_alike_in_any_case(store: Store) -> None:
    store.add("keys", "Room-Key", "1", b"one")
    store.add("keys", "room-key", "2", b"two")

    found = store.latest("keys", "ROOM-KEY", deleted=False)

    assert found is not None
    assert (found.name, found.content) == ("Room-Key", b"two")
    assert store.version("keys", "ROOM-key", "1") is not None


def test_keys_and_secrets_do_not_meet(store: Store) -> None:
    store.add("keys", "a", "1", b"one")

    assert store.latest("secrets", "a", deleted=False) is None


def test_what_is_deleted_keeps_its_name(store: Store) -> None:
    store.add("keys", "a", "1", b"one")
    store.delete("keys", "a", 5, 9)

    added = store.add("keys", "a", "2", b"two")

    assert not added
    assert store.latest("keys", "a", deleted=False) is None
    assert store.version("keys", "a", "1") is None
    gone = store.latest("keys", "a", deleted=True)
    assert gone is not None
    assert (gone.deleted_at, gone.purged_at) == (5, 9)


def test_what_is_recovered_is_there_again(store: Store) -> None:
    store.add("keys", "a", "1", b"one")
    store.delete("keys", "a", 5, 9)

    store.recover("keys", "a")

    assert store.latest("keys", "a", deleted=False) is not None


@pytest.mark.parametrize(("now", "left"), [(8, 1), (9, 0)])
def test_what_was_deleted_long_enough_is_purged(now: int, left: int, store: Store) -> None:
    store.add("keys", "a", "1", b"one")
    store.delete("keys", "a", 5, 9)

    store.purge_due(now)

    assert len(store.names("keys", "", 9, deleted=True)) == left


def test_what_is_purged_frees_its_name(store: Store) -> None:
    store.add("keys", "a", "1", b"one")
    store.delete("keys", "a", 5, 9)

    store.purge("keys", "a")

    assert store.add("keys", "a", "2", b"two")
    assert [row.version for row in store.versions("keys", "a", 0, 9)] == ["2"]


def test_a_purge_that_fails_changes_nothing(store: Store, tmp_path: Path) -> None:
    store.add("keys", "a", "1", b"one")
    store.delete("keys", "a", 5, 9)
    run(
        tmp_path / "file",
        "CREATE TRIGGER full BEFORE DELETE ON deleted BEGIN SELECT RAISE(ABORT, 'full'); END",
    )

    with pytest.raises(sqlite3.IntegrityError, match="full"):
        store.purge("keys", "a")

    found = store.latest("keys", "a", deleted=True)
    assert found is not None
    assert found.content == b"one"


def test_nothing_on_disk_is_in_the_clear(store: Store, tmp_path: Path) -> None:
    store.add("secrets", "a", "1", b"a very secret value")
    store.close()

    content = b"".join(path.read_bytes() for path in tmp_path.iterdir())

    assert b"a very secret value" not in content


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE versions SET sealed = (SELECT sealed FROM versions WHERE version = '2')",
        "UPDATE versions SET version = '3' WHERE version = '1'",
        "UPDATE versions SET name = 'b' WHERE version = '1'",
        "UPDATE versions SET collection = 'secrets' WHERE version = '1'",
        "UPDATE versions SET sealed = zeroblob(40) WHERE version = '1'",
        "UPDATE versions SET sealed = zeroblob(28) WHERE version = '1'",
    ],
    ids=["another's content", "version", "name", "collection", "content", "no content"],
)
def test_a_row_in_another_place_does_not_open(statement: str, store: Store, tmp_path: Path) -> None:
    store.add("keys", "a", "1", b"one")
    store.add("keys", "c", "2", b"two")

    run(tmp_path / "file", statement)

    with pytest.raises(Tampered):
        [store.names(collection, "", 9, deleted=False) for collection in ("keys", "secrets")]


@pytest.mark.parametrize(
    ("vault", "key"), [("south", KEY), ("north", OTHER)], ids=["another vault", "another stack"]
)
def test_a_file_of_another_vault_does_not_open(
    vault: str, key: bytes, store: Store, tmp_path: Path
) -> None:
    store.add("keys", "a", "1", b"one")
    store.close()
    shutil.copy(tmp_path / "file", tmp_path / "copy")

    other = Store(tmp_path / "copy", vault, key)

    with pytest.raises(Tampered, match=f"vault {vault}: a row is not what was stored there"):
        other.latest("keys", "a", deleted=False)
    other.close()
