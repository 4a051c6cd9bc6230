"""The log of releases only grows, and outlives what cut its last line."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from devstack.tokens import Caller
from devstack.vault.audit import PAGE, AuditLog, Entry
from tests.builders import NOW

ENTRY = Entry("request", NOW, Caller("runner", "id"), "room-key", None)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


@pytest.fixture
def log(path: Path) -> Iterator[AuditLog]:
    made = AuditLog(path)
    yield made
    made.close()


def test_an_entry_says_who_when_what_and_how_it_ended(log: AuditLog) -> None:
    log.add(ENTRY)

    (found,), more = log.read(0)

    assert more is None
    assert found["number"] == 1
    assert found["at"] == "2026-11-21T09:30:00Z"
    assert found["who"] == {"name": "runner", "object_id": "id"}
    assert (found["key"], found["verdict"]) == ("room-key", "refused")


def test_pages_follow_each_other(log: AuditLog) -> None:
    for _ in range(PAGE + 2):
        log.add(ENTRY)

    first, after = log.read(0)
    second, end = log.read(after or 0)

    assert [len(first), after, end] == [PAGE, PAGE, None]
    assert [entry["number"] for entry in second] == [PAGE + 1, PAGE + 2]


def test_a_full_page_that_is_the_last_has_no_next(log: AuditLog) -> None:
    for _ in range(PAGE):
        log.add(ENTRY)

    assert log.read(0)[1] is None


@pytest.mark.parametrize("cut", ['{"verdict": "rel', "1", "\0\0"], ids=["half", "number", "zeros"])
def test_a_line_that_was_cut_is_said_and_harms_no_other(
    cut: str, log: AuditLog, path: Path
) -> None:
    log.add(ENTRY)
    with path.open("a") as file:
        file.write(cut)

    again = AuditLog(path)
    again.add(ENTRY)
    found, _ = again.read(0)
    again.close()

    assert [entry["verdict"] for entry in found] == ["refused", "unreadable", "refused"]


def test_without_a_log_there_is_no_release(log: AuditLog, path: Path) -> None:
    readable = os.open(path, os.O_RDONLY)
    os.dup2(readable, log._file)
    os.close(readable)

    with pytest.raises(Unavailable, match="log: cannot be written"):
        log.add(ENTRY)


def test_a_full_disk_is_said() -> None:
    log = AuditLog(Path("/dev/full"))

    with pytest.raises(Unavailable, match="full: cannot be written"):
        log.add(ENTRY)

    log.close()


def test_an_entry_after_one_that_the_disk_cut_has_a_line_of_its_own(
    log: AuditLog, path: Path
) -> None:
    log.add(ENTRY)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 10, before[1]))
    try:
        with pytest.raises(Unavailable, match="log: the disk is full"):
            log.add(ENTRY)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.add(ENTRY)

    found, _ = log.read(0)

    assert [entry["verdict"] for entry in found] == ["refused", "unreadable", "refused"]
