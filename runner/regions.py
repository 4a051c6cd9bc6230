"""The ciphertext of a job, as a cell gets it: what is small in memory, the rest on request."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Self

from cleanroom.errors import ProgramFailed
from cleanroom.seal.regions import check_region
from runner.cell import memory
from runner.cell.ring import SLOTS, RegionServer
from runner.compute import OpenInput
from runner.sql.task import Source

_MOST_CHECKED = 256  # regions that are read again after a failure
_RING = 32 << 20  # bytes of ciphertext that are under way at once, for one job


class Regions:
    """The stored regions of all inputs, for one cell: in memory, or asked for by the ring."""

    def __init__(self, inputs: tuple[OpenInput, ...]) -> None:
        self._inputs = [each.verified for each in inputs]
        self._lent: set[tuple[int, int]] = set()
        self.descriptors: list[int] = []
        self.sources = [self._source(number) for number in range(len(inputs))]

    @classmethod
    @contextmanager
    def of(cls, inputs: tuple[OpenInput, ...]) -> Iterator[Self]:
        """Put small inputs into memory, and let it go with the block."""
        made = cls(inputs)
        try:
            yield made
        finally:
            for descriptor in made.descriptors:
                os.close(descriptor)

    def _source(self, file: int) -> Source:
        found = self._inputs[file]
        if (body := found.at_hand) is None or not body:
            return Source("ring", file)
        self._lent |= {(file, index) for index in range(found.manifest.layout.regions)}
        self.descriptors.append(memory.holding(body))
        return Source("descriptor", len(self.descriptors) - 1)

    def server(self) -> RegionServer | None:
        """Serve those that are not in memory, each slot large enough for any."""
        layouts = [
            each.manifest.layout
            for each, source in zip(self._inputs, self.sources, strict=True)
            if source.kind == "ring"
        ]
        if not layouts:
            return None
        largest = max((each.stored(0).length for each in layouts if each.regions), default=1 << 16)
        return RegionServer(self._fill, max(2, min(SLOTS, _RING // largest)), largest)

    def check(self) -> None:
        """Tell a spoiled region from a program's own failure: a cell, which noticed, cannot say.

        Only now, because the cell has looked at every region already.
        """
        for file, index in sorted(self._lent)[:_MOST_CHECKED]:
            found = self._inputs[file]
            check_region(index, found.region(index), found.table[index])

    def _fill(self, file: int, first: int, into: Sequence[memoryview]) -> Iterator[int]:
        wanted = range(first, first + len(into))
        if file >= len(self._inputs) or wanted.stop > self._inputs[file].manifest.layout.regions:
            raise ProgramFailed("a cell asked for what is not there")
        self._lent |= {(file, index) for index in wanted}
        return self._inputs[file].fill(first, into)
