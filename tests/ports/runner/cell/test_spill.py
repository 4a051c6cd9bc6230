"""The spill: what a cell may leave on disk, how much of it, and that nothing stays."""

from functools import partial
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from runner.cell.limits import Limits
from runner.cell.protocol import Failure
from runner.cell.spill import SpillRoot
from runner.cell.zygote import Zygote
from tests.ports.runner.cell.conftest import Run, ran

SPILL = 8 << 20
LIMITS = Limits(memory=64 << 20, seconds=20, output=4096, spill=SPILL)


@pytest.fixture
def run(spilling: Zygote) -> Run:
    return partial(ran, spilling, limits=LIMITS)


def files(folder: Path) -> list[str]:
    """Name the plain files below a folder."""
    return [path.name for path in folder.rglob("*") if path.is_file()]


def test_a_program_may_spill(run: Run) -> None:
    assert run(b"fill 4") == b"0"


def test_nothing_of_a_spill_stays(run: Run, spills: Path) -> None:
    run(b"fill 4")

    assert files(spills) == []


def test_nothing_of_a_spill_meets_the_next_cell(run: Run) -> None:
    run(b"fill 4")

    assert run(b"fill 1") == b"0"


def test_nothing_stays_of_a_cell_that_is_killed(spilling: Zygote, spills: Path) -> None:
    limits = Limits(memory=64 << 20, seconds=0.3, output=4096, spill=SPILL)

    assert ran(spilling, b"fill-and-wait 4", limits=limits) == Failure.TIMED_OUT
    assert files(spills) == []


def test_a_file_may_be_as_large_as_the_spill(run: Run) -> None:
    assert run(b"large-file %d" % SPILL) == b"written"


def test_a_file_may_not_be_larger_than_the_spill(run: Run) -> None:
    assert run(b"large-file %d" % (SPILL + 1)) == Failure.PROGRAM_FAILED


def test_files_together_may_not_be_larger_than_the_spill(run: Run) -> None:
    assert run(b"fill-and-wait 12") == Failure.OUT_OF_MEMORY


def test_there_may_not_be_files_without_end(run: Run) -> None:
    assert run(b"litter 2000") == Failure.OUT_OF_MEMORY


def test_a_cell_without_a_spill_opens_nothing(spilling: Zygote) -> None:
    limits = Limits(memory=64 << 20, seconds=20, output=4096)

    assert ran(spilling, b"large-file 1", limits=limits) == Failure.PROGRAM_FAILED


def test_a_spill_holds_no_folders_or_links(run: Run) -> None:
    assert run(b"make-others") == b"mkdir symlink link mkfifo rename refused"


def test_duckdb_spills_and_what_it_leaves_is_removed(spilling: Zygote, spills: Path) -> None:
    limits = Limits(memory=512 << 20, seconds=60, output=4096, spill=1 << 30)

    assert ran(spilling, b"sort", limits=limits) == b"1999999, spilled"
    assert files(spills) == []


# --- the folders of runners


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "spill"
    found.mkdir()
    return found


def test_the_folders_of_a_runner_that_is_gone_are_removed(folder: Path) -> None:
    gone = folder / "cells-gone" / "1"
    gone.mkdir(parents=True)
    (gone / "plain").write_bytes(b"data")

    spills = SpillRoot(folder)

    assert files(folder) == []
    spills.remove()


def test_the_folders_of_a_runner_that_lives_are_left(folder: Path) -> None:
    other = SpillRoot(folder)
    there = other.folder()

    spills = SpillRoot(folder)

    assert len(list(folder.iterdir())) == 2
    there.remove()
    for root in (spills, other):
        root.remove()


def test_what_is_not_a_runners_is_left(folder: Path) -> None:
    (folder / "other").write_bytes(b"data")

    SpillRoot(folder).remove()

    assert files(folder) == ["other"]


def test_a_folder_that_is_not_there_is_refused(folder: Path) -> None:
    with pytest.raises(Unavailable, match="no folder for the spill"):
        SpillRoot(folder / "absent")
