"""Seal or open one file in a process of its own, and print how much memory the work took."""

import sys
from pathlib import Path

from bench.engine import Keys, open_file, seal_file
from bench.measure import memory_now, memory_peak


def main() -> None:
    verb, source, output, folder = sys.argv[1:]
    work = {"seal": seal_file, "open": open_file}[verb]
    keys = Keys.read_from(Path(folder))
    before = memory_now()
    work(Path(source), Path(output), keys)
    print(memory_peak() - before)


if __name__ == "__main__":
    main()
