"""The loop: receive, run, settle. Only it knows of deliveries; the error's class decides.

- One thread receives, renews locks and settles. Jobs run in threads of their own, so many at once.
- The outcome is sent before the message is settled: a crash between them repeats an outcome, which
  the job's receipt makes the same one, instead of losing it.
- What may succeed later is held back before it is given back, longer each time, because the bus
  delivers again at once what is given back. It takes no room that another job could have.
- A job that is delivered again while it runs is not run twice at a time: both messages end with it.
"""

import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from cleanroom.errors import CleanroomError, Disposition, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome
from runner.job import ended_by, without_receipt
from runner.logs import Event, Log, place

type Run = Callable[[JobRequest], Outcome]


class Delivery(Protocol):
    """A message under lock."""

    @property
    def attempt(self) -> int:
        """How often it was delivered before."""
        ...

    @property
    def renew_at(self) -> float:
        """When half of the lock's time has gone, on the monotonic clock."""
        ...

    def body(self) -> bytes:
        """Give its bytes."""
        ...


class Bus[D: Delivery](Protocol):
    """Where jobs come from and outcomes go; each raises `Unavailable` if it is away."""

    def receive(self, wait: float) -> list[D]:
        """Take the next message, if one comes in time."""
        ...

    def renew(self, delivery: D) -> bool:
        """Keep a message locked; tell whether it still is."""
        ...

    def complete(self, delivery: D) -> bool:
        """Take a message away."""
        ...

    def abandon(self, delivery: D) -> bool:
        """Give a message back."""
        ...

    def dead_letter(self, delivery: D, code: str) -> bool:
        """Put a message aside."""
        ...

    def send(self, outcome: Outcome) -> None:
        """Tell how a job ended."""
        ...


@dataclass(frozen=True, slots=True)
class Pace:
    """How many at once, and how patient; in seconds."""

    jobs: int
    held: int  # messages that are held back until another try
    tick: float  # between two looks at locks, jobs and what is held back
    pause: float  # before a message is given back for the first time; then twice as long
    longest_pause: float
    drain: float  # that jobs have to end when the runner is told to stop


@dataclass(slots=True)
class _Work[D: Delivery]:
    """A job, and every message that asked for it."""

    id: Digest
    deliveries: list[D]
    begun: float
    until: float = 0.0  # when held back: until then


@dataclass(frozen=True, slots=True)
class _Ended:
    """What became of a job: nothing more to do, or another try, or nothing that can help."""

    job: Digest
    disposition: Disposition
    code: str


