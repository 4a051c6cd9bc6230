"""What a cell runs: a function that is imported, and warmed up, before any cell is forked.

A module may define `warm`, called once in the zygote: to import what would be imported late (a
cell can open no file), and to make what takes long. Nothing secret may be there: every cell is a
copy.
"""

import importlib
from collections.abc import Callable, Sequence
from typing import cast

from runner.cell.ring import RegionClient

type Write = Callable[[bytes | bytearray | memoryview], None]


# Runs one task: is given it, what it may read, the ring if there is one, and how to write output.
# MemoryError means out of memory, any other exception that it failed; no text leaves.
type Entry = Callable[[bytes, Sequence[int], RegionClient | None, Write], None]


def load(name: str) -> Entry:
    """Import `module:function`, and warm its module up."""
    module_name, _, function = name.partition(":")
    module = importlib.import_module(module_name)
    warm = getattr(module, "warm", None)
    if warm is not None:
        warm()
    return cast("Entry", getattr(module, function))
