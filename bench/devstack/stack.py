"""The stack as a whole: how long until it is ready, and what it costs while nobody asks."""

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from bench.devstack.figures import Figure
from devstack.home import Home

ROUNDS = 5
_SETTLED = 3.0  # seconds after which a server has done what it does at its start
_MIB = 1 << 20
_COMMAND = Path(sys.executable).with_name("cleanroom-dev")


def measure(home: Home) -> list[Figure]:
    """Measure a stack that has run before; it runs when this begins, and when it ends."""
    warm, again, stopped = _times(home)
    time.sleep(_SETTLED)
    servers, supervisor = _memory(home)
    return [
        Figure("stack: up, warm, median", statistics.median(warm), "s", 6),
        Figure("stack: up, warm, longest", max(warm), "s", 6),
        Figure("stack: up when all runs", statistics.median(again), "s", 1),
        Figure("stack: down", statistics.median(stopped), "s", 5),
        Figure("stack: memory of the servers, idle", servers, "MiB", 400),
        Figure("stack: memory with the supervisor, idle", servers + supervisor, "MiB", 400),
    ]


def command(home: Home, *arguments: str) -> str:
    """Run `cleanroom-dev`; return what it printed."""
    line = [str(_COMMAND), *arguments, "--home", str(home.path)]
    done = subprocess.run(line, capture_output=True, check=False, text=True)
    if done.returncode:
        sys.exit(f"bench: {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def _times(home: Home) -> tuple[Sequence[float], Sequence[float], Sequence[float]]:
    warm, again, stopped = [], [], []
    for _ in range(ROUNDS):
        stopped.append(_seconds(home, "down"))
        warm.append(_seconds(home, "up"))
        again.append(_seconds(home, "up"))
    return warm, again, stopped


def _seconds(home: Home, verb: str) -> float:
    start = time.perf_counter()
    command(home, verb)
    return time.perf_counter() - start


def _memory(home: Home) -> tuple[float, float]:
    """Sum in MiB what the servers take, with all that they started, and the supervisor."""
    servers = json.loads(command(home, "status", "--json"))["servers"]
    supervisor = json.loads((home.path / "stack" / "state.json").read_bytes())["supervisor"]
    lines = Path(f"/proc/{supervisor}/smaps_rollup").read_text("ascii").splitlines()
    pss = sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))
    return sum(one["memory_bytes"] for one in servers) / _MIB, pss / _MIB
