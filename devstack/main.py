"""The `cleanroom-dev` command: maps arguments to commands, and errors to exit codes.

Exit codes: 0 done, 1 usage, 2 malformed, 3 refused, 4 unattested, 5 unavailable, 70 our bug,
130 interrupted, 141 nobody reads. Everything heavy is imported by the command that needs it.
"""

import errno
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer

from cleanroom import __version__
from cleanroom.errors import CleanroomError
from devstack import console

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
_NOT_ALL = 5


class Format(StrEnum):
    """How variables are written."""

    shell = "shell"
    dotenv = "dotenv"


Servers = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="SERVER",
        help=(
            "Which servers: identity, attestation, storage, azurite, eventgrid, vault, bus,"
            " functions, runner; all, if none is named."
        ),
    ),
]
Home = Annotated[
    Path | None,
    typer.Option(
        "--home",
        metavar="DIR",
        help="The folder of the stack.",
        show_default="~/.local/state/cleanroom-dev",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]
BusConfig = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        exists=True,
        dir_okay=False,
        resolve_path=True,
        help="Queues and topics, as the emulator's config.json.",
    ),
]

app = typer.Typer(
    name="cleanroom-dev",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Run Azure's services on this machine, as far as the clean room talks to them: identity,"
        " attestation, storage, event grid, vaults, service bus, functions."
    ),
)


