"""A memory that holds so much and no more; what was used longest ago is forgotten first.

Only for what can be read again: a function may be stopped at any moment, and others run beside it.
"""

import time
from collections import OrderedDict
from collections.abc import Hashable

FRESH = 5.0
"""Seconds for which what was read is taken for what is there, where being wrong does no harm."""


class Memory[V]:
    """Remember values by keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._held = 0
        self._values: OrderedDict[Hashable, tuple[V, int]] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """Recall a value."""
        found = self._values.get(key)
        if found is None:
            return None
        self._values.move_to_end(key)
        return found[0]

    def put(self, key: Hashable, value: V, weight: int = 1) -> V:
        """Remember a value, and return it; what is heavy takes the place of more."""
        _, before = self._values.pop(key, (None, 0))
        self._values[key] = (value, weight)
        self._held += weight - before
        while self._held > self._most:
            _, (_, freed) = self._values.popitem(last=False)
            self._held -= freed
        return value

    def drop(self, key: Hashable) -> None:
        """Forget a value."""
        _, freed = self._values.pop(key, (None, 0))
        self._held -= freed

    def __len__(self) -> int:
        return len(self._values)


class Lately[V]:
    """Remember values for a few seconds."""

    def __init__(self, most: int) -> None:
        self._memory: Memory[tuple[V, float]] = Memory(most)

    def get(self, key: Hashable) -> V | None:
        """Recall a value of a moment ago."""
        found = self._memory.get(key)
        if found is None or time.monotonic() - found[1] > FRESH:
            return None
        return found[0]

    def put(self, key: Hashable, value: V, weight: int = 1) -> V:
        """Remember a value for a moment, and return it."""
        return self._memory.put(key, (value, time.monotonic()), weight)[0]

    def forget(self, key: Hashable) -> None:
        """Forget a value before its time."""
        self._memory.drop(key)
