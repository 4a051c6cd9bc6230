"""Cards: one room, public halves only, and a contract names parties and readers by them."""

import json
from pathlib import Path
from typing import Any

import pytest

from cleanroom.contract import RoomKey
from cleanroom.errors import CleanroomError, Malformed
from party import cards, contracts
from party.cards import Card
from tests.builders import Keys, contract

URL = "https://north.vault.azure.net/keys/room-room"
AUTHORITY = "https://sharedweu.weu.attest.azure.net"


def card(keys: Keys, party: str = "north", room: str = "room") -> Card:
    key = RoomKey(URL.replace("north", party), keys.reader, AUTHORITY)
    place = f"https://{party}.blob.core.windows.net/datasets"
    return Card(party, room, keys.signing, keys.reader, key, place)


def test_a_card_reads_back_as_it_was_written(north: Keys) -> None:
    made = card(north)

    assert Card.parse(made.to_bytes(), "card") == made


def test_a_party_without_data_has_a_card_without_a_room_key(north: Keys) -> None:
    made = Card("north", "room", north.signing, north.reader, None, None)

    assert Card.parse(made.to_bytes(), "card") == made
    assert made.as_party()["room_key"] is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"format": "cleanroom/card/v2"}, "'cleanroom/card/v1'", id="format"),
        pytest.param({"more": 1}, "no other field, got 'more'", id="more"),
        pytest.param({"party": "North"}, "a name of 1 to 63", id="party"),
        pytest.param({"signing_key": "x"}, "base64", id="key"),
        pytest.param({"datasets": "http://a/b"}, "a storage location", id="place"),
    ],
)
def test_what_is_no_card_is_refused(change: dict[str, Any], expected: str, north: Keys) -> None:
    value = json.loads(card(north).to_bytes()) | change

    with pytest.raises(Malformed, match=expected):
        Card.parse(json.dumps(value).encode(), "card")


def written(folder: Path, keys: Keys, **changes: Any) -> Path:
    """Write a contract whose first party and reader stand in it by card."""
    value = contract(keys, Keys.make())
    value["parties"][0] = "north.room.card.json"
    value["result"]["readers"] = ["north.room.card.json"]
    path = folder / "contract.yaml"
    path.write_text(json.dumps(value | changes))
    return path


def test_a_contract_takes_parties_and_readers_from_cards(tmp_path: Path, north: Keys) -> None:
    (tmp_path / cards.file_name("north", "room")).write_bytes(card(north).to_bytes())

    made = contracts.read(written(tmp_path, north))

    first = made.contract.parties[0]
    assert (first.name, first.signing_key) == ("north", north.signing)
    assert first.room_key is not None
    assert first.room_key.url == URL
    assert [(one.party, one.key) for one in made.contract.result.readers] == [
        ("north", north.reader)
    ]
    assert tmp_path / "north.room.card.json" in made.files


def test_a_card_of_another_room_is_refused(tmp_path: Path, north: Keys) -> None:
    (tmp_path / "north.room.card.json").write_bytes(card(north, room="other").to_bytes())

    with pytest.raises(Malformed, match="a card for the room 'room', got one for 'other'"):
        contracts.load(written(tmp_path, north))


def test_a_card_that_is_not_there_is_named(tmp_path: Path, north: Keys) -> None:
    with pytest.raises(CleanroomError, match=r"north\.room\.card\.json: there is no such file"):
        contracts.load(written(tmp_path, north))
