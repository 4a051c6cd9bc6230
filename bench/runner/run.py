"""Measure the runner: print a verdict for each bar, and write docs/benchmarks-runner.md.

1. Compare queries on sealed tables with DuckDB on the same tables in the clear.
2. Time cells, and look at what a thousand of them leave.
3. Time the way from a message to its outcome, with every service beside the runner.
4. Judge and write; exit 1 if a bar is not kept.
"""

import argparse
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from bench import shares
from bench.devstack.figures import Figure
from bench.devstack.run import machine, table
from bench.runner import cell, far, flow, reading

PAGE = Path(__file__).parents[2] / "docs" / "benchmarks-runner.md"
INTRODUCTION = """\
# Benchmarks of the runner

Everything shares one machine: the runner, its cells, all services of the dev stack, and whoever
measures. `make bench` writes this page, and ends with exit code 1 if a bar is not kept.
"""
READING = """\
## Reading sealed tables

DuckDB on sealed tables of about 1 GiB, beside the same query by the same DuckDB on the same tables
in the clear, from the same place: how many times the processor time. First with all files in
memory. Then with all files in a storage server on this machine: there the sealed side is the
runner's whole way, from the storage's SDK to a cell, and the plain side is DuckDB's own client.
"""
CELL = """\
## Cells

A cell is a process of its own for one program, forked from a warm one.
"""
FLOW = """\
## From a message to its outcome

Two parties, two small tables, one query; a message goes onto the queue, an outcome comes out of the
topic. One runner does messages that wait already, four at a time.
"""
STEPS = """\
Where the time goes while one message comes after the other; [the steps](spec/job.md) have the
numbers of the specification. What is done at the same time counts once.
"""
SHARES = """
Whose processor time it is, while one runner does a row of jobs that wait already. In production the
services run elsewhere.
"""


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the runner.")
    parser.add_argument("only", nargs="*", choices=[[], *_PARTS], help="what to run; all if none")
    given = parser.parse_args()
    sections, figures = [], list[Figure]()
    for name in given.only or _PARTS:
        print(name, flush=True)
        found, section = _PARTS[name]()
        print(f"\n{section}", flush=True)
        sections.append(section)
        figures += found
    if not given.only:
        PAGE.write_text("\n".join((INTRODUCTION, f"{machine()}\n", *sections)), "utf-8")
    return 0 if all(figure.passed for figure in figures) else 1


def _reading() -> tuple[Sequence[Figure], str]:
    found = reading.measure(more=far.compared)
    return found, f"{READING}\n{table(found)}\n"


def _cell() -> tuple[Sequence[Figure], str]:
    found = cell.measure()
    return found, f"{CELL}\n{table(found)}\n"


def _flow() -> tuple[Sequence[Figure], str]:
    found = flow.measure()
    parts = [FLOW, table(found.figures), STEPS, flow.steps_table(found.steps)]
    parts += [SHARES, shares.of_jobs(found.shares)]
    return found.figures, "\n\n".join(part.strip() for part in parts) + "\n"


_PARTS: dict[str, Callable[[], tuple[Sequence[Figure], str]]] = {
    "reading": _reading,
    "cell": _cell,
    "flow": _flow,
}


if __name__ == "__main__":
    sys.exit(main())
