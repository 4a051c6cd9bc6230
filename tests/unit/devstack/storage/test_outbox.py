from collections.abc import Iterator
from pathlib import Path

import pytest

from devstack.storage.changes import Blob, Change
from devstack.storage.events import Commit, Properties
from devstack.storage.outbox import Outbox
from tests.builders import NOW

BLOB = Blob("north", "a")
WRITE = Change(BLOB, "PutBlob", "client")
DELETE = Change(BLOB, "DeleteBlob", "client")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "outbox.db"


@pytest.fixture
def outbox(path: Path) -> Iterator[Outbox]:
    made = Outbox(path)
    yield made
    made.close()


def properties(etag: str) -> Properties:
    return Properties(etag, "text/csv", 3, "BlockBlob")


def committed(outbox: Outbox, change: Change = WRITE, etag: str = "0x1") -> Commit:
    commit = Commit.of(change, properties(etag), "request", NOW)
    outbox.settle(outbox.intend(change), commit)
    return commit


def test_an_intent_outlives_the_process(outbox: Outbox, path: Path) -> None:
    intent = outbox.intend(WRITE)

    after = Outbox(path)

    assert after.unsettled() == [intent]
    after.close()


def test_an_intent_that_came_to_nothing_is_forgotten(outbox: Outbox) -> None:
    outbox.forget(outbox.intend(WRITE))

    assert outbox.unsettled() == []
    assert outbox.commits(9) == []


def test_a_commit_takes_its_intent_s_place(outbox: Outbox, path: Path) -> None:
    commit = committed(outbox)

    after = Outbox(path)

    assert after.unsettled() == []
    assert after.commits(9) == [(1, commit)]
    assert after.known(BLOB) == properties("0x1")
    after.close()


def test_the_same_commit_is_noted_once(outbox: Outbox) -> None:
    committed(outbox)
    outbox.taken(1)

    committed(outbox)

    assert outbox.commits(9) == []
    assert outbox.unsettled() == []


def test_commits_are_taken_in_their_order(outbox: Outbox) -> None:
    written = [committed(outbox, etag=etag) for etag in ("0x1", "0x2", "0x3")]

    first = outbox.commits(2)
    outbox.taken(first[-1][0])

    assert [commit for _, commit in first] == written[:2]
    assert outbox.commits(2) == [(3, written[2])]


def test_numbers_never_repeat(outbox: Outbox, path: Path) -> None:
    committed(outbox)
    outbox.taken(1)
    outbox.close()

    after = Outbox(path)
    committed(after, etag="0x2")

    assert [number for number, _ in after.commits(9)] == [2]
    after.close()


def test_of_a_deleted_blob_nothing_is_known(outbox: Outbox) -> None:
    committed(outbox)
    committed(outbox, DELETE)

    assert outbox.known(BLOB) is None
    assert [commit.api for _, commit in outbox.commits(9)] == ["PutBlob", "DeleteBlob"]


def test_silent_changes_are_kept_up_with(outbox: Outbox) -> None:
    committed(outbox)

    outbox.note_etag(BLOB, "0x2")

    assert outbox.known(BLOB) == properties("0x2")


def test_a_blob_that_nobody_told_of_stays_unknown(outbox: Outbox) -> None:
    outbox.note_etag(BLOB, "0x2")

    assert outbox.known(BLOB) is None


def test_a_container_goes_with_all_its_blobs(outbox: Outbox) -> None:
    committed(outbox)
    committed(outbox, Change(Blob("south", "a"), "PutBlob", ""))

    outbox.forget_container("north")

    assert outbox.known(BLOB) is None
    assert outbox.known(Blob("south", "a")) is not None
