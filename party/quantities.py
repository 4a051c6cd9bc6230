"""Sizes and durations as people write them: `4 MiB`, `90 days`."""

import re
from datetime import datetime, timedelta

from cleanroom.errors import Malformed
from cleanroom.fields import instant
from party.errors import Usage, option

_SIZE_UNITS = {"": 1, "b": 1, "kib": 1 << 10, "mib": 1 << 20, "gib": 1 << 30, "tib": 1 << 40}
_TIME_UNITS = {
    "s": 1,
    "second": 1,
    "minute": 60,
    "h": 3600,
    "hour": 3600,
    "d": 86400,
    "day": 86400,
    "w": 604800,
    "week": 604800,
}
_QUANTITY = re.compile(r"([0-9]{1,15})\s*([A-Za-z]*)", re.ASCII)
_LONGEST = 100 * 365 * 86400


def size(text: object, where: str) -> int:
    """Read a number of bytes."""
    number, unit = _split(text, where, "a size such as 4 MiB")
    if unit not in _SIZE_UNITS:
        raise Malformed(where, "a size in B, KiB, MiB, GiB or TiB", repr(text))
    return number * _SIZE_UNITS[unit]


def seconds(text: object, where: str) -> int:
    """Read a number of seconds."""
    number, unit = _split(text, where, "a duration such as 90 days")
    unit = unit if unit in _TIME_UNITS else unit.removesuffix("s")
    if unit not in _TIME_UNITS or number * _TIME_UNITS[unit] > _LONGEST:
        raise Malformed(where, "a duration in seconds, minutes, hours, days or weeks", repr(text))
    return number * _TIME_UNITS[unit]


def duration(text: object, where: str) -> timedelta:
    """Read a duration."""
    return timedelta(seconds=seconds(text, where))


def until(expires: str, now: datetime) -> datetime:
    """Read --expires: a duration, or a time as documents spell it."""
    if expires[4:5] == "-":
        found = option(instant, expires, "--expires")
    else:
        found = now + option(duration, expires, "--expires")
    if found <= now:
        raise Usage(f"--expires: expected a time to come, got {expires!r}")
    return found


def size_text(count: int) -> str:
    """Write a number of bytes for a person."""
    for shift, unit in ((40, "TiB"), (30, "GiB"), (20, "MiB"), (10, "KiB")):
        if count >> shift:
            return f"{count / (1 << shift):.1f} {unit}".replace(".0 ", " ")
    return f"{count} bytes"


def duration_text(count: int) -> str:
    """Write a number of seconds for a person, exactly."""
    for name in ("week", "day", "hour", "minute"):
        if count and count % _TIME_UNITS[name] == 0:
            count, unit = count // _TIME_UNITS[name], name
            break
    else:
        unit = "second"
    return f"{count} {unit}" if count == 1 else f"{count} {unit}s"


def _split(text: object, where: str, expected: str) -> tuple[int, str]:
    match = _QUANTITY.fullmatch(text.strip()) if isinstance(text, str) else None
    if not match:
        raise Malformed(where, expected, repr(text))
    return int(match[1]), match[2].lower()
