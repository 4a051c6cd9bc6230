"""Whose processor time something takes: each process's, called by a word of its command line."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil

_SERVERS = {
    "--blobPort": "the storage emulator",
    "devstack.storage": "the storage emulator's front",
    "devstack.bus": "Service Bus",
}


@dataclass(frozen=True, slots=True)
class Who:
    """What processes are called, and the one that measures; the rest has a name too."""

    words: Mapping[str, str]
    own: str
    rest: str
    buries: frozenset[str] = field(default=frozenset())
    """Those who are asked for what their children used, too: these end before they are counted."""

    def spent(self, processes: Iterable[psutil.Process]) -> Mapping[str, float]:
        """Say how many seconds each has used the processor so far, and this process."""
        found: defaultdict[str, float] = defaultdict(float)
        own = psutil.Process()
        found[self.own] = _seconds(own, buried=False)
        for process in processes:
            with suppress(psutil.Error):  # it may have ended
                if process != own:
                    name = self._name(process.cmdline())
                    found[name] += _seconds(process, buried=name in self.buries)
        return found

    def _name(self, command: list[str]) -> str:
        return next((name for word, name in self.words.items() if word in command), self.rest)


OURS = "the runner: "
CELLS = frozenset({f"{OURS}cells that compute", f"{OURS}cells that decide"})
JOBS = Who(
    {
        "runner.sql.entry:run": f"{OURS}cells that compute",
        "runner.gate.entry:run": f"{OURS}cells that decide",
        "serve": f"{OURS}its own process",
        "bench.runner.steps": f"{OURS}its own process",
        **_SERVERS,
        "devstack.vault": "the parties' vaults",
        "devstack.attestation": "the attestation service",
        "devstack.hardware": "the simulated processor",
    },
    own="who sends and reads messages",
    rest="who sends and reads messages",
    buries=CELLS,
)
UPLOADS = Who(
    {
        "devstack.functions_host.worker": "the functions",
        "devstack.functions_host": "their host",
        "devstack.eventgrid": "Event Grid",
        **_SERVERS,
    },
    own="who uploads and reads the queue",
    rest="the rest",
)


def below() -> Iterable[psutil.Process]:
    """Find all processes that this one has started, and those that they have."""
    return psutil.Process().children(recursive=True)


def of_stack(home: str) -> Iterable[psutil.Process]:
    """Find the processes that were told of a stack's folder, and what they have started."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if home in " ".join(process.cmdline()):
                found |= {process, *process.children()}
    return found


@dataclass(frozen=True, slots=True)
class Shares:
    """Milliseconds of processor time for each of what was counted, by who spent them."""

    each: Mapping[str, float]

    @classmethod
    def between(
        cls, before: Mapping[str, float], after: Mapping[str, float], count: int
    ) -> "Shares":
        """Divide what was spent meanwhile."""
        return cls({name: (after[name] - before.get(name, 0)) * 1000 / count for name in after})

    def sum(self, counts: Callable[[str], bool] = lambda _: True) -> float:
        """Add up what some spent."""
        return sum(time for name, time in self.each.items() if counts(name))

    def table(self, head: str, more: Mapping[str, float]) -> str:
        """Write it in Markdown, with sums below."""
        rows = sorted(self.each.items(), key=lambda one: -one[1])
        sums = {"**together**": self.sum(), **more}
        lines = [f"| {name} | {time:.1f} ms |" for name, time in (*rows, *sums.items())]
        return "\n".join([f"| {head} | |", "| --- | ---: |", *lines])


def of_jobs(shares: Shares) -> str:
    """Write whose time a job takes."""
    ours = shares.sum(lambda name: name.startswith(OURS))
    services = shares.sum(lambda name: not name.startswith(OURS) and name != JOBS.own)
    more = {"of it the runner's": ours, "of it the services'": services}
    return shares.table("processor time of a job", more)


def of_uploads(shares: Shares, rate: int) -> str:
    """Write whose time an upload takes."""
    return shares.table(f"processor time of an upload, at {rate} a second", {})


def _seconds(process: psutil.Process, *, buried: bool) -> float:
    times = process.cpu_times()
    children = times.children_user + times.children_system if buried else 0.0
    return float(times.user + times.system + children)
