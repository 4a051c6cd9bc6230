"""Values come out of JSON with their type, in one spelling, or not at all."""

import base64
import re
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.canonical import LARGEST_INTEGER
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    Parser,
    base64_bytes,
    base64_text,
    boolean,
    exactly,
    instant,
    instant_text,
    integer,
    kind,
    list_of,
    matching,
    one_of,
    optional,
    shown,
    text,
    unique,
    visible,
)

SEEN = "only characters that can be seen"
MOST = LARGEST_INTEGER
HUGE = 16**5000  # Python refuses to spell it in decimal
any_value: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())
)


# --- Fields


def test_fields_are_taken_by_name_with_their_place() -> None:
    f = Fields({"a": 1, "b": "two"}, "x")

    taken = f.take("a", lambda raw, where: (raw, where)), f.take("b", text(3))

    f.end()
    assert taken == ((1, "x.a"), "two")


def test_taking_fields_leaves_the_callers_object_whole() -> None:
    raw = {"a": 1}

    Fields(raw, "x").take("a", integer(0))

    assert raw == {"a": 1}


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        pytest.param([], "a list", id="list"),
        pytest.param("a", "text", id="text"),
        pytest.param(1, "a number", id="number"),
        pytest.param(True, "true or false", id="boolean"),
        pytest.param(None, "nothing", id="null"),
        pytest.param([("a", 1)], "a list", id="list of pairs"),
        pytest.param(1.5, "float", id="fraction"),
    ],
)
def test_fields_of_anything_but_an_object_are_refused(raw: object, got: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected an object with named fields, got {got}$"):
        Fields(raw, "x")


def test_a_missing_field_is_refused() -> None:
    f = Fields({"b": 1}, "x")

    with pytest.raises(Malformed, match=r"^x: expected a field 'a'$"):
        f.take("a", integer(0))


def test_a_field_can_be_taken_only_once() -> None:
    f = Fields({"a": 1}, "x")
    f.take("a", integer(0))

    with pytest.raises(Malformed, match=r"^x: expected a field 'a'$"):
        f.take("a", integer(0))


@pytest.mark.parametrize(
    ("raw", "got"),
    [
        pytest.param({"c": 1, "b": 2}, "'b'", id="the first by name"),
        pytest.param({"x" * 99: 1}, repr("x" * 40), id="a long name, cut"),
        pytest.param({"\ud800\x1b": 1}, r"'\ud800\x1b'", id="a name that does not print"),
        pytest.param({7: 1}, "'7'", id="a name that is no text"),
        pytest.param({None: 1}, "'None'", id="no name"),
    ],
)
def test_an_unknown_field_is_refused(raw: dict[Any, int], got: str) -> None:
    f = Fields(raw, "x")

    with pytest.raises(Malformed, match=f"^x: expected no other field, got {re.escape(got)}$"):
        f.end()


# --- what messages show


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        pytest.param({}, "an object", id="object"),
        pytest.param([], "a list", id="list"),
        pytest.param("", "text", id="text"),
        pytest.param(0, "a number", id="number"),
        pytest.param(False, "true or false", id="boolean"),
        pytest.param(None, "nothing", id="null"),
        pytest.param(b"", "bytes", id="no JSON value"),
    ],
)
def test_every_kind_of_value_has_a_name(raw: object, name: str) -> None:
    assert kind(raw) == name


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        pytest.param("abc", "'abc'", id="text"),
        pytest.param("\x1b[2J\u202e", r"'\x1b[2J\u202e'", id="text that does not print"),
        pytest.param("\ud800", r"'\ud800'", id="lone surrogate"),
        pytest.param("x" * 38, repr("x" * 38), id="text that just fits"),
        pytest.param("x" * 39, "'" + "x" * 36 + "...", id="text that is cut"),
        pytest.param(12, "12", id="number"),
        pytest.param(LARGEST_INTEGER, "9007199254740991", id="largest number"),
        pytest.param(True, "True", id="boolean"),
        pytest.param(HUGE, "a number", id="number too large to spell"),
        pytest.param({"secret": 1}, "an object", id="object"),
        pytest.param(None, "nothing", id="null"),
    ],
)
def test_a_message_shows_a_value_on_one_line(raw: object, expected: str) -> None:
    assert shown(raw) == expected


