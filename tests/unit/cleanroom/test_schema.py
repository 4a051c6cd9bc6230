"""Columns have names that can be seen and types that all formats share."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from cleanroom.schema import MOST_COLUMNS, Column, column_name, column_type, columns, unique_columns


def value() -> Any:
    return {"name": "amount", "type": "decimal(12,2)", "nullable": True}


# --- names


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a", id="one letter"),
        pytest.param("Customer ID", id="space inside"),
        pytest.param("2024", id="digits"),
        pytest.param('na"me', id="quote"),
        pytest.param("Stra\u00dfe", id="German"),
        pytest.param("\u0438\u043c\u044f", id="Cyrillic"),
        pytest.param("\u91d1\u984d", id="Chinese"),
        pytest.param("\U0001f4b6", id="emoji"),
        pytest.param("e\u0301", id="combining accent"),
        pytest.param("a" * 128, id="longest"),
    ],
)
def test_a_column_is_named_in_any_script(raw: str) -> None:
    assert column_name(raw, "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a\u200bb", id="zero width space"),
        pytest.param("a\u200d", id="zero width joiner"),
        pytest.param("a\u2060b", id="word joiner"),
        pytest.param("\ufeffa", id="byte order mark"),
        pytest.param("a\u00adb", id="soft hyphen"),
        pytest.param("a\u202eb", id="right-to-left override"),
        pytest.param("a\u2066b", id="left-to-right isolate"),
        pytest.param("a\u2069b", id="end of isolate"),
        pytest.param("a\u200fb", id="right-to-left mark"),
        pytest.param("a\u061cb", id="Arabic letter mark"),
        pytest.param("a\U000e0041", id="tag letter"),
        pytest.param("a\u180eb", id="Mongolian vowel separator"),
        pytest.param("a\u2028b", id="line separator"),
        pytest.param("a\u2029b", id="paragraph separator"),
        pytest.param("a\ue000b", id="private use"),
        pytest.param("a\U0010fffdb", id="private use, last plane"),
        pytest.param("a\u0378b", id="not assigned"),
        pytest.param("a\uffffb", id="no character"),
        pytest.param("a\tb", id="tab"),
        pytest.param("a\nb", id="line feed"),
        pytest.param(" a", id="space before"),
        pytest.param("a ", id="space after"),
        pytest.param(" ", id="only a space"),
        pytest.param("\u00a0a", id="no-break space before"),
        pytest.param("a\u3000", id="ideographic space after"),
    ],
)
def test_a_column_name_with_what_cannot_be_seen_is_refused(raw: str) -> None:
    message = "x: expected a column name without invisible characters or outer spaces"

    with pytest.raises(Malformed, match=f"^{message}$"):
        column_name(raw, "x")


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param("", "1 to 128 characters, got 0", id="empty"),
        pytest.param("a" * 129, "1 to 128 characters, got 129", id="too long"),
        pytest.param("a\0", "no control characters", id="zero byte"),
        pytest.param("a\x1b", "no control characters", id="escape"),
        pytest.param("a\r", "no control characters", id="carriage return"),
        pytest.param("a\x9b", "no control characters", id="C1 control"),
        pytest.param(1, "text, got a number", id="number"),
        pytest.param(None, "text, got nothing", id="null"),
        pytest.param(["a"], "text, got a list", id="list"),
    ],
)
def test_what_is_no_text_is_no_column_name(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}$"):
        column_name(raw, "x")


# --- types


@pytest.mark.parametrize(
    "raw",
    [
        *("boolean", "text", "binary", "date", "time", "timestamp", "timestamptz", "uuid"),
        *("int8", "int16", "int32", "int64", "int128"),
        *("uint8", "uint16", "uint32", "uint64"),
        *("float32", "float64"),
        *("decimal(1,0)", "decimal(12,2)", "decimal(38,38)", "decimal(20,10)"),
    ],
)
def test_a_column_type_is_accepted(raw: str) -> None:
    assert column_type(raw, "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        *("", "TEXT", "varchar", "int", "int7", "int256", "uint128", "float", "float16", "double"),
        *("decimal", "decimal()", "decimal(0,0)", "decimal(39,0)", "decimal(38,39)"),
        *("decimal(012,2)", "decimal(12,02)", "decimal(12, 2)", "decimal(12)", "decimal(12,-2)"),
        pytest.param("decimal(\u0661,0)", id="digit of another script"),
        pytest.param("text\n", id="line feed after"),
        pytest.param("text[]", id="list type"),
        pytest.param("text;drop", id="more than a type"),
        pytest.param("booleanu", id="two types"),
        pytest.param(8, id="number"),
        pytest.param(None, id="null"),
    ],
)
def test_anything_else_is_no_column_type(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a column type \(boolean, int8 to int128, "):
        column_type(raw, "x")


@pytest.mark.parametrize(
    "raw", ["decimal(1,2)", "decimal(9,10)", "decimal(10,38)", "decimal(37,38)"]
)
def test_a_decimal_has_no_more_digits_behind_the_point_than_it_has(raw: str) -> None:
    message = f"x: expected decimal(p,s) with s not above p, got {raw}"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        column_type(raw, "x")


# --- columns


def test_a_column_comes_back_from_its_value() -> None:
    column = Column.parse(value(), "x")

    assert column == Column("amount", "decimal(12,2)", nullable=True)
    assert column.to_dict() == value()


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda c: c.pop("name"), "x: expected a field 'name'", id="no name"),
        pytest.param(lambda c: c.pop("type"), "x: expected a field 'type'", id="no type"),
        pytest.param(
            lambda c: c.pop("nullable"), "x: expected a field 'nullable'", id="no nullable"
        ),
        pytest.param(
            lambda c: c.update(unique=True),
            "x: expected no other field, got 'unique'",
            id="unknown field",
        ),
        pytest.param(
            lambda c: c.update(name="a\u200b"), "x.name: expected a column name", id="bad name"
        ),
        pytest.param(
            lambda c: c.update(type="money"), "x.type: expected a column type", id="bad type"
        ),
        pytest.param(
            lambda c: c.update(nullable=1), "x.nullable: expected true or false", id="1 for true"
        ),
    ],
)
def test_a_column_with_one_thing_wrong_is_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    spoiled = value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Column.parse(spoiled, "x")


def test_columns_stay_in_order() -> None:
    found = columns([value() | {"name": "b"}, value() | {"name": "a"}], "x")

    assert [column.name for column in found] == ["b", "a"]


def test_as_many_columns_are_accepted_as_there_may_be() -> None:
    names = [f"c{i}" for i in range(MOST_COLUMNS)]

    found = columns([value() | {"name": name} for name in names], "x")

    assert [column.name for column in found] == names


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param([], "x: expected 1 to 2048 entries, got 0", id="none"),
        pytest.param([value()] * 2049, "x: expected 1 to 2048 entries, got 2049", id="too many"),
        pytest.param({}, "x: expected a list, got an object", id="object"),
        pytest.param(
            [value(), "b"], "x[1]: expected an object with named fields, got text", id="text"
        ),
        pytest.param(
            [value(), value()],
            "x: expected each column once (names compare without case), got 'amount'",
            id="twice",
        ),
        pytest.param(
            [value(), value() | {"name": "AMOUNT"}],
            "x: expected each column once (names compare without case), got 'AMOUNT'",
            id="twice in another case",
        ),
    ],
)
def test_columns_with_one_thing_wrong_are_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        columns(raw, "x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param("a", "A", id="ASCII"),
        pytest.param("\u00e4", "\u00c4", id="umlaut"),
        pytest.param("stra\u00dfe", "STRASSE", id="sharp s"),
        pytest.param("k", "\u212a", id="Kelvin sign"),
        pytest.param("\u03c3", "\u03c2", id="final sigma"),
    ],
)
def test_column_names_compare_without_case(one: str, other: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected each column once"):
        unique_columns([one, "z", other], "x")


@given(name=st.text(max_size=6))
@settings(max_examples=200, deadline=None)
def test_a_name_that_is_accepted_once_is_refused_twice(name: str) -> None:
    try:
        accepted = column_name(name, "x")
    except Malformed:
        return

    assert accepted == name
    with pytest.raises(Malformed, match=r"^x: expected each column once"):
        unique_columns([name, name.casefold()], "x")
