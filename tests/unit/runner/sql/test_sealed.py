"""Ranges of sealed files through one arena: the right bytes, bounded memory, errors that stay."""

import random
import threading
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest

from cleanroom.errors import Tampered
from cleanroom.keys import DataKey
from cleanroom.seal.layout import SMALLEST_REGION, TAG_BYTES, Layout
from cleanroom.seal.regions import RegionCipher, RegionTable
from runner.sql.sealed import Arena, Sealed
from tests.sealing import flipped, plaintext

REGION = SMALLEST_REGION
KEY = DataKey(bytes(range(32)))
FILE_ID = bytes(16)
SIZE = 5 * REGION + 1234
WAIT = 20  # seconds, for what should take none


class Regions:
    """The stored regions of a file in memory; counts how often each is lent."""

    def __init__(self, stored: list[bytes]) -> None:
        self.stored = stored
        self.at_hand = False
        self.at_once = 3
        self.lent: list[int] = []
        self.held = threading.Event()
        self.held.set()

    def regions(self, first: int, most: int) -> Generator[memoryview]:
        for index in range(first, first + min(most, self.at_once)):
            assert self.held.wait(WAIT)
            self.lent.append(index)
            yield memoryview(self.stored[index])


def sealed(plain: bytes) -> tuple[Sealed, Regions]:
    layout = Layout(len(plain), REGION)
    cipher = RegionCipher(KEY, FILE_ID)
    stored, digests = [], []
    for index in range(layout.regions):
        span = layout.plain(index)
        buffer = bytearray(span.length + TAG_BYTES)
        digests.append(cipher.seal(index, plain[span.offset : span.end], buffer))
        stored.append(bytes(buffer))
    regions = Regions(stored)
    return Sealed(layout, FILE_ID, RegionTable(b"".join(digests)), KEY, regions), regions


@pytest.fixture
def arena() -> Iterator[Arena]:
    with closing(Arena(REGION, 4)) as arena:
        yield arena


@pytest.mark.parametrize(
    ("offset", "length"),
    [
        pytest.param(0, 10, id="the start"),
        pytest.param(REGION - 5, 10, id="over a border"),
        pytest.param(REGION, REGION, id="one region"),
        pytest.param(0, SIZE, id="everything, in more regions than slots"),
        pytest.param(SIZE - 10, 10, id="the end"),
        pytest.param(SIZE - 10, 1000, id="over the end"),
        pytest.param(SIZE, 10, id="at the end"),
        pytest.param(SIZE + 10, 10, id="behind the end"),
        pytest.param(17, 0, id="nothing"),
    ],
)
def test_a_range_is_what_was_sealed(arena: Arena, offset: int, length: int) -> None:
    plain = plaintext(SIZE)

    found = arena.reader(sealed(plain)[0]).read(offset, length)

    assert found == plain[offset : offset + length]


def test_an_empty_file_has_no_bytes(arena: Arena) -> None:
    assert arena.reader(sealed(b"")[0]).read(0, 100) == b""


def test_random_ranges_from_many_threads_are_what_was_sealed(arena: Arena) -> None:
    chance = random.Random(1)  # noqa: S311  # of a test
    plains = [plaintext(SIZE, "one"), plaintext(3 * REGION, "two")]
    readers = [arena.reader(sealed(plain)[0]) for plain in plains]

    def reads(number: int) -> bool:
        which, offset, length = number % 2, chance.randrange(SIZE), chance.randrange(2 * REGION)
        found = readers[which].read(offset, length)
        return found == plains[which][offset : offset + length]

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(reads, range(400), timeout=60))


def test_reading_on_opens_each_region_once(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    reader = arena.reader(file)

    for offset in range(0, SIZE, 1000):
        reader.read(offset, 1000)

    assert sorted(regions.lent) == list(range(6))


def test_what_is_at_hand_is_not_opened_before_it_is_read(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    regions.at_hand = True
    reader = arena.reader(file)

    reader.read(0, 10)
    reader.read(REGION, 10)
    arena.close()

    assert regions.lent == [0, 1]


def test_what_follows_is_opened_before_it_is_read_while_reading_goes_on(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    reader = arena.reader(file)

    reader.read(0, 10)
    arena.close()

    assert sorted(regions.lent) == [0, 1, 2, 3]


def test_what_follows_is_left_alone_after_a_leap(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    reader = arena.reader(file)

    reader.read(3 * REGION, 10)
    arena.close()

    assert regions.lent == [3]


def test_what_was_read_last_is_not_opened_again(arena: Arena) -> None:
    file, regions = sealed(plaintext(2 * REGION))
    reader = arena.reader(file)
    reader.read(0, 2 * REGION)

    reader.read(0, 2 * REGION)

    assert sorted(regions.lent) == [0, 1]


@pytest.mark.parametrize("index", [0, 2, 5])
def test_a_region_that_was_changed_is_refused(arena: Arena, index: int) -> None:
    file, regions = sealed(plaintext(SIZE))
    regions.stored[index] = flipped(regions.stored[index], 7)

    with pytest.raises(Tampered):
        arena.reader(file).read(0, SIZE)


def test_regions_that_changed_places_are_refused(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    regions.stored[1], regions.stored[2] = regions.stored[2], regions.stored[1]

    with pytest.raises(Tampered):
        arena.reader(file).read(0, SIZE)


@pytest.mark.parametrize("kept", [0, 16, REGION])
def test_a_region_that_was_cut_is_refused(arena: Arena, kept: int) -> None:
    file, regions = sealed(plaintext(SIZE))
    regions.stored[1] = regions.stored[1][:kept]

    with pytest.raises(Tampered):
        arena.reader(file).read(0, SIZE)


def test_after_one_bad_region_the_file_stays_refused(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    whole, regions.stored[5] = regions.stored[5], b""
    reader = arena.reader(file)
    reader.read(0, 10)
    with pytest.raises(Tampered):
        reader.read(5 * REGION, 10)
    regions.stored[5] = whole

    with pytest.raises(Tampered):
        reader.read(0, 10)


def test_one_bad_file_does_not_spoil_another(arena: Arena) -> None:
    (bad, regions), (good, _) = sealed(plaintext(SIZE)), sealed(plaintext(SIZE))
    regions.stored[0] = b""
    with pytest.raises(Tampered):
        arena.reader(bad).read(0, 10)

    assert arena.reader(good).read(0, 10) == plaintext(10)


def test_a_reader_that_waits_for_another_thread_is_told_of_its_error(arena: Arena) -> None:
    file, regions = sealed(plaintext(SIZE))
    regions.stored[0] = b""
    regions.held.clear()
    reader = arena.reader(file)

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(reader.read, 0, 10) for _ in range(3)]
        regions.held.set()
        errors = [future.exception(WAIT) for future in waiting]

    assert [type(error) for error in errors] == [Tampered] * 3


def test_more_readers_than_slots_all_get_their_turn() -> None:
    plain = plaintext(SIZE)
    file, _ = sealed(plain)

    with closing(Arena(REGION, 1)) as arena, ThreadPoolExecutor(8) as pool:
        reader = arena.reader(file)
        found = list(pool.map(lambda _: reader.read(0, SIZE), range(16), timeout=60))

    assert found == [plain] * 16


def test_a_region_larger_than_a_slot_is_our_mistake() -> None:
    with closing(Arena(REGION - 1, 4)) as arena, pytest.raises(ValueError, match="slot"):
        arena.reader(sealed(plaintext(SIZE))[0])
