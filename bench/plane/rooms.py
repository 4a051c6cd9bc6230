"""Rooms to measure with: contracts in force, files sealed beforehand."""

from collections.abc import Sequence
from dataclasses import dataclass

from cleanroom.ids import Digest
from tests.rooms import Place, PlayedRoom
from tests.sealing import Parts

LIMITS = {
    "seconds": 600,
    "memory": 1 << 30,
    "runs": 10**6,
    "period": "month",
    "expires": "2099-12-31T00:00:00Z",
}


@dataclass(frozen=True, slots=True)
class Drop:
    """A sealed version that is ready to be dropped."""

    room: str
    number: int
    blob: str
    data: bytes
    manifest: Digest


def in_force(place: Place, count: int) -> list[PlayedRoom]:
    """Make rooms that only wait for new versions of one dataset."""
    rooms = [place.room(limits=LIMITS) for _ in range(count)]
    for room in rooms:
        room.ready()
    return rooms


def drops(room: PlayedRoom, numbers: Sequence[int]) -> list[Drop]:
    """Seal versions of a room's first dataset."""
    found = []
    for number in numbers:
        data = room.sealed("a", number)
        blob = f"{room.name}/a/{number:06d}.sealed"
        found.append(Drop(room.name, number, blob, data, Digest.of(Parts.of(data).payload)))
    return found
