"""Parties at work on a running stack: each a process with its own environment, as in its shell."""

import json
import os
import pty
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from devstack.stack import ports
from tests.commands import SCRIPT, Ran
from tests.dev_commands import dev
from tests.servers import free_ports
from tests.stacks import PARTIES, RunningStack

ROOT = Path(__file__).parents[1]
PATIENCE = 120  # seconds, on a machine that others keep busy
_STRANGE = ("AZURE_", "CLEANROOM_", "IDENTITY_", "MSI_", "REQUESTS_", "SSL_")


@dataclass(frozen=True)
class Party:
    """Somebody with a shell of its own, in a folder."""

    name: str
    folder: Path
    variables: Mapping[str, str]

    def __call__(self, *arguments: object, stdin: str = "", **more: str) -> Ran:
        """Run a command to its end."""
        done = subprocess.run(
            [SCRIPT, *map(str, arguments)],
            cwd=self.folder,
            env={**clean(), **self.variables, "XDG_CONFIG_HOME": f"{self.folder}/config", **more},
            input=stdin,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
            text=True,
        )
        return Ran(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def begun(self, *arguments: object) -> Iterator[subprocess.Popen[str]]:
        """Begin a command, and see that it has ended with the block."""
        process = subprocess.Popen(
            [SCRIPT, *map(str, arguments)],
            cwd=self.folder,
            env={**clean(), **self.variables, "XDG_CONFIG_HOME": f"{self.folder}/config"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            yield process
        finally:
            process.kill()
            process.communicate()

    def good(self, *arguments: object) -> Any:
        """Run a command with --json, and return what it says."""
        ran = self(*arguments, "--json")
        assert (ran.code, ran.err) == (0, ""), (arguments, ran.err, ran.out)
        return json.loads(ran.out)

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


def typed(party: Party, arguments: Sequence[object], answers: str) -> tuple[int, str]:
    """Run a command with somebody at its terminal, who types these answers."""
    ours, theirs = pty.openpty()
    os.write(ours, answers.encode())
    try:
        done = subprocess.run(
            [SCRIPT, *map(str, arguments)],
            cwd=party.folder,
            env={**clean(), **party.variables, "XDG_CONFIG_HOME": f"{party.folder}/config"},
            stdin=theirs,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=PATIENCE,
            check=False,
            text=True,
        )
    finally:
        os.close(ours)
        os.close(theirs)
    return done.returncode, done.stdout


def clean() -> dict[str, str]:
    """Take over what a process needs, and nothing that would tell it who it is."""
    return {name: value for name, value in os.environ.items() if not name.startswith(_STRANGE)}


def stack_ports(parties: Sequence[str]) -> dict[str, int]:
    """Choose a free port for every server of a stack."""
    names = ports.names(parties)
    return dict(zip(names, free_ports(len(names)), strict=True))


@contextmanager
def whole_stack(folder: Path) -> Iterator[RunningStack]:
    """Run all that `cleanroom-dev up` starts in a checkout, a runner too."""
    home = folder / "home"
    chosen = [f"--port={name}={port}" for name, port in stack_ports(PARTIES).items()]
    chosen += [part for party in PARTIES for part in ("--party", party)]
    started = dev("up", "--home", home, *chosen, "--functions", ROOT, folder=folder)
    assert (started.code, started.err) == (0, ""), started.err
    try:
        yield RunningStack(home)
    finally:
        dev("reset", "--yes", "--home", home)
