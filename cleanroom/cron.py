"""The schedule of a contract: five cron fields in UTC, checked here, run by the control plane.

Only what every cron reads the same way, and in one spelling: no names, no leading zeros, no step
of one, no step after a single number.
"""

import re

from cleanroom.errors import Malformed
from cleanroom.fields import shown

_RANGES = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))  # minute hour day month weekday (0 Sunday)
_NUMBER = "(0|[1-9][0-9]?)"
_PART = re.compile(rf"(\*|{_NUMBER}(-{_NUMBER})?)(/{_NUMBER})?")


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
    if first and not last:
        return lowest <= int(first) <= highest and step is None
    start, end = (int(first), int(last)) if first else (lowest, highest)
    return lowest <= start < end <= highest and (step is None or 1 < int(step) <= highest)
