"""A memory that holds so much and no more; what was used longest ago is forgotten first.

Only for what can be read again: a function may be stopped at any moment, and others run beside it.
"""

from collections import OrderedDict
from collections.abc import Hashable


class Memory[V]:
    """Remember values by keys."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[Hashable, V] = OrderedDict()

    def get(self, key: Hashable) -> V | None:
        """Recall a value."""
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def put(self, key: Hashable, value: V) -> V:
        """Remember a value, and return it."""
        self._values[key] = value
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)
        return value

    def __len__(self) -> int:
        return len(self._values)
