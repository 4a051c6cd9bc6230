"""When a timer is due: NCRONTAB of five or six fields, or a fixed interval; all in UTC.

`croniter` finds the times, told to read as NCrontab does: seconds first, and a day must satisfy
both day fields (docs/adr/0020). What NCrontab does not know is refused before croniter sees it.
"""

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import croniter  # type: ignore[import-untyped]  # it ships no types

from cleanroom.errors import Malformed
from cleanroom.fields import shown
from devstack.functions_host.timespan import timespan

_NAMES = "jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec|sun|mon|tue|wed|thu|fri|sat"
_VALUE = rf"(?:\d{{1,2}}|(?:{_NAMES})[a-z]*)"
_PART = rf"(?:\*|{_VALUE}(?:-{_VALUE})?)(?:/\d{{1,2}})?"
_FIELD = re.compile(rf"{_PART}(?:,{_PART})*", re.ASCII | re.IGNORECASE)
_LONG_NAME = re.compile(rf"({_NAMES})[a-z]*", re.ASCII | re.IGNORECASE)
_FIELDS = 6
_BRIEF = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Times at which something is due."""

    text: str
    interval: timedelta | None

    def after(self, moment: datetime) -> datetime:
        """Return the first time after a moment."""
        if self.interval is not None:
            return moment + self.interval
        times = croniter.croniter(self.text, moment, second_at_beginning=True, day_or=False)
        found: datetime = times.get_next(datetime)
        return found.astimezone(UTC)

    def is_brief(self, moment: datetime) -> bool:
        """Tell a schedule that is due more often than once a minute."""
        first = self.after(moment)
        return self.after(first) - first < _BRIEF


def schedule(text: str, where: str, now: datetime) -> Schedule:
    """Read a schedule that is ever due."""
    if ":" in text:
        interval = timespan(text, where)
        if not interval:
            raise Malformed(where, "an interval of more than nothing", shown(text))
        return Schedule(text, interval)
    fields = text.split()
    if len(fields) == _FIELDS - 1:
        fields = ["0", *fields]
    if (
        len(fields) != _FIELDS
        or not all(map(_FIELD.fullmatch, fields))
        or (
            re.search(r"\b7\b", fields[-1])  # Sunday is 0 and nothing else
        )
    ):
        raise _refused(where, text)
    short = " ".join(_LONG_NAME.sub(lambda found: found[1].lower(), field) for field in fields)
    made = Schedule(short, None)
    try:
        made.after(now)
    except (croniter.CroniterError, ValueError) as error:
        raise _refused(where, text) from error
    return made


def _refused(where: str, text: str) -> Malformed:
    return Malformed(where, "a schedule such as '0 */5 * * * *' or '00:05:00'", shown(text))
