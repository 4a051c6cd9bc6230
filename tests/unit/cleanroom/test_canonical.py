"""JSON is read one way and written one way."""

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.canonical import LARGEST_INTEGER, canonical, parse_canonical, parse_json
from cleanroom.errors import Malformed

LIMIT = 1 << 20
DEEPEST = 32

values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER)
    | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=16,
)
almost_json = st.text('[]{}",:\\ \n0123456789-+.eEtrufalsn', max_size=60).map(str.encode)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        pytest.param(b"null", None, id="null"),
        pytest.param(b"true", True, id="true"),
        pytest.param(b"0", 0, id="zero"),
        pytest.param(b"9007199254740991", LARGEST_INTEGER, id="largest integer"),
        pytest.param(b"-9007199254740991", -LARGEST_INTEGER, id="smallest integer"),
        pytest.param(b'""', "", id="empty text"),
        pytest.param(b"[]", [], id="empty list"),
        pytest.param(b"{}", {}, id="empty object"),
        pytest.param(b'{"a":[1,{"b":null}]}', {"a": [1, {"b": None}]}, id="nested"),
        pytest.param(
            '"\u00e4\u20ac\U0001f600"'.encode(), "\u00e4\u20ac\U0001f600", id="beyond ASCII"
        ),
        pytest.param(b'"\\u0000\\u001f\\n\\\\\\""', '\0\x1f\n\\"', id="escapes"),
        pytest.param(
            '{"\U00010000":2,"\ue000":1}'.encode(),
            {"\ue000": 1, "\U00010000": 2},
            id="keys in UTF-16 order",
        ),
    ],
)
def test_canonical_json_is_read(data: bytes, value: object) -> None:
    parsed = parse_canonical(data, "x", LIMIT)

    assert parsed == value
    assert canonical(parsed, "x") == data


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "JSON in UTF-8", id="nothing"),
        pytest.param(b"{", "JSON in UTF-8", id="cut short"),
        pytest.param(b"{}{}", "JSON in UTF-8", id="two documents"),
        pytest.param(b"{}\0", "JSON in UTF-8", id="zero byte after it"),
        pytest.param(b"\xef\xbb\xbf{}", "JSON in UTF-8", id="byte order mark"),
        pytest.param("{}".encode("utf-16"), "JSON in UTF-8", id="UTF-16"),
        pytest.param(b'"\xff"', "JSON in UTF-8", id="not UTF-8"),
        pytest.param(b'"\xc0\xaf"', "JSON in UTF-8", id="overlong UTF-8"),
        pytest.param(b'"\xed\xa0\x80"', "JSON in UTF-8", id="surrogate in UTF-8"),
        pytest.param(b"{'a':1}", "JSON in UTF-8", id="single quotes"),
        pytest.param(b'{"a":1,}', "JSON in UTF-8", id="comma at the end"),
        pytest.param(b"{}//", "JSON in UTF-8", id="comment"),
        pytest.param(b'"\t"', "JSON in UTF-8", id="control character"),
        pytest.param(b"01", "JSON in UTF-8", id="leading zero"),
        pytest.param(b"0x10", "JSON in UTF-8", id="hexadecimal"),
        pytest.param("\u0661".encode(), "JSON in UTF-8", id="digit of another script"),
        pytest.param(b'{"a":1,"a":1}', "each field once", id="duplicate key"),
        pytest.param(b'{"a":1,"\\u0061":2}', "each field once", id="duplicate key, escaped"),
        pytest.param(b'[{"b":{"a":1,"a":2}}]', "each field once", id="duplicate key, nested"),
        pytest.param(b"9007199254740992", "integers within", id="integer too large"),
        pytest.param(b"-9007199254740992", "integers within", id="integer too small"),
        pytest.param(b"9" * 100_000, "integers within", id="integer of 100,000 digits"),
        pytest.param(b"1.5", "integers only", id="fraction"),
        pytest.param(b"1.0", "integers only", id="whole fraction"),
        pytest.param(b"1e2", "integers only", id="exponent"),
        pytest.param(b"NaN", "integers only", id="not a number"),
        pytest.param(b"-Infinity", "integers only", id="infinity"),
    ],
)
def test_json_that_two_readers_could_read_differently_is_refused(
    data: bytes, expected: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {re.escape(expected)}"):
        parse_json(data, "x", LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b" {}", id="space before"),
        pytest.param(b"{}\n", id="line feed after"),
        pytest.param(b'{"a": 1}', id="space between"),
        pytest.param(b'{"b":1,"a":2}', id="keys out of order"),
        pytest.param('{"\ue000":1,"\U00010000":2}'.encode(), id="keys in code point order"),
        pytest.param(b"-0", id="negative zero"),
        pytest.param(b'"\\u0061"', id="needless escape"),
        pytest.param(b'"\\/"', id="escaped slash"),
        pytest.param(b'"\\u000a"', id="long escape"),
        pytest.param(b'"\\u001F"', id="upper case escape"),
        pytest.param(b'"\\ud83d\\ude00"', id="escaped pair of surrogates"),
    ],
)
def test_another_spelling_of_the_same_value_is_refused(data: bytes) -> None:
    parse_json(data, "x", LIMIT)

    with pytest.raises(Malformed, match=r"^x: expected canonical JSON \(RFC 8785\)"):
        parse_canonical(data, "x", LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b'"\\ud800"', id="in a value"),
        pytest.param(b'{"\\ud800":1}', id="in a key"),
        pytest.param(b'{"\\udc00\\ud800":1,"b":2}', id="in the wrong order"),
    ],
)
def test_a_lone_surrogate_is_refused(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^x: expected values that canonical JSON can hold"):
        parse_canonical(data, "x", LIMIT)


def test_the_largest_document_is_read() -> None:
    assert parse_json(b'"abc"', "x", 5) == "abc"


def test_a_document_over_the_limit_is_refused_unread() -> None:
    with pytest.raises(Malformed, match=r"^x: expected at most 5 bytes, got 6$"):
        parse_json(b"{{{{{{", "x", 5)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * DEEPEST + b"]" * DEEPEST, id="lists"),
        pytest.param(b'{"a":' * DEEPEST + b"1" + b"}" * DEEPEST, id="objects"),
        pytest.param(b"[" + b",".join([b"{}"] * 1000) + b"]", id="many, side by side"),
        pytest.param(b'"' + b"[" * 1000 + b'"', id="brackets in text"),
        pytest.param(b'["\\"' + b"[" * 1000 + b'\\\\"]', id="brackets after an escaped quote"),
    ],
)
def test_json_of_allowed_depth_is_read(data: bytes) -> None:
    parsed = parse_json(data, "x", LIMIT)

    assert parsed == json.loads(data)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), id="one level more"),
        pytest.param(b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1), id="objects"),
        pytest.param(b'[{"a":' * DEEPEST, id="mixed"),
        pytest.param(b"[" * LIMIT, id="as deep as fits"),
        pytest.param(b"[" + b"[]," * 100 + b"[" * DEEPEST, id="after many, side by side"),
        pytest.param(b'["\\\\",' * (DEEPEST + 1), id="behind an escaped backslash"),
    ],
)
def test_deep_nesting_is_refused_before_it_is_parsed(data: bytes) -> None:
    with pytest.raises(Malformed, match=f"^x: expected at most {DEEPEST} levels of nesting"):
        parse_json(data, "x", LIMIT)


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"]" * 1000 + b"[" * 1000, id="closed before it is opened"),
        pytest.param(b'"' * 999 + b"[" * 1000, id="behind broken text"),
        pytest.param(b"[" * DEEPEST + b"}" * DEEPEST + b"[" * DEEPEST, id="closed wrongly"),
    ],
)
def test_brackets_that_do_not_match_are_refused_however_many(data: bytes) -> None:
    with pytest.raises(Malformed, match=r"^x: expected JSON in UTF-8"):
        parse_json(data, "x", LIMIT)


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(2**53, id="integer too large"),
        pytest.param(-(2**53), id="integer too small"),
        pytest.param(float("nan"), id="not a number"),
        pytest.param(float("inf"), id="infinity"),
        pytest.param(b"bytes", id="bytes"),
        pytest.param({1, 2}, id="a set"),
        pytest.param({1: 2}, id="a key that is not text"),
        pytest.param("\ud800", id="lone surrogate"),
        pytest.param({"\ud800": 1}, id="lone surrogate in a key"),
        pytest.param(object(), id="an object of Python"),
    ],
)
def test_a_value_that_json_cannot_hold_is_not_written(value: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected values that canonical JSON can hold"):
        canonical(value, "x")


@given(value=values)
@settings(max_examples=200, deadline=None)
def test_any_value_comes_back_from_its_bytes(value: object) -> None:
    data = canonical(value, "x")

    assert parse_canonical(data, "x", LIMIT) == value


@given(value=values)
@settings(max_examples=200, deadline=None)
def test_any_other_spelling_of_a_value_has_the_same_canonical_bytes(value: object) -> None:
    data = json.dumps(value, indent=1).encode()

    assert canonical(parse_json(data, "x", LIMIT), "x") == canonical(value, "x")


@given(data=st.binary(max_size=60) | almost_json)
@settings(max_examples=400, deadline=None)
def test_no_bytes_make_the_parser_raise_anything_but_malformed(data: bytes) -> None:
    try:
        parsed = parse_canonical(data, "x", LIMIT)
    except Malformed:
        return

    assert canonical(parsed, "x") == data
