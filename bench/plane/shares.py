"""Whose processor time an upload takes: each server's, the functions', and that of who measures."""

from collections import defaultdict
from collections.abc import Mapping
from contextlib import suppress

import psutil

_NAMES = {
    "devstack.functions_host.worker": "the functions",
    "devstack.functions_host": "their host",
    "devstack.storage": "the storage emulator's front",
    "devstack.eventgrid": "Event Grid",
    "devstack.bus": "Service Bus",
    "--blobPort": "the storage emulator",
}
_CLIENT = "who uploads and reads the queue"


def spent(home: str) -> Mapping[str, float]:
    """Say how many seconds each process of a stack has used the processor so far, and this one."""
    found: defaultdict[str, float] = defaultdict(float)
    found[_CLIENT] = _seconds(psutil.Process())
    for process in _of(home):
        with suppress(psutil.Error):  # it may have ended
            found[_name(process.cmdline())] += _seconds(process)
    return found


def _of(home: str) -> set[psutil.Process]:
    """Find the processes that were told of a folder, and what they have started."""
    found: set[psutil.Process] = set()
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if home in " ".join(process.cmdline()):
                found |= {process, *process.children()}
    return found


def table(before: Mapping[str, float], after: Mapping[str, float], uploads: int, rate: int) -> str:
    """Tell what each spent on an upload."""
    each = {name: (after[name] - before.get(name, 0)) * 1000 / uploads for name in after}
    lines = [
        f"| {name} | {time:.1f} ms |"
        for name, time in sorted(each.items(), key=lambda one: -one[1])
    ]
    head = [f"| processor time of an upload, at {rate} a second | |", "| --- | ---: |"]
    return "\n".join([*head, *lines, f"| together | {sum(each.values()):.1f} ms |"])


def _seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _name(command: list[str]) -> str:
    return next((name for word, name in _NAMES.items() if word in command), "the rest")
