"""Seal or open one file in a process of its own; print the seconds and the memory it took."""

import sys
import time
from pathlib import Path

from bench.engine import Keys, open_file, seal_file
from bench.measure import memory_now, memory_peak


def main() -> None:
    verb, source, output, folder = sys.argv[1:]
    work = {"seal": seal_file, "open": open_file}[verb]
    keys = Keys.read_from(Path(folder))
    before, start = memory_now(), time.perf_counter()
    work(Path(source), Path(output), keys)
    print(time.perf_counter() - start, memory_peak() - before)


if __name__ == "__main__":
    main()
