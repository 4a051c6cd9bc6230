"""The page: tables from the results, put between the two marks in docs/benchmarks.md."""

import os
import platform
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import picture, results
from bench.peers import AZURE, Age, run
from bench.results import Results, sized
from bench.space import GIB, MIB

_DOCS = Path(__file__).parent.parent / "docs"
_PAGE = _DOCS / "benchmarks.md"
_PICTURE = _DOCS / "images" / "bench-seal.svg"
_BEGIN, _END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
_DRAWN = (
    (results.CP, "cp", "floor"),
    (results.SEAL_COMMAND, "seal", "ours"),
    (results.OPEN_COMMAND, "open", "ours"),
    (results.AGE_ENCRYPT, "age, encrypt", "peer"),
    (results.AGE_DECRYPT, "age, decrypt", "peer"),
    (results.AZURE_FILE, "Azure Storage stream", "peer"),
)


def check() -> None:
    """Refuse before the long run, not after it, when the marks are missing."""
    page = _PAGE.read_text("utf-8")
    if not 0 <= page.find(_BEGIN) < page.find(_END):
        sys.exit(f"bench: docs/benchmarks.md lacks the marks {_BEGIN} and {_END}, in this order")


def write(found: Results) -> None:
    """Write the picture, and the tables between the marks; the rest of the page stays."""
    before, rest = _PAGE.read_text("utf-8").split(_BEGIN, 1)
    after = rest.split(_END, 1)[1]
    shown = f"![Throughput as a bar chart](images/{_PICTURE.name})"
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{shown}\n\n{text(found)}\n\n{_END}{after}", "utf-8")
    _PICTURE.write_text(_drawn(found), "utf-8")


def text(found: Results) -> str:
    """Write the tables in Markdown."""
    bars = [
        (bar.what, bar.demand, bar.found, f"**{bar.verdict}**" if not bar.passed else bar.verdict)
        for bar in found.bars()
    ]
    low, high = (1e3 * value for value in found.access.opening.range)
    read = found.access.reads
    access = (
        f"Reading 64 KiB from a random place of a sealed file of {sized(found.access.size)}"
        f" ({len(read.seconds)} reads): median {read.median * 1e3:.1f} ms,"
        f" 95th percentile {read.p95 * 1e3:.1f} ms,"
        f" at most {found.access.most_regions} regions decrypted for one read."
        f" Verifying the manifest and the table of regions before the first read:"
        f" median {found.access.opening.median * 1e3:.1f} ms ({low:.1f} to {high:.1f})."
    )
    parts = [
        _machine(),
        f"### {sized(found.size)}, median of {found.rounds} rounds",
        _table(("", "seconds", "fastest to slowest", "GiB/s", "× `cp`"), list(_speed(found))),
        "### Peak memory",
        _table(
            ("", "MiB"),
            [(f"{m.verb} {sized(m.size)}", f"{m.taken / MIB:.1f}") for m in found.memory],
        ),
        "### Random access",
        access,
    ]
    if found.start is not None:
        low, high = (1e3 * value for value in found.start.range)
        parts += [
            "### Start",
            f"`cleanroom --help`: median {found.start.median * 1e3:.0f} ms"
            f" ({low:.0f} to {high:.0f}, {len(found.start.seconds)} runs).",
        ]
    parts += ["### Bars", _table(("", "limit", "found", ""), bars)]
    parts += [f"Not judged: {note}." for note in found.not_judged()]
    return "\n\n".join(parts)


def _speed(found: Results) -> Iterator[Sequence[str]]:
    for name, samples in found.speed.items():
        low, high = samples.range
        yield (
            name,
            f"{samples.median:.3f}",
            f"{low:.3f} to {high:.3f}",
            f"{found.size / GIB / samples.median:.2f}",
            f"{found.ratio(name):.2f}",
        )
    for name in (results.AGE_ENCRYPT, results.AGE_DECRYPT):
        if name not in found.speed:
            yield name, "not installed", "", "", ""


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    rule = ["---"] + ["---:"] * (len(head) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, rule, *rows))


def _machine() -> str:
    lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    cpu = next((line.split(": ")[1] for line in lines if line.startswith("model name")), "unknown")
    age = Age.installed()
    peers = [run("cp", "--version").splitlines()[0], age or "no age", AZURE]
    return (
        f"{datetime.now(UTC):%Y-%m-%d}, {cpu}, {len(os.sched_getaffinity(0))} cores,"
        f" {platform.system()} {platform.release()}; Python {platform.python_version()},"
        f" cryptography {version('cryptography')}, blake3 {version('blake3')};"
        f" {', '.join(peers)}."
    )


def _drawn(found: Results) -> str:
    rows = [
        picture.Row(label, found.size / GIB / found.speed[name].median, kind)
        for name, label, kind in _DRAWN
        if name in found.speed
    ]
    return picture.svg(
        rows,
        title=f"GiB per second, file of {sized(found.size)}",
        note="Two cores, files in memory, median; whole commands, but the Azure stream in process",
    )
