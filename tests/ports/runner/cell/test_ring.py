"""The ring: regions come from the runner into a cell that has no network."""

import os
import threading

import pytest

from cleanroom.errors import Unavailable
from runner.cell.limits import Limits
from runner.cell.protocol import Failure
from runner.cell.ring import RegionServer, copying
from runner.cell.zygote import Zygote
from tests.ports.runner.cell.conftest import Run, ran

SLOT = 10_000


def region(file: int, number: int) -> bytes:
    """Make up a region of a file."""
    return b"%d/%d;" % (file, number) * 100


@pytest.fixture
def ring() -> RegionServer:
    return RegionServer(copying(region), slots=2, slot_bytes=SLOT)


def test_a_cell_reads_regions_of_files(run: Run, ring: RegionServer) -> None:
    assert run(b"regions 7", ring=ring) == b"".join(region(n % 2, n) for n in range(7))


def test_threads_of_a_cell_ask_at_once(run: Run, ring: RegionServer) -> None:
    roomy = Limits(memory=512 << 20, seconds=20, output=1 << 20)  # a stack for each thread

    assert run(b"at-once 20", ring=ring, limits=roomy) == b"".join(region(0, n) for n in range(20))


def test_regions_are_fetched_while_others_are_waited_for(run: Run) -> None:
    together = threading.Barrier(2, timeout=20)

    def fetch(file: int, number: int) -> bytes:
        together.wait()
        return region(file, number)

    ring = RegionServer(copying(fetch), slots=2, slot_bytes=SLOT)

    assert run(b"at-once 2", ring=ring) == region(0, 0) + region(0, 1)


def test_a_region_may_fill_its_slot(run: Run) -> None:
    ring = RegionServer(copying(lambda _file, _number: bytes(SLOT)), slots=1, slot_bytes=SLOT)

    assert run(b"regions 3", ring=ring) == bytes(3 * SLOT)


def test_a_region_may_be_empty(run: Run) -> None:
    ring = RegionServer(copying(lambda _file, _number: b""), slots=1, slot_bytes=SLOT)

    assert run(b"regions 3", ring=ring) == b""


def test_inputs_come_beside_a_ring(run: Run, ring: RegionServer) -> None:
    read, write = os.pipe()

    assert run(b"regions 1", (read,), ring) == region(0, 0)

    os.close(read)
    os.close(write)


# --- what goes wrong


@pytest.mark.parametrize("task", [b"regions 1", b"go-on"], ids=["fails", "hides it"])
def test_what_a_fetch_raises_is_raised_whatever_the_program_says(run: Run, task: bytes) -> None:
    def fetch(_file: int, _number: int) -> bytes:
        raise Unavailable("storage: no answer")

    with pytest.raises(Unavailable, match="storage: no answer"):
        run(task, ring=RegionServer(copying(fetch), slots=2, slot_bytes=SLOT))


def test_a_region_larger_than_a_slot_is_our_own_mistake(run: Run) -> None:
    ring = RegionServer(copying(lambda _file, _number: bytes(SLOT + 1)), slots=1, slot_bytes=SLOT)

    with pytest.raises(ValueError, match="larger than a slot"):
        run(b"regions 1", ring=ring)


def test_a_cell_cannot_write_to_a_ring(run: Run, ring: RegionServer) -> None:
    assert run(b"overwrite", ring=ring) == b"read-only"


@pytest.mark.parametrize("how", [b"short", b"long", b"slot"])
def test_the_runner_hangs_up_on_a_cell_that_says_nonsense(
    run: Run, ring: RegionServer, how: bytes
) -> None:
    assert run(b"ask-badly " + how, ring=ring) == b"hung up"


def test_no_more_is_under_way_than_there_are_slots(run: Run) -> None:
    held = threading.Event()
    asked: list[int] = []

    def fetch(_file: int, number: int) -> bytes:
        asked.append(number)
        held.wait(20)
        return b""

    answer = run(b"ask-twice", ring=RegionServer(copying(fetch), slots=2, slot_bytes=SLOT))
    held.set()

    assert answer == b"hung up"
    assert asked == [0]


def test_a_cell_that_is_killed_while_it_waits_leaves_nothing(zygote: Zygote) -> None:
    held = threading.Event()

    def fetch(_file: int, _number: int) -> bytes:
        held.wait(20)
        return b"late"

    limits = Limits(memory=64 << 20, seconds=0.3, output=4096)
    ring = RegionServer(copying(fetch), slots=2, slot_bytes=SLOT)

    answer = ran(zygote, b"regions 1", ring=ring, limits=limits)
    held.set()

    assert answer == Failure.TIMED_OUT
