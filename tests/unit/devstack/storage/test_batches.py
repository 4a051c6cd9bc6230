import pytest
from hypothesis import given, strategies

from devstack.storage.batches import BOUNDARY, MOST, Answer, Part, joined, parts

TYPE = "multipart/mixed; boundary=batch_1"
PART = (
    "--batch_1\r\nContent-Type: application/http\r\nContent-ID: 0\r\n\r\n"
    "DELETE /cleanroom/north/a?b=c HTTP/1.1\r\nx-ms-date: today\r\nContent-Length: 0\r\n\r\n\r\n"
)
END = "--batch_1--\r\n"


def test_a_batch_is_taken_apart() -> None:
    body = PART + PART.replace("ID: 0", "ID: 1") + END

    found = parts(TYPE, body.encode())

    headers = {"x-ms-date": "today", "Content-Length": "0"}
    assert found == [
        Part("0", "DELETE", "/cleanroom/north/a?b=c", headers),
        Part("1", "DELETE", "/cleanroom/north/a?b=c", headers),
    ]


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        pytest.param("text/plain", PART + END, id="another type"),
        pytest.param("multipart/mixed", PART + END, id="no boundary"),
        pytest.param(TYPE, PART, id="no end"),
        pytest.param(TYPE, END, id="no part"),
        pytest.param(TYPE, "", id="nothing"),
        pytest.param(TYPE, "before" + PART + END, id="something before"),
        pytest.param(TYPE, PART * (MOST + 1) + END, id="too many"),
        pytest.param(TYPE, PART.replace("DELETE", "GET") + END, id="another method"),
        pytest.param(TYPE, PART.replace("HTTP/1.1", "HTTP/1.0") + END, id="another protocol"),
        pytest.param(TYPE, PART.replace("x-ms-date: today", "x-ms-date") + END, id="no header"),
        pytest.param(TYPE, PART.replace("today", "to\x00day") + END, id="unseen characters"),
        pytest.param(TYPE, PART.replace("north", "nörth") + END, id="not ascii"),
        pytest.param(TYPE, "--batch_1\r\n\r\n" + END, id="empty part"),
        pytest.param(TYPE, PART.replace("Content-ID", "Content ID") + END, id="bad part header"),
    ],
)
def test_what_is_no_batch_is_none(content_type: str, body: str) -> None:
    assert parts(content_type, body.encode()) is None


@given(strategies.binary() | strategies.binary().map(lambda some: PART.encode() + some))
def test_whatever_comes_is_a_batch_or_none(body: bytes) -> None:
    found = parts(TYPE, body + END.encode())

    assert found is None or all(part.method in {"DELETE", "PUT"} for part in found)


def test_answers_stand_under_their_ids() -> None:
    body = joined([Answer("7", 202, "Accepted", {"x-ms-version": "1"}, b"body")])

    assert body.decode() == (
        f"--{BOUNDARY}\r\nContent-Type: application/http\r\nContent-ID: 7\r\n\r\n"
        f"HTTP/1.1 202 Accepted\r\nx-ms-version: 1\r\n\r\nbody\r\n--{BOUNDARY}--\r\n"
    )
