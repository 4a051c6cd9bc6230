"""Blobs that nobody should have written: they cost little, and only their own room."""

import os
import uuid
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.storage.blob import BlobBlock

from cleanroom.contract import LARGEST
from cleanroom.ids import Digest
from functions.parts import Parts
from functions.reconciling import Wish
from functions.rooms import MOST
from functions.scanning import MOST as MOST_FILES
from tests.ports.functions.plane import run
from tests.ports.functions.told import telling
from tests.rooms import Place, PlayedRoom
from tests.sealing import Parts as Sealed
from tests.sealing import flipped

MORE_MEMORY = 200 << 20  # bytes; a gigabyte is what must not be read
THOROUGH = Wish(thorough=True)


def memory() -> int:
    """Measure what this process has in memory."""
    pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")


def look(place: Place, env: Mapping[str, str], room: PlayedRoom) -> int:
    """Look at a room, and say how much more memory that took."""

    async def work(parts: Parts) -> int:
        before = memory()
        await parts.reconciler.reconcile(room.name, THOROUGH)
        return memory() - before

    return run(place, env, work)


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        pytest.param("contracts/rubbish", b"", "unknown_name", id="name"),
        pytest.param("contracts/a b\N{SNOWMAN}%2F?#.json", b"", "unknown_name", id="odd name"),
        pytest.param("contracts/" + "x" * 900, b"", "unknown_name", id="long name"),
        pytest.param(f"contracts/{'a' * 64}.json", b"", "digest_differs", id="empty"),
        pytest.param(f"contracts/{'a' * 64}.json", b"{}", "digest_differs", id="another"),
        pytest.param("contracts/{digest}.json", b"[[[[", "malformed", id="no JSON"),
        pytest.param("contracts/{digest}.json", b"[" * 200_000, "malformed", id="deep"),
        pytest.param("contracts/{digest}.json", b"\xff\x00", "malformed", id="no text"),
        pytest.param("contracts/{digest}.json", b"x" * (LARGEST + 1), "too_large", id="large"),
        pytest.param("approvals/rubbish", b"", "unknown_name", id="approval's name"),
        pytest.param("approvals/{contract}/north.json", b"", "malformed", id="empty approval"),
        pytest.param("approvals/{contract}/north.json", b"{", "malformed", id="half an approval"),
        pytest.param("approvals/{contract}/x.json", b"{}", "malformed", id="nobody's approval"),
    ],
)
def test_a_paper_is_refused_once_and_its_room_goes_on(
    place: Place, env: Mapping[str, str], name: str, data: bytes, reason: str
) -> None:
    room = place.room()
    room.ready()
    other = place.room_of(room.name, purpose="Find something else.")
    other.propose()
    digest = Digest.of(data)
    where = name.replace("{digest}", digest.hex).replace("{contract}", other.contract.digest.hex)
    room.upload("rooms", f"{room.name}/{where}", data)

    with telling(env) as told:
        look(place, env, room)
        look(place, env, room)

        assert told.reasons(room.name) == [reason]
    assert len(room.records()) == 1


def test_a_word_in_the_name_of_another_is_refused(place: Place, env: Mapping[str, str]) -> None:
    room = place.room()
    room.propose()
    path = f"{room.name}/approvals/{room.contract.digest.hex}"
    room.upload("rooms", f"{path}/south.json", room.word("north"))
    forged = PlayedRoom(
        Place(place.storage, place.url, place.bus, place.south, place.north),
        room.name,
        room.contract,
    )
    room.upload("rooms", f"{path}/north.json", forged.word("north"))

    with telling(env) as told:
        look(place, env, room)

        assert told.reasons(room.name) == ["other_party", "wrong_signature"]
        assert "contract.approved" not in told.kinds(room.name)


