"""How the command talks: results to stdout, everything else to stderr; plain when piped.

- With `--json`, stdout is one JSON object, and an error is one JSON object on stderr.
- A progress bar shows on a terminal, for work that takes a while.
"""

import contextlib
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Annotated

import typer

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
Force = Annotated[bool, typer.Option("--force", "-f", help="Replace an output that exists.")]

_WORTH_A_BAR = 64 << 20  # bytes: under this, work takes less than a blink


def result(
    headline: str, rows: Sequence[tuple[str, object]], as_json: Mapping[str, object] | None
) -> None:
    """Print what a command found: a headline and named values, or the JSON object instead."""
    if as_json is not None:
        json.dump(as_json, sys.stdout, indent=2, ensure_ascii=False)
        sys.stdout.write("\n")
        return
    width = max((len(name) for name, _ in rows), default=0)
    if not sys.stdout.isatty():
        _plain(headline, rows, width)
        return
    from rich.console import Console
    from rich.text import Text

    out = Console(highlight=False, soft_wrap=True)
    if headline:
        out.print(Text(headline, style="bold"))
    for name, shown in rows:
        first, *others = str(shown).split("\n")
        out.print(Text.assemble("  ", (name.ljust(width), "cyan"), "  ", first))
        for other in others:
            out.print(Text(" " * (width + 4) + other))


def _plain(headline: str, rows: Sequence[tuple[str, object]], width: int) -> None:
    if headline:
        sys.stdout.write(f"{headline}\n")
    for name, shown in rows:
        first, *others = str(shown).split("\n")
        sys.stdout.write(f"  {name.ljust(width)}  {first}\n")
        sys.stdout.writelines(f"{' ' * (width + 4)}{other}\n" for other in others)


def note(message: str) -> None:
    """Say something on stderr that is not part of the result."""
    sys.stderr.write(f"cleanroom: {message}\n")


def complain(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """Report an error: one line, and one hint if there is one."""
    if as_json:
        json.dump({"error": {"code": code, "message": message, "hint": hint}}, sys.stderr)
        sys.stderr.write("\n")
        return
    note(_printable(message))
    if hint:
        sys.stderr.write(f"hint: {_printable(hint)}\n")


def _printable(text: str) -> str:
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
