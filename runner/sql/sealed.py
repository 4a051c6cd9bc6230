"""Read the plaintext of sealed files by ranges, decrypting regions on demand into one arena.

- The arena is private memory of a fixed size, made once and used again for every file of a job, so
  that reading costs no fresh pages, and a file of any size costs the same memory.
- A reader pins one region at a time and waits for others only while it pins none: no deadlock.
- While a file is read on, the next regions are opened ahead, several for one request, by a few
  threads, but only into slots that nobody needs.
- After one region that does not open, the whole file is refused: an error is never tried again.
"""

import io
import mmap
import threading
from collections import OrderedDict, deque
from collections.abc import Collection, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import dropwhile, takewhile
from typing import Protocol

from cleanroom.errors import Tampered
from cleanroom.keys import DataKey
from cleanroom.seal.layout import Layout, Span
from cleanroom.seal.regions import RegionCipher, RegionTable

AHEAD = 6  # regions, at most
_FEWEST_AHEAD = 3  # that are worth a request, unless they are the last: asking costs, not the bytes
_NEAR = 2  # regions before one that is read: whoever read one of these reads on
_OPENERS = 2  # threads


class Ciphertext(Protocol):
    """Where the stored regions of one sealed file come from."""

    @property
    def at_hand(self) -> bool:
        """Tell whether they are in memory already, so that nothing is gained by asking early."""

    def regions(self, first: int, most: int) -> Generator[memoryview]:
        """Lend stored regions as they stand in the file, each until the next is asked for.

        One comes at least, and no more than so many.
        """


@dataclass(frozen=True, slots=True)
class Sealed:
    """One sealed file that can be opened: its manifest has been verified by whoever made this."""

    layout: Layout
    file_id: bytes
    table: RegionTable
    key: DataKey
    ciphertext: Ciphertext


class _Slot:
    """A place in the arena, and the region that it holds or is about to."""

    __slots__ = ("number", "pins", "ready")

    def __init__(self, number: int) -> None:
        self.number = number
        self.pins = 1
        self.ready = threading.Event()


