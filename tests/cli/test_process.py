"""The command as a process: how it starts, is interrupted, loses its reader, runs out of memory."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cleanroom import __version__
from tests.commands import CELL, PATIENCE, apart, end, shell, start
from tests.sealing import ROOT

SEAL = (
    *("seal", "-", "--party", "north", "--dataset", "customers", "-o", "pipe.sealed"),
    *("--sign-with", "north.signing.pem", "--for", "south.reader.pub.pem"),
)
MORE_THAN_A_PIPE_HOLDS = bytes(1 << 20)  # so that writing it returns only when it is being read


def test_the_installed_command_starts() -> None:
    ran = apart("--version")

    assert (ran.code, ran.out, ran.err) == (0, f"cleanroom {__version__}\n", "")


def test_the_module_is_the_command_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "party.main", "--version"],
        cwd=ROOT,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, f"cleanroom {__version__}\n".encode())


def test_a_refusal_is_the_exit_code_of_the_process() -> None:
    ran = apart("inspect", "table.csv")

    assert ran.refusal[0] == 2


@pytest.mark.parametrize(
    ("number", "code"),
    [
        pytest.param(signal.SIGINT, 130, id="Ctrl-C"),
        pytest.param(signal.SIGTERM, 143, id="SIGTERM"),
        pytest.param(signal.SIGHUP, 129, id="terminal closed"),
    ],
)
def test_an_interrupted_seal_leaves_nothing(
    number: signal.Signals, code: int, folder: Path
) -> None:
    before = sorted(folder.iterdir())
    process = start(*SEAL)
    assert process.stdin
    process.stdin.write(MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()

    process.send_signal(number)
    ran = end(process)

    assert ran.refusal == (code, "interrupted; nothing was written", "")
    assert sorted(folder.iterdir()) == before


def test_an_interrupted_seal_leaves_the_file_that_it_was_to_replace(folder: Path) -> None:
    (folder / "pipe.sealed").write_text("theirs")
    process = start(*SEAL, "--force")
    assert process.stdin
    process.stdin.write(MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()

    process.send_signal(signal.SIGINT)
    ran = end(process)

    assert ran.code == 130
    assert (folder / "pipe.sealed").read_text() == "theirs"


def test_nothing_is_left_of_a_seal_that_was_killed(folder: Path) -> None:
    before = sorted(folder.iterdir())
    process = start(*SEAL)
    assert process.stdin
    process.stdin.write(MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()

    process.kill()
    ran = end(process)

    assert ran.code == -signal.SIGKILL
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize(
    "command",
    [
        "contract show contract.yaml",
        "contract show contract.yaml --json",
        "contract digest contract.yaml",
        "--help",
    ],
)
def test_a_reader_that_goes_away_is_nothing_to_talk_about(command: str) -> None:
    ran = shell(f"cleanroom {command} | head -c0")

    assert ran.code != 0
    assert (ran.out, ran.err) == ("", "")


def test_results_go_to_stdout_and_errors_to_stderr() -> None:
    result = shell("cleanroom contract digest contract.yaml 2>/dev/null")
    error = shell("cleanroom contract digest missing >/dev/null")

    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", result.out)
    assert error.refusal == (1, "missing: there is no such file or folder", "")


def test_nobody_has_to_read_the_errors() -> None:
    ran = shell("cleanroom contract digest missing 2>&-")

    assert (ran.code, ran.out, ran.err) == (1, "", "")


def test_what_nobody_foresaw_is_called_our_bug_by_its_kind_alone(folder: Path) -> None:
    before = sorted(folder.iterdir())
    kibibytes = 250_000  # enough to start with, not enough for regions of 64 MiB

    ran = shell(
        f"ulimit -v {kibibytes}; cleanroom {' '.join(SEAL)} --region-size 64MiB < table.csv"
    )

    code, message, hint = ran.refusal
    assert code == 70
    assert re.fullmatch(r"internal error \((MemoryError|RuntimeError)\)", message)
    assert hint == "please report what you ran, see SECURITY.md"
    assert sorted(folder.iterdir()) == before


def test_no_cell_reaches_the_output_of_a_process(folder: Path) -> None:
    (folder / "bad.csv").write_text(f"customer,amount\n{CELL},1\n{CELL},x{CELL}\n")

    ran = apart("seal", "bad.csv", *SEAL[2:], "--header", "--type", "amount=int32")

    assert ran.code == 2
    assert not (folder / "pipe.sealed").exists()


def test_a_sealed_pipe_opens_again(folder: Path) -> None:
    data = os.urandom(200_000)

    sealed = apart(*SEAL, "--region-size", "64 KiB", stdin=data)
    opened = apart(
        *("open", "pipe.sealed", "--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("-o", "plain"),
    )

    assert (sealed.code, opened.code) == (0, 0)
    assert (folder / "plain").read_bytes() == data
