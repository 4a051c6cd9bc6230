"""Sizes and durations as people write them."""

import re
from contextlib import suppress
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from party import quantities


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0", 0),
        ("17", 17),
        ("17B", 17),
        ("17 b", 17),
        ("64 KiB", 65536),
        ("64kib", 65536),
        ("4 MiB", 4 << 20),
        ("4\tMIB", 4 << 20),
        ("  4MiB\n", 4 << 20),
        ("1 GiB", 1 << 30),
        ("2 TiB", 2 << 40),
        ("007 KiB", 7 << 10),
    ],
)
def test_a_size_is_read(text: str, count: int) -> None:
    assert quantities.size(text, "--size") == count


@pytest.mark.parametrize("text", ["4 MB", "4 M", "4 kb", "4 PiB", "4 bytes", "4 days"])
def test_a_size_in_another_unit_is_refused(text: str) -> None:
    message = f"--size: expected a size in B, KiB, MiB, GiB or TiB, got {text!r}"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        quantities.size(text, "--size")


@pytest.mark.parametrize(
    "text",
    ["", " ", "MiB", "-1", "+1", "1.5 MiB", "1,5 MiB", "1e3", "0x10", "4 MiB 2", "٤ MiB", "9" * 16],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    message = f"--size: expected a size such as 4 MiB, got {text!r}"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        quantities.size(text, "--size")


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("0 s", 0),
        ("5s", 5),
        ("1 second", 1),
        ("90 seconds", 90),
        ("1 minute", 60),
        ("2 Minutes", 120),
        ("1h", 3600),
        ("3 hours", 10800),
        ("1 d", 86400),
        ("90 days", 7776000),
        ("1w", 604800),
        ("2 weeks", 1209600),
        ("36500 days", 3153600000),
    ],
)
def test_a_duration_is_read(text: str, count: int) -> None:
    assert quantities.seconds(text, "--age") == count
    assert quantities.duration(text, "--age") == timedelta(seconds=count)


@pytest.mark.parametrize(
    "text", ["5", "5 m", "5 ms", "5 months", "1 year", "5 MiB", "36501 days", "9" * 15 + " weeks"]
)
def test_a_duration_in_another_unit_or_without_end_is_refused(text: str) -> None:
    message = f"--age: expected a duration in seconds, minutes, hours, days or weeks, got {text!r}"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        quantities.duration(text, "--age")


@pytest.mark.parametrize("text", ["", "days", "-1 day", "1.5 days", "1 day 2 hours", "P1D"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    message = f"--age: expected a duration such as 90 days, got {text!r}"

    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        quantities.seconds(text, "--age")


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 bytes"),
        (1023, "1023 bytes"),
        (1024, "1 KiB"),
        (1536, "1.5 KiB"),
        (4 << 20, "4 MiB"),
        (10 << 20, "10 MiB"),
        (5 << 29, "2.5 GiB"),
        (1 << 40, "1 TiB"),
        (1 << 50, "1024 TiB"),
    ],
)
def test_a_size_is_written_for_people(count: int, text: str) -> None:
    assert quantities.size_text(count) == text


@given(st.integers(1, 1023), st.sampled_from([10, 20, 30, 40]))
def test_a_round_size_is_read_as_it_was_written(number: int, shift: int) -> None:
    count = number << shift

    assert quantities.size(quantities.size_text(count), "--size") == count


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (90, "90 seconds"),
        (600, "10 minutes"),
        (3600, "1 hour"),
        (5400, "90 minutes"),
        (12 * 3600, "12 hours"),
        (86400, "1 day"),
        (30 * 86400, "30 days"),
        (7 * 86400, "1 week"),
        (7 * 86400 + 1, "604801 seconds"),
        (90 * 86400, "90 days"),
        (14 * 86400, "2 weeks"),
    ],
)
def test_a_duration_is_written_for_people(count: int, text: str) -> None:
    assert quantities.duration_text(count) == text


@given(st.integers(0, 100 * 365 * 86400))
def test_any_duration_is_read_as_it_was_written(count: int) -> None:
    assert quantities.seconds(quantities.duration_text(count), "--age") == count


@pytest.mark.parametrize("raw", [7, None, True, ["1 day"]], ids=str)
def test_what_is_no_text_is_no_quantity(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^--age: expected a duration such as 90 days, got "):
        quantities.duration(raw, "--age")


@given(st.text())
def test_any_text_is_a_size_or_refused(text: str) -> None:
    with suppress(Malformed):
        assert quantities.size(text, "--size") >= 0
