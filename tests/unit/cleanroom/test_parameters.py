"""Parameters have a type and limits; their values have one spelling."""

import re
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.canonical import LARGEST_INTEGER
from cleanroom.errors import Malformed
from cleanroom.parameters import (
    MOST_PARAMETERS,
    Parameter,
    check_values,
    date_text,
    decimal_text,
    value,
    values,
)


def raw(kind: str, **changes: Any) -> Any:
    return {"name": "p", "type": kind, "minimum": None, "maximum": None, "choices": None} | changes


def parameter(kind: str, **changes: Any) -> Parameter:
    return Parameter.parse(raw(kind, **changes), "x")


def accepts(asked: Parameter, found: object) -> bool:
    try:
        asked.check(found, "x")
    except Malformed:
        return False
    return True


decimals = st.integers(-(10**6), 10**6).map(lambda n: f"{Decimal(n) / 1000:f}")


# --- decimals and days as text


@pytest.mark.parametrize(
    "text",
    [
        *("0", "1", "-1", "12.5", "-12.5", "0.5", "-0.5", "0.05", "10", "100.001"),
        pytest.param("9" * 18 + "." + "9" * 18, id="longest"),
        pytest.param("-" + "9" * 18, id="longest negative"),
        pytest.param("0." + "0" * 17 + "1", id="smallest"),
    ],
)
def test_a_decimal_has_one_spelling(text: str) -> None:
    assert decimal_text(text, "x") == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "-", ".", "-0", "00", "01", "-01", "1.", ".5", "1.0", "1.50", "0.0", "-0.0", "+1"),
        *("1e3", "1E3", "0x10", "1,5", "1_000", "1 000", "NaN", "Infinity", "1.5.2", "--1"),
        pytest.param("1\n", id="line feed after"),
        pytest.param(" 1", id="space before"),
        pytest.param("\u0661", id="digit of another script"),
        pytest.param("9" * 19, id="19 digits"),
        pytest.param("0." + "1" * 19, id="19 digits after the point"),
        pytest.param(1, id="number"),
        pytest.param(1.5, id="fraction"),
        pytest.param(True, id="true"),
        pytest.param(None, id="null"),
    ],
)
def test_anything_else_is_no_decimal(text: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a decimal as text, such as '12\.5', got"):
        decimal_text(text, "x")


@pytest.mark.parametrize("text", ["2026-11-21", "2028-02-29", "0001-01-01", "9999-12-31"])
def test_a_day_has_one_spelling(text: str) -> None:
    assert date_text(text, "x") == text


@pytest.mark.parametrize(
    "text",
    [
        *("", "20261121", "2026-W47-6", "2026-325", "2026-11", "2026-1-2", "26-11-21"),
        *("2026-02-29", "2026-13-01", "0000-01-01", "2026-11-21T00:00:00", "2026/11/21"),
        pytest.param("2026-11-21\n", id="line feed after"),
        pytest.param("\u0662\u0660\u0662\u0666-11-21", id="digits of another script"),
        pytest.param("2026-11-2\ud800", id="lone surrogate"),
        pytest.param(20261121, id="number"),
        pytest.param(None, id="null"),
    ],
)
def test_anything_else_is_no_day(text: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a day such as 2026-11-21, got"):
        date_text(text, "x")


# --- parameters


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(raw("boolean"), id="boolean"),
        pytest.param(raw("date"), id="date"),
        pytest.param(raw("date", minimum="2026-01-01", maximum="2026-12-31"), id="days"),
        pytest.param(raw("decimal", minimum="-0.5", maximum="12.5"), id="decimals"),
        pytest.param(raw("integer", minimum=0), id="only a minimum"),
        pytest.param(raw("integer", maximum=0), id="only a maximum"),
        pytest.param(raw("integer", minimum=-LARGEST_INTEGER, maximum=LARGEST_INTEGER), id="any"),
        pytest.param(raw("integer", minimum=7, maximum=7), id="one value"),
        pytest.param(raw("text"), id="text"),
        pytest.param(raw("text", choices=["b", "a"]), id="choices"),
    ],
)
def test_a_parameter_comes_back_from_its_value(found: Any) -> None:
    assert Parameter.parse(found, "x").to_dict() == found


