"""An example, whole and for real: its parties agree, drop their data, and open what comes of it.

Servers that speak Azure's protocols run on this machine, every command is the real one, and at the
end somebody cheats. Works in `.demo` (or --folder). The servers stay up to be looked at, and the
next demo finds them. Exits with 1 if any step fails, or if any attack succeeds.
"""

import argparse
import csv
import importlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

from examples.demo import attacks
from examples.demo.play import Play
from examples.demo.services import ROOT, Services
from examples.demo.shell import COMMANDS, Failed, Shell, Typed
from examples.places import Places, names, parties

_DEFAULT = "laundering"
_ROWS, _SEED = 20_000, 1
_SHOWN = 30  # rows of the result
_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_INTERRUPTED = 130
_DIGEST = re.compile(r"\b((?:sha256:)?[0-9a-f]{12})[0-9a-f]{52}\b")
_PROVEN = ("SIMULATED", "policy", "contract sha256", "approval", "walls", "key that", "its result")
_AUDITOR = "auditor"  # knows of no service
_MARK = ".made-by-cleanroom-demo"
_EXPLAINED = ("computes", "comes out", "to whom", "how often", "keys", "beware")


def prepare(shell: Shell, play: Play) -> None:
    """Give each party its keys and its data."""
    shell.title("1  Each party makes its keys in its own vault, and has data it may not show")
    init = ("cleanroom", "init", "{}", "--room", play.room)
    shell.together(*(Typed(party, [word.format(party) for word in init]) for party in play.parties))
    began = time.monotonic()
    make = importlib.import_module(f"examples.{play.example}.generate")
    for table in make.tables(_ROWS, _SEED):
        target = play.data[table.name].table.parent
        target.mkdir(exist_ok=True)
        table.write(target)
    sizes = ", ".join(
        f"{one.owner}'s {one.table.name} ({one.table.stat().st_size / 1e6:.1f} MB)"
        for one in play.data.values()
    )
    shell.did(Text.assemble("synthetic data: ", sizes), time.monotonic() - began)


def agree(shell: Shell, play: Play) -> str:
    """Have all approve one contract, and return its digest."""
    first, last = play.parties[0], play.parties[-1]
    shell.title("2  They agree on one contract: what may be computed, and who gets the result")
    proposed = shell.run(first, "cleanroom", "propose", "contract.yaml", "--json")
    told = json.loads(proposed)
    shell.say(f"contract {told['contract'][:23]}...", "dim")
    shell.run(last, "cleanroom", "explain", play.room, show=_EXPLAINED)
    approve = ("cleanroom", "approve", "contract.yaml", "--yes")
    shell.together(*(Typed(party, approve, ("room key", "")) for party in play.parties))
    return str(told["contract"])


def drop(shell: Shell, play: Play) -> None:
    """Drop the data, and watch what happens by itself."""
    shell.title("3  Each seals its data and drops it; the rest happens by itself")
    shell.together(*(Typed(one.owner, play.dropping(one)) for one in play.data.values()))
    first = play.parties[0]
    if play.asking():
        shell.run(first, *play.asking())
    until = ("--until", "1", "--patience", "60 seconds")
    shell.followed(first, "cleanroom", "watch", play.room, *until)


def read(shell: Shell, services: Services, play: Play) -> None:
    """Open the result as a reader, and prove it as an auditor without any service."""
    shell.title("4  A reader opens the result; anybody can check the receipt, offline")
    out = ("-o", "result.csv", "--papers", "papers")
    shell.run(play.reader, "cleanroom", "open", play.room, *out)
    _show(shell, shell.folder / "result.csv")
    root = os.path.relpath(services.synthetic_root, shell.folder)
    proof = ("cleanroom", "verify", "papers", "--synthetic-root", root)
    said = shell.run(_AUDITOR, *proof).splitlines()
    for line in (one.strip() for one in said if any(word in one for word in _PROVEN)):
        shell.say(_DIGEST.sub(r"\1...", line), "dim")


