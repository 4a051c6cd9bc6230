"""ISO 8601 durations as Service Bus spells them, in whole milliseconds.

- Days, hours, minutes and seconds: years and months have no fixed length, and the service's own
  answers never use them.
- The service spells "for ever" as the longest duration that .NET knows.
"""

import re

from cleanroom.errors import Malformed
from cleanroom.fields import Parser, shown

FOREVER = "P10675199DT2H48M5.4775807S"
SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR

_LONGEST = 10675199 * DAY
_TEXT = re.compile(
    r"P(?=.)(?:(\d{1,8})D)?(?:T(?=.)(?:(\d{1,9})H)?(?:(\d{1,9})M)?(?:(\d{1,9})(?:\.(\d{1,7}))?S)?)?",
    re.ASCII,
)


def milliseconds(raw: object, where: str) -> int:
    """Read a duration; what is shorter than a millisecond is dropped."""
    match = _TEXT.fullmatch(raw) if isinstance(raw, str) else None
    if match is None:
        raise Malformed(where, "an ISO 8601 duration such as PT30S", shown(raw))
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups()[:4])
    fraction = int((match[5] or "").ljust(7, "0")[:3])
    return days * DAY + hours * HOUR + minutes * MINUTE + seconds * SECOND + fraction


def within(lowest: int, highest: int) -> Parser[int]:
    """A duration with limits."""

    def parse(raw: object, where: str) -> int:
        found = milliseconds(raw, where)
        if not lowest <= found <= highest:
            raise Malformed(where, f"{spelled(lowest)} to {spelled(highest)}", shown(raw))
        return found

    return parse


def lasting(raw: object, where: str) -> int | None:
    """Read a time to live: nothing for "for ever"."""
    found = milliseconds(raw, where)
    if found < SECOND:
        raise Malformed(where, f"at least {spelled(SECOND)}", shown(raw))
    return found if found < _LONGEST else None


def spelled(duration: int) -> str:
    """Spell milliseconds as the service does."""
    days, rest = divmod(duration, DAY)
    hours, rest = divmod(rest, HOUR)
    minutes, rest = divmod(rest, MINUTE)
    seconds, fraction = divmod(rest, SECOND)
    second = f"{seconds}.{fraction:03}".rstrip("0") if fraction else f"{seconds or ''}"
    time = "".join(f"{part}{unit}" for part, unit in ((hours, "H"), (minutes, "M")) if part)
    time += f"{second}S" if second else ""
    return (
        "P"
        + (f"{days}D" if days else "")
        + (f"T{time}" if time or not days else "")
        + ("0S" if not duration else "")
    )
