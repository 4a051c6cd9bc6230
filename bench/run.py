"""Run the benchmarks: print a verdict for each bar, and write docs/benchmarks.md with a picture.

1. Take two cores, and a folder in memory that is removed afterwards, whatever happens.
2. Time whole files, ours and the peers in turn.
3. Measure the peak memory of sealing and opening a small and a large file.
4. Read from random places of the large sealed file.
5. Time how fast the command starts.
6. Judge and write; exit 1 if a bar is not kept.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from bench import engine, page, peers
from bench import results as names
from bench.measure import Case, Samples, interleaved, seconds
from bench.reading import Access, random_access
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
    starts: int
    spare: int  # room for everything besides the files


FULL = Scale(GIB, 9, 64 * MIB, 8 * GIB, 200, 10, 2 * GIB)
QUICK = Scale(64 * MIB, 3, 16 * MIB, 64 * MIB, 20, 3, 256 * MIB)


def main() -> int:
    parser = argparse.ArgumentParser(description="Measure the sealed file against its peers.")
    parser.add_argument(
        "--quick", action="store_true", help="small files, nothing judged or written"
    )
    quick = parser.parse_args().quick
    page.check()
    two_cores()
    try:
        found = measured(QUICK if quick else FULL)
    except KeyboardInterrupt:
        print("bench: interrupted; everything was removed", file=sys.stderr)
        return 130
    bars = list(found.bars())
    print(page.text(found))
    for note in found.not_judged():
        print(f"note: {note}")
    if quick:
        print("quick: nothing judged, nothing written")
        return 0
    page.write(found)
    return 0 if all(bar.passed for bar in bars) else 1


def two_cores() -> None:
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < CORES:
        sys.exit(f"bench: {CORES} cores are needed, this process may use {len(cores)}")
    os.sched_setaffinity(0, cores[:CORES])  # and so do the processes it starts


def measured(scale: Scale) -> Results:
    with space(5 * scale.size + scale.spare) as folder:
        large = largest_that_fits(scale.large, scale.spare)
        if large < scale.large:
            print(f"{sized(scale.large)} do not fit; the large file has {sized(large)}")
        keys = engine.Keys.made_in(folder)
        print(f"time, {sized(scale.size)}")
        speed = timed(folder, keys, scale)
        memory: list[Memory] = []
        print(f"memory, {sized(scale.small)} and {sized(large)}")
        memory += memory_of(folder, scale.small)
        (folder / "sealed").unlink()
        memory += memory_of(folder, large)
        print(f"random access, {scale.reads} reads")
        access: Access = random_access(folder / "sealed", keys, scale.reads)
        print("start")
        start = start_of(folder, scale.starts)
    return Results(scale.size, scale.rounds, speed, memory, access, start)


def timed(folder: Path, keys: engine.Keys, scale: Scale) -> Mapping[str, Samples]:
    """Time whole files."""
    with warm(folder, 9 * scale.size // 2):  # source, sealed, encrypted by age, output; and a half
        source = random_file(folder / "source", scale.size)
        cases = list(cases_of(folder, keys))
        found = interleaved(cases, scale.rounds, source, folder / "output")
        for name in ("source", "sealed", "aged"):
            (folder / name).unlink(missing_ok=True)
    return found


def cases_of(folder: Path, keys: engine.Keys) -> Iterator[Case]:
    source, sealed, aged, output = (folder / n for n in ("source", "sealed", "aged", "output"))
    seal = engine.command("seal", source, output, folder)
    open_ = engine.command("open", sealed, output, folder)
    env = engine.environment(folder)

    engine.seal_file(source, sealed, keys)
    yield Case(names.CP, lambda: peers.copy(source, output), restores=True)
    yield Case(names.SEAL, lambda: engine.seal_file(source, output, keys))
    yield Case(names.SEAL_COMMAND, lambda: peers.run(*seal, env=env))
    yield Case(names.OPEN, lambda: engine.open_file(sealed, output, keys), restores=True)
    yield Case(names.OPEN_COMMAND, lambda: peers.run(*open_, env=env), restores=True)
    age = peers.Age.made_in(folder)
    if age is not None:
        age.encrypt(source, aged)
        yield Case(names.AGE_ENCRYPT, lambda: age.encrypt(source, output))
        yield Case(names.AGE_DECRYPT, lambda: age.decrypt(aged, output), restores=True)
    yield Case(names.AZURE_NOWHERE, lambda: peers.azure_to_nowhere(source))
    yield Case(names.AZURE_FILE, lambda: peers.azure_to_file(source, output))


def memory_of(folder: Path, size: int) -> Iterator[Memory]:
    """Seal and open a file in a process each; leave the sealed file."""
    source, sealed, output = (folder / name for name in ("source", "sealed", "output"))
    sparse_file(source, size)
    for verb, left, right in (("seal", source, sealed), ("open", sealed, output)):
        line = engine.worker(verb, left, right, folder)
        yield Memory(verb, size, int(peers.run(*line, env=engine.environment(folder))))
    output.unlink()
    source.unlink()


def start_of(folder: Path, times: int) -> Samples | None:
    """Time `cleanroom --help`, once it can run at all."""
    line = [Path(sys.executable).with_name("cleanroom"), "--help"]
    env = engine.environment(folder)

    def start() -> None:
        subprocess.run(line, env=env, check=True, capture_output=True)

    try:
        start()
    except (FileNotFoundError, subprocess.CalledProcessError):
        return None
    return Samples(tuple(seconds(start) for _ in range(times)))


if __name__ == "__main__":
    sys.exit(main())
