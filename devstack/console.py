"""How the command talks: results to stdout, everything else to stderr; plain when piped."""

import io
import json
import os
import sys
from collections.abc import Sequence

from cleanroom.errors import Unavailable

READER_GONE = 141
"""The exit code when nobody reads what we print any more."""


def say(text: str) -> None:
    """Print to stdout, and see that it got there."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError as error:
        sys.stdout = io.StringIO()  # do not fail again on the way out
        raise SystemExit(READER_GONE) from error  # past every handler of ordinary errors
    except OSError as error:
        sys.stdout = io.StringIO()
        reason = os.strerror(error.errno or 0).lower()
        raise Unavailable(f"stdout: not written, {reason}") from error


def note(message: str) -> None:
    """Say something on stderr that is not part of the result."""
    tell(f"cleanroom-dev: {printable(message)}\n")


def complain(code: str, message: str, hint: str, *, as_json: bool) -> None:
    """Report an error: one line, and one hint if there is one."""
    if as_json:
        tell(json.dumps({"error": {"code": code, "message": message, "hint": hint}}) + "\n")
        return
    note(message)
    if hint:
        tell(f"hint: {printable(hint)}\n")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows in columns; a line feed in a cell begins another line of the row."""
    lines = [list(head), *(line for row in rows for line in _lines(row))]
    widths = [max(len(line[i]) for line in lines) for i in range(len(head))]
    shown = [
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    ]
    if sys.stdout.isatty():
        shown[0] = f"\x1b[1m{shown[0]}\x1b[0m"
    say("\n".join(shown))


def printable(text: str) -> str:
    """Make one line of it: a log or a file's name may hold anything, terminal commands too."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _lines(row: Sequence[str]) -> list[list[str]]:
    cells = [cell.split("\n") for cell in row]
    height = max(map(len, cells))
    return [[cell[i] if i < len(cell) else "" for cell in cells] for i in range(height)]


def tell(text: str) -> None:
    """Write to stderr; where that does not work, the exit code still tells how it went."""
    try:
        sys.stderr.write(text)
        sys.stderr.flush()
    except OSError:
        sys.stderr = io.StringIO()  # do not fail again on the way out
