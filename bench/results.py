"""Everything one run measured, and the bars it is judged by."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.engine import Verb
from bench.measure import Bar, Samples
from bench.reading import Access
from bench.space import GIB, MIB

CP = "`cp`"
SEAL, OPEN = "seal, library call", "open, library call"
SEAL_COMMAND, OPEN_COMMAND = "`cleanroom seal`", "`cleanroom open`"
AGE_ENCRYPT, AGE_DECRYPT = "`age -r`", "`age -d`"
AZURE_NOWHERE = "Azure Storage stream, output dropped"
AZURE_FILE = "Azure Storage stream, to a file"
CHAIN, TOKEN = "chain and report", "token"
WHOLE = "chain, report and token"
MACHINE = "all evidence of a confidential VM, and token"
CONTAINERS = "all evidence of a container group, and token"
_BUSY = 0.1  # cores; from here on the run cannot be said to have had two for itself


@dataclass(frozen=True, slots=True)
class Memory:
    """The peak memory of one operation."""

    verb: Verb
    size: int  # of the plaintext
    taken: int


@dataclass(frozen=True, slots=True)
class Results:
    """What a run found."""

    size: int  # of the file that was timed
    rounds: int
    speed: Mapping[str, Samples]
    memory: Sequence[Memory]
    access: Access
    attestation: Mapping[str, Samples]
    start: Samples
    busy: float  # cores that other programs kept busy meanwhile

    def ratio(self, name: str, to: str = CP) -> float:
        """Compare two medians of this run."""
        return self.speed[name].median / self.speed[to].median

    def bars(self) -> Iterator[Bar]:
        """Judge what was measured."""
        for name in (SEAL, SEAL_COMMAND, OPEN, OPEN_COMMAND):
            yield Bar(f"{name}, against `cp`", self.ratio(name), 1.3, "x")
        for name, peer in ((SEAL, AGE_ENCRYPT), (OPEN, AGE_DECRYPT)):
            if peer in self.speed:
                against = f"{name}, against {peer}"
                yield Bar(against, self.ratio(name, peer), 0.5, "x", at_the_limit=False)
        for memory in self.memory:
            what = f"memory to {memory.verb} {sized(memory.size)}"
            yield Bar(what, memory.taken / MIB, 100, "MiB")
        read = f"64 KiB from {sized(self.access.size)}"
        yield Bar(f"{read}, median", self.access.reads.median * 1e3, 10, "ms", at_the_limit=False)
        yield Bar(f"{read}, most decrypted", self.access.most_regions, 2, "regions")
        yield from attestation_bars(self.attestation)
        start = "`cleanroom --help`, median"
        yield Bar(start, self.start.median * 1e3, 300, "ms", at_the_limit=False)

    def notes(self) -> Iterator[str]:
        """Say what could not be measured, and what made the rest uncertain."""
        if AGE_ENCRYPT not in self.speed:
            yield "age was not installed, so nothing was compared with it"
        if self.access.size < 8 * GIB:
            yield f"8 GiB did not fit: memory and reads were measured at {sized(self.access.size)}"
        if self.busy > _BUSY:
            yield f"other programs kept {self.busy:.1f} cores busy meanwhile"


def attestation_bars(found: Mapping[str, Samples]) -> Iterator[Bar]:
    """Judge how long a runner's evidence takes."""
    for name in (WHOLE, MACHINE, CONTAINERS):
        yield Bar(f"{name}, median", found[name].median * 1e3, 5, "ms", at_the_limit=False)


def sized(size: int) -> str:
    """Spell a size as people read it."""
    return f"{size // GIB} GiB" if size >= GIB else f"{size // MIB} MiB"
