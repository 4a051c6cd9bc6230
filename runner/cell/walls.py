"""The walls of a cell: what the kernel holds it by, and which of them must stand.

Not every machine has every wall: a container often refuses namespaces, an old kernel has no
Landlock. A cell says which stand before it is given anything, and what is required and missing
stops the runner when it starts.
"""

from collections.abc import Iterable

from cleanroom.errors import Malformed, Unavailable
from cleanroom.walls import Wall, Walls

ALWAYS: Walls = frozenset({Wall.NONEWPRIVS, Wall.NOCAPS, Wall.RLIMITS, Wall.SECCOMP})
PATHS: Walls = frozenset({Wall.MOUNT, Wall.LANDLOCK})  # either keeps a cell to its spill


def to_bytes(walls: Iterable[Wall]) -> bytes:
    """Write names, in order, with commas between them."""
    return ",".join(sorted(walls)).encode("ascii")


def parse(raw: bytes) -> Walls:
    """Read what `to_bytes` wrote."""
    try:
        return frozenset(Wall(name) for name in raw.decode("ascii").split(",") if name)
    except ValueError as error:
        raise Malformed("cell", "the names of walls") from error


def check(stand: Walls, required: Walls, *, spill: bool) -> None:
    """Refuse a machine where a wall is missing that always stands, or that is required.

    Raises Unavailable: the program is not at fault, and another machine may have the wall.
    """
    missing = (required | ALWAYS) - stand
    if missing:
        raise Unavailable(f"cell: no such wall on this machine: {', '.join(sorted(missing))}")
    if spill and not stand & PATHS:
        raise Unavailable("cell: expected mount or landlock, without which there is no spill")
