"""Random access: small reads from anywhere in a large sealed file."""

import secrets
import time
from dataclasses import dataclass
from pathlib import Path

from bench.engine import Keys
from bench.measure import Samples, seconds
from cleanroom.seal.layout import Layout, Span
from party.opening import SealedFile, opened

LENGTH = 64 << 10
_CROSSING = 10  # every so manieth read crosses from one region into the next
_OPENINGS = 20


@dataclass(frozen=True, slots=True)
class Access:
    """What random access costs."""

    size: int
    opening: Samples  # manifest and table, verified
    reads: Samples
    most_regions: int  # decrypted for one read


def random_access(sealed: Path, keys: Keys, count: int) -> Access:
    """Read 64 KiB from so many random places of a sealed file of zeros."""
    with opened(sealed) as fd:
        opening = [
            seconds(lambda: SealedFile(fd, "sealed", keys.owner.key)) for _ in range(_OPENINGS)
        ]
        file = SealedFile(fd, "sealed", keys.owner.key)
        reader = file.reader(keys.data_key(file))
        took: list[float] = []
        most = 0
        for number in range(count):
            span, before = _place(number, file.layout), reader.decrypted
            start = time.perf_counter()
            data = reader.read(span)
            took.append(time.perf_counter() - start)
            if data != bytes(LENGTH):
                raise RuntimeError("a read returned other bytes than were sealed")
            most = max(most, reader.decrypted - before)
    size = file.layout.plaintext_size
    return Access(size, Samples(tuple(opening)), Samples(tuple(took)), most)


def _place(number: int, layout: Layout) -> Span:
    if number % _CROSSING:
        return Span(secrets.randbelow(layout.plaintext_size - LENGTH + 1), LENGTH)
    border = layout.plain(1 + secrets.randbelow(layout.regions - 1)).offset
    return Span(border - 1 - secrets.randbelow(LENGTH - 1), LENGTH)