class Arena:
    """Opened regions, at most as many as there are slots; the ones used longest ago go first."""

    def __init__(self, slot_bytes: int, slots: int) -> None:
        # private, because the default is shared memory, which a cell's limits forbid
        memory = mmap.mmap(-1, slot_bytes * slots, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        memory.madvise(mmap.MADV_HUGEPAGE)
        self._memory = memoryview(memory)
        self.size = len(self._memory)
        self._slot_bytes = slot_bytes
        self._free = list(range(slots))
        self._ahead = min(AHEAD, slots * 3 // 4)  # the rest is for what is read now
        self._held: OrderedDict[tuple[int, int], _Slot] = OrderedDict()
        self._changed = threading.Condition()
        self._openers = ThreadPoolExecutor(_OPENERS)  # which start at first use, so after a fork
        self._files = 0

    def reader(self, sealed: Sealed) -> "Reader":
        """Read one more file through this arena."""
        if sealed.layout.regions and sealed.layout.plain(0).length > self._slot_bytes:
            raise ValueError("a region must fit a slot")
        self._files += 1
        return Reader(self, self._files, sealed)

    @contextmanager
    def pinned(self, reader: "Reader", index: int) -> Iterator[memoryview]:
        """Lend the plaintext of a region, opening it first if it is not here."""
        slot, mine = self._claim(reader.number, index)
        try:
            if mine:
                self._fill(reader, [(index, slot)])
            slot.ready.wait()
            reader.check()
            yield self._memory_of(slot)[: reader.layout.plain(index).length]
        finally:
            self._unpin(slot)

    def ahead(self, reader: "Reader", now: range) -> None:
        """Open what follows the regions that are read now, as far as there is room for it."""
        if reader.at_hand:  # whoever reads has a processor, which is all that opening takes
            return
        following = range(now.stop, min(now.stop + self._ahead, reader.layout.regions))
        with self._changed:
            if not self._reads_on(reader.number, now):
                return
            for index in (*following, *now):  # which are therefore the last to go
                if (reader.number, index) in self._held:
                    self._held.move_to_end((reader.number, index))
            claimed = self._claim_ahead(reader.number, now, following)
        if claimed:
            self._openers.submit(self._fill_ahead, reader, claimed)

    def _reads_on(self, file: int, now: range) -> bool:
        """Tell whether somebody reads this file from its start, or from somewhere, on."""
        before = range(max(0, now.start - _NEAR), now.start)
        return now.start == 0 or any((file, index) in self._held for index in before)

    def _claim_ahead(self, file: int, now: range, following: range) -> list[tuple[int, _Slot]]:
        """Take slots for the next regions in a row, if they are worth a request."""
        missing = dropwhile(lambda index: (file, index) in self._held, following)
        run = list(takewhile(lambda index: (file, index) not in self._held, missing))
        if len(run) < min(_FEWEST_AHEAD, self._ahead, len(following)):
            return []
        kept = {(file, index) for index in (*now, *following)}
        return [(index, self._put(file, index)) for index in run if self._room(kept)]

    def close(self) -> None:
        """Wait for what is being opened, and start no more."""
        self._openers.shutdown(cancel_futures=True)

    def _claim(self, file: int, index: int) -> tuple[_Slot, bool]:
        """Pin a region's slot; tell whether it is new, and so for the caller to fill."""
        with self._changed:
            while True:
                if slot := self._held.get((file, index)):
                    self._held.move_to_end((file, index))
                    slot.pins += 1
                    return slot, False
                if self._room():
                    return self._put(file, index), True
                self._changed.wait()

    def _room(self, kept: Collection[tuple[int, int]] = ()) -> bool:
        """Make sure of a free slot, if one can be had."""
        if not self._free:
            unused = (at for at, slot in self._held.items() if not slot.pins and at not in kept)
            if (oldest := next(unused, None)) is not None:
                self._free.append(self._held.pop(oldest).number)
        return bool(self._free)

    def _put(self, file: int, index: int) -> _Slot:
        slot = self._held[file, index] = _Slot(self._free.pop())
        return slot

    def _unpin(self, slot: _Slot) -> None:
        with self._changed:
            slot.pins -= 1
            self._changed.notify()

    def _fill(self, reader: "Reader", claimed: Sequence[tuple[int, _Slot]]) -> None:
        """Open regions in a row, each into its slot."""
        left = deque(claimed)
        try:
            while left:
                with closing(reader.stored(left[0][0], len(left))) as regions:
                    for stored in regions:
                        index, slot = left[0]
                        reader.open(index, stored, self._memory_of(slot))
                        left.popleft()
                        slot.ready.set()
        except BaseException as error:
            reader.failure = reader.failure or error
            raise
        finally:  # whatever happens: others may wait for them
            for _, slot in left:
                slot.ready.set()

    def _fill_ahead(self, reader: "Reader", claimed: Sequence[tuple[int, _Slot]]) -> None:
        try:
            self._fill(reader, claimed)
        finally:
            for _, slot in claimed:
                self._unpin(slot)

    def _memory_of(self, slot: _Slot) -> memoryview:
        start = slot.number * self._slot_bytes
        return self._memory[start : start + self._slot_bytes]


class Reader:
    """Any range of one file's plaintext, from any thread."""

    def __init__(self, arena: Arena, number: int, sealed: Sealed) -> None:
        self.number = number
        self.layout = sealed.layout
        self.failure: BaseException | None = None
        self._arena = arena
        self._sealed = sealed
        self._cipher = RegionCipher(sealed.key, sealed.file_id)

    @property
    def size(self) -> int:
        """Bytes of plaintext."""
        return self.layout.plaintext_size

    @property
    def at_hand(self) -> bool:
        """Tell whether its ciphertext is in memory."""
        return self._sealed.ciphertext.at_hand

    def read(self, offset: int, length: int) -> bytes:
        """Open a range: as many bytes as asked for, or as there are; never more."""
        wanted = Span(offset, max(0, min(length, self.size - offset)))
        regions = self.layout.covering(wanted)
        self._arena.ahead(self, regions)
        if len(regions) == 1:
            piece = Span(wanted.offset - regions.start * self.layout.region_size, wanted.length)
            with self._arena.pinned(self, regions.start) as plain:
                return bytes(plain[piece.offset : piece.end])
        return self._joined(wanted)

    def _joined(self, wanted: Span) -> bytes:
        joined = io.BytesIO(bytes(wanted.length))  # its buffer becomes the result without a copy
        with joined.getbuffer() as whole:
            done = 0
            for index, piece in self.layout.pieces(wanted):
                with self._arena.pinned(self, index) as plain:
                    whole[done : done + piece.length] = plain[piece.offset : piece.end]
                done += piece.length
        return joined.getvalue()

    def stored(self, first: int, most: int) -> Generator[memoryview]:
        """Have stored regions, one at least, unless the file is refused."""
        self.check()
        return self._sealed.ciphertext.regions(first, most)

    def open(self, index: int, stored: memoryview, slot: memoryview) -> None:
        """Open one region into a slot."""
        plain = slot[: self.layout.plain(index).length]
        self._cipher.open(index, stored, self._sealed.table[index], plain)

    def check(self) -> None:
        """Refuse a file of which any region did not open."""
        if self.failure is not None:
            raise Tampered("a region of the file did not open")