def spoiled(room: PlayedRoom) -> dict[str, tuple[bytes, str]]:
    """Spell files that are no version of the dataset, and why each is refused."""
    good = room.sealed("a", 1)
    parts = Sealed.of(good)
    other = PlayedRoom(
        Place(
            room.place.storage, room.place.url, room.place.bus, room.place.south, room.place.north
        ),
        room.name,
        room.contract,
    )
    return {
        "plain.sealed": (b"customer,amount\n1,2\n", "not_sealed"),
        "plain.csv": (b"customer,amount\n1,2\n", "not_sealed"),
        "empty.sealed": (b"", "not_sealed"),
        "half.sealed": (good[: len(good) // 2], "not_sealed"),
        "cut.sealed": (good[1:], "malformed"),
        "changed.sealed": (parts.with_envelope(payload="e30=").join(), "wrong_signature"),
        "footer.sealed": (flipped(good, len(good) - 1), "not_sealed"),
        "other.sealed": (other.sealed("a", 1), "wrong_signature"),
        "\x7f\x85.sealed": (good, "unknown_name"),
    }


def test_files_that_are_no_version_are_refused_for_what_is_wrong_with_each(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    bad = spoiled(room)
    for name, (data, _) in bad.items():
        room.upload("datasets", f"{room.name}/a/{name}", data)

    with telling(env) as told:
        look(place, env, room)
        look(place, env, room)

        assert told.reasons(room.name, "dataset.refused") == sorted(
            reason for _, reason in bad.values()
        )
    assert len(room.records()) == 1


def gigabyte(place: Place, container: str, name: str) -> None:
    """Commit a gigabyte of which four MiB were sent."""
    blob = place.storage.get_blob_client(container, name)
    block = uuid.uuid4().hex
    blob.stage_block(block, bytes(4 << 20))
    blob.commit_block_list([BlobBlock(block)] * 256)


def test_a_gigabyte_is_refused_by_its_size_or_its_end_and_never_read(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    gigabyte(place, "rooms", f"{room.name}/contracts/{'b' * 64}.json")
    gigabyte(place, "rooms", f"{room.name}/approvals/{room.contract.digest.hex}/x.json")
    gigabyte(place, "datasets", f"{room.name}/a/large.sealed")

    with telling(env) as told:
        more = look(place, env, room)

        assert told.reasons(room.name) == ["too_large", "too_large"]
        assert told.reasons(room.name, "dataset.refused") == ["not_sealed"]
    assert len(room.records()) == 1
    assert more < MORE_MEMORY


@pytest.mark.campaign
def test_thousands_of_names_cost_little_hide_nothing_and_stop_no_other_room(
    place: Place, env: Mapping[str, str]
) -> None:
    room, other = place.room(), place.room()
    folders = [  # each before all that is good, and more than is looked at in one go
        ("rooms", f"{room.name}/contracts/0", MOST + 200),
        ("rooms", f"{room.name}/approvals/0", 200),
        ("datasets", f"{room.name}/a/0", MOST_FILES + 200),
    ]
    names = [(c, f"{prefix}{i:05d}") for c, prefix, count in folders for i in range(count)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: room.upload(one[0], one[1], b"x"), names))
    room.ready()
    other.ready()

    async def work(parts: Parts) -> int:
        before = memory()
        for _ in range(2):
            await parts.reconciler.reconcile(room.name, THOROUGH)
        await parts.reconciler.reconcile(other.name)
        return memory() - before

    more = run(place, env, work)

    assert len(room.records()) == 1
    assert len(other.records()) == 1
    assert more < MORE_MEMORY


def test_a_hidden_name_at_the_end_of_a_listing_does_not_spoil_what_is_remembered(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    names = [("datasets", f"{room.name}/a/{i:05d}\x7f") for i in range(600)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: room.upload(one[0], one[1], b"x"), names))
    room.ready()

    look(place, env, room)
    look(place, env, room)

    assert len(room.records()) == 1


def test_what_is_written_into_containers_that_belong_to_nobody_is_not_looked_at(
    place: Place, env: Mapping[str, str]
) -> None:
    room = place.room()
    room.ready()
    room.upload("results", f"{room.name}/contracts/rubbish", b"x")
    room.upload("rooms", f"{room.name}/rubbish", b"x")
    room.upload("rooms", f"{room.name.upper()}/contracts/rubbish", b"x")

    with telling(env) as told:
        look(place, env, room)

        assert "document.refused" not in told.kinds(room.name)
    assert len(room.records()) == 1
