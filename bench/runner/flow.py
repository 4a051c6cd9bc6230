"""From a message to its outcome: one job at a time, many in a row, and a queue of a thousand.

1. Bring every service up, and have two parties agree on a small room.
2. Send one message, wait for its outcome, and so on; the runner notes what its steps took.
3. Send many at once; nothing may be lost, and nothing may come twice.
"""

import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from azure.servicebus import ServiceBusMessage

from bench import shares
from bench.devstack.figures import Figure
from bench.devstack.run import table
from bench.messages import noted, until
from bench.plane.rooms import LIMITS
from bench.runner.steps import STEPS, WHOLE, Span, read
from bench.shares import Shares
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome
from tests.runners import running_runner
from tests.stacks import being
from tests.worlds import Agreed, World, agree, running_world

_WARM, _SINGLE = 10, 60
_ROW, _QUEUE = 200, 1000
_BATCH = 100
_AT_ONCE = "4"  # jobs that one runner does: while some wait for a service, others compute
_PATIENCE = 900.0
_LATE = 2.0  # seconds in which an outcome too many would come


@dataclass(frozen=True, slots=True)
class Step:
    """Where a part of a job's time went, and the median of it in milliseconds."""

    name: str
    took: float


class Outcomes:
    """What came out of the topic, and when."""

    def __init__(self) -> None:
        self.came: dict[Digest, float] = {}
        self.times: Counter[Digest] = Counter()
        self.endings: Counter[str] = Counter()

    @classmethod
    @contextmanager
    def of(cls, world: World) -> Iterator[Self]:
        """Note them until the block ends."""
        found = cls()
        with noted(world.service_bus, found.note, "outcomes", "watch"):
            yield found

    def note(self, body: bytes, at: float) -> None:
        """Note how a job ended."""
        outcome = Outcome.parse(body, "outcome")
        self.came.setdefault(outcome.job, at)
        self.times[outcome.job] += 1
        self.endings[outcome.ending.status] += 1

    def wait(self, jobs: Sequence[JobRequest]) -> list[float]:
        """Wait until each has an outcome, and say when it came."""
        wanted = [job.id for job in jobs]
        until(lambda: all(job in self.came for job in wanted), _PATIENCE, "not every outcome came")
        return [self.came[job] for job in wanted]


@dataclass(frozen=True, slots=True)
class Flow:
    """What was found, and where a job's time goes: elapsed by step, the processor's by process."""

    figures: Sequence[Figure]
    steps: Sequence[Step]
    shares: Shares


def measure() -> Flow:
    """Measure on a world of its own."""
    with tempfile.TemporaryDirectory(prefix="cleanroom-bench-") as name:
        folder = Path(name)
        with running_world(folder) as world, being(world.outside()):
            room = agree(world, limits=LIMITS)
            singly, steps = _one_by_one(world, room, folder)
            rate, spent = _in_a_row(world, room, folder)
            row = Figure(f"{_ROW} jobs, one runner", rate, "1/s", 10, at_least=True)
            return Flow([*singly, row, *_queue(world, room, folder)], steps, spent)


