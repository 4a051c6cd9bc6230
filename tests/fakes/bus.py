"""A bus without a network: what was settled how, and everything that a real one may do to us."""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from cleanroom.errors import Unavailable
from cleanroom.job import JobRequest, Outcome

_PATIENCE = 20.0


@dataclass(eq=False)
class Given:
    """A message under lock; `locked` is how long, in seconds."""

    data: bytes
    attempt: int = 0
    locked: float = 3600.0
    renew_at: float = 0.0
    settled: str | None = None
    renewed: int = 0

    def body(self) -> bytes:
        return self.data


@dataclass
class FakeBus:
    """Gives back what is abandoned at once, as Service Bus does."""

    waiting: queue.SimpleQueue[Given] = field(default_factory=queue.SimpleQueue)
    all: list[Given] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)
    away: threading.Event = field(default_factory=threading.Event)
    deaf: threading.Event = field(default_factory=threading.Event)  # takes no outcomes
    lost: bool = False  # locks are
    order: list[str] = field(default_factory=list)
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def put(self, request: JobRequest | bytes, attempt: int = 0, locked: float = 3600.0) -> Given:
        """Send a message."""
        data = request if isinstance(request, bytes) else request.to_bytes()
        given = Given(data, attempt, locked)
        self.all.append(given)
        self.waiting.put(given)
        return given

    def wait_for(self, holds: Callable[[], bool]) -> None:
        """Wait until something is so."""
        with self._changed:
            assert self._changed.wait_for(holds, _PATIENCE), self.order

    def receive(self, wait: float) -> list[Given]:
        self._answer()
        try:
            given = self.waiting.get(timeout=wait)
        except queue.Empty:
            return []
        given.renew_at = time.monotonic() + given.locked / 2
        with self._changed:  # whoever waits for an empty queue learns of it
            self._changed.notify_all()
        return [given]

    def renew(self, given: Given) -> bool:
        self._answer()
        given.renewed += 1
        given.renew_at = time.monotonic() + given.locked / 2
        self._note("renew")
        return not self.lost

    def complete(self, given: Given) -> bool:
        return self._settle(given, "complete")

    def abandon(self, given: Given) -> bool:
        settled = self._settle(given, "abandon")
        self.put(given.data, given.attempt + 1)
        return settled

    def dead_letter(self, given: Given, code: str) -> bool:
        return self._settle(given, f"dead-letter {code}")

    def send(self, outcome: Outcome) -> None:
        if self.deaf.is_set():
            self._note("deaf")
            raise Unavailable("the bus does not take the outcome")
        self.outcomes.append(outcome)
        self._note("outcome")

    def _settle(self, given: Given, how: str) -> bool:
        self._answer()
        assert given.settled is None, "settled twice"
        given.settled = how
        self._note(how)
        return not self.lost

    def _answer(self) -> None:
        if self.away.is_set():
            raise Unavailable("the bus does not answer")

    def _note(self, what: str) -> None:
        with self._changed:
            self.order.append(what)
            self._changed.notify_all()
