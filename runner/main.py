"""`cleanroom-runner`: serve jobs, or check that everything they need is there.

Exit codes are those of docs/spec/errors.md. `serve` writes a closed vocabulary to stderr, one line
of JSON each; `check` writes a line for each thing to stdout.
"""

import argparse
import os
import signal
import sys
import threading
from collections.abc import Sequence
from typing import NoReturn

from cleanroom.errors import CleanroomError
from cleanroom.walls import ALL
from runner import assembly, checking, clock
from runner.cells import Cells, Share
from runner.job import Job
from runner.logs import Event, Log, silence
from runner.loop import Loop, Pace
from runner.settings import PREFIX, VARIABLES, Settings

_EXITS = {"malformed": 2, "tampered": 3, "policy_refused": 3, "unattested": 4, "unavailable": 5}
_USAGE, _BUG = 1, 70
_TICK = 0.2  # seconds
_PAUSE, _LONGEST_PAUSE = 1.0, 120.0  # seconds before a job is tried again
_HELD = 4  # messages held back for each job that runs
_SPILL = 1 << 36  # bytes that a job may spill, if there is a folder for it


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a sub-command."""
    log = Log(_to_stderr)
    silence(log)
    options = _parser().parse_args(arguments)
    try:
        if options.command == "check":
            return check(Settings.read(), options.authority, options.vault)
        return serve(Settings.read(), log)
    except CleanroomError as error:
        _to_stderr(f"cleanroom-runner: {error}\n")
        return _EXITS.get(error.code, _BUG)
    except Exception as error:  # noqa: BLE001  # its text is for nobody
        log.bug(error)
        return _BUG


def serve(settings: Settings, log: Log) -> int:
    """Take jobs until told to stop."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    share = Share(
        threads=max(1, (os.process_cpu_count() or 1) // settings.jobs),
        spill=_SPILL if settings.spill else 0,
    )
    with (
        assembly.services(settings) as made,
        Cells.started(settings.walls, settings.spill, share) as cells,
    ):
        for wall in sorted(ALL):
            log.say(Event.WALL_STANDS if wall in cells.walls else Event.WALL_MISSING, code=wall)
        parts = assembly.parts(made, cells)
        pace = Pace(
            jobs=settings.jobs,
            held=_HELD * settings.jobs,
            tick=_TICK,
            pause=_PAUSE,
            longest_pause=_LONGEST_PAUSE,
            drain=settings.drain_seconds,
        )
        loop = Loop(made.bus, lambda request: Job(request, parts).run(), pace, log, clock.now)
        log.say(Event.STARTED)
        if not loop.serve(stop):
            os._exit(0)  # jobs that were handed back still run; their cells end with this process
    return 0


def check(settings: Settings, authorities: Sequence[str], vaults: Sequence[str]) -> int:
    """Look at everything, and exit as the first thing says that is wrong."""
    code = 0
    with assembly.services(settings) as made:
        for found in checking.check(made, authorities, vaults):
            wrong = found.error
            said = "ok" if wrong is None else f"{wrong.code}: {wrong}"
            sys.stdout.write(f"{found.what}: {said}\n")
            if wrong is not None and not code:
                code = _EXITS.get(wrong.code, _BUG)
    return code


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Refuse a command that cannot be carried out as given, by the exit code for that."""
        self.print_usage(sys.stderr)
        self.exit(_USAGE, f"{self.prog}: {message}\n")


def _parser() -> argparse.ArgumentParser:
    settings = "\n".join(f"  {PREFIX}{name:<30} {about}" for name, about in VARIABLES.items())
    parser = _Parser(
        prog="cleanroom-runner",
        description="Run the jobs of clean rooms inside a confidential machine.",
        epilog=f"settings, from the environment:\n{settings}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="take jobs until told to stop")
    look = commands.add_parser("check", help="tell whether everything that jobs need is there")
    look.add_argument(
        "--authority", action="append", default=[], metavar="URL", help="an attestation service"
    )
    look.add_argument("--vault", action="append", default=[], metavar="URL", help="a party's vault")
    return parser


def _to_stderr(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()
