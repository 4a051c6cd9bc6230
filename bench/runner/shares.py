"""Whose processor time a job takes: the runner's, its cells', each server's, the measuring."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

import psutil

_NAMES = {
    "runner.sql.entry:run": "the runner: cells that compute",
    "runner.gate.entry:run": "the runner: cells that decide",
    "serve": "the runner: its own process",
    "bench.runner.steps": "the runner: its own process",
    "--blobPort": "the storage emulator",
    "devstack.storage": "the storage emulator's front",
    "devstack.vault": "the parties' vaults",
    "devstack.attestation": "the attestation service",
    "devstack.bus": "Service Bus",
    "devstack.hardware": "the simulated processor",
}
_OURS = "the runner: "
_CELLS = _OURS + "cells"
_REST = "who sends and reads messages"


@dataclass(frozen=True, slots=True)
class Shares:
    """Milliseconds of processor time for each job, by who spent them."""

    each: Mapping[str, float]
    elapsed: float  # milliseconds for each job

    @property
    def ours(self) -> float:
        """The runner's own, its cells included."""
        return sum(time for name, time in self.each.items() if name.startswith(_OURS))

    @classmethod
    def between(
        cls, before: Mapping[str, float], after: Mapping[str, float], jobs: int, elapsed: float
    ) -> "Shares":
        """Divide what was spent meanwhile."""
        each = {name: (after[name] - before.get(name, 0)) * 1000 / jobs for name in after}
        return cls(each, elapsed * 1000 / jobs)

    def table(self) -> str:
        """Write it in Markdown."""
        rows = sorted(self.each.items(), key=lambda one: -one[1])
        measuring = self.each.get(_REST, 0.0)
        together = sum(self.each.values())
        rows += [
            ("**together**", together),
            ("of it the runner's", self.ours),
            ("of it the services'", together - self.ours - measuring),
        ]
        lines = [f"| {name} | {time:.1f} ms |" for name, time in rows]
        return "\n".join(["| processor time of a job | |", "| --- | ---: |", *lines])


def spent() -> Mapping[str, float]:
    """Say how many seconds this process and all below it have used the processor so far.

    Cells end with their job. What they used is with the zygote that buried them.
    """
    found: defaultdict[str, float] = defaultdict(float)
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        with suppress(psutil.Error):  # it may have ended
            name, times = _name(process), process.cpu_times()
            found[name] += times.user + times.system
            if name.startswith(_CELLS):
                found[name] += times.children_user + times.children_system
    return found


def _name(process: psutil.Process) -> str:
    command = process.cmdline()
    return next((name for word, name in _NAMES.items() if word in command), _REST)
