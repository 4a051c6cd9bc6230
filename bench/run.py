"""Run the benchmarks: print a verdict for each bar, and write docs/benchmarks.md with a picture.

1. Take two cores, and a folder in memory that is removed afterwards, whatever happens.
2. Time whole files, ours and the peers in turn.
3. Measure the peak memory of sealing and opening a small and a large file.
4. Read from random places of the large sealed file.
5. Time how long a runner's evidence takes to judge.
6. Time how fast the command starts.
7. Judge and write; exit 1 if a bar is not kept.
"""

import argparse
import compileall
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import attestation, engine, page, peers
from bench import results as names
from bench.measure import Case, Samples, interleaved, others_so_far, seconds
from bench.reading import random_access
from bench.results import Memory, Results, sized
from bench.space import GIB, MIB, largest_that_fits, random_file, space, sparse_file, warm

CORES = 2


@dataclass(frozen=True, slots=True)
class Scale:
    """How much is measured."""

    size: int  # of the file that is timed
    rounds: int
    small: int
    large: int  # of the files that memory is measured with
    reads: int
    judgements: int  # of each kind of evidence
    starts: int
    spare: int  # room for everything besides the files


FULL = Scale(GIB, 9, 64 * MIB, 8 * GIB, 200, attestation.RUNS, 10, 2 * GIB)
QUICK = Scale(64 * MIB, 2, 16 * MIB, 64 * MIB, 20, 20, 3, 512 * MIB)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the sealed file against its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="small files, nothing judged or written"
    )
    quick = parser.parse_args().quick
    page.check()
    two_cores()
    compiled()
    try:
        found = measured(QUICK if quick else FULL)
    except KeyboardInterrupt:
        print("bench: interrupted; everything was removed", file=sys.stderr)
        return 130
    print(page.tables(found))
    if quick:
        print("\nquick: nothing judged, nothing written")
        return 0
    print(f"\n{page.verdicts(found)}")
    page.write(found)
    return 0 if all(bar.passed for bar in found.bars()) else 1


def compiled() -> None:
    """Compile the packages, as installing them does.

    Where nothing may be written at import (PYTHONDONTWRITEBYTECODE), each start of the command
    would compile them anew.
    """
    for package in ("cleanroom", "party"):
        compileall.compile_dir(Path(__file__).parents[1] / package, quiet=1)


def two_cores() -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < CORES:
        sys.exit(f"bench: {CORES} cores are needed, this process may use {len(cores)}")
    os.sched_setaffinity(0, cores[:CORES])  # and so do the processes it starts


def measured(scale: Scale) -> Results:
    with space(5 * scale.size + 2 * scale.spare) as folder:
        large = largest_that_fits(scale.large, scale.spare // 2)
        if large < scale.large:
            print(f"{sized(scale.large)} do not fit; the large file has {sized(large)}")
        start_of_run, others = time.perf_counter(), others_so_far()
        keys = engine.Keys.made_in(folder)
        print(f"time, {sized(scale.size)}")
        speed = timed(folder, keys, scale)
        memory: list[Memory] = []
        print(f"memory, {sized(scale.small)} and {sized(large)}")
        memory += memory_of(folder, scale.small)
        (folder / "sealed").unlink()
        memory += memory_of(folder, large)
        print(f"random access, {scale.reads} reads")
        access = random_access(folder / "sealed", keys, scale.reads)
        print("attestation")
        judged = attestation.measured(scale.judgements)
        print("start")
        start = start_of(folder, scale.starts)
        busy = (others_so_far() - others) / (time.perf_counter() - start_of_run)
    return Results(scale.size, scale.rounds, speed, memory, access, judged, start, busy)


def timed(folder: Path, keys: engine.Keys, scale: Scale) -> Mapping[str, Samples]:
    """Time whole files."""
    with warm(folder, 4 * scale.size + scale.spare):  # source, sealed, encrypted by age, output
        source = random_file(folder / "source", scale.size)
        cases = list(cases_of(folder, keys))
        found = interleaved(cases, scale.rounds, source, folder / "output")
        for name in ("source", "sealed", "aged"):
            (folder / name).unlink(missing_ok=True)
    return found


def cases_of(folder: Path, keys: engine.Keys) -> Iterator[Case]:
    """Prepare what is opened, and list what is timed."""
    source, sealed, aged, output = (folder / n for n in ("source", "sealed", "aged", "output"))
    env = engine.environment(folder)

    def command(*line: str | Path) -> Callable[[], float]:
        return lambda: seconds(lambda: peers.run(*line, env=env))

    def library(verb: engine.Verb, left: Path) -> Callable[[], float]:
        return lambda: called(engine.worker(verb, left, output, folder), env)[0]

    engine.seal_file(source, sealed, keys)
    seal = engine.command("seal", source, output, folder)
    open_ = engine.command("open", sealed, output, folder)
    yield Case(names.CP, command("cp", source, output), restores=True)
    yield Case(names.SEAL, library("seal", source))
    yield Case(names.SEAL_COMMAND, command(*seal))
    yield Case(names.OPEN, library("open", sealed), restores=True)
    yield Case(names.OPEN_COMMAND, command(*open_), restores=True)
    age = peers.Age.made_in(folder)
    if age is None:
        print("  age is not installed; on Debian and Ubuntu: sudo apt-get install age")
    else:
        peers.run(*age.encrypt(source, aged))
        yield Case(names.AGE_ENCRYPT, command(*age.encrypt(source, output)))
        yield Case(names.AGE_DECRYPT, command(*age.decrypt(aged, output)), restores=True)
    yield Case(names.AZURE_NOWHERE, lambda: peers.azure(source, Path(os.devnull)))
    yield Case(names.AZURE_FILE, lambda: peers.azure(source, output))


def memory_of(folder: Path, size: int) -> Iterator[Memory]:
    """Seal and open a file in a process each; leave the sealed file."""
    source, sealed, output = (folder / name for name in ("source", "sealed", "output"))
    sparse_file(source, size)
    steps: Sequence[tuple[engine.Verb, Path, Path]] = (
        ("seal", source, sealed),
        ("open", sealed, output),
    )
    for verb, left, right in steps:
        line = engine.worker(verb, left, right, folder)
        yield Memory(verb, size, int(called(line, engine.environment(folder))[1]))
    output.unlink()
    source.unlink()


def called(line: Sequence[str], env: dict[str, str]) -> tuple[float, float]:
    """Let a worker do its work, and return the seconds and the memory it took."""
    took, peak = peers.run(*line, env=env).split()
    return float(took), float(peak)


def start_of(folder: Path, times: int) -> Samples:
    """Time `cleanroom --help`; once before, so that its files are compiled and cached."""
    env = engine.environment(folder)

    def start() -> float:
        return seconds(lambda: peers.run(*engine.help_command(), env=env))

    start()
    return Samples(tuple(start() for _ in range(times)))


if __name__ == "__main__":
    sys.exit(main())
