"""Frames between host and worker, both ways."""

import cbor2
import pytest

from cleanroom.errors import Malformed
from devstack.functions_host import wire
from devstack.functions_host.data import (
    Answer,
    Batch,
    Binary,
    Call,
    Datum,
    Document,
    Failed,
    Found,
    Index,
    Indexed,
    Invocation,
    Outcome,
    RetryRule,
    Returned,
    Text,
)

CALL = Call("GET", "http://x/", {"a": "b"}, {"q": "1"}, {"id": "2"}, b"body")
DATA = [
    Text("t"),
    Binary(b"\x00"),
    Document("{}"),
    Batch((b"a", b"b")),
    CALL,
    Answer(200, (("Set-Cookie", "a"), ("Set-Cookie", "b")), b"x"),
    None,
]


def through(message: object) -> list[object]:
    framed = wire.frame(message)
    size = wire.length(framed[:4])
    assert len(framed) == 4 + size
    return wire.message(framed[4:])


@pytest.mark.parametrize("datum", DATA)
def test_a_datum_passes(datum: Datum | None) -> None:
    assert wire.datum_in(through([wire.datum_out(datum)])[0]) == datum


def test_an_invocation_passes() -> None:
    sent = Invocation("i", "f", {"a": CALL, "b": None}, {"m": Text("x")}, "00-a-b-01", 1, 2)

    assert wire.invocation_in(through(wire.invocation_out(sent))) == sent


@pytest.mark.parametrize(
    "outcome", [Returned(None, {}), Returned(Text("x"), {"o": Binary(b"1")}), Failed("m", "t")]
)
def test_an_outcome_passes(outcome: Outcome) -> None:
    assert wire.outcome_in(through(wire.outcome_out("i", outcome))) == ("i", outcome)


@pytest.mark.parametrize(
    "found",
    [
        Failed("m", "t"),
        Index((Indexed("f", "i", ("{}",), RetryRule(2, 1.0, 5.0)),), ("a.py",), streaming=False),
        Index((Indexed("f", "i", (), None),), (), streaming=True),
    ],
)
def test_an_index_passes(found: Found) -> None:
    assert wire.found_in(through(wire.found_out(found))) == found


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(["x", 1], id="kind"),
        pytest.param(["t", 1], id="no text"),
        pytest.param(["b", "x"], id="no bytes"),
        pytest.param(["m", ["x"]], id="no bytes in a batch"),
        pytest.param(["c", "GET", "u", 1, {}, {}, b""], id="no headers"),
        pytest.param(["c", "GET", "u", {"a": 1}, {}, {}, b""], id="no text of a header"),
        pytest.param(["a", 200, [["a"]], b""], id="no pair"),
        pytest.param(5, id="number"),
    ],
)
def test_what_is_no_datum_is_refused(raw: object) -> None:
    with pytest.raises(Malformed):
        wire.datum_in(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param([], id="empty"),
        pytest.param(["returned", "i", None, {"o": None}], id="nothing in an output"),
        pytest.param(["returned", "i", None, {1: ["t", "x"]}], id="name of an output"),
        pytest.param(["failed", "i", "m"], id="no trace"),
    ],
)
def test_what_is_no_outcome_is_refused(raw: list[object]) -> None:
    with pytest.raises(Malformed):
        wire.outcome_in(raw)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(["index"], id="short"),
        pytest.param(["index", [["f"]], [], False], id="function"),
        pytest.param(["index", [["f", "i", [], [1]]], [], False], id="rule"),
        pytest.param(["index", [], [1], False], id="file"),
    ],
)
def test_what_is_no_index_is_refused(raw: list[object]) -> None:
    with pytest.raises(Malformed):
        wire.found_in(raw)


def test_what_is_no_invocation_is_refused() -> None:
    with pytest.raises(Malformed):
        wire.invocation_in(["i"])


@pytest.mark.parametrize("body", [b"", b"\xff", cbor2.dumps({"a": 1})])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(Malformed):
        wire.message(body)


def test_a_frame_is_bounded() -> None:
    with pytest.raises(Malformed):
        wire.length(b"\xff\xff\xff\xff")


def test_waits_are_fixed_or_double_up_to_the_longest() -> None:
    fixed, growing = RetryRule(-1, 3.0, 3.0), RetryRule(5, 1.0, 10.0)

    assert [fixed.wait(n) for n in range(3)] == [3.0, 3.0, 3.0]
    assert [growing.wait(n) for n in range(6)] == [1.0, 2.0, 4.0, 8.0, 10.0, 10.0]
