"""Timer triggers: due by a schedule, never twice at once, and remembered across restarts.

- A timer runs in one host only, whichever first holds its lock file.
- A monitored timer's status is kept; one that was due while nobody ran is run at start as past due.
- A run that fails is repeated by the function's rule of retries, if it has one.
"""

import asyncio
import fcntl
import json
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Self

from devstack import clock, files
from devstack.functions_host.data import Document, Failed
from devstack.functions_host.executor import Executor, Occasion
from devstack.functions_host.functions import Function, TimerTrigger
from devstack.functions_host.schedule import Schedule

_POLL = 1.0  # seconds between looks at a lock that another host holds


@dataclass(frozen=True, slots=True)
class Status:
    """When a timer ran last, and when it is due; `schedule` tells whether that still holds."""

    schedule: str
    last: datetime | None
    next: datetime
    updated: datetime

    @classmethod
    def parse(cls, content: bytes) -> Self | None:
        """Read a kept status; what cannot be read is as good as none."""
        try:
            raw = json.loads(content)
            last = raw["Last"]
            return cls(
                raw["Schedule"],
                None if last is None else datetime.fromisoformat(last).astimezone(UTC),
                datetime.fromisoformat(raw["Next"]).astimezone(UTC),
                datetime.fromisoformat(raw["LastUpdated"]).astimezone(UTC),
            )
        except (ValueError, KeyError, TypeError):
            return None

    def to_bytes(self) -> bytes:
        """Spell it for keeping."""
        return json.dumps({"Schedule": self.schedule} | self.shown()).encode()

    def shown(self) -> dict[str, str | None]:
        """Spell it as a function sees it."""
        return {
            "Last": self.last.isoformat() if self.last else None,
            "Next": self.next.isoformat(),
            "LastUpdated": self.updated.isoformat(),
        }


def occasion(status: Status | None, *, past_due: bool, attempt: int = 0, most: int = 0) -> Occasion:
    """Make a time the occasion of an invocation."""
    known = {
        "Schedule": {"AdjustForDST": True},
        "ScheduleStatus": status.shown() if status else None,
        "IsPastDue": past_due,
    }
    return Occasion(Document(json.dumps(known)), attempt=attempt, attempts=most)


def begun(schedule: Schedule, kept: Status | None, now: datetime) -> tuple[Status, bool]:
    """Return the status to begin with, and whether the timer was due while nobody ran."""
    if kept is None or kept.schedule != schedule.text:
        return Status(schedule.text, None, schedule.after(now), now), False
    if kept.next < now:
        return kept, True
    return kept, False


class Timer:
    """The trigger of one function."""

    def __init__(
        self, executor: Executor, function: Function, trigger: TimerTrigger, folder: Path
    ) -> None:
        self._executor = executor
        self._function = function
        self._trigger = trigger
        self._kept = folder / f"{function.name}.json"
        self._lock = folder / f"{function.name}.lock"

    async def listen(self, stop: asyncio.Event) -> None:
        """Run the function whenever it is due, until told to stop."""
        with self._lock.open("ab") as lock:
            while not _is_ours(lock):
                if await _rest(stop, _POLL):
                    return
            await self._run_by_the_clock(stop)

    async def _run_by_the_clock(self, stop: asyncio.Event) -> None:
        kept = self._remembered() if self._trigger.monitored else None
        status, late = begun(self._trigger.schedule, kept, clock.now())
        if late or self._trigger.on_startup:
            status = await self._fire(status, stop, clock.now(), past_due=late)
        else:
            self._keep(status)
        while not await _rest(stop, (status.next - clock.now()).total_seconds()):
            status = await self._fire(status, stop, status.next, past_due=False)

    async def _fire(
        self, status: Status, stop: asyncio.Event, due: datetime, *, past_due: bool
    ) -> Status:
        """Run the function, with its retries, and note when it is due again."""
        rule, attempt = self._function.retry, 0
        shown = status if self._trigger.monitored else None
        most = rule.most if rule else 0
        while True:
            again = occasion(shown, past_due=past_due, attempt=attempt, most=most)
            outcome = await self._executor.run(self._function, again)
            if not isinstance(outcome, Failed) or rule is None:
                break
            if attempt == most or await _rest(stop, rule.wait(attempt)):
                break
            attempt += 1
        now = clock.now()
        # Never before what it was due for: after a wait that was a moment short it would run twice.
        then = self._trigger.schedule.after(max(now, due))
        updated = Status(self._trigger.schedule.text, now, then, now)
        self._keep(updated)
        return updated

    def _remembered(self) -> Status | None:
        return Status.parse(self._kept.read_bytes()) if self._kept.exists() else None

    def _keep(self, status: Status) -> None:
        if self._trigger.monitored:
            files.replace(self._kept, status.to_bytes())


def _is_ours(lock: BinaryIO) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


async def _rest(stop: asyncio.Event, seconds: float) -> bool:
    """Wait, and tell whether the host was told to stop."""
    if seconds > 0:
        with suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), seconds)
    return stop.is_set()