class Loop[D: Delivery]:
    """Runs until told to stop."""

    def __init__(
        self, bus: Bus[D], run: Run, pace: Pace, log: Log, clock: Callable[[], datetime]
    ) -> None:
        self._bus = bus
        self._run = run
        self._pace = pace
        self._log = log
        self._clock = clock
        self._running: dict[Digest, _Work[D]] = {}
        self._held: list[_Work[D]] = []
        self._ended: queue.SimpleQueue[_Ended] = queue.SimpleQueue()
        self._away = 0  # how often in a row the bus did not answer

    def serve(self, stop: threading.Event) -> bool:
        """Take jobs until told to stop; then let those that run end, or hand them back.

        Tells whether all ended: what was handed back may go on in its thread, for nobody.
        """
        while not stop.is_set():
            self._tend()
            free = min(self._pace.jobs - len(self._running), self._pace.held - len(self._held))
            if free <= 0:
                self._settle_next(self._pace.tick)
                continue
            for delivery in self._receive(stop):
                self._begin(delivery)
        self._log.say(Event.STOPPING)
        self._drain()
        self._log.say(Event.STOPPED)
        return not self._running

    def _receive(self, stop: threading.Event) -> list[D]:
        try:
            found = self._bus.receive(self._pace.tick)
        except Unavailable:
            if self._away == 0:
                self._log.say(Event.BUS_AWAY)
            self._away += 1
            stop.wait(self._later(self._away - 1))
            return []
        if self._away:
            self._log.say(Event.BUS_BACK)
        self._away = 0
        return found

    def _begin(self, delivery: D) -> None:
        try:
            request = JobRequest.parse(delivery.body(), "job")
        except CleanroomError as error:  # not even a job that could have an outcome
            self._log.say(Event.JOB_REJECTED, code=error.code)
            self._settle([delivery], partial(self._bus.dead_letter, code=error.code))
            return
        known = self._running.get(request.id)
        if known is not None:
            known.deliveries.append(delivery)
            return
        self._running[request.id] = _Work(request.id, [delivery], time.monotonic())
        self._log.say(Event.JOB_BEGUN, job=request.id)
        threading.Thread(target=self._work, args=(request,), daemon=True).start()

    def _work(self, request: JobRequest) -> None:
        """Run a job in a thread of its own, and tell the loop what became of it."""
        ended = _Ended(request.id, Disposition.RETRY, "internal")
        try:
            ended = self._attempt(request)
        except BaseException as error:  # noqa: BLE001  # a job without an end holds its room for ever
            self._log.bug(error, request.id)
        self._ended.put(ended)

    def _attempt(self, request: JobRequest) -> _Ended:
        try:
            outcome = self._run(request)
        except CleanroomError as error:
            if error.disposition in (Disposition.RETRY, Disposition.REJECT):
                self._log.say(Event.JOB_STOPPED, job=request.id, code=place(error.__traceback__))
                return _Ended(request.id, error.disposition, error.code)
            outcome = ended_by(request, error, self._clock())
        except Exception as error:  # noqa: BLE001  # a mistake of ours ends its job, not the loop
            self._log.bug(error, request.id)
            outcome = without_receipt(request, "failed", "internal", self._clock())
        try:
            self._bus.send(outcome)
        except Unavailable as error:
            return _Ended(request.id, Disposition.RETRY, error.code)
        ending = outcome.ending
        return _Ended(request.id, Disposition.FAIL, ending.reason or ending.status)

    def _tend(self) -> None:
        """Settle what ended, give back what was held back long enough, keep the rest locked."""
        while self._settle_next(0):
            pass
        now = time.monotonic()
        due = [work for work in self._held if work.until <= now]
        self._held = [work for work in self._held if work.until > now]
        for work in due:
            self._give_back(work, Event.JOB_RETRIED)
        try:
            for work in (*self._running.values(), *self._held):
                work.deliveries = [each for each in work.deliveries if self._kept(each, now)]
        except Unavailable:
            return  # the next look tries again

    def _settle_next(self, wait: float) -> bool:
        """Decide, in the one place that may, what becomes of the messages of a job that ended."""
        try:
            ended = self._ended.get(timeout=wait) if wait else self._ended.get_nowait()
        except queue.Empty:
            return False
        work = self._running.pop(ended.job)
        match ended.disposition:
            case Disposition.RETRY:
                attempt = max((each.attempt for each in work.deliveries), default=0)
                work.until = time.monotonic() + self._later(attempt)
                self._held.append(work)
            case Disposition.REJECT:
                self._log.say(Event.JOB_REJECTED, job=work.id, code=ended.code)
                self._settle(work.deliveries, partial(self._bus.dead_letter, code=ended.code))
            case Disposition.REFUSE | Disposition.FAIL:  # its outcome has been sent
                took = time.monotonic() - work.begun
                self._log.say(Event.JOB_ENDED, job=work.id, code=ended.code, seconds=took)
                self._settle(work.deliveries, self._bus.complete)
        return True

    def _give_back(self, work: _Work[D], event: Event) -> None:
        self._log.say(event, job=work.id)
        self._settle(work.deliveries, self._bus.abandon)

    def _kept(self, delivery: D, now: float) -> bool:
        """Renew a lock in time; tell whether the message is still ours to settle."""
        kept = now < delivery.renew_at or self._bus.renew(delivery)
        if not kept:
            self._log.say(Event.LOCK_LOST)
        return kept

    def _settle(self, deliveries: list[D], settle: Callable[[D], bool]) -> None:
        """Settle messages; one whose lock is lost comes again, and the job's receipt ends it."""
        for each in deliveries:
            try:
                kept = settle(each)
            except Unavailable:
                kept = False
            if not kept:
                self._log.say(Event.LOCK_LOST)

    def _drain(self) -> None:
        for work in self._held:
            self._give_back(work, Event.JOB_HANDED_BACK)
        self._held = []
        until = time.monotonic() + self._pace.drain
        while self._running and time.monotonic() < until:
            self._settle_next(self._pace.tick)
            self._tend()
        for work in (*self._running.values(), *self._held):
            self._give_back(work, Event.JOB_HANDED_BACK)

    def _later(self, attempt: int) -> float:
        return min(self._pace.pause * 2.0 ** min(attempt, 30), self._pace.longest_pause)
