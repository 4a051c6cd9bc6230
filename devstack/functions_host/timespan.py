"""Durations as .NET writes them: `[d.]hh:mm:ss[.fffffff]`."""

import re
from datetime import timedelta

from cleanroom.errors import Malformed
from cleanroom.fields import shown

_SHAPE = re.compile(
    r"(?:(?P<days>\d{1,8})\.)?(?P<hours>\d{1,2}):(?P<minutes>[0-5]?\d)"
    r"(?::(?P<seconds>[0-5]?\d)(?:\.(?P<fraction>\d{1,7}))?)?",
    re.ASCII,
)
_HOURS_OF_A_DAY = 24


def timespan(raw: object, where: str) -> timedelta:
    """Read a duration of zero or more."""
    found = _SHAPE.fullmatch(raw) if isinstance(raw, str) else None
    if found is None or int(found["hours"]) >= _HOURS_OF_A_DAY:
        raise Malformed(where, "a duration such as 00:05:00 or 1.00:00:00", shown(raw))
    return timedelta(
        days=int(found["days"] or 0),
        hours=int(found["hours"]),
        minutes=int(found["minutes"]),
        seconds=int(found["seconds"] or 0),
        microseconds=int((found["fraction"] or "0").ljust(7, "0")[:6]),
    )


def timespan_text(value: timedelta) -> str:
    """Spell a duration as .NET's `c` format does."""
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    days = f"{value.days}." if value.days else ""
    fraction = f".{value.microseconds:06d}0" if value.microseconds else ""
    return f"{days}{hours:02d}:{minutes:02d}:{seconds:02d}{fraction}"
