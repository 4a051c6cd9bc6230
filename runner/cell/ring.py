"""A ring of ciphertext: a cell has no network, so it names a region and the runner fetches it.

Slots of shared memory, which the cell can only read, hold the stored regions. The cell owns the
slots and says which ones it wants filled, with a region and those that follow it; small messages
go over a socket that keeps them apart, one from the cell, and one to it for each slot as it is
full. Any number of threads of a cell may ask at once, as long as there are slots.
Everything that a cell says is checked: it may be anybody's program by then.
"""

import errno
import fcntl
import mmap
import os
import socket
import struct
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue

from runner.cell import memory

SLOTS = 8
SLOT_BYTES = (4 << 20) + 16  # a region of the usual size and its tag
_FETCHING = 4  # threads of the runner that fetch for one cell
_WANTED = struct.Struct("<IIQ")  # slot, file, region; further slots may follow
_SLOT = struct.Struct("<I")
_GIVEN = struct.Struct("<II")  # slot, bytes
_NONE = 0xFFFFFFFF  # instead of bytes: it could not be got
_PAGE = mmap.PAGESIZE

type Fill = Callable[[int, int, Sequence[memoryview]], Iterator[int]]
"""Puts a region of a file, and those that follow it, into one slot after the other; yields the
length of each as soon as it is there."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How many slots a ring has, and how much each holds."""

    slots: int
    slot_bytes: int

    @property
    def size(self) -> int:
        """Bytes of the whole; slots begin at pages."""
        return self.slots * self._stride

    def slot(self, ring: memoryview, number: int, length: int) -> memoryview:
        """Return the beginning of one slot."""
        return ring[number * self._stride : number * self._stride + length]

    @property
    def _stride(self) -> int:
        return -(-self.slot_bytes // _PAGE) * _PAGE


class RegionClient:
    """The cell's end."""

    def __init__(self, held: int, channel: int, shape: Shape) -> None:
        self._ring = memoryview(mmap.mmap(held, shape.size, prot=mmap.PROT_READ, trackfd=False))
        self._channel = channel
        self._shape = shape
        self._free: SimpleQueue[int] = SimpleQueue()
        for number in range(shape.slots):
            self._free.put(number)
        self._answers: dict[int, int] = {}
        self._changed = threading.Condition()
        self._somebody_reads = False

    @contextmanager
    def region(self, file: int, region: int) -> Iterator[memoryview]:
        """Have a stored region in memory until the block ends.

        Raises OSError if the runner could not get it; there is no use in asking again.
        """
        with closing(self.regions(file, region, 1)) as found:
            yield next(found)

    def regions(self, file: int, first: int, most: int) -> Generator[memoryview]:
        """Have a stored region and those that follow it, each until the next is asked for.

        At least one comes, and as many as there are free slots for. Raises as `region` does.
        """
        slots = self._taken(most)
        try:
            more = b"".join(_SLOT.pack(slot) for slot in slots[1:])
            os.write(self._channel, _WANTED.pack(slots[0], file, first) + more)
            while slots:
                length = self._await(slots[0])
                if length == _NONE:
                    raise OSError(errno.EIO, "the region did not come")
                with self._shape.slot(self._ring, slots[0], length) as found:
                    yield found
                self._free.put(slots.pop(0))
        finally:
            self._give_back(slots)

    def _taken(self, most: int) -> list[int]:
        """Wait for one free slot, and take what else is free."""
        slots = [self._free.get()]
        with suppress(Empty):
            while len(slots) < most:
                slots.append(self._free.get_nowait())
        return slots

    def _give_back(self, slots: list[int]) -> None:
        """Free slots that nobody wants any more; but the first, what is asked for still comes."""
        for number, slot in enumerate(slots):
            with suppress(OSError):
                if number:
                    self._await(slot)
            self._free.put(slot)

    def _await(self, slot: int) -> int:
        """Wait for an answer; one of those who wait reads the answers for all."""
        while True:
            with self._changed:
                self._changed.wait_for(lambda: slot in self._answers or not self._somebody_reads)
                if slot in self._answers:
                    return self._answers.pop(slot)
                self._somebody_reads = True
            self._read_one()

    def _read_one(self) -> None:
        answer = b""
        try:
            answer = os.read(self._channel, _GIVEN.size)
        finally:
            with self._changed:
                self._somebody_reads = False
                self._changed.notify_all()
                if len(answer) == _GIVEN.size:
                    slot, length = _GIVEN.unpack(answer)
                    self._answers[slot] = length
        if not answer:
            raise OSError(errno.EPIPE, "the runner is gone")


def copying(fetch: Callable[[int, int], bytes]) -> Fill:
    """Fill slots with what is fetched region by region."""

    def fill(file: int, first: int, into: Sequence[memoryview]) -> Iterator[int]:
        for region, slot in enumerate(into, first):
            found = fetch(file, region)
            if len(found) > len(slot):
                raise ValueError("a region is larger than a slot")
            slot[: len(found)] = found
            yield len(found)

    return fill


class RegionServer:
    """The runner's end, for one cell; `fill` is called in threads, and may wait."""

    def __init__(self, fill: Fill, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self.shape = Shape(slots, slot_bytes)
        self.error: BaseException | None = None  # the first that `fill` raised
        self.fill = fill

    @contextmanager
    def serving(self) -> Iterator[tuple[int, int]]:
        """Serve; yields what the cell is given: the memory, to read, and the channel."""
        held = memory.fixed("ring", self.shape.size)
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ring = memoryview(mmap.mmap(held, self.shape.size, trackfd=False))
        fcntl.fcntl(held, fcntl.F_ADD_SEALS, fcntl.F_SEAL_FUTURE_WRITE)  # no mapping but this one
        session = _Session(self, ours, ring)
        try:
            yield held, theirs.fileno()
        finally:
            theirs.close()
            os.close(held)
            session.close()


class _Session:
    """Serves until the channel ends, or the cell says what no cell of ours says."""

    def __init__(self, server: RegionServer, channel: socket.socket, ring: memoryview) -> None:
        self._server, self._channel, self._ring = server, channel, ring
        self._busy: set[int] = set()
        self._longest = _WANTED.size + server.shape.slots * _SLOT.size  # and so one slot too many
        self._pool = ThreadPoolExecutor(_FETCHING, "ring-fetch")
        self._thread = threading.Thread(target=self._serve, name="ring", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop; a fetch that still waits ends by itself, for nobody."""
        self._hang_up()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)
        self._channel.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while self._take(self._channel.recv(self._longest)):
                pass
        self._hang_up()

    def _take(self, wanted: bytes) -> bool:
        if len(wanted) < _WANTED.size or (len(wanted) - _WANTED.size) % _SLOT.size:
            return False
        slot, file, region = _WANTED.unpack_from(wanted)
        slots = [slot, *(more for (more,) in _SLOT.iter_unpack(wanted[_WANTED.size :]))]
        for slot in slots:
            if slot >= self._server.shape.slots or slot in self._busy:
                return False  # so no more is ever under way than there are slots
            self._busy.add(slot)
        self._pool.submit(self._fill, slots, file, region)
        return True

    def _fill(self, slots: list[int], file: int, region: int) -> None:
        """Have slots filled, and say of each how it went, once."""
        left = deque(slots)
        shape = self._server.shape
        into = [shape.slot(self._ring, slot, shape.slot_bytes) for slot in slots]
        try:
            for length in self._server.fill(file, region, into):
                if not self._answer(left.popleft(), length):
                    return
        except BaseException as error:  # noqa: BLE001  # the runner's part raises it again
            self._server.error = self._server.error or error
        for slot in left:
            self._answer(slot, _NONE)

    def _answer(self, slot: int, length: int) -> bool:
        """Tell the cell, unless it is gone."""
        self._busy.discard(slot)
        with suppress(OSError):
            self._channel.send(_GIVEN.pack(slot, length))
            return True
        return False

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