@pytest.mark.parametrize("name", ["name", "type", "minimum", "maximum", "choices"])
def test_a_parameter_with_a_field_left_out_is_refused(name: str) -> None:
    left = {key: item for key, item in raw("integer").items() if key != name}

    with pytest.raises(Malformed, match=f"^x: expected a field '{name}'$"):
        Parameter.parse(left, "x")


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param("p", "x: expected an object with named fields, got text", id="text"),
        pytest.param(
            raw("integer", default=1), "x: expected no other field, got 'default'", id="unknown"
        ),
        pytest.param(raw("integer", name="P"), "x.name: expected 1 to 63", id="bad name"),
        pytest.param(
            raw("float"),
            "x.type: expected 'boolean' or 'date' or 'decimal' or 'integer' or 'text', got 'float'",
            id="another type",
        ),
        pytest.param(
            raw("boolean", minimum=False),
            "x.minimum: expected null for this type, got False",
            id="boolean with a minimum",
        ),
        pytest.param(
            raw("text", maximum="z"),
            "x.maximum: expected null for this type, got 'z'",
            id="text with a maximum",
        ),
        pytest.param(
            raw("integer", choices=["1"]),
            "x.choices: expected null for this type, got a list",
            id="integer with choices",
        ),
        pytest.param(
            raw("boolean", choices=[]),
            "x.choices: expected null for this type, got a list",
            id="boolean with choices",
        ),
        pytest.param(
            raw("integer", minimum="1"),
            "x.minimum: expected a whole number of at least -9007199254740991, got '1'",
            id="integer limit as text",
        ),
        pytest.param(
            raw("integer", maximum=True),
            "x.maximum: expected a whole number of at least -9007199254740991, got True",
            id="true as an integer limit",
        ),
        pytest.param(
            raw("decimal", maximum=1),
            "x.maximum: expected a decimal as text, such as '12.5', got 1",
            id="decimal limit as a number",
        ),
        pytest.param(
            raw("date", minimum="yesterday"),
            "x.minimum: expected a day such as 2026-11-21, got 'yesterday'",
            id="date limit in words",
        ),
        pytest.param(
            raw("integer", minimum=2, maximum=1),
            "x: expected a minimum that is not above the maximum",
            id="no integer between",
        ),
        pytest.param(
            raw("decimal", minimum="-1", maximum="-1.5"),
            "x: expected a minimum that is not above the maximum",
            id="no decimal between",
        ),
        pytest.param(
            raw("date", minimum="2026-02-01", maximum="2026-01-31"),
            "x: expected a minimum that is not above the maximum",
            id="no day between",
        ),
        pytest.param(
            raw("text", choices=[]), "x.choices: expected 1 to 256 entries, got 0", id="no choice"
        ),
        pytest.param(
            raw("text", choices=["a"] * 257),
            "x.choices: expected 1 to 256 entries, got 257",
            id="too many choices",
        ),
        pytest.param(
            raw("text", choices=["a", ""]),
            "x.choices[1]: expected 1 to 1024 characters, got 0",
            id="empty choice",
        ),
        pytest.param(
            raw("text", choices=["a", 1]), "x.choices[1]: expected text, got a number", id="number"
        ),
        pytest.param(
            raw("text", choices=["a", "b", "a"]),
            "x.choices: expected each name once, got 'a'",
            id="choice twice",
        ),
    ],
)
def test_a_parameter_with_one_thing_wrong_is_refused(found: Any, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Parameter.parse(found, "x")


# --- values of a parameter


@pytest.mark.parametrize(
    ("asked", "given_value"),
    [
        pytest.param(parameter("boolean"), False, id="boolean"),
        pytest.param(parameter("date", minimum="2026-01-01"), "2026-01-01", id="first day"),
        pytest.param(parameter("date", maximum="2026-01-01"), "2026-01-01", id="last day"),
        pytest.param(parameter("date", maximum="2026-01-01"), "0999-12-31", id="early day"),
        pytest.param(parameter("decimal", minimum="-0.5"), "-0.5", id="least decimal"),
        pytest.param(parameter("decimal", maximum="10"), "9.5", id="decimal, not as text"),
        pytest.param(parameter("decimal", minimum="9.5"), "10.5", id="decimal, not as text either"),
        pytest.param(parameter("integer", minimum=2, maximum=2), 2, id="the one integer"),
        pytest.param(parameter("integer", maximum=10), 9, id="integer, not as text"),
        pytest.param(parameter("text"), "", id="empty text"),
        pytest.param(parameter("text"), "x" * 1024, id="longest text"),
        pytest.param(parameter("text", choices=["a", "b"]), "b", id="choice"),
    ],
)
def test_a_value_within_the_limits_is_accepted(asked: Parameter, given_value: object) -> None:
    assert asked.check(given_value, "x") == given_value


@pytest.mark.parametrize(
    ("asked", "given_value", "message"),
    [
        pytest.param(parameter("boolean"), 1, "true or false, got 1", id="1 for true"),
        pytest.param(parameter("integer"), "1", "a whole number", id="text for integer"),
        pytest.param(parameter("integer"), True, "a whole number", id="true for integer"),
        pytest.param(parameter("integer"), 2**53, "a whole number", id="integer too large"),
        pytest.param(parameter("text"), 1, "text, got a number", id="number for text"),
        pytest.param(parameter("text"), "x" * 1025, "0 to 1024 characters", id="text too long"),
        pytest.param(parameter("text"), "\0", "no control characters", id="zero byte"),
        pytest.param(parameter("date"), "21.11.2026", "a day such as", id="day in words"),
        pytest.param(parameter("decimal"), 1, "a decimal as text", id="number for decimal"),
        pytest.param(parameter("integer", minimum=2), 1, "at least 2, got 1", id="integer below"),
        pytest.param(parameter("integer", maximum=2), 3, "at most 2, got 3", id="integer above"),
        pytest.param(
            parameter("integer", minimum=0), -1, "at least 0, got -1", id="integer below zero"
        ),
        pytest.param(
            parameter("decimal", minimum="-0.5"), "-0.6", "at least -0.5, got '-0.6'", id="decimal"
        ),
        pytest.param(
            parameter("decimal", maximum="0"),
            "0.000000000000000001",
            "at most 0, got '0.000000000000000001'",
            id="decimal just above",
        ),
        pytest.param(
            parameter("decimal", maximum="9" * 18 + "." + "9" * 17 + "8"),
            "9" * 18 + "." + "9" * 18,
            "at most ",
            id="decimal just above, 36 digits",
        ),
        pytest.param(
            parameter("date", minimum="2026-01-01"),
            "2025-12-31",
            "at least 2026-01-01, got '2025-12-31'",
            id="day before",
        ),
        pytest.param(
            parameter("date", maximum="2026-01-01"),
            "2026-01-02",
            "at most 2026-01-01, got '2026-01-02'",
            id="day after",
        ),
        pytest.param(
            parameter("text", choices=["a", "b"]), "c", "'a' or 'b', got 'c'", id="no choice"
        ),
        pytest.param(
            parameter("text", choices=["a", "b"]), "A", "'a' or 'b', got 'A'", id="another case"
        ),
    ],
)
def test_a_value_beyond_the_limits_is_refused(
    asked: Parameter, given_value: object, message: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {re.escape(message)}"):
        asked.check(given_value, "x")


@given(limit=decimals, found=decimals)
@settings(max_examples=150, deadline=None)
def test_decimals_order_as_numbers_do(limit: str, found: str) -> None:
    asked = parameter("decimal", minimum=limit)

    assert accepts(asked, found) == (Decimal(found) >= Decimal(limit))


# --- all values of a program

ASKED = (parameter("integer", name="a"), parameter("text", name="b", choices=["x"]))


def test_the_values_that_a_program_asks_for_are_accepted() -> None:
    assert check_values(ASKED, {"b": "x", "a": 1}, "x") == {"a": 1, "b": "x"}


def test_a_program_that_asks_for_nothing_gets_nothing() -> None:
    assert check_values((), {}, "x") == {}


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param({"a": 1}, "x: expected a field 'b'", id="missing"),
        pytest.param({"a": 1, "b": "x", "c": 1}, "x: expected no other field, got 'c'", id="more"),
        pytest.param({"a": "1", "b": "x"}, "x.a: expected a whole number", id="another type"),
        pytest.param({"a": 1, "b": "y"}, "x.b: expected 'x', got 'y'", id="no choice"),
        pytest.param({"a": 1, "b": None}, "x.b: expected text, got nothing", id="null"),
    ],
)
def test_other_values_than_a_program_asks_for_are_refused(
    found: dict[str, object], message: str
) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        check_values(ASKED, found, "x")


