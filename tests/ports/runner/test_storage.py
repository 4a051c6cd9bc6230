"""Blobs by the genuine SDK: what is written once, and a storage that lies about what it has."""

import gzip
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import trustme

from cleanroom.errors import CleanroomError, PolicyRefused, Tampered, Unavailable
from cleanroom.seal.layout import Span
from runner.job import Parts
from runner.room.places import Hosts
from runner.room.storage import Account, Accounts, Listed
from runner.room.transport import LARGEST_ANSWER
from tests.builders import NOW
from tests.ports.scripted import Reply, Scripted, scripted
from tests.ports.services import Nobody
from tests.worlds import World

RANGE = ("Content-Range", "bytes 0-3/4")


@pytest.fixture
def storage(here: World, parts: Parts) -> Account:
    """A real storage; `here` has our clients trust it."""
    del here
    return parts.storage


@contextmanager
def lying(ca: trustme.CA, *replies: Reply) -> Iterator[tuple[Account, Scripted]]:
    with scripted(*replies, ca=ca) as server:
        account = Account(f"{server.url}/account", Nobody(), patience=5.0)
        yield account, server
        account.close()


def error_of(ca: trustme.CA, *replies: Reply, most: int = 4) -> CleanroomError:
    with lying(ca, *replies) as (account, _), pytest.raises(CleanroomError) as caught:
        account.read("rooms", "name", most)
    return caught.value


# --- a storage that does what it should


def test_what_is_written_once_stays(storage: Account) -> None:
    first = storage.create("rooms", "once", b"first")
    second = storage.create("rooms", "once", b"second")

    assert (first, second) == (True, False)
    assert storage.read("rooms", "once", 10) == b"first"


def test_what_is_not_there_is_nothing(storage: Account) -> None:
    assert storage.read("rooms", "nothing", 10) is None
    assert storage.listed("rooms", "nothing/", 10) == ()
    assert storage.staged("rooms", "nothing") == ()
    assert not storage.exists("rooms", "nothing")


@pytest.mark.parametrize("size", [0, 9, 10])
def test_a_document_is_read_whole(size: int, storage: Account, world: World) -> None:
    world.put("rooms", "document", bytes(size))

    assert storage.read("rooms", "document", 10) == bytes(size)


def test_a_document_that_is_too_long_is_refused(storage: Account, world: World) -> None:
    world.put("rooms", "document", bytes(11))

    with pytest.raises(Tampered, match="longer than 10 bytes"):
        storage.read("rooms", "document", 10)


def test_a_part_is_of_the_blob_that_was_listed(storage: Account, world: World) -> None:
    world.put("rooms", "parts/blob", b"0123456789")
    (listed,) = storage.listed("rooms", "parts/", 10)
    first = storage.part("rooms", listed, Span(2, 3))
    world.put("rooms", "parts/blob", b"0123456789")  # the same, and yet another

    assert first == b"234"
    with pytest.raises(Tampered, match="changed while it was read"):
        storage.part("rooms", listed, Span(2, 3))


def test_a_part_beyond_the_end_is_refused(storage: Account, world: World) -> None:
    world.put("rooms", "short/blob", b"0123456789")
    (listed,) = storage.listed("rooms", "short/", 10)

    with pytest.raises(Tampered, match="fewer bytes than were asked for"):
        storage.part("rooms", listed, Span(8, 5))


def test_a_listing_has_what_is_directly_in_a_folder_and_no_more_than_asked(
    storage: Account, world: World
) -> None:
    for name in ("folder/a", "folder/b", "folder/c", "folder/deep/d", "folder-e"):
        world.put("rooms", name, b"x")

    names = [each.name for each in storage.listed("rooms", "folder/", 10)]

    assert names == ["folder/a", "folder/b", "folder/c"]
    assert len(storage.listed("rooms", "folder/", 2)) == 2


def test_blocks_are_seen_when_they_are_committed_and_only_once(
    storage: Account, world: World
) -> None:
    for block in ("one-0", "one-1", "two-0"):
        storage.stage("results", "blocks", block, block.encode())
    staged = storage.staged("results", "blocks")
    before = "blocks" in world.names("results")

    first = storage.commit("results", "blocks", ["one-0", "one-1"])
    second = storage.commit("results", "blocks", ["two-0"])

    assert sorted(staged) == ["one-0", "one-1", "two-0"]
    assert (before, first, second) == (False, True, False)
    assert world.get("results", "blocks") == b"one-0one-1"
    assert storage.staged("results", "blocks") == ()


def test_an_account_elsewhere_is_not_called(parts: Parts) -> None:
    del parts
    accounts = Accounts(Nobody(), Hosts((".blob.core.windows.net",)))

    with pytest.raises(PolicyRefused):
        accounts.at("https://169.254.169.254/metadata")
    assert accounts.at("https://a.blob.core.windows.net") is accounts.at(
        "https://a.blob.core.windows.net"
    )


