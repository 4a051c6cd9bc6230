"""Schedules: NCRONTAB and intervals, as NCrontab reads them."""

from datetime import UTC, datetime, timedelta

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host.schedule import schedule
from devstack.functions_host.timespan import timespan, timespan_text

NOW = datetime(2026, 11, 21, 9, 0, 30, tzinfo=UTC)  # a Saturday


@pytest.mark.parametrize(
    ("text", "due"),
    [
        pytest.param("*/5 * * * * *", "2026-11-21T09:00:35", id="seconds"),
        pytest.param("0 */5 * * * *", "2026-11-21T09:05:00", id="minutes"),
        pytest.param("0 5/20 * * * *", "2026-11-21T09:05:00", id="from and step"),
        pytest.param("* * * * *", "2026-11-21T09:01:00", id="five fields"),
        pytest.param("0 0 9-17 * * Mon-Fri", "2026-11-23T09:00:00", id="names of days"),
        pytest.param("0 0 0 1 JANUARY *", "2027-01-01T00:00:00", id="long names"),
        pytest.param("0 0 12 13 * 5", "2027-08-13T12:00:00", id="both day fields"),
        pytest.param("0 0 0 * * 0", "2026-11-22T00:00:00", id="Sunday"),
        pytest.param("0 30 8,20 * * *", "2026-11-21T20:30:00", id="list"),
        pytest.param("00:05:00", "2026-11-21T09:05:30", id="interval"),
        pytest.param("1.00:00:00", "2026-11-22T09:00:30", id="a day"),
    ],
)
def test_a_schedule_finds_the_next_time(text: str, due: str) -> None:
    assert schedule(text, "f", NOW).after(NOW) == datetime.fromisoformat(due).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="nothing"),
        pytest.param("* * * *", id="four fields"),
        pytest.param("0 0 0 31 2 *", id="never"),
        pytest.param("0 60 * * * *", id="minute 60"),
        pytest.param("0 0 0 * * 7", id="day 7"),
        pytest.param("0 0 0 L * *", id="last day"),
        pytest.param("@daily", id="word"),
        pytest.param("0 0 0 ? * *", id="question"),
        pytest.param("0 0 0 * * 5#2", id="second Friday"),
        pytest.param("00:00:00", id="no interval"),
        pytest.param("25:00:00", id="hours of a day"),
        pytest.param("H H * * * *", id="hashed"),
    ],
)
def test_what_ncrontab_does_not_know_is_refused(text: str) -> None:
    with pytest.raises(Malformed):
        schedule(text, "f", NOW)


@pytest.mark.parametrize(
    ("text", "brief"),
    [("*/10 * * * * *", True), ("0 * * * * *", False), ("00:00:59", True), ("00:01:00", False)],
)
def test_schedules_of_less_than_a_minute_are_brief(text: str, brief: bool) -> None:
    assert schedule(text, "f", NOW).is_brief(NOW) == brief


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("10:00:00.2500000", timedelta(hours=10, milliseconds=250)),
        ("3.23:59:59", timedelta(days=3, hours=23, minutes=59, seconds=59)),
    ],
)
def test_a_duration_is_read_and_spelled(text: str, value: timedelta) -> None:
    assert timespan(text, "f") == value
    assert timespan_text(value) == text


@pytest.mark.parametrize("text", ["5", "00:60:00", "24:00:00", "-00:01:00", "0:0:0:0", None, 5])
def test_what_is_no_duration_is_refused(text: object) -> None:
    with pytest.raises(Malformed):
        timespan(text, "f")
