"""Measuring: time in interleaved rounds, peak memory, and bars to clear."""

import filecmp
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Samples:
    """Seconds that the same thing took, several times."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        """What is reported."""
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """What nineteen of twenty stay under."""
        return statistics.quantiles(self.seconds, n=20, method="inclusive")[-1]

    @property
    def range(self) -> tuple[float, float]:
        """The fastest and the slowest."""
        return min(self.seconds), max(self.seconds)


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to time."""

    name: str
    run: Callable[[], float]  # returns the seconds it took
    restores: bool = False  # its output must be the source again


@dataclass(frozen=True, slots=True)
class Bar:
    """A limit that a measured value must keep."""

    what: str
    value: float
    limit: float
    unit: str
    at_the_limit: bool = True  # whether just reaching it passes

    @property
    def passed(self) -> bool:
        """Whether it is kept."""
        return self.value < self.limit or (self.at_the_limit and self.value == self.limit)

    @property
    def verdict(self) -> str:
        """PASS or FAIL."""
        return "PASS" if self.passed else "FAIL"

    @property
    def demand(self) -> str:
        """The limit in words."""
        return f"{'≤' if self.at_the_limit else '<'} {self.limit:g} {self.unit}"

    @property
    def found(self) -> str:
        """The value in words."""
        return f"{self.value:.{0 if self.value >= 100 else 2}f} {self.unit}"


def seconds(run: Callable[[], object]) -> float:
    """Time one run."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def interleaved(
    cases: Sequence[Case], rounds: int, source: Path, output: Path
) -> Mapping[str, Samples]:
    """Run all cases in turn, so often, so that a slow moment of the machine meets all of them.

    Each makes the same output, which is removed between them. One round more comes first: it is
    not timed, and what it restores is compared with the source.
    """
    taken: dict[str, list[float]] = {case.name: [] for case in cases}
    for count in range(rounds + 1):
        print(f"  round {count} of {rounds}", flush=True)
        for case in cases:
            took = case.run()
            if count > 0:
                taken[case.name].append(took)
            elif case.restores and not filecmp.cmp(source, output, shallow=False):
                raise RuntimeError(f"{case.name}: the output is not the source again")
            output.unlink(missing_ok=True)
    return {name: Samples(tuple(found)) for name, found in taken.items()}


def others_so_far() -> float:
    """Processor seconds that everything but this process and its finished children used."""
    total = Path("/proc/stat").read_text("ascii").splitlines()[0].split()[1:]
    user, nice, system, _idle, _iowait, irq, softirq = map(int, total[:7])
    mine = os.times()
    busy = (user + nice + system + irq + softirq) / os.sysconf("SC_CLK_TCK")
    return busy - sum((mine.user, mine.system, mine.children_user, mine.children_system))


def memory_now() -> int:
    """Resident memory of this process in bytes."""
    return _status("VmRSS:")


def memory_peak() -> int:
    """The most resident memory this process ever had, in bytes."""
    return _status("VmHWM:")


def _status(name: str) -> int:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) << 10
