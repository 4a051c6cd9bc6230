"""The walls around a program: what the kernel holds its cell by (docs/spec/contract.md §4).

Contracts demand walls by these names, and receipts tell by them which ones stood.
"""

from collections.abc import Iterable
from enum import StrEnum

from cleanroom.errors import Malformed
from cleanroom.fields import list_of, one_of


class Wall(StrEnum):
    """One thing that holds a cell."""

    USER = "user"  # namespaces
    NET = "net"
    IPC = "ipc"
    UTS = "uts"
    CGROUP = "cgroup"
    PID = "pid"
    MOUNT = "mount"  # a root of its own that holds nothing but the spill
    LANDLOCK = "landlock"
    NONEWPRIVS = "nonewprivs"
    NOCAPS = "nocaps"
    RLIMITS = "rlimits"
    SECCOMP = "seccomp"


type Walls = frozenset[Wall]

ALL: Walls = frozenset(Wall)

_names = list_of(one_of(*(wall.value for wall in Wall)), 0, len(Wall))


def parse(raw: object, where: str) -> Walls:
    """Accept names in alphabetical order, none twice; there may be none."""
    found = _names(raw, where)
    if list(found) != sorted(set(found)):
        raise Malformed(where, "each wall once, in alphabetical order")
    return frozenset(map(Wall, found))


def names(walls: Iterable[Wall]) -> list[str]:
    """Spell them as `parse` reads them."""
    return sorted(wall.value for wall in walls)
