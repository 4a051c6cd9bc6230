"""A ring of ciphertext: a cell has no network, so it names a region and the runner fetches it.

Slots of shared memory, which the cell can only read, hold the stored regions. The cell owns the
slots and says which one it wants filled; two small messages go over a socket that keeps them
apart. Any number of threads of a cell may ask at once, as many as there are slots are served.
Everything that a cell says is checked: it may be anybody's program by then.
"""

import errno
import fcntl
import mmap
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue

from runner.cell import memory

SLOTS = 8
SLOT_BYTES = (4 << 20) + 16  # a region of the usual size and its tag
_FETCHING = 4  # threads of the runner that fetch for one cell
_WANTED = struct.Struct("<IIQ")  # slot, file, region
_GIVEN = struct.Struct("<II")  # slot, bytes
_NONE = 0xFFFFFFFF  # instead of bytes: it could not be got
_PAGE = mmap.PAGESIZE

type Fetch = Callable[[int, int], bytes | bytearray | memoryview]


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
        slot = self._free.get()
        try:
            os.write(self._channel, _WANTED.pack(slot, file, region))
            length = self._await(slot)
            if length == _NONE:
                raise OSError(errno.EIO, "the region did not come")
            with self._shape.slot(self._ring, slot, length) as found:
                yield found
        finally:
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


class RegionServer:
    """The runner's end, for one cell; `fetch` is called in threads, and may wait."""

    def __init__(self, fetch: Fetch, slots: int = SLOTS, slot_bytes: int = SLOT_BYTES) -> None:
        self.shape = Shape(slots, slot_bytes)
        self.error: BaseException | None = None  # the first that `fetch` raised
        self._fetch = fetch

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

    def fill(self, ring: memoryview, slot: int, file: int, region: int) -> int:
        """Put a region into a slot, and return its length."""
        found = memoryview(self._fetch(file, region)).cast("B")
        if len(found) > self.shape.slot_bytes:
            raise ValueError("a region is larger than a slot")
        self.shape.slot(ring, slot, len(found))[:] = found
        return len(found)


class _Session:
    """Serves until the channel ends, or the cell says what no cell of ours says."""

    def __init__(self, server: RegionServer, channel: socket.socket, ring: memoryview) -> None:
        self._server, self._channel, self._ring = server, channel, ring
        self._busy: set[int] = set()
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
            while self._take(self._channel.recv(_WANTED.size + 1)):
                pass
        self._hang_up()

    def _take(self, wanted: bytes) -> bool:
        if len(wanted) != _WANTED.size:
            return False
        slot, file, region = _WANTED.unpack(wanted)
        if slot >= self._server.shape.slots or slot in self._busy:
            return False  # so no more is ever under way than there are slots
        self._busy.add(slot)
        filled = self._pool.submit(self._server.fill, self._ring, slot, file, region)
        filled.add_done_callback(partial(self._answer, slot))
        return True

    def _answer(self, slot: int, filled: Future[int]) -> None:
        if filled.cancelled():
            return
        error = filled.exception()
        if error is not None:
            self._server.error = self._server.error or error
        length = _NONE if error is not None else filled.result()
        self._busy.discard(slot)
        with suppress(OSError):  # the cell is gone
            self._channel.send(_GIVEN.pack(slot, length))

    def _hang_up(self) -> None:
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_RDWR)
