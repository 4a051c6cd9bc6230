"""Attack one server for a while, or send it one input again; what `run` does for ports."""

import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.fuzz import ports
from tests.fuzz.port_targets import PORTS
from tests.fuzz.ports import Outcome
from tests.fuzz.watching import Subject


def one(name: str, seconds: int, root: Path, work: Path) -> bool:
    """Attack a server, say in a line what came of it, and whether all is well."""
    _say(f"{name:<11} {seconds} s ")
    started = time.monotonic()
    with _started(name, work / f"{name}.log") as subject:
        outcome = ports.attack(subject, seconds, time.time_ns())
    _say(f"{outcome.inputs:>10,} inputs, {outcome.grown / (1 << 20):+.1f} MiB, ")
    if outcome.finding is None:
        _say("no finding\n")
        return True
    _say(f"A FINDING after {time.monotonic() - started:.0f} s\n\n{_indented(outcome.finding)}\n\n")
    for path in _kept(outcome, work / "findings" / name):
        _say(f"  saved as  {path.relative_to(root)}\n")
    _say(f"  the last is the first suspect: .venv/bin/python -m tests.fuzz.run {name} FILE\n\n")
    return False


def again(name: str, file: Path) -> int:
    """Start the server, send it one input, and see whether it minds."""
    if not file.is_file():
        sys.stderr.write(f"{file}: there is no such file\n")
        return 1
    with _started(name, Path(tempfile.gettempdir()) / f"{name}-{time.time_ns()}.log") as subject:
        finding = ports.again(subject, file.read_bytes())
    _say(f"{finding or 'no finding'}\n")
    return 1 if finding else 0


@contextmanager
def _started(name: str, log: Path) -> Iterator[Subject]:
    """Start a server in a folder that goes with it; its log stays."""
    folder = Path(tempfile.mkdtemp(prefix="fuzz-"))
    try:
        with PORTS[name](folder) as subject:
            try:
                yield subject
            finally:
                log.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(subject.server.log, log)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _kept(outcome: Outcome, folder: Path) -> Iterator[Path]:
    """Keep what was said before the finding, in its order."""
    folder.mkdir(parents=True, exist_ok=True)
    when = time.strftime("%H%M%S")
    for number, data in enumerate(outcome.last):
        path = folder / f"{when}-{number:02}"
        path.write_bytes(data)
        yield path


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines()[:60])


def _say(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