# --- single values


@pytest.mark.parametrize(
    ("parse", "raw"),
    [
        pytest.param(text(3), "abc", id="longest text"),
        pytest.param(text(3), "a", id="shortest text"),
        pytest.param(text(3, shortest=0), "", id="empty text"),
        pytest.param(text(3), "a\t\n", id="tab and line feed"),
        pytest.param(text(3), " ~\u00a0", id="spaces, next to control characters"),
        pytest.param(text(3), "\u00e4\u20ac\U0001f600", id="length in characters"),
        pytest.param(matching("a+", "some a"), "aa", id="matching"),
        pytest.param(integer(0), 0, id="lowest"),
        pytest.param(integer(0), LARGEST_INTEGER, id="highest by default"),
        pytest.param(integer(-3, -1), -1, id="highest"),
        pytest.param(boolean, True, id="true"),
        pytest.param(boolean, False, id="false"),
        pytest.param(one_of("a", "b"), "b", id="one of"),
        pytest.param(exactly("v1"), "v1", id="exactly text"),
        pytest.param(exactly(value=False), False, id="exactly false"),
        pytest.param(optional(integer(0)), None, id="nothing"),
        pytest.param(optional(integer(0)), 1, id="something"),
    ],
)
def test_a_value_of_the_kind_is_taken_as_it_is(parse: Parser[object], raw: object) -> None:
    parsed = parse(raw, "x")

    assert parsed == raw
    assert type(parsed) is type(raw)


