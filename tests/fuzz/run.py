"""Fuzz every target for a while (`make fuzz`), or run one on one file again.

    python -m tests.fuzz.run                 every target, FUZZ_SECONDS each (60)
    python -m tests.fuzz.run TARGET...       only these
    python -m tests.fuzz.run TARGET FILE     once, on this file, without atheris: to see a finding

Targets are parsers, by atheris, and servers of the dev stack, by what `ports` says to their ports.
What is made stays in .fuzz/: the corpus found so far, logs, and inputs that are findings. A finding
that is mended moves to tests/fuzz/corpus/TARGET, where a test runs it ever after.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Mapping
from pathlib import Path

from tests.fuzz import run_ports
from tests.fuzz.memory import limit_memory
from tests.fuzz.port_targets import PORTS
from tests.fuzz.seeds import CORPUS, committed, seeds
from tests.fuzz.targets import TARGETS

ROOT = Path(__file__).parents[2]
WORK = ROOT / ".fuzz"
_INTERRUPTED = 130
_LONGEST_INPUT = 1 << 18  # bytes
_SLOWEST = 20  # seconds for one input
_MOST_MEMORY = 1024  # MiB that are really used
_LONGEST_WORD = 48  # bytes of a text that is worth trying elsewhere
_GRACE = 5  # seconds


def main(arguments: list[str]) -> int:
    """Fuzz, or run one input again; the exit code tells whether something was found."""
    targets = [*TARGETS, *PORTS]
    match arguments:
        case [name, file] if name in TARGETS and file not in targets:
            return _again(name, Path(file))
        case [name, file] if name in PORTS and file not in targets:
            return run_ports.again(name, Path(file))
        case names if set(names) <= set(targets):
            return _fuzz(names or targets)
        case _:
            print(__doc__, file=sys.stderr)
            print(f"targets: {', '.join(targets)}", file=sys.stderr)
            return 1


def _again(name: str, file: Path) -> int:
    if not file.is_file():
        print(f"{file}: there is no such file", file=sys.stderr)
        return 1
    data = file.read_bytes()
    limit_memory()
    try:
        accepted = TARGETS[name](data)
    except Exception:  # noqa: BLE001  # whatever it is, it is the finding
        traceback.print_exc()
        return 1
    print(f"no finding; accepted as {', '.join(sorted(accepted)) or 'nothing'}")
    return 0


def _fuzz(names: list[str]) -> int:
    given = os.environ.get("FUZZ_SECONDS", "60")
    if not re.fullmatch("[1-9][0-9]{0,6}", given):
        print(f"FUZZ_SECONDS: expected a number of seconds, got {given!r}", file=sys.stderr)
        return 1
    try:
        failed = [name for name in names if not _well(name, int(given))]
    except KeyboardInterrupt:
        print("\ninterrupted; the corpus so far is in .fuzz/corpus")
        return _INTERRUPTED
    return 1 if failed else 0


def _well(name: str, seconds: int) -> bool:
    if name in PORTS:
        return run_ports.one(name, seconds, ROOT, WORK)
    return _one(name, seconds)


def _one(name: str, seconds: int) -> bool:
    """Fuzz a target, say in a line what came of it, and whether all is well."""
    print(f"{name:<11} {seconds} s ", end="", flush=True)
    made = _written(WORK / "seeds" / name, seeds(name))
    found, findings = WORK / "corpus" / name, WORK / "findings" / name
    log, words = WORK / f"{name}.log", WORK / f"{name}.dict"
    for folder in (found, findings):
        folder.mkdir(parents=True, exist_ok=True)
    words.write_text(_dictionary(seeds(name) | committed(name)), "ascii")
    known = (f"-dict={words}",) if words.stat().st_size else ()  # an empty one is refused
    before = set(findings.iterdir())
    options = (
        f"-max_total_time={seconds}",
        f"-max_len={_LONGEST_INPUT}",
        f"-timeout={_SLOWEST}",
        f"-rss_limit_mb={_MOST_MEMORY}",
        f"-artifact_prefix={findings}/",
        *known,
        *(str(folder) for folder in (found, made, CORPUS / name) if folder.is_dir()),
    )
    started = time.monotonic()
    code = _run([sys.executable, "-m", "tests.fuzz.child", name, *options], log)
    text = log.read_text(errors="replace")
    status = re.findall(r"#(\d+)\t\S+ +cov: (\d+) ft: (\d+)", text)
    runs, covered, _ = status[-1] if status else ("0", "0", "0")
    print(f"{int(runs):>10,} runs, {covered} branches, ", end="")
    if code == 0:
        print("no finding")
        return True
    saved = sorted(set(findings.iterdir()) - before)
    what = "A FINDING" if saved else "STOPPED"
    print(f"{what} after {time.monotonic() - started:.0f} s\n\n{_explained(text)}")
    for path in saved:
        shown = path.relative_to(ROOT)
        print(
            f"\n  saved as  {shown}\n  see again .venv/bin/python -m tests.fuzz.run {name} {shown}"
        )
    print(f"  full log  {log.relative_to(ROOT)} (exit code {code})\n")
    return False


def _run(command: list[str], log: Path) -> int:
    """Run in a session of its own, so that Ctrl-C comes here alone and ends both in order."""
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            return child.wait()
        finally:
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
                try:
                    child.wait(_GRACE)
                except subprocess.TimeoutExpired:
                    child.kill()
                    child.wait()


def _written(folder: Path, files: Mapping[str, bytes]) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return folder


def _dictionary(files: Mapping[str, bytes]) -> str:
    """Collect the texts of JSON, for a mutation to put somewhere else."""
    words = {
        word
        for data in files.values()
        for word in re.findall(rb'"[^"\\]*"', data)
        if len(word) <= _LONGEST_WORD
    }
    return "".join(
        '"' + "".join(f"\\x{byte:02x}" for byte in word) + '"\n' for word in sorted(words)
    )


def _explained(log: str) -> str:
    """Find what a person wants to see first: the traceback, or what the engine says."""
    lines = log.splitlines()
    for mark in ("=== Uncaught Python exception: ===", "==ERROR", "ERROR:", "Traceback"):
        for number, line in enumerate(lines):
            if mark in line:
                return "\n".join(f"  {shown}" for shown in lines[number : number + 30])
    return "\n".join(f"  {shown}" for shown in lines[-10:])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
