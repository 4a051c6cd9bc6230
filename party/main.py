"""The `cleanroom` command: maps arguments to commands, and errors to exit codes.

Exit codes: 0 done, 1 usage, 2 malformed, 3 refused, 4 unattested, 5 unavailable, 70 our bug,
130 and 143 interrupted. Everything heavy is imported by the command that needs it.
"""

import io
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import FrameType
from typing import Annotated, NoReturn

import typer

from cleanroom import __version__
from cleanroom.errors import CleanroomError
from party import console, files
from party.commands import (
    beginning,
    contract,
    deploying,
    doctoring,
    dropping,
    following,
    keys,
    opening,
    proposing,
    results,
    sealing,
    signing,
    verifying,
)

EXIT_CODES = {
    "usage": 1,
    "malformed": 2,
    "policy_refused": 3,
    "tampered": 3,
    "unattested": 4,
    "unavailable": 5,
    "internal": 70,
}
_INTERRUPTED = 130
_BROKEN_PIPE = 141

_AGREE, _WORK, _CHECK, _MORE = "Agree", "Data and results", "Check", "More"

app = typer.Typer(
    name="cleanroom",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Seal data for a confidential clean room, agree on what may be computed, follow what"
        " happens, and check what did.\n\nseal, inspect, verify, keys, and all that is given files,"
        " need no network, but for keys in a vault (azurekms://)."
    ),
)
for name, command, panel in (
    ("init", beginning.init, _AGREE),
    ("propose", proposing.propose, _AGREE),
    ("explain", proposing.explain, _AGREE),
    ("approve", signing.approve, _AGREE),
    ("revoke", signing.revoke, _AGREE),
    ("seal", sealing.seal, _WORK),
    ("drop", dropping.drop, _WORK),
    ("status", following.status, _WORK),
    ("watch", following.watch, _WORK),
    ("results", results.results, _WORK),
    ("open", opening.open_, _WORK),
    ("verify", verifying.verify, _CHECK),
    ("inspect", opening.inspect, _CHECK),
):
    app.command(name, rich_help_panel=panel)(command)
for group, panel in (
    (contract.app, _AGREE),
    (doctoring.app, _CHECK),
    (keys.app, _MORE),
    (deploying.app, _MORE),
):
    app.add_typer(group, rich_help_panel=panel)


def _version(asked: bool) -> None:
    if asked:
        console.say(f"cleanroom {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Hold the options that stand before a command."""


def program() -> NoReturn:
    """Be the program: end without taking the interpreter apart.

    That takes a quarter of a short command's time, and nothing is left to be done: whoever opened a
    file or started a thread has ended it by now.
    """
    try:
        main()
    except SystemExit as ended:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            raise ended from None  # the interpreter knows what to say of it
        os._exit(ended.code if isinstance(ended.code, int) else 1)


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _provide_streams()
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, _terminated)
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here."""
    files.published.clear()
    try:
        done = app(list(arguments), prog_name="cleanroom", standalone_mode=False)
    except console.ReaderGone:
        sys.stdout = io.StringIO()  # nobody reads any more: do not fail again on the way out
        return _BROKEN_PIPE
    except (Exception, KeyboardInterrupt, _Terminated) as error:  # noqa: BLE001  # the command's end
        return _complain(error, as_json="--json" in arguments)
    if done == _INTERRUPTED:  # typer's word for Ctrl-C
        _note_interrupted()
    return done if isinstance(done, int) else 0


def _provide_streams() -> None:
    """Have streams that take anything: closed ones become empty ones, odd letters escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # until the end
        else:
            stream.reconfigure(errors="backslashreplace")


def _complain(error: BaseException, *, as_json: bool) -> int:
    match error:
        case CleanroomError():
            code, message, hint = error.code, str(error), error.hint
        case typer.TyperException():
            code, hint = "usage", f"{_command(error)} --help"
            message = _missing(error) or error.format_message().rstrip(".")
            message = message[:1].lower() + message[1:]
            if not message:  # a group without a command: its help is printed already
                return EXIT_CODES["usage"]
        case _Terminated():
            _note_interrupted()
            return 128 + error.number
        case KeyboardInterrupt():
            _note_interrupted()
            return _INTERRUPTED
        case _:
            code, hint = "internal", "please report what you ran, see SECURITY.md"
            message = f"internal error ({type(error).__name__})"
    console.complain(code, message, hint, as_json=as_json)
    return EXIT_CODES[code]


def _command(error: typer.TyperException) -> str:
    context = getattr(error, "ctx", None)
    return context.command_path if context else "cleanroom"


def _missing(error: typer.TyperException) -> str:
    """Name everything that is missing, and not only the first thing."""
    context = getattr(error, "ctx", None)
    if context is None or not error.format_message().startswith("Missing "):
        return ""
    names = [  # what was given is looked at before what was not
        parameter.get_error_hint().replace("'", "")
        for parameter in context.command.params
        if parameter.required and parameter.name not in context.params
    ]
    shown = (name if name.startswith("-") else name.upper() for name in names)
    return f"missing: {', '.join(shown)}"


def _note_interrupted() -> None:
    console.note("interrupted" if files.published else "interrupted; nothing was written")


class _Terminated(BaseException):
    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def _terminated(number: int, _frame: FrameType | None) -> NoReturn:
    """Unwind instead of dying on the spot, so that half-written files go away."""
    raise _Terminated(number)


if __name__ == "__main__":
    program()