@pytest.mark.parametrize(
    ("parse", "raw", "message"),
    [
        pytest.param(text(3), 1, "text, got a number", id="number for text"),
        pytest.param(text(3), None, "text, got nothing", id="null for text"),
        pytest.param(text(3), ["a"], "text, got a list", id="list for text"),
        pytest.param(text(3), b"a", "text, got bytes", id="bytes for text"),
        pytest.param(text(3), "", "1 to 3 characters, got 0", id="empty text"),
        pytest.param(text(3), "abcd", "1 to 3 characters, got 4", id="text too long"),
        pytest.param(text(3), "a\0", "no control characters", id="zero byte"),
        pytest.param(text(3), "a\r\n", "no control characters", id="carriage return"),
        pytest.param(text(3), "\x1b", "no control characters", id="escape"),
        pytest.param(text(3), "\x1f", "no control characters", id="last of C0"),
        pytest.param(text(3), "\x7f", "no control characters", id="delete"),
        pytest.param(text(3), "\x9b", "no control characters", id="C1, a terminal's escape"),
        pytest.param(text(3), "\x9f", "no control characters", id="last of C1"),
        pytest.param(text(3), "\x85", "no control characters", id="C1, next line"),
        pytest.param(text(3), "\udfff", "no control characters", id="half a character"),
        pytest.param(visible(3), 1, "text, got a number", id="number to see"),
        pytest.param(visible(3), "", "1 to 3 characters, got 0", id="nothing to see"),
        pytest.param(visible(3), "abcd", "1 to 3 characters, got 4", id="too much to see"),
        pytest.param(visible(3), "a\0", f"{SEEN}, got U+0000", id="unseen zero"),
        pytest.param(visible(3), "a\x7f", f"{SEEN}, got U+007F", id="unseen delete"),
        pytest.param(visible(3), "a\u200b", f"{SEEN}, got U+200B", id="zero width"),
        pytest.param(visible(3), "a\u202e", f"{SEEN}, got U+202E", id="turns direction"),
        pytest.param(visible(3), "a\u2028", f"{SEEN}, got U+2028", id="line separator"),
        pytest.param(visible(3), "a\u3164", f"{SEEN}, got U+3164", id="letter without picture"),
        pytest.param(visible(3), "a\u2800", f"{SEEN}, got U+2800", id="empty Braille"),
        pytest.param(visible(3), "a\ufe0f", f"{SEEN}, got U+FE0F", id="variation selector"),
        pytest.param(visible(3), "a\U000e0041", f"{SEEN}, got U+E0041", id="tag"),
        pytest.param(visible(3), "a\ue000", f"{SEEN}, got U+E000", id="private use"),
        pytest.param(one_of(*"abcdefg"), "h", "one of 7 values such as 'a', got 'h'", id="many"),
        pytest.param(integer(1), 1 << 53, f"a whole number 1 to {MOST}, got a number", id="2**53"),
        pytest.param(matching("a+", "some a"), 1, "some a, got 1", id="number to match"),
        pytest.param(matching("a+", "some a"), "", "some a, got ''", id="no match"),
        pytest.param(matching("a+", "some a"), "ab", "some a, got 'ab'", id="match at the start"),
        pytest.param(matching("a+", "some a"), "ba", "some a, got 'ba'", id="match at the end"),
        pytest.param(matching("a+", "some a"), "a\n", r"some a, got 'a\n'", id="line feed after"),
        pytest.param(matching(r"\d", "a digit"), "\u0661", "a digit, got '\u0661'", id="not ASCII"),
        pytest.param(integer(1), 0, "a whole number of at least 1, got 0", id="too small"),
        pytest.param(integer(1, 3), 4, "a whole number 1 to 3, got 4", id="too large"),
        pytest.param(integer(1, 3), 0, "a whole number 1 to 3, got 0", id="below the range"),
        pytest.param(integer(0), True, "a whole number of at least 0, got True", id="true as 1"),
        pytest.param(integer(0), "1", "a whole number of at least 0, got '1'", id="text as number"),
        pytest.param(integer(0), 1.0, "a whole number of at least 0, got float", id="fraction"),
        pytest.param(integer(0), None, "a whole number of at least 0, got nothing", id="no number"),
        pytest.param(integer(0, 9), HUGE, "a whole number 0 to 9, got a number", id="huge"),
        pytest.param(boolean, 1, "true or false, got 1", id="1 as true"),
        pytest.param(boolean, "true", "true or false, got 'true'", id="text as true"),
        pytest.param(boolean, None, "true or false, got nothing", id="null as false"),
        pytest.param(one_of("a", "b"), "c", "'a' or 'b', got 'c'", id="another word"),
        pytest.param(one_of("a", "b"), "A", "'a' or 'b', got 'A'", id="upper case"),
        pytest.param(one_of("a", "b"), ["a"], "'a' or 'b', got a list", id="list of a word"),
        pytest.param(one_of("a", "b"), None, "'a' or 'b', got nothing", id="no word"),
        pytest.param(exactly("v1"), "v2", "'v1', got 'v2'", id="another version"),
        pytest.param(exactly("v1"), None, "'v1', got nothing", id="no version"),
        pytest.param(exactly(value=False), True, "False, got True", id="true for false"),
        pytest.param(exactly(value=False), 0, "False, got 0", id="0 for false"),
        pytest.param(exactly(value=True), 1, "True, got 1", id="1 for true"),
        pytest.param(optional(boolean), 0, "true or false, got 0", id="0 for null"),
    ],
)
def test_a_value_of_another_kind_is_refused(
    parse: Parser[object], raw: object, message: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {re.escape(message)}$"):
        parse(raw, "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("Find fraud.\n\tTwice.", id="tab and line feed"),
        pytest.param("Stra\u00dfe \u6771\u4eac \U0001f512", id="any script"),
        pytest.param("abc" * 100, id="longest"),
    ],
)
def test_text_that_can_be_seen_is_let_through(raw: str) -> None:
    assert visible(300)(raw, "x") == raw


def test_the_line_of_what_cannot_be_seen_is_named() -> None:
    with pytest.raises(Malformed, match=r"^x, line 2: expected only characters that can be seen"):
        visible(300)("select 1\n-- \u202e", "x")


def test_a_few_bytes_too_many_are_refused_though_the_base64_is_no_longer() -> None:
    with pytest.raises(Malformed, match=r"^x: expected base64 of at most 4 bytes, got 5$"):
        base64_bytes(4)(base64_text(bytes(5)), "x")


# --- lists