def _one_by_one(world: World, room: Agreed, folder: Path) -> tuple[list[Figure], list[Step]]:
    """Have one message at a time, sent by somebody whose connection stands."""
    notes, took, sent = folder / "steps.json", [], []
    program = [sys.executable, "-m", "bench.runner.steps", str(notes)]
    with (
        running_runner(world.environment(), folder / "singly.log", program) as runner,
        Outcomes.of(world) as outcomes,
        world.service_bus() as client,
        client.get_queue_sender("jobs") as sender,
    ):
        for number in range(_WARM + _SINGLE):
            request = room.request(number)
            message = ServiceBusMessage(request.to_bytes(), message_id=request.id.hex)
            sent.append(time.perf_counter())
            sender.send_messages(message)
            took.append((outcomes.wait([request])[0] - sent[-1]) * 1000)
        _check_completed(outcomes)
        runner.stop()
    counted = sorted(took[_WARM:])
    figures = [
        Figure("message to outcome, p50", statistics.median(counted), "ms", 400),
        Figure("message to outcome, p95", counted[len(counted) * 95 // 100], "ms", 800),
    ]
    return figures, _steps(read(notes), sent[_WARM:], statistics.median(counted))


def _steps(spans: Sequence[Span], sent: Sequence[float], whole: float) -> list[Step]:
    """Tell where the time between message and outcome went; what is done at once counts once."""
    taken: dict[str, list[float]] = {name: [] for name in (*STEPS, WHOLE)}
    began = []
    for job in [span for span in spans if span.name == WHOLE and span.begun > sent[0]]:
        inside = [span for span in spans if job.begun <= span.begun and span.ended <= job.ended]
        for name, times in taken.items():
            parts = [span for span in inside if span.name == name]
            first = min((span.begun for span in parts), default=0.0)
            times.append(max((span.ended for span in parts), default=0.0) - first)
        began.append(job.begun - max(at for at in sent if at < job.begun))
    found = [Step("sent, until the job begins", statistics.median(began) * 1000)]
    found += [Step(name, statistics.median(taken[name]) * 1000) for name in STEPS]
    running = statistics.median(taken[WHOLE]) * 1000
    between = running - sum(step.took for step in found[1:])
    found.append(Step("between the steps", between))
    found.append(Step("from the runner to whoever reads", whole - running - found[0].took))
    return found


def _in_a_row(world: World, room: Agreed, folder: Path) -> tuple[float, Shares]:
    """Have one runner do jobs that wait already: how many a second, and whose time they take."""
    jobs = [room.request(number) for number in range(1000, 1000 + _ROW)]
    with (
        running_runner(world.environment(JOBS=_AT_ONCE), folder / "row.log") as runner,
        Outcomes.of(world) as found,
    ):
        warm = [room.request(number) for number in range(900, 900 + _WARM)]
        send(world, warm)
        found.wait(warm)
        before, start = shares.JOBS.spent(shares.below()), time.perf_counter()
        send(world, jobs)
        last = max(found.wait(jobs))
        spent = Shares.between(before, shares.JOBS.spent(shares.below()), _ROW)
        _check_completed(found)
        runner.stop()  # a killed one would leave the last message under its lock
    return _ROW / (last - start), spent


def _queue(world: World, room: Agreed, folder: Path) -> list[Figure]:
    """Drain a queue that filled up while nobody was there, and count what comes."""
    jobs = [room.request(number) for number in range(10_000, 10_000 + _QUEUE)]
    send(world, jobs)
    start = time.perf_counter()
    with (
        running_runner(world.environment(JOBS=_AT_ONCE), folder / "queue.log") as runner,
        Outcomes.of(world) as found,
    ):
        last = max(found.wait(jobs))
        time.sleep(_LATE)
        _check_completed(found)
        runner.stop()
        left = world.bus.control.get("queues/jobs")
        begun = len(runner.events("job.begun"))
    names = world.names("results")
    lost = sum(job.id not in found.times or room.result_name(job.id) not in names for job in jobs)
    count = f"{_QUEUE:,} waiting jobs"
    return [
        Figure(f"{count}: from the runner's start", _QUEUE / (last - start), "1/s", 0, True),
        Figure(f"{count}: without an outcome or a result", lost, "", 0),
        Figure(f"{count}: outcomes too many", found.times.total() - _QUEUE, "", 0),
        Figure(f"{count}: jobs begun again", begun - _QUEUE, "", 0),
        Figure(f"{count}: messages left", left["active"] + left["deadLetter"], "", 0),
    ]


def send(world: World, jobs: Sequence[JobRequest]) -> None:
    """Put messages into the queue, many at once."""
    with world.service_bus() as client, client.get_queue_sender("jobs") as sender:
        for first in range(0, len(jobs), _BATCH):
            some = jobs[first : first + _BATCH]
            sender.send_messages(
                [ServiceBusMessage(job.to_bytes(), message_id=job.id.hex) for job in some]
            )


def _check_completed(outcomes: Outcomes) -> None:
    if set(outcomes.endings) != {"completed"}:
        raise RuntimeError(f"jobs ended as {dict(outcomes.endings)}")


def steps_table(steps: Sequence[Step]) -> str:
    """Write where the time goes, in Markdown."""
    rows = [f"| {step.name} | {step.took:.1f} ms |" for step in steps]
    return "\n".join(("| step | median |", "| --- | ---: |", *rows))


def main() -> int:
    """Print what was found."""
    found = measure()
    print(f"{table(found.figures)}\n\n{steps_table(found.steps)}\n\n{shares.of_jobs(found.shares)}")
    return 0 if all(figure.passed for figure in found.figures) else 1


if __name__ == "__main__":
    sys.exit(main())
