"""Values and the messages of Microsoft's library, both ways; and what is refused before it runs."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host import identity, library
from devstack.functions_host.app import Source, load
from devstack.functions_host.data import Answer, Batch, Binary, Datum, Document, Text
from devstack.functions_host.protos import Message, Protos, seconds

PROTOS = Protos()


@pytest.mark.parametrize(
    "datum", [None, Text("x"), Binary(b"x"), Document("{}")], ids=["none", "text", "bytes", "json"]
)
def test_a_datum_goes_to_the_library_and_back(datum: Datum | None) -> None:
    assert library.datum(library.typed(datum)) == datum


def test_bodies_of_many_messages_are_a_collection() -> None:
    assert library.typed(Batch((b"a", b"b"))).collection_bytes.bytes == [b"a", b"b"]


@pytest.mark.parametrize(
    ("message", "datum"),
    [
        pytest.param(None, None, id="nothing"),
        pytest.param(PROTOS.TypedData(int=5), Document("5"), id="number"),
        pytest.param(PROTOS.TypedData(double=0.5), Document("0.5"), id="fraction"),
        pytest.param(PROTOS.TypedData(bytes=bytearray(b"x")), Binary(b"x"), id="bytearray"),
    ],
)
def test_what_a_function_gives_is_a_datum(message: object, datum: Datum | None) -> None:
    assert library.datum(message) == datum


@pytest.mark.parametrize(
    ("body", "read"),
    [
        pytest.param(PROTOS.TypedData(string="x"), b"x", id="text"),
        pytest.param(PROTOS.TypedData(json="{}"), b"{}", id="json"),
        pytest.param(PROTOS.TypedData(bytes=b"x"), b"x", id="bytes"),
        pytest.param(None, b"", id="nothing"),
    ],
)
def test_an_answer_has_a_body(body: object, read: bytes) -> None:
    http = Message(status_code="201", headers={"a": "b"}, cookies=None, body=body)

    assert library.datum(Message(http=http)) == Answer(201, (("a", "b"),), read)


def test_an_answer_is_never_sent_to_a_function() -> None:
    with pytest.raises(AssertionError):
        library.typed(Answer(200, (), b""))


def test_messages_are_made_by_their_names() -> None:
    assert PROTOS.Anything(a=1).a == 1
    assert PROTOS.Anything is PROTOS.Anything
    assert Message(data=1).WhichOneof("rpc_data") == "data"
    assert Message(string="x").WhichOneof("data") == "string"
    assert Message().WhichOneof("data") is None
    assert seconds(None) == 0.0
    with pytest.raises(AttributeError):
        _ = PROTOS._private


# --- identity


@pytest.mark.parametrize("expires", ["1800000000", 1_800_000_000])
def test_a_token_is_read(expires: object) -> None:
    found = identity._token({"access_token": "t", "expires_on": expires})

    assert (found.token, datetime.fromtimestamp(found.expires_on, UTC).year) == ("t", 2027)


@pytest.mark.parametrize("raw", [None, {}, {"access_token": 1}, {"access_token": "t"}])
def test_what_is_no_token_is_refused(raw: object) -> None:
    with pytest.raises(Malformed):
        identity._token(raw)


# --- loading


@pytest.mark.parametrize(
    ("files", "settings", "words"),
    [
        pytest.param([], None, "a folder with function_app.py", id="no app"),
        pytest.param(["function_app.py"], None, "a file that can be read", id="no host.json"),
        pytest.param(["function_app.py"], "gone.json", "a file of settings", id="no settings"),
    ],
)
def test_an_app_needs_its_files(
    tmp_path: Path, files: list[str], settings: str | None, words: str
) -> None:
    for name in files:
        (tmp_path / name).write_text("")
    source = Source(tmp_path, tmp_path / settings if settings else None, 7071)

    with pytest.raises(Malformed, match=words):
        asyncio.run(load(source))


def test_a_failure_without_words_is_still_one() -> None:
    assert library._failed(SimpleNamespace(exception=None)).message == ""
