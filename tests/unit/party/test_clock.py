"""The time is in UTC and to the second, as documents hold it."""

import time
from datetime import UTC, datetime, timedelta

import pytest

from cleanroom.fields import instant, instant_text
from party import clock


def test_the_time_is_now() -> None:
    before = datetime.now(UTC)

    now = clock.now()

    assert before - timedelta(seconds=1) < now <= datetime.now(UTC)


def test_the_time_comes_back_from_a_document() -> None:
    now = clock.now()

    assert instant(instant_text(now), "now") == now


def test_the_time_does_not_depend_on_where_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        now = clock.now()
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()

    assert now.utcoffset() == timedelta(0)
    assert abs(now.timestamp() - time.time()) < 60
