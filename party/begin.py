"""What `init` does: keys in the vault, their public halves as files, and the card of a room."""

from dataclasses import dataclass
from pathlib import Path

from cleanroom import ids
from cleanroom.contract import RoomKey
from cleanroom.ids import Digest
from cleanroom.keys import ReaderKey, SigningKey
from party import cards, files
from party.cloud.vault import Made
from party.errors import option
from party.online import Online


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a party, as it is shown."""

    purpose: str
    id: Digest
    url: str
    new: bool

    @property
    def shown(self) -> str:
        """Say where it is and which it is."""
        return f"{self.url} ({'made now' if self.new else 'was there'})\n{self.id.words}"


@dataclass(frozen=True, slots=True)
class Begun:
    """What came of it."""

    keys: tuple[Key, ...]
    files: tuple[Path, ...]
    card: Path | None


def begin(online: Online, room: str | None, folder: Path, *, data: bool = True) -> Begun:
    """Make what is missing in the vault, and write what others need.

    1. The signing key, by which the party is known, and the reader key.
    2. The room's key, released to nobody yet, if the party brings data.
    3. The public halves as files, which hold nothing else than what is in the vault: replaced.
    4. The card.
    """
    profile = online.profile.need("vault")
    name = profile.name
    if room is not None:
        option(ids.name, room, "--room")
        profile.need(*(("authority", "datasets") if data else ()))
    signing, reader = online.vault.begin_signing(), online.vault.begin_reader()  # 1
    made = [("signing", signing), ("reader", reader)]
    if room is not None and data:
        made.append(("room", online.vault.begin_room(room, profile.authority)))  # 2
    with files.translated(folder):
        folder.mkdir(parents=True, exist_ok=True)
    written = []
    for purpose, one in made[:2]:  # 3
        written.append(folder / f"{name}.{purpose}.pub.pem")
        files.write_document(written[-1], one.key.pem.encode("ascii"), force=True)
    keys = tuple(Key(purpose, one.key.id, one.url, one.new) for purpose, one in made)
    if room is None:
        return Begun(keys, tuple(written), None)
    card = folder / cards.file_name(name, room)  # 4
    files.write_document(card, _card(online, room, made).to_bytes(), force=True)
    return Begun(keys, tuple(written), card)


def _card(online: Online, room: str, made: list[tuple[str, Made]]) -> cards.Card:
    profile, found = online.profile, dict(made)
    signing, reader = found["signing"].key, found["reader"].key
    assert isinstance(signing, SigningKey)  # noqa: S101  # as the vault was asked for them
    assert isinstance(reader, ReaderKey)  # noqa: S101
    room_key = None
    if "room" in found:
        key = found["room"].key
        assert isinstance(key, ReaderKey)  # noqa: S101
        room_key = RoomKey(found["room"].url, key, profile.authority)
    datasets = profile.datasets if room_key else None
    return cards.Card(profile.name, room, signing, reader, room_key, datasets)
