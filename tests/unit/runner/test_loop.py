"""The loop: who settles what, when and how, whatever jobs, locks and the bus do."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import pytest

from cleanroom.errors import (
    Malformed,
    PolicyRefused,
    ProgramFailed,
    Tampered,
    Unattested,
    Unavailable,
)
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input, JobRequest, Outcome, Trigger
from runner.logs import Log
from runner.loop import Loop, Pace
from tests.builders import DIGEST, NOW
from tests.fakes.bus import FakeBus, Given

REQUEST = JobRequest(
    "room",
    Digest(DIGEST),
    (Input("a", Digest(DIGEST)),),
    {},
    Trigger("request", None, "0" * 32),
)
PACE = Pace(jobs=2, held=4, tick=0.01, pause=0.01, longest_pause=0.02, drain=5.0)
_PATIENCE = 20.0


def request(number: int) -> JobRequest:
    return replace(REQUEST, trigger=Trigger("request", None, f"{number:032x}"))


def done(asked: JobRequest) -> Outcome:
    """Refuse, which needs no receipt."""
    ending = Ending("refused", "policy_refused")
    return Outcome(asked.room, asked.id, asked.contract, ending, NOW, None, ())


@dataclass
class Serving:
    """A loop in a thread, and what it says."""

    bus: FakeBus
    stop: threading.Event = field(default_factory=threading.Event)
    said: list[str] = field(default_factory=list)
    all_ended: list[bool] = field(default_factory=list)


@contextmanager
def serving(
    run: Callable[[JobRequest], Outcome], bus: FakeBus | None = None, pace: Pace = PACE
) -> Iterator[Serving]:
    made = Serving(bus or FakeBus())
    loop = Loop(made.bus, run, pace, Log(made.said.append), lambda: NOW)
    thread = threading.Thread(target=lambda: made.all_ended.append(loop.serve(made.stop)))
    thread.start()
    try:
        yield made
    finally:
        made.stop.set()
        thread.join(_PATIENCE)
        assert not thread.is_alive()


class Gate:
    """Jobs that go on until they are let go."""

    def __init__(self) -> None:
        self.begun = threading.Semaphore(0)
        self.ran: list[Digest] = []
        self._open = threading.Event()

    def run(self, asked: JobRequest) -> Outcome:
        self.ran.append(asked.id)
        self.begun.release()
        assert self._open.wait(_PATIENCE)
        return done(asked)

    def wait(self) -> None:
        assert self.begun.acquire(timeout=_PATIENCE)

    def open(self) -> None:
        self._open.set()


def failing(error: BaseException) -> Callable[[JobRequest], Outcome]:
    def run(_: JobRequest) -> Outcome:
        raise error

    return run


def settled(given: Given) -> Callable[[], bool]:
    return lambda: given.settled is not None


# --- the error's class decides


def test_an_outcome_is_sent_before_its_message_is_completed() -> None:
    with serving(done) as made:
        given = made.bus.put(REQUEST)
        made.bus.wait_for(settled(given))

    assert made.bus.order == ["outcome", "complete"]
    assert made.bus.outcomes == [done(REQUEST)]


@pytest.mark.parametrize(
    ("error", "ending"),
    [
        pytest.param(Tampered("x"), Ending("failed", "tampered"), id="tampered"),
        pytest.param(PolicyRefused("x"), Ending("refused", "policy_refused"), id="refused"),
        pytest.param(Unattested("x"), Ending("refused", "unattested"), id="unattested"),
        pytest.param(ProgramFailed("x"), Ending("failed", "program_failed"), id="program"),
        pytest.param(RuntimeError("x"), Ending("failed", "internal"), id="a bug"),
        pytest.param(MemoryError(), Ending("failed", "internal"), id="no memory"),
    ],
)
def test_what_no_other_try_can_help_ends_the_job(error: Exception, ending: Ending) -> None:
    with serving(failing(error)) as made:
        given = made.bus.put(REQUEST)
        made.bus.wait_for(settled(given))

    assert [outcome.ending for outcome in made.bus.outcomes] == [ending]
    assert made.bus.order == ["outcome", "complete"]


def test_what_is_not_our_format_is_put_aside_with_its_code_and_no_outcome() -> None:
    with serving(failing(Malformed("x", "y"))) as made:
        given = made.bus.put(REQUEST)
        made.bus.wait_for(settled(given))

    assert made.bus.order == ["dead-letter malformed"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        pytest.param(b"", "malformed", id="nothing"),
        pytest.param(b"\xff" * 100, "malformed", id="bytes"),
        pytest.param(REQUEST.to_bytes().replace(b':"room"', b':"rome"'), "tampered", id="changed"),
        pytest.param(b"[" * 10_000, "malformed", id="deep"),
    ],
)
def test_a_message_that_is_no_request_is_put_aside(body: bytes, code: str) -> None:
    with serving(done) as made:
        given = made.bus.put(body)
        good = made.bus.put(REQUEST)
        made.bus.wait_for(settled(good))

    assert given.settled == f"dead-letter {code}"


def test_what_may_succeed_later_is_given_back_and_succeeds() -> None:
    tries = iter([Unavailable("x"), Unavailable("x")])

    def run(asked: JobRequest) -> Outcome:
        for error in tries:
            raise error
        return done(asked)

    with serving(run) as made:
        made.bus.put(REQUEST)
        made.bus.wait_for(lambda: "complete" in made.bus.order)

    assert made.bus.order == ["abandon", "abandon", "outcome", "complete"]
    assert [given.attempt for given in made.bus.all] == [0, 1, 2]


def test_an_outcome_that_cannot_be_sent_keeps_the_message() -> None:
    bus = FakeBus()
    bus.deaf.set()
    with serving(done, bus) as made:
        made.bus.put(REQUEST)
        made.bus.wait_for(lambda: "abandon" in made.bus.order)
        bus.deaf.clear()
        made.bus.wait_for(lambda: "complete" in made.bus.order)

    assert made.bus.order.index("outcome") < made.bus.order.index("complete")


def test_a_job_that_ends_its_thread_is_tried_again() -> None:
    tries = iter([SystemExit()])

    def run(asked: JobRequest) -> Outcome:
        for error in tries:
            raise error
        return done(asked)

    with serving(run) as made:
        made.bus.put(REQUEST)
        made.bus.wait_for(lambda: "complete" in made.bus.order)

    assert made.bus.order == ["abandon", "outcome", "complete"]


# --- how many, and which


def test_no_more_jobs_run_at_once_than_there_is_room_for() -> None:
    gate = Gate()
    with serving(gate.run) as made:
        for number in range(5):
            made.bus.put(request(number))
        gate.wait()
        gate.wait()
        running = len(gate.ran)
        gate.open()
        made.bus.wait_for(lambda: made.bus.order.count("complete") == 5)

    assert running == 2
    assert len(set(gate.ran)) == len(gate.ran) == 5


def test_a_job_that_is_delivered_again_while_it_runs_runs_once() -> None:
    gate = Gate()
    with serving(gate.run) as made:
        messages = [made.bus.put(REQUEST), made.bus.put(REQUEST)]
        gate.wait()
        made.bus.wait_for(made.bus.waiting.empty)
        gate.open()
        made.bus.wait_for(lambda: all(given.settled for given in messages))

    assert gate.ran == [REQUEST.id]
    assert made.bus.order == ["outcome", "complete", "complete"]


def test_what_is_held_back_takes_no_room_from_others() -> None:
    def run(asked: JobRequest) -> Outcome:
        if asked != request(9):
            raise Unavailable("x")
        return done(asked)

    with serving(run, pace=replace(PACE, pause=60.0, longest_pause=60.0)) as made:
        for number in range(3):
            made.bus.put(request(number))
        last = made.bus.put(request(9))
        made.bus.wait_for(settled(last))

    assert last.settled == "complete"


# --- locks


def test_a_lock_is_renewed_for_as_long_as_its_job_runs() -> None:
    gate = Gate()
    with serving(gate.run) as made:
        given = made.bus.put(REQUEST, locked=0.02)
        made.bus.wait_for(lambda: made.bus.order.count("renew") >= 3)
        gate.open()
        made.bus.wait_for(settled(given))

    assert given.settled == "complete"


def test_a_lock_is_renewed_while_its_message_is_held_back() -> None:
    pace = replace(PACE, pause=60.0, longest_pause=60.0)
    with serving(failing(Unavailable("x")), pace=pace) as made:
        made.bus.put(REQUEST, locked=0.02)
        made.bus.wait_for(lambda: made.bus.order.count("renew") >= 3)

    assert made.bus.order[-1] == "abandon"


def test_a_message_whose_lock_is_lost_is_not_settled_and_its_job_goes_on() -> None:
    gate = Gate()
    bus = FakeBus(lost=True)
    with serving(gate.run, bus) as made:
        given = made.bus.put(REQUEST, locked=0.02)
        made.bus.wait_for(lambda: "renew" in made.bus.order)
        gate.open()
        made.bus.wait_for(lambda: "outcome" in made.bus.order)

    assert given.settled is None
    assert '{"event": "lock.lost"}\n' in made.said


# --- a bus that is away, and the end


def test_a_bus_that_is_away_is_said_once_and_found_again() -> None:
    bus = FakeBus()
    bus.away.set()
    with serving(done, bus) as made:
        given = made.bus.put(REQUEST)
        assert threading.Event().wait(0.1) is False
        bus.away.clear()
        made.bus.wait_for(settled(given))

    events = [line for line in made.said if "bus." in line]
    assert events == ['{"event": "bus.away"}\n', '{"event": "bus.back"}\n']


def test_a_bus_that_goes_away_while_a_job_runs_gets_its_outcome_later() -> None:
    gate = Gate()
    with serving(gate.run) as made:
        made.bus.put(REQUEST, locked=0.02)
        gate.wait()
        made.bus.away.set()
        gate.open()
        made.bus.wait_for(lambda: "outcome" in made.bus.order)
        made.bus.away.clear()
        other = made.bus.put(request(2))
        made.bus.wait_for(settled(other))

    assert made.bus.order.count("outcome") == 2


def test_jobs_that_run_may_end_when_the_runner_is_told_to_stop() -> None:
    gate = Gate()
    with serving(gate.run) as made:
        given = made.bus.put(REQUEST)
        gate.wait()
        made.stop.set()
        gate.open()

    assert given.settled == "complete"
    assert made.all_ended == [True]


def test_what_does_not_end_in_time_is_handed_back() -> None:
    gate = Gate()
    with serving(gate.run, pace=replace(PACE, drain=0.05)) as made:
        given = made.bus.put(REQUEST)
        gate.wait()
        made.stop.set()
        made.bus.wait_for(settled(given))
        gate.open()

    assert given.settled == "abandon"
    assert made.all_ended == [False]


def test_what_is_held_back_is_handed_back_at_once_when_the_runner_stops() -> None:
    pace = replace(PACE, pause=60.0, longest_pause=60.0)
    with serving(failing(Unavailable("x")), pace=pace) as made:
        given = made.bus.put(REQUEST)
        made.bus.wait_for(made.bus.waiting.empty)

    assert given.settled == "abandon"


def test_no_word_of_an_error_is_said() -> None:
    marker = "alice@example.com"
    errors: list[BaseException] = [
        RuntimeError(marker),
        Malformed(marker, marker),
        Tampered(marker),
        Unavailable(marker),
    ]
    for error in errors:
        with serving(failing(error)) as made:
            made.bus.put(REQUEST)
            made.bus.wait_for(lambda made=made: bool(made.bus.order))  # type: ignore[misc]

        assert marker not in "".join(made.said)
        assert marker.encode() not in b"".join(o.to_bytes() for o in made.bus.outcomes)