@app.command()
def up(
    servers: Servers = None,
    party: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="A party, with a vault and an identity; repeat it.",
            show_default="north-bank, south-bank",
        ),
    ] = None,
    home: Home = None,
    foreground: Annotated[
        bool, typer.Option("--foreground", help="Stay, show the logs, stop all on Ctrl-C.")
    ] = False,
    functions: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            exists=True,
            file_okay=False,
            resolve_path=True,
            help="The folder of an app to host; the current one, if there is a function_app.py.",
        ),
    ] = None,
    watch: Annotated[
        bool | None, typer.Option("--watch/--no-watch", help="Load the app again when it changes.")
    ] = None,
    runner: Annotated[
        bool | None,
        typer.Option(
            "--runner/--no-runner",
            help="Have a machine with simulated hardware and a runner; if the app comes with one.",
        ),
    ] = None,
    bus_config: BusConfig = None,
    eventgrid_config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            exists=True,
            dir_okay=False,
            resolve_path=True,
            help="Topics and subscriptions.",
        ),
    ] = None,
    port: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=N", help="A port of your choice, as bus=6672; repeat it."),
    ] = None,
    port_base: Annotated[
        int | None, typer.Option(metavar="N", help="All ports in a row, from this one.")
    ] = None,
    forget: Annotated[
        bool, typer.Option("--forget", help="Forget what was chosen before; data and keys stay.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Start the servers, and return when all are ready.

    What runs already stays. What is chosen here is remembered for the next time.
    """
    from devstack.stack import app_settings, commands

    commands.up(
        commands.Wishes(
            forget=forget,
            here=app_settings.here(Path.cwd()),
            servers=tuple(servers or ()),
            parties=tuple(party) if party else None,
            functions=functions,
            watch=watch,
            runner=runner,
            bus_config=bus_config,
            eventgrid_config=eventgrid_config,
            ports=tuple(port or ()),
            base=port_base,
        ),
        home,
        foreground=foreground,
        as_json=as_json,
    )


@app.command()
def down(servers: Servers = None, home: Home = None) -> None:
    """Stop the servers; their data stays."""
    from devstack.stack import commands

    commands.down(tuple(servers or ()), home)


@app.command()
def status(home: Home = None, as_json: Json = False) -> int:
    """Say what runs; the exit code is 0 if all that should is ready."""
    from devstack.stack import commands

    return 0 if commands.status(home, as_json=as_json) else _NOT_ALL


@app.command()
def env(
    identity: Annotated[
        str, typer.Argument(help="A party, or operator, functions, runner.")
    ] = "operator",
    home: Home = None,
    format_: Annotated[
        Format, typer.Option("--format", help="Lines to evaluate, or for a .env file.")
    ] = Format.shell,
    as_json: Json = False,
) -> None:
    """Print what a shell or a program needs to be one of the stack's identities.

    In a shell: eval "$(cleanroom-dev env north-bank)".
    """
    from devstack.stack import commands

    commands.env(identity, home, "json" if as_json else format_.value)


@app.command()
def logs(
    server: Annotated[
        str | None, typer.Argument(help="Which server, or supervisor; all, if none is named.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait for more.")] = False,
    lines: Annotated[
        int, typer.Option("--lines", "-n", min=0, help="How many of the last lines.")
    ] = 50,
    home: Home = None,
) -> None:
    """Show what the servers wrote."""
    from devstack.stack import commands

    commands.logs(server, home, lines, follow=follow)


@app.command()
def reset(
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    home: Home = None,
) -> None:
    """Stop all servers and delete their data, their keys and what was chosen."""
    from devstack.stack import commands

    commands.reset(home, sure=yes)


@app.command()
def bus(
    port: Annotated[int, typer.Option(help="Where AMQP is; with TLS it is one less.")] = 5672,
    control_port: Annotated[int, typer.Option(help="Where the control API is.")] = 5300,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="The folder of this bus.",
            show_default="~/.local/state/cleanroom-dev-bus",
        ),
    ] = None,
    config: BusConfig = None,
) -> None:
    """Run the Service Bus alone, in the foreground, and print its connection string."""
    from devstack.stack import commands

    commands.bus(port, control_port, data, config)


def _version(asked: bool) -> None:
    if asked:
        console.say(f"cleanroom-dev {__version__}")
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


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Run one command and exit."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _provide_streams()
    sys.exit(run(given))


def run(arguments: Sequence[str]) -> int:
    """Run one command and return its exit code; every error ends here."""
    try:
        done = app(list(arguments), prog_name="cleanroom-dev", standalone_mode=False)
    except SystemExit as ended:  # a completion is done, or nobody reads any more
        return ended.code if isinstance(ended.code, int) else 0
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001  # the command's end
        return _complain(error, arguments)
    if done == _INTERRUPTED:  # typer's word for Ctrl-C
        console.note("interrupted")
    return done if isinstance(done, int) else 0


def _provide_streams() -> None:
    """Have streams that take anything: closed ones become empty ones, odd letters escapes."""
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115  # until the end
        else:
            stream.reconfigure(errors="backslashreplace")


def _complain(error: BaseException, arguments: Sequence[str]) -> int:
    match error:
        case CleanroomError():
            code, message, hint = error.code, str(error), error.hint
        case typer.TyperException():
            code, hint = "usage", f"{_command(error, arguments)} --help"
            message = error.format_message().rstrip(".")
            message = message[:1].lower() + message[1:]
            if not message:  # a group without a command: its help is printed already
                return EXIT_CODES["usage"]
        case KeyboardInterrupt():
            console.note("interrupted")
            return _INTERRUPTED
        case OSError() if error.filename is not None:  # a home that is read-only, or a file
            code, hint = "unavailable", ""
            message = f"{error.filename}: {os.strerror(error.errno or 0).lower()}"
        case OSError(errno=errno.ENOSPC | errno.EDQUOT | errno.EROFS | errno.EIO):
            code, hint = "unavailable", "look at the disk of the stack's folder"
            message = os.strerror(error.errno or 0).lower()
        case _:
            code, hint = "internal", "please report what you ran, see SECURITY.md"
            message = f"internal error ({type(error).__name__})"
    console.complain(code, message, hint, as_json="--json" in arguments)
    return EXIT_CODES[code]


def _command(error: typer.TyperException, arguments: Sequence[str]) -> str:
    context = getattr(error, "ctx", None)
    if context:
        return str(context.command_path)
    named = arguments[:1] if set(arguments[:1]) & COMMANDS else ()
    return " ".join(("cleanroom-dev", *named))


COMMANDS = {(one.callback.__name__ if one.callback else "") for one in app.registered_commands}
"""The names of the commands."""


if __name__ == "__main__":
    main()