# --- values whose contract is not at hand


@pytest.mark.parametrize(
    "found",
    [
        *(True, False, 0, -LARGEST_INTEGER, LARGEST_INTEGER, "", "2026-11-21", "a\tb\n"),
        pytest.param("x" * 1024, id="longest text"),
    ],
)
def test_a_value_that_some_parameter_could_take_is_accepted(found: object) -> None:
    accepted = value(found, "x")

    assert accepted == found
    assert type(accepted) is type(found)


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param(2**53, "a whole number", id="integer too large"),
        pytest.param(-(2**53), "a whole number", id="integer too small"),
        pytest.param(16**5000, "a whole number", id="integer far too large"),
        pytest.param(1.5, "text, got float", id="fraction"),
        pytest.param(None, "text, got nothing", id="null"),
        pytest.param([], "text, got a list", id="list"),
        pytest.param({}, "text, got an object", id="object"),
        pytest.param("x" * 1025, "0 to 1024 characters, got 1025", id="text too long"),
        pytest.param("\x1b", "no control characters", id="escape"),
    ],
)
def test_a_value_that_no_parameter_could_take_is_refused(found: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}"):
        value(found, "x")


@pytest.mark.parametrize(
    "found",
    [
        pytest.param({}, id="none"),
        pytest.param({"a": 1, "b": "x", "c": True}, id="one of each"),
        pytest.param({f"p{i}": i for i in range(MOST_PARAMETERS)}, id="most"),
    ],
)
def test_named_values_are_accepted(found: dict[str, object]) -> None:
    assert values(found, "x") == found


@pytest.mark.parametrize(
    ("found", "message"),
    [
        pytest.param([], "x: expected an object of at most 64 values", id="list"),
        pytest.param(None, "x: expected an object of at most 64 values", id="null"),
        pytest.param(
            {f"p{i}": i for i in range(65)},
            "x: expected an object of at most 64 values",
            id="too many",
        ),
        pytest.param({"A": 1}, "x: expected 1 to 63 lower-case letters", id="bad name"),
        pytest.param({1: 1}, "x: expected 1 to 63 lower-case letters", id="no text for a name"),
        pytest.param({"a": 1.5}, "x.a: expected text, got float", id="bad value"),
    ],
)
def test_other_named_values_are_refused(found: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        values(found, "x")
