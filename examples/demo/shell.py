"""Runs the real commands as their parties do, and shows each with its time."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

COMMANDS = Path(sys.executable).parent
_MARGIN = 10  # characters for the time
_PATIENCE = 120  # seconds that no command takes
_FOREIGN = ("AZURE_", "CLEANROOM_", "IDENTITY_", "MSI_")


class Failed(Exception):
    """The demo did not go as it should."""


@dataclass(frozen=True, slots=True)
class Typed:
    """A command, who types it, and of which of its labelled lines the demo shows something."""

    who: str
    words: Sequence[str]
    show: Sequence[str] = ()

    @property
    def text(self) -> Text:
        """Spell it as it stands in a terminal."""
        return Text.assemble((f"{self.who} $ ", "cyan"), shlex.join(self.words))


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass
class Shell:
    """A folder, and what each identity's terminal knows of the services."""

    folder: Path
    profiles: Path
    console: Console
    env_of: Callable[[str], Mapping[str, str]]
    stopped: list[str] = field(default_factory=list)
    started: float = field(default_factory=time.monotonic)

    def inside(self, folder: str) -> "Shell":
        """Go on in a folder of this one."""
        return replace(self, folder=self.folder / folder)

    def title(self, text: str) -> None:
        """Begin a part."""
        self.console.print()
        self.console.print(Text(text, style="bold"))

    def say(self, text: Text | str, style: str = "") -> None:
        """Print what belongs to the last command."""
        self._print(Text(), Text(style=style).append(text))

    def did(self, what: Text | str, seconds: float) -> None:
        """Print what was done, and how long it took."""
        self._print(Text(f"{seconds:6.2f} s", style="dim"), Text().append(what))

    def refused(self, attack: str, wall: str) -> None:
        """Show what stopped an attack."""
        self.stopped.append(attack)
        self.say(Text.assemble(("refused", "bold green"), f"  {attack}: {wall}"))

    def run(self, who: str, *words: str, show: Sequence[str] = ()) -> str:
        """Run a command that must do."""
        (out,) = self.together(Typed(who, words, show))
        return out

    def together(self, *typed: Typed) -> list[str]:
        """Run commands that must do, each in a terminal of its own at the same time."""
        with (
            self.console.status(shlex.join(typed[0].words[:2])),
            ThreadPoolExecutor(len(typed)) as pool,
        ):
            done = list(pool.map(self.ran, typed))
        for one, ran in zip(typed, done, strict=True):
            self.did(one.text, ran.seconds)
            if ran.code != 0:
                raise Failed(f"{shlex.join(one.words)}\n{ran.err.strip()}")
            for line in _labelled(ran.out, one.show):
                self.say(line, "dim")
        return [ran.out for ran in done]

    def ran(self, typed: Typed) -> Ran:
        """Run a command, however it ends."""
        began = time.monotonic()
        done = subprocess.run(
            self._command(typed.words),
            cwd=self.folder,
            env=self.environment(typed.who),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PATIENCE,
            check=False,
        )
        return Ran(done.returncode, done.stdout, done.stderr, time.monotonic() - began)

    def followed(self, who: str, *words: str) -> list[str]:
        """Run a command that must do, and show its lines as they come."""
        self.say(Typed(who, words).text)
        began, lines = time.monotonic(), []
        with subprocess.Popen(
            self._command(words),
            cwd=self.folder,
            env=self.environment(who),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None  # noqa: S101  # it is a pipe
            assert process.stderr is not None  # noqa: S101  # it is a pipe
            for line in process.stdout:
                lines.append(line.rstrip())
                self.did(Text(line.rstrip(), style="dim"), time.monotonic() - began)
            err = process.stderr.read()
        if process.returncode != 0:
            raise Failed(f"{shlex.join(words)}\n{err.strip()}")
        return lines

    def environment(self, who: str) -> dict[str, str]:
        """Say what a terminal of an identity knows, and nothing of whoever runs the demo."""
        around = os.environ.items()  # noqa: TID251  # commands inherit it
        own = {name: value for name, value in around if not name.startswith(_FOREIGN)}
        own["XDG_CONFIG_HOME"] = str(self.profiles)
        return own | dict(self.env_of(who))

    def _command(self, words: Sequence[str]) -> list[str]:
        program = sys.executable if words[0] == "python" else str(COMMANDS / words[0])
        return [program, *words[1:]]

    def _print(self, left: Text, right: Text) -> None:
        """Print in two columns; a line stays a line where nobody can see columns."""
        left.pad_right(_MARGIN - len(left))
        if not self.console.is_terminal:
            self.console.print(left + right, soft_wrap=True)
            return
        grid = Table.grid()
        grid.add_column(width=_MARGIN)
        grid.add_column(overflow="fold")
        grid.add_row(left, right)
        self.console.print(grid)


def _labelled(out: str, show: Sequence[str]) -> list[str]:
    """Take the lines of these labels out of what a command printed, or all for `*`."""
    found: list[str] = []
    shown = False
    for line in out.splitlines()[1:]:
        label = re.split(r"\s{2,}", line[2:])[0]
        shown = "*" in show or label in show or (shown and not label)
        if shown:
            found.append(line[2:])
    return found
