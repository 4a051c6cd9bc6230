"""Where cells come from: a warm process, replaced by a fresh one every so many cells.

All cells of one process share the layout of its memory, which is worth learning for whoever breaks
one; so a process does not bear for ever. The next one warms up while the old one goes on.
"""

import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

from cleanroom.errors import Unavailable
from cleanroom.walls import Walls
from runner.cell import walls
from runner.cell.birth import Birth
from runner.cell.cell import Cell
from runner.cell.limits import Limits
from runner.cell.process import Process
from runner.cell.spill import SpillRoot

CELLS = 500  # of one process
SPARES = 1  # cells that wait for a task
_PROBE = Limits(memory=1 << 30, seconds=10, output=4096)
_TRIES = 3


class Zygote:
    """Bears cells that run one entry; any thread may ask for them."""

    def __init__(
        self, entry: str, required: Walls, spills: SpillRoot | None, cells: int, spares: int
    ) -> None:
        self._entry, self._required, self._spills = entry, required, spills
        self._most, self._spares = cells, spares
        self._asking = threading.Lock()
        self._turning: threading.Thread | None = None
        self._current = self._warm()
        self.walls: Walls = frozenset()  # those that a cell found; `start` asks one

    @classmethod
    def start(
        cls,
        entry: str,
        required: Walls = frozenset(),
        spill: Path | None = None,
        cells: int = CELLS,
        spares: int = SPARES,
    ) -> Self:
        """Warm up `module:function`, and find out by a first cell which walls stand.

        Raises Unavailable if one is missing that must stand, or that is required.
        """
        spills = SpillRoot(spill) if spill is not None else None
        try:
            zygote = cls(entry, required, spills, cells, spares)
        except BaseException:
            if spills is not None:
                spills.remove()
            raise
        try:
            zygote._probe()
        except BaseException:
            zygote.close()
            raise
        return zygote

    def cell(self, limits: Limits) -> Cell:
        """Have a cell that is locked down and waits for its task; the same walls hold each."""
        if limits.spill and self._spills is None:
            raise ValueError("a cell with a spill needs a folder for it")
        for tries_left in reversed(range(_TRIES)):
            try:
                return Cell(self._take(), limits, self._required | self.walls)
            except Unavailable:  # a spare, or its zygote, may have been killed by anything
                if not tries_left:
                    raise
        raise AssertionError("unreachable")

    def close(self) -> None:
        """End; no cell may be held any more."""
        with self._asking:
            turning = self._turning
        if turning is not None:
            turning.join()
        self._current.retire()
        if self._spills is not None:
            self._spills.remove()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _probe(self) -> None:
        with self.cell(_PROBE) as cell:
            self.walls = cell.walls
        walls.check(self.walls, self._required, spill=self._spills is not None)

    def _take(self) -> Birth:
        with self._asking:
            try:
                birth = self._current.take()
            except Unavailable:
                self._current.retire()
                self._current = self._warm()
                birth = self._current.take()
            with suppress(Unavailable):  # if it is gone, the next to ask will see
                self._current.ask_up_to(self._spares)
            turning = self._turning is not None and self._turning.is_alive()
            if self._current.born >= self._most and not turning:
                self._turning = threading.Thread(target=self._turn, name="zygote")
                self._turning.start()
        return birth

    def _warm(self) -> Process:
        process = Process(self._entry, self._spills)
        try:
            process.greet()
        except BaseException:
            process.retire()
            raise
        return process

    def _turn(self) -> None:
        """Put a fresh process in the place of the old one; if none comes, the old one goes on."""
        with suppress(Unavailable):
            fresh = self._warm()
            with self._asking:
                old, self._current = self._current, fresh
            old.retire()