@pytest.mark.parametrize(
    ("raw", "parsed"),
    [
        pytest.param([1], (1,), id="fewest"),
        pytest.param([1, 2, 3], (1, 2, 3), id="most"),
        pytest.param((1, 2), (1, 2), id="a tuple, as our own values have"),
    ],
)
def test_a_list_is_taken_entry_by_entry(raw: object, parsed: tuple[int, ...]) -> None:
    assert list_of(integer(0), 1, 3)(raw, "x") == parsed


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param({}, "x: expected a list, got an object", id="object"),
        pytest.param("123", "x: expected a list, got text", id="text"),
        pytest.param(b"123", "x: expected a list, got bytes", id="bytes"),
        pytest.param(None, "x: expected a list, got nothing", id="null"),
        pytest.param({1, 2}, "x: expected a list, got set", id="set"),
        pytest.param([], "x: expected 1 to 3 entries, got 0", id="too few"),
        pytest.param([1] * 4, "x: expected 1 to 3 entries, got 4", id="too many"),
        pytest.param(
            [1, -2, 3], "x[1]: expected a whole number of at least 0, got -2", id="bad entry"
        ),
    ],
)
def test_a_list_of_another_shape_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        list_of(integer(0), 1, 3)(raw, "x")


@pytest.mark.parametrize(
    "names",
    [
        pytest.param([], id="none"),
        pytest.param(["a"], id="one"),
        pytest.param(["a", "b", "A"], id="different"),
    ],
)
def test_names_that_stand_once_are_let_through(names: list[str]) -> None:
    unique(names, "x")


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^x: expected each name once, got 'b'$"):
        unique(["a", "b", "c", "b"], "x")


# --- base64


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        pytest.param("", b"", id="nothing"),
        pytest.param("AA==", b"\0", id="two characters of padding"),
        pytest.param("AAA=", b"\0\0", id="one character of padding"),
        pytest.param("+/+/", b"\xfb\xff\xbf", id="no padding"),
    ],
)
def test_base64_is_read_and_written_in_one_spelling(raw: str, data: bytes) -> None:
    assert base64_bytes(3)(raw, "x") == data
    assert base64_text(data) == raw


@pytest.mark.parametrize("most", range(1, 7))
def test_as_many_bytes_are_read_as_there_may_be(most: int) -> None:
    data = bytes(range(most))

    assert base64_bytes(most)(base64_text(data), "x") == data


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(7, "base64 of at most 3 bytes", id="number"),
        pytest.param(b"AAAA", "base64 of at most 3 bytes", id="bytes"),
        pytest.param(None, "base64 of at most 3 bytes", id="null"),
        pytest.param("AAAAAA==", "base64 of at most 3 bytes", id="too long"),
        pytest.param("A" * (1 << 20), "base64 of at most 3 bytes", id="far too long"),
        pytest.param("AA", "standard base64", id="no padding"),
        pytest.param("AA=", "standard base64", id="half the padding"),
        pytest.param("A===", "standard base64", id="too much padding"),
        pytest.param("=AAA", "standard base64", id="padding in front"),
        pytest.param("-_-_", "standard base64", id="URL alphabet"),
        pytest.param("AA\n=", "standard base64", id="line feed"),
        pytest.param("A A=", "standard base64", id="space"),
        pytest.param("\u0410AA=", "standard base64", id="letter of another script"),
        pytest.param("AB==", "canonical base64", id="stray bits, two characters"),
        pytest.param("AAB=", "canonical base64", id="stray bits, three characters"),
    ],
)
def test_any_other_spelling_of_bytes_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}$"):
        base64_bytes(3)(raw, "x")


@given(data=st.binary(max_size=48))
@settings(max_examples=100, deadline=None)
def test_any_bytes_come_back_from_base64(data: bytes) -> None:
    assert base64_bytes(48)(base64.b64encode(data).decode(), "x") == data


@given(raw=st.text("ABCDwxyz0189+/=-_ \n", max_size=12))
@settings(max_examples=200, deadline=None)
def test_whatever_base64_is_accepted_is_the_only_spelling(raw: str) -> None:
    try:
        data = base64_bytes(9)(raw, "x")
    except Malformed:
        return

    assert base64_text(data) == raw


# --- time


@pytest.mark.parametrize(
    ("raw", "moment"),
    [
        pytest.param("2026-11-21T09:30:00Z", datetime(2026, 11, 21, 9, 30, tzinfo=UTC), id="now"),
        pytest.param(
            "2028-02-29T23:59:59Z", datetime(2028, 2, 29, 23, 59, 59, tzinfo=UTC), id="leap"
        ),
        pytest.param("0001-01-01T00:00:00Z", datetime(1, 1, 1, tzinfo=UTC), id="earliest"),
        pytest.param("0999-12-31T00:00:00Z", datetime(999, 12, 31, tzinfo=UTC), id="three digits"),
        pytest.param(
            "9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), id="latest"
        ),
    ],
)
def test_a_time_is_read_and_written_in_one_spelling(raw: str, moment: datetime) -> None:
    assert instant(raw, "x") == moment
    assert instant_text(moment) == raw


