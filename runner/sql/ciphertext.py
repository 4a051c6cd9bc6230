"""The stored regions of a sealed file that lies in a descriptor: a file, or a sealed memfd."""

import mmap
from collections.abc import Iterator
from contextlib import contextmanager

from cleanroom.seal.layout import Layout


class Mapped:
    """The regions at the start of a descriptor, lent without a copy."""

    at_hand = True

    def __init__(self, descriptor: int, layout: Layout) -> None:
        self._layout = layout
        size = layout.body_size
        self._all = memoryview(mmap.mmap(descriptor, size, prot=mmap.PROT_READ) if size else b"")

    @contextmanager
    def region(self, index: int) -> Iterator[memoryview]:
        """Lend one stored region."""
        span = self._layout.stored(index)
        yield self._all[span.offset : span.end]
