"""A card: what a party gives to the others of a room, so that a contract can name it.

It holds public keys and addresses only. Nobody signs it: whoever gets a card compares the words of
its keys with the party, by voice. In contract.yaml a party is named by its card's file.
"""

import json
from dataclasses import dataclass

from cleanroom import ids
from cleanroom.canonical import parse_json
from cleanroom.contract import Party, RoomKey
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, exactly, optional
from cleanroom.keys import ReaderKey, SigningKey
from cleanroom.urls import storage_url

FORMAT = "cleanroom/card/v1"
SUFFIX = ".card.json"
_LARGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class Card:
    """A party in one room."""

    party: str
    room: str
    signing_key: SigningKey
    reader_key: ReaderKey
    room_key: RoomKey | None
    datasets: str | None

    @classmethod
    def parse(cls, data: bytes, where: str) -> "Card":
        """Accept a card."""
        f = Fields(parse_json(data, where, _LARGEST), where)
        f.take("format", exactly(FORMAT))
        card = cls(
            f.take("party", ids.name),
            f.take("room", ids.name),
            f.take("signing_key", SigningKey.parse),
            f.take("reader_key", ReaderKey.parse),
            f.take("room_key", optional(RoomKey.parse)),
            f.take("datasets", optional(storage_url)),
        )
        f.end()
        return card

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it, for people to look at."""
        value = {
            "format": FORMAT,
            "party": self.party,
            "room": self.room,
            "signing_key": self.signing_key.to_json(),
            "reader_key": self.reader_key.to_json(),
            "room_key": self.room_key.to_dict() if self.room_key else None,
            "datasets": self.datasets,
        }
        return (json.dumps(value, indent=2) + "\n").encode()

    def of_room(self, room: object, where: str) -> "Card":
        """Refuse a card that was given for another room: its key is for that one's data."""
        if room != self.room:
            raise Malformed(where, f"a card for the room {room!r}", f"one for {self.room!r}")
        return self

    def as_party(self) -> dict[str, object]:
        """Spell the party as a contract does."""
        return Party(self.party, self.signing_key, self.room_key).to_dict()

    def as_reader(self) -> dict[str, object]:
        """Spell the reader of a result as a contract does."""
        return {"party": self.party, "key": self.reader_key.to_json()}


def file_name(party: str, room: str) -> str:
    """Name the file of a card."""
    return f"{party}.{room}{SUFFIX}"
