"""The stored regions of a sealed file that lies in a descriptor: a file, or a sealed memfd."""

import mmap
from collections.abc import Generator

from cleanroom.seal.layout import Layout


class Mapped:
    """The regions at the start of a descriptor, lent without a copy."""

    at_hand = True

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._layout = layout
        size = layout.body_size
        self._all = memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b"")

    def regions(self, first: int, most: int) -> Generator[memoryview]:
        """Lend stored regions."""
        for index in range(first, first + most):
            span = self._layout.stored(index)
            yield self._all[span.offset : span.end]
