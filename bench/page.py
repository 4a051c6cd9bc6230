"""The page: tables from the results, put between the two marks in docs/benchmarks.md."""

import os
import platform
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from bench import picture, results
from bench.measure import Samples
from bench.peers import AZURE, Age, run
from bench.reading import Access
from bench.results import Results, sized
from bench.space import GIB, MIB

_DOCS = Path(__file__).parent.parent / "docs"
_PAGE = _DOCS / "benchmarks.md"
_PICTURE = _DOCS / "images" / "bench-seal.svg"
_BEGIN, _END = "<!-- results: written by `make bench` -->", "<!-- end of results -->"
_DRAWN: Sequence[tuple[str, str, picture.Kind]] = (
    (results.CP, "cp", "floor"),
    (results.SEAL_COMMAND, "cleanroom seal", "ours"),
    (results.SEAL, "seal, library call", "inner"),
    (results.OPEN_COMMAND, "cleanroom open", "ours"),
    (results.OPEN, "open, library call", "inner"),
    (results.AGE_ENCRYPT, "age -r", "peer"),
    (results.AGE_DECRYPT, "age -d", "peer"),
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
    written = f"{tables(found)}\n\n{verdicts(found)}"
    shown = f"![Throughput as a bar chart](images/{_PICTURE.name})"
    _PAGE.write_text(f"{before}{_BEGIN}\n\n{shown}\n\n{written}\n\n{_END}{after}", "utf-8")
    _PICTURE.write_text(_drawn(found), "utf-8")


def tables(found: Results) -> str:
    """Write what was measured, in Markdown."""
    memory = [(f"{m.verb} {sized(m.size)}", f"{m.taken / MIB:.1f}") for m in found.memory]
    parts = [
        _machine(),
        f"### Time, {sized(found.size)}",
        f"Median of {found.rounds} rounds.",
        _table(("", "seconds", "fastest to slowest", "GiB/s", "x `cp`"), list(_speed(found))),
        "### Peak memory",
        _table(("", "MiB"), memory),
        f"### Random access, {sized(found.access.size)}",
        _access(found.access),
        "### Attestation",
        attestation(found.attestation),
        "### Start",
        f"`cleanroom --help`: {_milliseconds(found.start)}.",
    ]
    return "\n\n".join(parts)


def verdicts(found: Results) -> str:
    """Write how it compares with the bars, in Markdown."""
    bars = [
        (bar.what, bar.demand, bar.found, bar.verdict if bar.passed else f"**{bar.verdict}**")
        for bar in found.bars()
    ]
    notes = [f"Note: {note}." for note in found.notes()]
    return "\n\n".join(["### Bars", _table(("", "limit", "found", ""), bars), *notes])


def attestation(found: Mapping[str, Samples]) -> str:
    """Write how long evidence takes to judge, in Markdown."""
    rows = [
        (name, f"{samples.median * 1e3:.2f}", " to ".join(f"{s * 1e3:.2f}" for s in samples.range))
        for name, samples in found.items()
    ]
    return _table(("", "median ms", "fastest to slowest"), rows)


def _access(found: Access) -> str:
    return (
        f"{len(found.reads.seconds)} reads of 64 KiB: {_milliseconds(found.reads)},"
        f" 95th percentile {found.reads.p95 * 1e3:.2f} ms;"
        f" at most {found.most_regions} regions decrypted for one read."
        f" Before the first, the manifest and the table of regions are verified:"
        f" {_milliseconds(found.opening)}."
    )


def _milliseconds(samples: Samples) -> str:
    median, low, high = (1e3 * value for value in (samples.median, *samples.range))
    digits = 0 if median >= 10 else 2
    return f"median {median:.{digits}f} ms ({low:.{digits}f} to {high:.{digits}f})"


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
        title=f"Throughput in GiB/s, file of {sized(found.size)}",
        note="Two cores, files in memory, medians. Library calls and the Azure Storage stream"
        " are timed without process start.",
    )
