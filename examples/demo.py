"""Two banks seal, approve and prove with the real `cleanroom` command; then somebody cheats.

Works in `.demo` (or --folder), which is emptied first and left for looking around. Exits with 1 if
any step fails, or if any attack succeeds.
"""

import argparse
import csv
import hashlib
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

ROOT = Path(__file__).parents[1]
COMMAND = Path(sys.executable).with_name("cleanroom")
ROWS = 20_000
REGION = 65_536 + 16  # bytes that a region of 64 KiB takes in a sealed file
SHORTEST = 7  # characters of a cell whose absence says something
_MARK = ".made-by-cleanroom-demo"
_MARGIN = 10  # characters for the time
_REFUSED, _INTERRUPTED = 3, 130
_PATIENCE = 60  # seconds that no command takes


class Failed(Exception):
    """The demo did not go as it should."""


class Demo:
    """Runs commands in a folder and shows them as they are typed."""

    def __init__(self, folder: Path, out: Console) -> None:
        self.folder = folder
        self._out = out
        self.stopped: list[str] = []
        self.started = time.monotonic()

    def title(self, text: str) -> None:
        """Begin a part."""
        self._out.print()
        self._out.print(Text(text, style="bold"))

    def say(self, text: Text | str, style: str = "") -> None:
        """Print what belongs to the last command."""
        self._print(Text(), Text(style=style).append(text))

    def did(self, what: Text, started: float) -> None:
        """Print what was done, and how long it took."""
        self._print(Text(f"{time.monotonic() - started:6.2f} s", style="dim"), what)

    def run(self, *typed: str, show: Sequence[str] = ()) -> str:
        """Run a command that must do; show what it says of these, or of everything for `*`."""
        done = self._run(typed)
        if done.returncode != 0:
            raise Failed(f"{shlex.join(typed)}\n{done.stderr.strip()}")
        shown = False
        for line in done.stdout.splitlines()[1:]:
            label = line[2:].split("  ")[0]
            shown = "*" in show or label in show or (shown and not label)
            if shown:
                self.say(line[2:], "dim")
        return done.stdout

    def attack(self, name: str, *typed: str, makes: str) -> None:
        """Run a command that must be refused and must leave nothing behind."""
        done = self._run(typed)
        if done.returncode != _REFUSED:
            raise Failed(f"{name}: expected a refusal (3), got exit code {done.returncode}")
        if (self.folder / makes).exists():
            raise Failed(f"{name}: refused, but {makes} was written")
        wall = done.stderr.splitlines()[0].removeprefix("cleanroom: ")
        self.refused(name, re.sub(r"(sha256:[0-9a-f]{8})[0-9a-f]{56}", r"\1...", wall))

    def refused(self, name: str, wall: str) -> None:
        """Show what stopped an attack."""
        self.stopped.append(name)
        self.say(Text.assemble(("refused", "bold green"), f"  {name}: {wall}"))

    def _run(self, typed: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
        program = {"cleanroom": str(COMMAND), "python": sys.executable}[typed[0]]
        started = time.monotonic()
        with self._out.status(f"{typed[0]} {typed[1]}"):
            done = subprocess.run(
                [program, *typed[1:]],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=_PATIENCE,
                check=False,
            )
        self.did(Text.assemble(("$ ", "cyan"), shlex.join(typed)), started)
        return done

    def _print(self, left: Text, right: Text) -> None:
        """Print in two columns; a line stays a line where nobody can see columns."""
        left.pad_right(_MARGIN - len(left))
        if not self._out.is_terminal:
            self._out.print(left + right, soft_wrap=True)
            return
        grid = Table.grid()
        grid.add_column(width=_MARGIN)
        grid.add_column(overflow="fold")
        grid.add_row(left, right)
        self._out.print(grid)


def prepare(demo: Demo) -> None:
    """Make keys, data and a contract, and let both banks approve it."""
    for name in ("contract.yaml", "program.sql", "generate.py"):
        shutil.copy(ROOT / "examples" / "fraud" / name, demo.folder)
    demo.title("Two banks make keys: to sign with, and room keys to seal their data for")
    for name in ("north-bank", "south-bank"):
        demo.run("cleanroom", "keys", "new", name)

    demo.title("Each has customers that it may not show to the other")
    for folder, seed in (("yesterday", "1"), (".", "2")):
        said = ("--folder", folder, "--rows", str(ROWS), "--seed", seed)
        demo.run("python", "generate.py", *said)

    demo.title("They agree on one contract, and each signs exactly its digest")
    check = ("cleanroom", "contract", "check", "contract.yaml", "-o", "contract.json")
    demo.run(*check, show=("digest", "words", "runner"))
    for bank in ("north-bank", "south-bank"):
        key = f"{bank}.signing.pem"
        demo.run("cleanroom", "approve", "contract.json", "--party", bank, "--sign-with", key)
    proof = ("cleanroom", "verify", "north-bank.approve.json", "--contract", "contract.json")
    demo.run(*proof, show=("proven", "not proven"))


def seal(demo: Demo) -> None:
    """Seal each bank's data for the bank's own room key, and hold it against the contract."""
    demo.title("Each seals its data for its own room key")
    demo.say("what each vault will release to the attested runner, and to nobody else")
    demo.run(*_seal("north-bank", "yesterday/north.csv", "north.1.sealed", "1"))
    demo.run(*_seal("north-bank", "north.csv", "north.2.sealed", "2"), show=("size", "digest"))
    demo.run(*_seal("south-bank", "south.csv", "south.1.sealed", "1"), show=("size", "digest"))
    for bank, sealed in (("north-bank", "north.2.sealed"), ("south-bank", "south.1.sealed")):
        held = ("--from", f"{bank}.signing.pub.pem", "--contract", "contract.json")
        demo.run("cleanroom", "verify", sealed, *held, show=("proven",))


def cheat(demo: Demo) -> None:
    """Try what the carrier, the other bank or a stranger might."""
    demo.title("Now somebody cheats")
    north = (demo.folder / "north.2.sealed").read_bytes()
    old = (demo.folder / "north.1.sealed").read_bytes()

    middle = 3 * REGION + 1000
    changed = north[:middle] + bytes([north[middle] ^ 1]) + north[middle + 1 :]
    (demo.folder / "flipped.sealed").write_bytes(changed)
    demo.attack("a flipped bit", *_open("flipped.sealed", "x.csv"), makes="x.csv")

    swapped = north[: 3 * REGION] + old[3 * REGION : 4 * REGION] + north[4 * REGION :]
    (demo.folder / "swapped.sealed").write_bytes(swapped)
    demo.attack("a region of another file", *_open("swapped.sealed", "x.csv"), makes="x.csv")

    older = (*_open("north.1.sealed", "x.csv"), "--at-least", "2")
    demo.attack("yesterday's version for today's", *older, makes="x.csv")

    demo.run("cleanroom", "keys", "new", "mallory")
    forged = _seal("north-bank", "yesterday/north.csv", "forged.sealed", "3", "mallory")
    demo.run(*forged)
    demo.attack("a file that another signed", *_open("forged.sealed", "x.csv"), makes="x.csv")

    curious = _open("north.2.sealed", "x.csv", "south-bank")
    demo.attack("the other bank's key", *curious, makes="x.csv")

    mine = ("--party", "north-bank", "--sign-with", "south-bank.signing.pem", "-o", "x.json")
    in_its_name = ("cleanroom", "approve", "contract.json", *mine)
    demo.attack("approving in another's name", *in_its_name, makes="x.json")

    read_without_key(demo, north)


def read_without_key(demo: Demo, sealed: bytes) -> None:
    """Look at all that a carrier has, for any cell of the plaintext."""
    seen = demo.run("cleanroom", "inspect", "north.2.sealed", show="*")
    started = time.monotonic()
    plain = (demo.folder / "north.csv").read_bytes()
    cells = set(_cells(plain))
    if set(_found(cells, plain)) != cells:
        raise Failed("reading without a key: the search does not even find what is there")
    if any(_found(cells, sealed + seen.encode())):
        raise Failed("reading without a key: a cell stands in the sealed file")
    demo.did(
        Text(f"looked for every cell of north.csv with {SHORTEST} characters or more"), started
    )
    where = f"the {len(sealed):,} bytes, or in what they say of themselves"
    demo.refused("reading without a key", f"not one of {len(cells):,} cells is in {where}")


def open_rightly(demo: Demo) -> None:
    """Open with the room keys, as the attested runner will, and compare with what was sealed."""
    demo.title("The rightful reader, who holds the room key, opens each")
    demo.say("here its bank; what each vault will release to the attested runner, to nobody else")
    for name, source in (("north.2.sealed", "north.csv"), ("south.1.sealed", "south.csv")):
        owner = f"{source.removesuffix('.csv')}-bank"
        target = f"opened-{source}"
        demo.run(*_open(name, target, reader=owner, owner=owner))
        before, after = (_digest(demo.folder / path) for path in (source, target))
        if before != after:
            raise Failed(f"{target}: differs from {source}")
        demo.say(f"sha256 of {source} and of {target}: {before[:16]}... both", "green")


def end(demo: Demo, out: Console) -> None:
    """Say what was shown, what was not, and where to go from here."""
    seconds = time.monotonic() - demo.started
    demo.title(f"All {len(demo.stopped)} attacks were refused; it took {seconds:.0f} seconds")
    folder, command = (
        path.relative_to(ROOT) if path.is_relative_to(ROOT) else path
        for path in (demo.folder, COMMAND)
    )
    key = "south-bank.signing.pub.pem"
    for line in (
        "What ran was the real command on real files, and needed nothing but this machine.",
        "This is the offline half: sealing, approving, proving. The runner that proves what it",
        "is before any key reaches it, computes, and signs a receipt comes with later milestones;",
        "here its part is played by the banks' own room keys, files instead of keys in vaults,",
        "and one folder plays everybody.",
    ):
        out.print(Text(f"  {line}"), soft_wrap=True)
    out.print()
    for what, where in (
        ("look", f"{folder}/ keeps every key, approval and sealed file until the next demo"),
        ("try", f"{command} verify {folder}/south.1.sealed --from {folder}/{key}"),
        ("read", "examples/fraud/contract.yaml, docs/spec/sealed-file.md"),
        ("next", f"{command} --help"),
    ):
        out.print(Text.assemble("  ", (f"{what:<6}", "cyan"), where), soft_wrap=True)


def _seal(bank: str, source: str, target: str, version: str, signer: str = "") -> tuple[str, ...]:
    said = ("--party", bank, "--dataset", "customers", "--version", version)
    keys = ("--sign-with", f"{signer or bank}.signing.pem", "--for", f"{bank}.reader.pub.pem")
    types = ("--type", "cash_in=decimal(12,2)")
    if source == "south.csv":
        types = ("--type", "wired_out=decimal(12,2)")
    return (
        "cleanroom",
        "seal",
        source,
        "--header",
        *said,
        *keys,
        *types,
        "--region-size",
        "64 KiB",
        "-o",
        target,
    )


def _open(
    sealed: str, target: str, reader: str = "north-bank", owner: str = "north-bank"
) -> tuple[str, ...]:
    keys = ("--from", f"{owner}.signing.pub.pem", "--with", f"{reader}.reader.pem")
    return ("cleanroom", "open", sealed, *keys, "-o", target)


def _cells(table: bytes) -> Iterator[bytes]:
    """Give every cell that is long enough not to be met by chance."""
    for row in csv.DictReader(table.decode().splitlines()):
        yield from (cell.encode() for cell in row.values() if len(cell) >= SHORTEST)


def _found(cells: set[bytes], data: bytes) -> Iterator[bytes]:
    """Give the cells that stand anywhere in the data."""
    for length in {len(cell) for cell in cells}:
        windows = (data[i : i + length] for i in range(len(data) - length + 1))
        yield from (window for window in windows if window in cells)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _emptied(folder: Path) -> Path:
    """Make or empty the folder, but never delete what this demo did not make."""
    if not COMMAND.exists():
        raise Failed(f"{COMMAND}: there is no such command; run make setup")
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise Failed(f"{folder}: it is not empty, and not of this demo")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    _empty(folder)
    return folder.resolve()


def _empty(folder: Path) -> None:
    """Delete all but the mark, so that an interrupted deletion can be taken up again."""
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        elif path.name != _MARK:
            path.unlink()


def _gone(folder: Path) -> None:
    if (folder / _MARK).exists():
        _empty(folder)
        (folder / _MARK).unlink()
        folder.rmdir()


def main() -> int:
    """Show it all; the exit code tells whether everything went as it should."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo")
    folder: Path = parser.parse_args().folder
    out = Console(highlight=False)
    try:
        demo = Demo(_emptied(folder), out)
        for part in (prepare, seal, cheat, open_rightly):
            part(demo)
        end(demo, out)
    except (Failed, subprocess.TimeoutExpired, OSError) as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        _gone(folder)
        print("\ninterrupted; nothing is left behind", file=sys.stderr)
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
