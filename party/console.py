"""How the command talks: results to stdout, everything else to stderr; plain when piped.

- With `--json`, stdout is one JSON object, and an error is one JSON object on stderr.
- A progress bar shows on a terminal, for work that takes a while.
"""

import contextlib
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated

import typer

from cleanroom.errors import Unavailable

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an output that exists.")]

_COLOURS = {
    "completed": "bold green",
    "refused": "bold red",
    "failed": "bold red",
    "revoke": "red",
    "waiting": "dim",
}
_WORTH_A_BAR = 64 << 20  # bytes: under this, work takes less than a blink


def result(
    headline: str, rows: Sequence[tuple[str, object]], as_json: Mapping[str, object] | None
) -> None:
    """Print what a command found: a headline and named values, or the JSON object instead."""
    if as_json is not None:
        say(json.dumps(as_json, indent=2))  # in ASCII: a file's name may command a terminal
        return
    width = max((len(name) for name, _ in rows), default=0)
    lines = [("", printable(headline))] if headline else []
    for name, shown in rows:
        for i, line in enumerate(str(shown).split("\n")):
            text = "\t".join(printable(part) for part in line.split("\t"))
            lines.append((f"  {'' if i else name:{width}}  ", text))
    if not sys.stdout.isatty():
        say("\n".join(name + line for name, line in lines))
        return
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False, soft_wrap=True)
    for name, line in lines:
        out.print(Text.assemble((name, "cyan"), (line, "" if name else "bold")))


def aside(headline: str, rows: Sequence[tuple[str, object]]) -> None:
    """Show a person on stderr what a question is about."""
    width = max((len(name) for name, _ in rows), default=0)
    lines = [printable(headline)]
    for name, shown in rows:
        for i, line in enumerate(str(shown).split("\n")):
            lines.append(f"  {'' if i else name:{width}}  {printable(line)}".rstrip())
    _tell("\n".join(lines) + "\n")


def answer(question: str) -> str:
    """Ask a person; the end of the input is no answer."""
    _tell(question)
    return sys.stdin.readline().strip().lower()


def happening(at: datetime | None, text: str, what: str) -> None:
    """Print one line of a timeline; what was there at the first look may have no time."""
    moment, shown = _moment(at), printable(text)
    if not sys.stdout.isatty():
        say(f"{moment}  {shown}")
        return
    from rich.console import Console
    from rich.text import Text

    line = Text.assemble((moment, "cyan"), "  ", (shown, _COLOURS.get(what, "")))
    Console(highlight=False, soft_wrap=True).print(line)


def _moment(at: datetime | None) -> str:
    try:
        return f"{at.astimezone():%H:%M:%S}" if at else " " * 8
    except OverflowError:  # the first or last day of all, which is none in every place
        return " " * 8


class ReaderGone(BaseException):
    """Nobody reads what we print any more."""


def say(text: str) -> None:
    """Print to stdout, and see that it got there."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        raise ReaderGone from error
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Unavailable(f"stdout: not written, {reason}") from error


def note(message: str) -> None:
    """Say something on stderr that is not part of the result."""
    _tell(f"cleanroom: {message}\n")


def _tell(text: str) -> None:
    """Write to stderr; where that does not work, the exit code still tells how it went."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        sys.stderr = io.StringIO()  # do not fail again on the way out


def complain(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """Report an error: one line, and one hint if there is one."""
    if as_json:
        _tell(json.dumps({"error": {"code": code, "message": message, "hint": hint}}) + "\n")
        return
    note(printable(message))
    if hint:
        _tell(f"hint: {printable(hint)}\n")


def printable(text: str) -> str:
    """Make one line of it: a file's name may hold anything, terminal commands too."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


@contextlib.contextmanager
def progress(label: str, total: int | None) -> Iterator[Callable[[int], object]]:
    """Show a bar on a terminal while bytes are done; quiet when piped or quickly done."""
    if not sys.stderr.isatty() or (total is not None and total < _WORTH_A_BAR):
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    with shown:
        task = shown.add_task(label, total=total)
        yield lambda done: shown.advance(task, done)
