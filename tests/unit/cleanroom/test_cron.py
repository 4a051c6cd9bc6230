"""Schedules are five cron fields whose numbers exist."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.cron import cron
from cleanroom.errors import Malformed

parts = st.from_regex(r"[0-9*]{1,2}(-[0-9]{1,2})?(/[0-9]{1,2})?", fullmatch=True)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("* * * * *", id="every minute"),
        pytest.param("0 6 * * 1", id="Mondays at six"),
        pytest.param("0 0 1 1 0", id="lowest"),
        pytest.param("59 23 31 12 6", id="highest"),
        pytest.param("0,15,30,45 * * * *", id="list"),
        pytest.param("0 8-18 * * 1-5", id="ranges"),
        pytest.param("*/5 * * * *", id="step"),
        pytest.param("0-30/10 * * * *", id="step in a range"),
        pytest.param("*/59 */23 */31 */12 */6", id="longest steps"),
        pytest.param("1,2-4,*/7 * * * *", id="all together"),
    ],
)
def test_a_schedule_is_accepted(raw: str) -> None:
    assert cron(raw, "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("* * * *", id="four fields"),
        pytest.param("* * * * * *", id="six fields"),
        pytest.param(" * * * * *", id="space before"),
        pytest.param("* * * * * ", id="space after"),
        pytest.param("*  * * * *", id="two spaces"),
        pytest.param("*\t*\t*\t*\t*", id="tabs"),
        pytest.param("*\u00a0*\u00a0*\u00a0*\u00a0*", id="no-break spaces"),
        pytest.param("@daily", id="word"),
        pytest.param(5, id="number"),
        pytest.param(None, id="null"),
        pytest.param(["*"] * 5, id="list"),
    ],
)
def test_anything_but_five_fields_is_refused(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected five cron fields such as '0 6 \* \* 1', go"):
        cron(raw, "x")


@pytest.mark.parametrize(
    ("raw", "limits", "got"),
    [
        pytest.param("60 * * * *", "0 to 59", "60", id="minute 60"),
        pytest.param("* 24 * * *", "0 to 23", "24", id="hour 24"),
        pytest.param("* * 0 * *", "1 to 31", "0", id="day 0"),
        pytest.param("* * 32 * *", "1 to 31", "32", id="day 32"),
        pytest.param("* * * 0 *", "1 to 12", "0", id="month 0"),
        pytest.param("* * * 13 *", "1 to 12", "13", id="month 13"),
        pytest.param("* * * * 7", "0 to 6", "7", id="weekday 7"),
        pytest.param("100 * * * *", "0 to 59", "100", id="three digits"),
        pytest.param("-1 * * * *", "0 to 59", "-1", id="negative"),
        pytest.param("1.5 * * * *", "0 to 59", "1.5", id="fraction"),
        pytest.param("\u0661 * * * *", "0 to 59", "\u0661", id="digit of another script"),
        pytest.param("1\n * * * *", "0 to 59", r"1\n", id="line feed"),
        pytest.param("* * * jan *", "1 to 12", "jan", id="name of a month"),
        pytest.param("* * * * MON", "0 to 6", "MON", id="name of a day"),
        pytest.param("? * * * *", "0 to 59", "?", id="question mark"),
        pytest.param("* * L * *", "1 to 31", "L", id="last day"),
        pytest.param("* * * * 1#2", "0 to 6", "1#2", id="second Monday"),
        pytest.param("5-1 * * * *", "0 to 59", "5-1", id="range backwards"),
        pytest.param("5-5 * * * *", "0 to 59", "5-5", id="range of one"),
        pytest.param("*/1 * * * *", "0 to 59", "*/1", id="step of one"),
        pytest.param("5/10 * * * *", "0 to 59", "5/10", id="step after a number"),
        pytest.param("05 * * * *", "0 to 59", "05", id="leading zero"),
        pytest.param("1-60 * * * *", "0 to 59", "1-60", id="range too long"),
        pytest.param("1-2-3 * * * *", "0 to 59", "1-2-3", id="range of three"),
        pytest.param("1- * * * *", "0 to 59", "1-", id="range without end"),
        pytest.param("*-5 * * * *", "0 to 59", "*-5", id="range from a star"),
        pytest.param("*/0 * * * *", "0 to 59", "*/0", id="step 0"),
        pytest.param("*/60 * * * *", "0 to 59", "*/60", id="step too long"),
        pytest.param("*/ * * * *", "0 to 59", "*/", id="step without number"),
        pytest.param("*/2/2 * * * *", "0 to 59", "*/2/2", id="two steps"),
        pytest.param("/5 * * * *", "0 to 59", "/5", id="step of nothing"),
        pytest.param("1, * * * *", "0 to 59", "1,", id="list that ends in a comma"),
        pytest.param(", * * * *", "0 to 59", ",", id="empty list"),
        pytest.param("1,60 * * * *", "0 to 59", "1,60", id="one of a list"),
    ],
)
def test_numbers_that_do_not_exist_are_refused(raw: str, limits: str, got: str) -> None:
    message = f"x: expected cron numbers from {limits}, got '{got}'"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        cron(raw, "x")


def test_a_schedule_that_is_very_long_is_refused_in_no_time() -> None:
    with pytest.raises(Malformed, match=r"^x: expected cron numbers from 0 to 59, got '1,1,1,"):
        cron("1," * (1 << 16) + " * * * *", "x")


@given(field=st.lists(parts, min_size=1, max_size=3).map(",".join))
@settings(max_examples=200, deadline=None)
def test_every_number_of_an_accepted_field_is_within_its_range(field: str) -> None:
    try:
        accepted = cron(f"* {field} * * *", "x")
    except Malformed:
        return

    assert accepted == f"* {field} * * *"
    assert max(map(int, re.findall("[0-9]+", field)), default=0) <= 23
