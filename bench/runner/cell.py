"""Cells: how soon one is ready, what a thousand of them leave, how fast ciphertext comes in.

The peer of a forked cell is a fresh interpreter that imports the same; the limit of the ring is a
copy in memory. `python -m bench.runner.cell` prints each figure beside its bar, and exits with 1
if one is not kept.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import psutil

from bench.devstack.figures import Figure
from bench.devstack.run import table
from runner.cell.entry import Write
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.ring import SLOT_BYTES, RegionClient, RegionServer, copying
from runner.cell.zygote import Zygote
from runner.sql import entry as sql

ENTRY = "bench.runner.cell:run"
LIMITS = Limits(memory=256 << 20, seconds=60, output=1 << 20)
SPILLING = Limits(memory=256 << 20, seconds=60, output=1 << 20, spill=64 << 20)
READY = 200
IN_A_ROW = 1000
STARTS = 5
REGIONS = 256
MIB = 1 << 20


def warm() -> None:
    """Have what a program in SQL has."""
    sql.warm()


def run(task: bytes, _descriptors: Sequence[int], ring: RegionClient | None, write: Write) -> None:
    """Touch every region that is asked for, and every page of it."""
    touched = 0
    for number in range(int(task)):
        if ring is not None:
            with ring.region(0, number) as region:
                touched += sum(region[::4096]) & 1
    write(b"%d" % touched)


def measure() -> list[Figure]:
    """Measure with the zygote of programs in SQL."""
    with tempfile.TemporaryDirectory() as folder:
        return [*_ready(), *_in_a_row(Path(folder)), *_ring(), *_peer()]


def _ready() -> list[Figure]:
    """Time from asking until a cell is locked down, without and with a spare."""
    figures = []
    for spares, name, limit in ((0, "from a fork", 10.0), (1, "from a spare", 10.0)):
        with Zygote.start(ENTRY, spares=spares) as zygote:
            taken = sorted(_time_to_ready(zygote) for _ in range(READY))
        figures.append(Figure(f"cell ready, {name}, p50", statistics.median(taken), "ms", limit))
        figures.append(
            Figure(f"cell ready, {name}, p95", taken[READY * 95 // 100], "ms", 3 * limit)
        )
    return figures


def _time_to_ready(zygote: Zygote) -> float:
    start = time.perf_counter()
    with zygote.cell(LIMITS):
        taken = time.perf_counter() - start
    time.sleep(0.02)  # a job takes longer, and the next spare comes meanwhile
    return taken * 1000


def _in_a_row(folder: Path) -> list[Figure]:
    """Let a thousand cells live, and look at what they leave."""
    with Zygote.start(ENTRY, spill=folder) as zygote:
        for _ in range(20):
            _live(zygote)
        before, start = _held(folder), time.perf_counter()
        for _ in range(IN_A_ROW):
            _live(zygote)
        taken, after = time.perf_counter() - start, _held(folder)
    left = [now - then for now, then in zip(after, before, strict=True)]
    return [
        Figure("1,000 cells: whole lives", IN_A_ROW / taken, "1/s", 20, at_least=True),
        Figure("1,000 cells: descriptors left", left[0], "", 0),
        Figure("1,000 cells: memory left", left[1] / MIB, "MiB", 4),
        Figure("1,000 cells: files of the spill left", left[2], "", 0),
        Figure("1,000 cells: processes left", left[3], "", 1),  # the last is buried by the next
    ]


def _live(zygote: Zygote) -> None:
    with zygote.cell(SPILLING) as cell:
        if not isinstance(cell.run(b"0"), Done):
            raise RuntimeError("a cell failed")  # noqa: TRY004  # of a measurement


def _held(folder: Path) -> tuple[int, int, int, int]:
    """Count the descriptors, bytes, files and processes that there are now."""
    here = psutil.Process()
    files = sum(path.is_file() for path in folder.rglob("*"))
    return here.num_fds(), here.memory_info().rss, files, len(here.children(recursive=True))


def _ring() -> list[Figure]:
    """Time regions through the ring, beside as many copies in memory."""
    region, target = bytes(SLOT_BYTES), bytearray(SLOT_BYTES)
    amount = REGIONS * SLOT_BYTES / 1e9
    limits = Limits(memory=256 << 20, seconds=60, output=1 << 20)
    with Zygote.start(ENTRY) as zygote, zygote.cell(limits) as cell:
        server = RegionServer(copying(lambda _file, _number: region))
        start = time.perf_counter()
        cell.run(b"%d" % REGIONS, (), server)
        taken = time.perf_counter() - start
    start = time.perf_counter()
    for _ in range(REGIONS):
        target[:] = region
    copied = time.perf_counter() - start
    return [
        Figure("ring: ciphertext into a cell", amount / taken, "GB/s", 1, at_least=True),
        Figure("ring: the same copied in memory", amount / copied, "GB/s", 0, at_least=True),
    ]


def _peer() -> list[Figure]:
    """Start interpreters that import the same, as a runner without a zygote would."""
    program = "from runner.sql import entry; entry.warm()"
    taken = []
    for _ in range(STARTS):
        start = time.perf_counter()
        subprocess.run([sys.executable, "-c", program], check=True)
        taken.append((time.perf_counter() - start) * 1000)
    return [Figure("peer: a fresh interpreter, p50", statistics.median(taken), "ms", 10_000)]


def main() -> int:
    """Print what was found."""
    figures = measure()
    print(table(figures))
    return 0 if all(figure.passed for figure in figures) else 1


if __name__ == "__main__":
    sys.exit(main())