@pytest.mark.parametrize(
    ("moment", "expected"),
    [
        pytest.param(
            datetime(2026, 11, 21, 9, 30, 1, 999_999, tzinfo=UTC),
            "2026-11-21T09:30:01Z",
            id="fractions of a second",
        ),
        pytest.param(
            datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=2))),
            "2026-11-20T23:30:00Z",
            id="another zone",
        ),
    ],
)
def test_a_time_is_written_in_utc_to_the_second(moment: datetime, expected: str) -> None:
    assert instant_text(moment) == expected


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(1_763_717_400, id="number"),
        pytest.param(None, id="null"),
        pytest.param(datetime(2026, 11, 21, tzinfo=UTC), id="a time of Python"),
        pytest.param("", id="empty"),
        pytest.param("2026-11-21", id="day only"),
        pytest.param("2026-11-21T09:30Z", id="no seconds"),
        pytest.param("2026-11-21T09:30:00", id="no zone"),
        pytest.param("2026-11-21T09:30:00+00:00", id="offset"),
        pytest.param("2026-11-21T09:30:00z", id="lower case z"),
        pytest.param("2026-11-21t09:30:00Z", id="lower case t"),
        pytest.param("2026-11-21 09:30:00Z", id="space"),
        pytest.param("2026-11-21T09:30:00.0Z", id="fraction"),
        pytest.param("20261121T093000Z", id="without separators"),
        pytest.param("2026-11-21T9:30:00Z", id="one digit"),
        pytest.param("12026-11-21T09:30:00Z", id="five digits"),
        pytest.param("-026-11-21T09:30:00Z", id="negative year"),
        pytest.param("2026-11-21T09:30:00Z\n", id="line feed after"),
        pytest.param("\u0662\u0660\u0662\u0666-11-21T09:30:00Z", id="digits of another script"),
    ],
)
def test_a_time_in_another_shape_is_refused(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a UTC time such as 2026-11-21T09:30:00Z"):
        instant(raw, "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("2026-02-29T00:00:00Z", id="no leap year"),
        pytest.param("2026-13-01T00:00:00Z", id="month 13"),
        pytest.param("2026-00-01T00:00:00Z", id="month 0"),
        pytest.param("0000-01-01T00:00:00Z", id="year 0"),
        pytest.param("2026-11-21T24:00:00Z", id="hour 24"),
        pytest.param("2026-11-21T23:60:00Z", id="minute 60"),
        pytest.param("2026-11-21T23:59:60Z", id="leap second"),
    ],
)
def test_a_time_that_does_not_exist_is_refused(raw: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected a date and time that exist, got '{raw}'$"):
        instant(raw, "x")


@given(moment=st.datetimes(timezones=st.just(UTC)).map(lambda m: m.replace(microsecond=0)))
@settings(max_examples=200, deadline=None)
def test_any_time_comes_back_from_its_text(moment: datetime) -> None:
    assert instant(instant_text(moment), "x") == moment


# --- together


@pytest.mark.parametrize(
    "parse",
    [
        pytest.param(text(5), id="text"),
        pytest.param(matching("[a-z]+", "letters"), id="matching"),
        pytest.param(integer(0, 9), id="integer"),
        pytest.param(boolean, id="boolean"),
        pytest.param(one_of("a"), id="one of"),
        pytest.param(exactly("a"), id="exactly"),
        pytest.param(optional(boolean), id="optional"),
        pytest.param(list_of(boolean, 0, 2), id="list"),
        pytest.param(base64_bytes(9), id="base64"),
        pytest.param(instant, id="instant"),
    ],
)
@given(raw=any_value)
@settings(max_examples=60, deadline=None)
def test_no_value_makes_a_parser_raise_anything_but_malformed(
    parse: Parser[object], raw: object
) -> None:
    with suppress(Malformed):
        parse(raw, "x")
