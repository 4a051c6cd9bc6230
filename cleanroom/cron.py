"""The schedule of a contract: five cron fields in UTC, checked here, run by the control plane."""

import re

from cleanroom.errors import Malformed
from cleanroom.fields import shown

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))  # minute hour day month weekday (0 Sunday)
_PART = re.compile(r"(\*|(\d{1,2})(-(\d{1,2}))?)(/(\d{1,2}))?", re.ASCII)


def cron(raw: object, where: str) -> str:
    """Accept minute, hour, day, month and weekday, with *, lists, ranges and steps."""
    fields = raw.split(" ") if isinstance(raw, str) else []
    if not isinstance(raw, str) or len(fields) != len(_RANGES):
        raise Malformed(where, "five cron fields such as '0 6 * * 1'", shown(raw))
    for field, (lowest, highest) in zip(fields, _RANGES, strict=True):
        if not all(_fits(part, lowest, highest) for part in field.split(",")):
            raise Malformed(where, f"cron numbers from {lowest} to {highest}", shown(field))
    return raw


def _fits(part: str, lowest: int, highest: int) -> bool:
    match = _PART.fullmatch(part)
    if not match:
        return False
    _, first, _, last, _, step = match.groups()
    start = int(first) if first else lowest
    end = int(last) if last else (start if first else highest)
    return lowest <= start <= end <= highest and (step is None or 0 < int(step) <= highest)