# --- a storage that lies


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(Reply(206, bytes(1000), (RANGE,)), id="a longer part"),
        pytest.param(Reply(206, b"0123", (RANGE, ("Transfer-Encoding", "chunked"))), id="chunked"),
        pytest.param(
            Reply(206, b"", (RANGE,), length=1 << 40), id="a part that claims to be enormous"
        ),
        pytest.param(
            Reply(206, gzip.compress(bytes(1 << 20))[:4], (RANGE, ("Content-Encoding", "gzip"))),
            id="compressed",
        ),
        pytest.param(
            Reply(404, b"", (("x-ms-error-code", "BlobNotFound"),), length=LARGEST_ANSWER + 1),
            id="an enormous refusal",
        ),
    ],
)
def test_an_answer_that_is_more_than_was_asked_for_is_not_read(
    reply: Reply, ca: trustme.CA
) -> None:
    assert isinstance(error_of(ca, reply), Tampered)


def test_a_redirection_is_not_followed(ca: trustme.CA) -> None:
    with scripted(Reply(200, b"elsewhere"), ca=ca) as elsewhere:
        reply = Reply(302, headers=(("Location", f"{elsewhere.url}/rooms/name"),))

        error = error_of(ca, reply)

    assert isinstance(error, Unavailable)
    assert elsewhere.asked == []


def test_a_listing_larger_than_any_is_not_read(ca: trustme.CA) -> None:
    reply = Reply(200, b"<x/>" * (LARGEST_ANSWER // 4 + 1))
    with lying(ca, reply) as (account, _), pytest.raises(Tampered):
        account.listed("rooms", "", 10)


def test_a_download_that_is_cut_is_tried_again(ca: trustme.CA) -> None:
    cut = Reply(206, b"01", (RANGE,), length=4)
    whole = Reply(206, b"0123", (RANGE,))
    with lying(ca, cut, whole) as (account, server):
        found = account.part("rooms", Listed("name", 4, '"etag"', NOW), Span(0, 4))

    assert found == b"0123"
    assert [asked.headers.get("If-Match") for asked in server.asked] == ['"etag"'] * 2


def test_a_download_that_is_cut_goes_on_where_it_was(ca: trustme.CA) -> None:
    cut = Reply(206, b"0123x", (RANGE,), length=8)
    rest = Reply(206, b"4567", (RANGE,))
    pieces = [memoryview(bytearray(4)) for _ in range(2)]
    found: list[tuple[int, bytes]] = []
    with lying(ca, cut, rest) as (account, server):
        for length in account.fill("rooms", Listed("name", 9, '"etag"', NOW), 1, pieces):
            found.append((length, bytes(pieces[len(found)])))

    assert found == [(4, b"0123"), (4, b"4567")]
    assert [asked.headers["x-ms-range"] for asked in server.asked] == ["bytes=1-8", "bytes=5-8"]


def test_a_download_that_is_cut_each_time_is_given_up(ca: trustme.CA) -> None:
    cut = Reply(206, b"01", (RANGE,), length=4)
    with lying(ca, cut) as (account, server), pytest.raises(Unavailable):
        account.part("rooms", Listed("name", 4, '"etag"', NOW), Span(0, 4))

    assert len(server.asked) == 5


def test_a_part_that_is_read_no_further_holds_no_connection(ca: trustme.CA) -> None:
    whole = Reply(206, b"01234567", (RANGE,))
    with lying(ca, whole) as (account, server):
        pieces = [memoryview(bytearray(4)) for _ in range(2)]
        filling = account.fill("rooms", Listed("name", 8, '"etag"', NOW), 0, pieces)
        next(filling)
        filling.close()

        assert account.part("rooms", Listed("name", 8, '"etag"', NOW), Span(0, 8)) == b"01234567"
    assert len(server.asked) == 2


def test_a_small_part_comes_after_a_large_one(ca: trustme.CA) -> None:
    large, small = bytes(range(256)) * (1 << 13), b"0123"
    with lying(ca, Reply(206, large, (RANGE,)), Reply(206, small, (RANGE,))) as (account, _):
        listed = Listed("name", 1 << 22, '"etag"', NOW)

        assert account.part("rooms", listed, Span(0, len(large))) == large
        assert account.part("rooms", listed, Span(0, 4)) == small


@pytest.mark.parametrize("left", [1, 1 << 20])
def test_a_large_part_may_be_cut_anywhere(left: int, ca: trustme.CA) -> None:
    large = bytes(range(256)) * (1 << 13)
    cut = Reply(206, large[:-left], (RANGE,), length=len(large))
    with lying(ca, cut, Reply(206, large, (RANGE,))) as (account, _):
        found = account.part("rooms", Listed("name", 1 << 22, '"etag"', NOW), Span(0, len(large)))

    assert found == large


def test_what_the_storage_says_in_an_error_goes_no_further(ca: trustme.CA) -> None:
    error = error_of(ca, Reply(400, b"alice@example.com"))

    assert str(error) == "rooms: the storage answered with HTTP status 400"


def test_a_storage_that_hangs_up_may_answer_later(ca: trustme.CA) -> None:
    assert isinstance(error_of(ca, Reply(0)), Unavailable)
