from datetime import UTC, datetime

import pytest

from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from functions import names
from functions.names import ApprovalName, Blob, Location

OURS = "https://ours.blob.core.windows.net"
DIGEST = Digest.of(b"a contract")
CONTAINERS = "/blobServices/default/containers"


@pytest.mark.parametrize(
    ("url", "location"),
    [
        (f"{OURS}/datasets/room/a", Location(OURS, "datasets", "room/a/")),
        (f"{OURS}/datasets", Location(OURS, "datasets", "")),
        (f"{OURS}x/datasets/a", Location(f"{OURS}x", "datasets", "a/")),
        ("https://theirs.example/data/a", Location("https://theirs.example", "data", "a/")),
        ("https://127.0.0.1:1/them/data/a", Location("https://127.0.0.1:1/them", "data", "a/")),
    ],
    ids=["folder", "container", "longer host", "another account", "an address"],
)
def test_a_storage_url_is_a_location(url: str, location: Location) -> None:
    assert Location.parse(url, OURS) == location


def test_an_account_may_be_a_path() -> None:
    account = "https://127.0.0.1:1/cleanroom"

    found = Location.parse(f"{account}/datasets/room/a", account)

    assert found == Location(account, "datasets", "room/a/")


def test_every_folder_above_a_location_is_named_from_the_top() -> None:
    location = Location(OURS, "datasets", "a/b/")

    assert [one.folder for one in location.above()] == ["", "a/", "a/b/"]


def test_locations_have_keys_of_their_own() -> None:
    places = [
        Location(OURS, "datasets", "a/"),
        Location(OURS, "datasets", "a/b/"),
        Location(OURS, "others", "a/"),
        Location("https://theirs", "datasets", "a/"),
    ]

    assert len({names.watcher(place, "room") for place in places}) == 4
    assert all(names.watcher(p, "room").startswith(names.watchers(p)) for p in places)


@pytest.mark.parametrize(
    ("subject", "url", "blob"),
    [
        pytest.param(
            f"{CONTAINERS}/rooms/blobs/room/contracts/a.json",
            f"{OURS}/rooms/room/contracts/a.json",
            Blob(OURS, "rooms", "room/contracts/a.json"),
            id="plain",
        ),
        pytest.param(
            f"{CONTAINERS}/rooms/blobs/a b/blobs/%#?",
            f"{OURS}/rooms/a%20b/blobs/%25",
            Blob(OURS, "rooms", "a b/blobs/%#?"),
            id="odd",
        ),
        pytest.param(
            f"{CONTAINERS}/data/blobs/a",
            "https://ours.dfs.core.windows.net/data/a",
            Blob(OURS, "data", "a"),
            id="the account's other name",
        ),
    ],
)
def test_an_events_subject_and_url_name_a_blob(subject: str, url: str, blob: Blob) -> None:
    assert Blob.parse(subject, url, "event") == blob


@pytest.mark.parametrize(
    ("subject", "url"),
    [
        ("", f"{OURS}/rooms/a"),
        (f"{CONTAINERS}/rooms", f"{OURS}/rooms/a"),
        (f"{CONTAINERS}/rooms/blobs/", f"{OURS}/rooms/a"),
        (f"{CONTAINERS}//blobs/a", f"{OURS}//a"),
        (f"{CONTAINERS}/rooms/blobs/a", f"{OURS}/others/a"),
        (f"x{CONTAINERS}/rooms/blobs/a", f"{OURS}/rooms/a"),
    ],
    ids=["empty", "container", "no name", "no container", "other url", "other subject"],
)
def test_what_names_no_blob_is_refused(subject: str, url: str) -> None:
    with pytest.raises(Malformed):
        Blob.parse(subject, url, "event")


def test_names_of_papers_are_read_as_they_are_written() -> None:
    contract = names.contract("room", DIGEST)
    approval = names.approval("room", DIGEST, "north")

    assert names.contract_in(contract) == DIGEST
    assert names.approval_in(approval) == ApprovalName(DIGEST, "north")
    assert {names.room_of_paper(name) for name in (contract, approval)} == {"room"}


@pytest.mark.parametrize(
    "name",
    [
        "",
        "room/contracts/",
        "room/contracts/a.json",
        f"room/contracts/{DIGEST.hex}",
        f"room/contracts/{DIGEST.hex.upper()}.json",
        f"room/contracts/{DIGEST.hex}.json\n",
        f"room/contracts/x/{DIGEST.hex}.json",
        f"Room/contracts/{DIGEST.hex}.json",
        f"room/approvals/{DIGEST.hex}.json",
        f"room/approvals/{DIGEST.hex}/.json",
        f"room/approvals/{DIGEST.hex}/a/b.json",
    ],
)
def test_other_names_mean_nothing(name: str) -> None:
    assert names.contract_in(name) is None
    assert names.approval_in(name) is None


@pytest.mark.parametrize(
    "name", ["", "room", "Room/contracts/a", "a--b/contracts/a", "../contracts/a", "room/jobs/a"]
)
def test_what_is_no_paper_of_a_room_is_nobodys(name: str) -> None:
    assert names.room_of_paper(name) is None


def test_what_lies_where_papers_belong_is_its_rooms() -> None:
    assert names.room_of_paper("room/contracts/rubbish") == "room"


def test_a_place_in_the_timeline_is_read_as_it_is_written_and_the_newest_is_first() -> None:
    early, late = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)
    places = [names.moment("room", DIGEST, moment) for moment in (early, late)]

    assert sorted(places) == [places[1], places[0]]
    assert [names.moment_in(place) for place in places] == [(DIGEST, early), (DIGEST, late)]
    assert names.moment_in(places[0] + "x") is None
