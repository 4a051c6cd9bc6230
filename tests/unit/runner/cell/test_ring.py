"""The two ends of a ring, here in one process."""

import os
import socket
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from runner.cell.ring import RegionClient, RegionServer, Shape, copying

SLOT = 5000


def region(file: int, number: int) -> bytes:
    """Make up a region of a file."""
    return b"%d/%d" % (file, number)


@pytest.fixture
def client() -> Iterator[RegionClient]:
    server = RegionServer(copying(region), slots=2, slot_bytes=SLOT)
    with server.serving() as (held, channel):
        yield RegionClient(held, channel, server.shape)


def test_slots_begin_at_pages() -> None:
    shape = Shape(3, SLOT)

    assert shape.size == 3 * 8192
    assert len(shape.slot(memoryview(bytes(shape.size)), 2, 10)) == 10


def test_regions_come_by_file_and_number(client: RegionClient) -> None:
    found = []
    for number in range(5):
        with client.region(7, number) as one:
            found.append(bytes(one))

    assert found == [region(7, number) for number in range(5)]


def test_regions_in_a_row_come_by_one_question(client: RegionClient) -> None:
    found = [bytes(one) for one in client.regions(7, 3, 2)]

    assert found == [region(7, 3), region(7, 4)]


def test_as_many_regions_come_as_there_are_slots(client: RegionClient) -> None:
    assert len(list(client.regions(7, 3, 10))) == 2


def test_regions_that_nobody_waits_for_any_more_free_their_slots(client: RegionClient) -> None:
    for number in range(5):
        with closing(client.regions(0, number, 2)) as found:
            next(found)

    assert [bytes(one) for one in client.regions(0, 9, 2)] == [region(0, 9), region(0, 10)]


def test_regions_before_one_that_cannot_be_got_are_there() -> None:
    def fetch(file: int, number: int) -> bytes:
        if number == 1:
            raise LookupError("no such region")
        return region(file, number)

    server = RegionServer(copying(fetch), slots=3, slot_bytes=SLOT)
    with server.serving() as (held, channel):
        client = RegionClient(held, channel, server.shape)
        found = client.regions(0, 0, 3)

        assert bytes(next(found)) == region(0, 0)
        with pytest.raises(OSError, match="did not come"):
            next(found)
        assert [bytes(one) for one in client.regions(0, 2, 3)] == [region(0, n) for n in (2, 3, 4)]


def test_a_region_is_gone_after_its_block(client: RegionClient) -> None:
    with client.region(0, 0) as one:
        pass

    with pytest.raises(ValueError, match="released"):
        bytes(one)


def test_threads_get_what_each_asked_for(client: RegionClient) -> None:
    def one(number: int) -> bytes:
        with client.region(number % 3, number) as found:
            return bytes(found)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(one, range(200)))

    assert found == [region(number % 3, number) for number in range(200)]


def test_an_answer_reaches_who_waits_while_another_waits_longer() -> None:
    later = threading.Event()

    def fetch(file: int, number: int) -> bytes:
        if number == 0:
            later.wait(20)
        return region(file, number)

    server = RegionServer(copying(fetch), slots=2, slot_bytes=SLOT)
    with server.serving() as (held, channel), ThreadPoolExecutor(1) as pool:
        client = RegionClient(held, channel, server.shape)

        def slow() -> bytes:
            with client.region(0, 0) as found:
                return bytes(found)

        waiting = pool.submit(slow)
        with client.region(0, 1) as found:
            assert bytes(found) == region(0, 1)
        later.set()

        assert waiting.result(20) == region(0, 0)


def test_a_region_that_cannot_be_got_is_said_and_kept() -> None:
    def fetch(_file: int, _number: int) -> bytes:
        raise LookupError("no such region")

    server = RegionServer(copying(fetch), slots=1, slot_bytes=SLOT)
    with server.serving() as (held, channel):
        client = RegionClient(held, channel, server.shape)

        with pytest.raises(OSError, match="did not come"), client.region(0, 0):
            pass

    assert isinstance(server.error, LookupError)


def test_no_more_regions_are_fetched_for_a_cell_that_is_gone() -> None:
    fetched: list[int] = []
    began, gone, ended = threading.Event(), threading.Event(), threading.Event()

    def fill(_file: int, first: int, into: Sequence[memoryview]) -> Iterator[int]:
        try:
            for number in range(first, first + len(into)):
                fetched.append(number)
                began.set()
                gone.wait(20)
                yield 0
        finally:
            ended.set()

    server = RegionServer(fill, slots=3, slot_bytes=SLOT)
    with server.serving() as (held, channel), ThreadPoolExecutor(1) as pool:
        asking = RegionClient(held, channel, server.shape).regions(0, 0, 3)
        waiting = pool.submit(list, asking)
        assert began.wait(20)
        with socket.socket(fileno=os.dup(channel)) as cell:
            cell.shutdown(socket.SHUT_RDWR)
        gone.set()

        assert ended.wait(20)
        assert isinstance(waiting.exception(20), OSError)
    assert fetched == [0]


def test_an_end_that_is_hung_up_on_says_so() -> None:
    server = RegionServer(copying(region), slots=1, slot_bytes=SLOT)
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with server.serving() as (held, _), ours:
        client = RegionClient(held, theirs.fileno(), server.shape)
        ours.shutdown(socket.SHUT_WR)

        with pytest.raises(OSError, match="the runner is gone"), client.region(0, 0):
            pass
    theirs.close()


def test_nobody_but_the_runner_can_write_to_the_slots() -> None:
    server = RegionServer(copying(region), slots=1, slot_bytes=SLOT)

    with server.serving() as (held, _), pytest.raises(PermissionError):
        os.pwrite(held, b"other", 0)