def cheat(shell: Shell, services: Services, play: Play, contract: str) -> None:
    """Try what threatens, and see it refused."""
    shell.title("5  Now somebody cheats")
    attacks.ask_for_keys(shell, services, play, contract)
    attacks.swap_data(shell, services, play)
    attacks.single_out(shell, play, contract)


def end(shell: Shell, services: Services, play: Play) -> None:
    """Say what runs, where to look, and how to stop."""
    seconds = time.monotonic() - shell.started
    shell.title(f"All {len(shell.stopped)} attacks were refused; it took {seconds:.0f} seconds")
    home, folder, command = (_shown(path) for path in (services.home, shell.folder, COMMANDS))
    party = play.parties[0]
    for what, said in (
        ("runs", f"servers that speak Azure's protocols, on simulated hardware: {home}"),
        ("look", f"{folder}/ has the contract, the tables, the result and its papers"),
        ("be", f'eval "$({command}/cleanroom-dev env {party} --home {home})"'),
        ("try", f"{command}/cleanroom status {play.room}"),
        ("more", "make demo EXAMPLE=" + "|".join(one for one in names() if one != play.example)),
        ("stop", f"{command}/cleanroom-dev reset --yes --home {home}"),
    ):
        shell.console.print(Text.assemble("  ", (f"{what:<6}", "cyan"), said), soft_wrap=True)


def _show(shell: Shell, result: Path) -> None:
    with result.open(encoding="utf-8", newline="") as file:
        head, *rows = csv.reader(file)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column, cell in zip(head, rows[0] if rows else head, strict=True):
        table.add_column(column, justify="right" if _NUMBER.fullmatch(cell) else "left")
    for row in rows[:_SHOWN]:
        table.add_row(*row)
    shell.console.print(Text())
    shell.console.print(table)
    if len(rows) > _SHOWN:
        shell.console.print(Text(f"... and {len(rows) - _SHOWN} more", style="dim"))
    shell.console.print(Text())


def _shown(path: Path) -> Path:
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _ours(folder: Path) -> Path:
    """Make the folder, and work in no other that is there."""
    if folder.exists() and not (folder / _MARK).exists() and any(folder.iterdir()):
        raise Failed(f"{folder}: it is not empty, and not of this demo")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / _MARK).touch()
    return folder.resolve()


def _gone(folder: Path) -> None:
    """Stop what runs, and delete what this made, but nothing else."""
    if (folder / _MARK).exists():
        Services(folder.resolve() / "stack").gone()
        shutil.rmtree(folder)


def play_it(example: str, folder: Path, console: Console) -> None:
    """Show it all."""
    ours = _ours(folder)
    services = Services(ours / "stack")
    shell = Shell(
        ours,
        ours / "profiles",
        console,
        lambda who: {} if who == _AUDITOR else services.env(who),
    )
    with console.status("starting the servers"):
        count, seconds = services.up()
    shell.title(f"{example}: {', '.join(parties(example))}")
    shell.did(f"{count} servers are up: storage, events, queue, vaults, functions, runner", seconds)
    play = Play.of(example, shell.folder, Places.of(services.env(parties(example)[0])))
    shell = shell.inside(play.room)
    prepare(shell, play)
    contract = agree(shell, play)
    drop(shell, play)
    read(shell, services, play)
    cheat(shell, services, play, contract)
    end(shell, services, play)


def main() -> int:
    """Show it all; the exit code tells whether everything went as it should."""
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("example", nargs="?", default=_DEFAULT, choices=names())
    parser.add_argument("--folder", type=Path, default=ROOT / ".demo")
    given = parser.parse_args()
    try:
        play_it(given.example, given.folder, Console(highlight=False))
    except (Failed, subprocess.TimeoutExpired, OSError) as error:
        print(f"\nthe demo failed: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\ninterrupted: stopping the servers", file=sys.stderr)
        _gone(given.folder)
        return _INTERRUPTED
    return 0


if __name__ == "__main__":
    sys.exit(main())
