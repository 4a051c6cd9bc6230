from dataclasses import replace
from typing import Any

import pytest

from cleanroom.canonical import canonical
from cleanroom.errors import Malformed
from functions import intake
from functions.names import Blob

ACCOUNT = "https://ours.blob.core.windows.net"
SUBJECT = "/blobServices/default/containers/datasets/blobs/room/a/1.sealed"
DATA: dict[str, Any] = {
    "api": "PutBlockList",
    "blobType": "BlockBlob",
    "url": f"{ACCOUNT}/datasets/room/a/1.sealed",
    "eTag": "0x8D4BCC2E4835CD0",
    "contentLength": 524_288,
    "sequencer": "unknown to us",
}


def test_an_event_says_which_version_of_which_blob_was_written() -> None:
    found = intake.written(intake.CREATED, SUBJECT, DATA)

    assert found is not None
    assert found.blob == Blob(ACCOUNT, "datasets", "room/a/1.sealed")
    file = found.file
    assert (file.name, file.etag, file.size) == (found.blob.name, DATA["eTag"], 524_288)


def test_a_version_is_the_same_with_quotes_and_without() -> None:
    quoted = intake.written(intake.CREATED, SUBJECT, DATA | {"eTag": f'"{DATA["eTag"]}"'})

    assert quoted == intake.written(intake.CREATED, SUBJECT, DATA)


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        pytest.param("Microsoft.Storage.BlobDeleted", DATA, id="deleted"),
        pytest.param(intake.CREATED, None, id="no data"),
        pytest.param(intake.CREATED, "text", id="text"),
        pytest.param(intake.CREATED, DATA | {"api": "CreateFile"}, id="begun"),
        pytest.param(intake.CREATED, DATA | {"api": ["PutBlob"]}, id="list"),
        pytest.param(intake.CREATED, DATA | {"blobType": "PageBlob"}, id="pages"),
    ],
)
def test_other_events_say_nothing(kind: str, data: object) -> None:
    assert intake.written(kind, SUBJECT, data) is None


@pytest.mark.parametrize(
    ("subject", "changes"),
    [
        ("", {}),
        (SUBJECT, {"url": None}),
        (SUBJECT, {"eTag": 1}),
        (SUBJECT, {"contentLength": "1"}),
        (SUBJECT, {"contentLength": -1}),
        (SUBJECT, {"contentLength": None}),
    ],
    ids=["subject", "url", "version", "size", "negative", "no size"],
)
def test_what_is_used_of_an_event_is_read_strictly(
    subject: str, changes: dict[str, object]
) -> None:
    with pytest.raises(Malformed):
        intake.written(intake.CREATED, subject, DATA | changes)


def test_a_partys_own_event_holds_its_word_as_an_object() -> None:
    word = {"payload": "e30=", "signatures": []}

    assert intake.word("rooms/fraud", word) == ("fraud", canonical(word, "word"))


@pytest.mark.parametrize(
    ("subject", "data"),
    [("", {}), ("rooms/", {}), ("rooms/A", {}), ("rooms/a/b", {}), ("rooms/a", {"a": "\ud800"})],
    ids=["empty", "no room", "capital", "path", "no text"],
)
def test_a_partys_own_event_without_room_or_word_is_refused(subject: str, data: object) -> None:
    with pytest.raises(Malformed):
        intake.word(subject, data)


def test_the_same_event_twice_is_one() -> None:
    one = intake.written(intake.CREATED, SUBJECT, DATA)
    two = intake.written(intake.CREATED, SUBJECT, dict(DATA))

    assert one is not None
    assert len({one, two}) == 1
    assert replace(one) == two
