"""What the runner says while it works: a closed vocabulary, one line of JSON each.

Events, codes, digests and rounded durations, and nothing else: no text of a program, an engine, a
service or a library ever stands in a log, because a program chooses its text (threat O11).
"""

import json
import logging
import sys
import threading
import traceback
import warnings
from collections.abc import Callable
from enum import StrEnum
from types import TracebackType

from cleanroom.ids import Digest

_BUCKETS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600)  # seconds

type Write = Callable[[str], object]


class Event(StrEnum):
    """Everything that can be said."""

    STARTED = "runner.started"
    STOPPING = "runner.stopping"
    STOPPED = "runner.stopped"
    WALL_STANDS = "wall.stands"
    WALL_MISSING = "wall.missing"
    JOB_BEGUN = "job.begun"
    JOB_ENDED = "job.ended"
    JOB_STOPPED = "job.stopped"  # with the place in our code: which service it is that is away
    JOB_RETRIED = "job.retried"
    JOB_REJECTED = "job.rejected"
    JOB_HANDED_BACK = "job.handed_back"
    LOCK_LOST = "lock.lost"
    BUS_AWAY = "bus.away"
    BUS_BACK = "bus.back"
    BUG = "bug"


class Log:
    """Writes lines; safe to use from several threads."""

    def __init__(self, write: Write) -> None:
        self._write = write
        self._lock = threading.Lock()

    def say(
        self,
        event: Event,
        *,
        job: Digest | None = None,
        code: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Say that something happened; `code` is of docs/spec/errors.md, an outcome or a wall."""
        told = {
            "event": event.value,
            "job": job.text if job else None,
            "code": code,
            "took": None if seconds is None else bucket(seconds),
        }
        line = json.dumps({name: value for name, value in told.items() if value is not None})
        with self._lock:
            self._write(f"{line}\n")

    def bug(self, error: BaseException, job: Digest | None = None) -> None:
        """Say where in our own code a mistake of ours showed, and nothing of what it said."""
        self.say(Event.BUG, job=job, code=place(error.__traceback__))


def bucket(seconds: float) -> str:
    """Round a duration up, so coarsely that it tells nothing of the data."""
    for most in _BUCKETS:
        if seconds <= most:
            return f"<={most}s"
    return f">{_BUCKETS[-1]}s"


def place(trace: TracebackType | None) -> str:
    """Name the innermost line of ours in a traceback."""
    found = "nowhere"
    for frame, line in traceback.walk_tb(trace):
        module = str(frame.f_globals.get("__name__"))
        if module.startswith(("runner.", "cleanroom.")):
            found = f"{module}:{line}"
    return found


def silence(log: Log) -> None:
    """Let nobody but the log speak: no library, no warning, no traceback with its message."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    sys.excepthook = lambda _kind, error, _trace: log.bug(error)
    threading.excepthook = lambda raised: log.bug(raised.exc_value or RuntimeError())
    sys.unraisablehook = lambda raised: log.bug(raised.exc_value or RuntimeError())
