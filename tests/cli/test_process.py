"""The command as a process: how it starts, is interrupted, loses its reader, runs out of memory."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from cleanroom import __version__
from tests.commands import CELL, PATIENCE, SCRIPT, TABLE, Here, apart, end, shell, start
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


def test_an_interrupt_after_the_output_was_written_does_not_deny_it(folder: Path) -> None:
    read, write = os.pipe()
    os.set_blocking(write, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(write, bytes(1 << 16)):
            pass
    os.set_blocking(write, True)
    process = subprocess.Popen(
        [SCRIPT, "contract", "check", "contract.yaml", "-o", "a.json"],
        stdout=write,  # full, so that the command waits with its work done
        stderr=subprocess.PIPE,
    )
    deadline = time.monotonic() + PATIENCE
    while not (folder / "a.json").exists() and time.monotonic() < deadline:
        time.sleep(0.01)

    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    os.close(read)
    os.close(write)

    assert (process.returncode, err) == (130, b"cleanroom: interrupted\n")


def test_a_terminal_that_closes_does_not_stop_what_ignores_it(folder: Path) -> None:
    ran = shell(
        f"trap '' HUP; (sleep 0.1; echo late) | cleanroom {' '.join(SEAL)} & p=$!;"
        " sleep 0.05; kill -HUP $p; wait $p; exit $?"
    )

    assert (ran.code, (folder / "pipe.sealed").exists()) == (0, True)


@pytest.mark.parametrize("more", ["", " --json"])
def test_errors_that_do_not_fit_on_the_disk_leave_the_exit_code(more: str) -> None:
    ran = shell(f"cleanroom contract digest missing{more} 2>/dev/full")

    assert (ran.code, ran.out, ran.err) == (1, "", "")


def test_a_file_on_stdin_is_sealed_from_where_it_stands(folder: Path, cleanroom: Here) -> None:
    (folder / "lines").write_bytes(b"first\nrest\n")

    ran = shell(f"(head -c 6 >/dev/null; cleanroom {' '.join(SEAL)}) < lines")
    opened = cleanroom(
        *("open", "pipe.sealed", "--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("-o", "plain"),
    )

    assert (ran.code, opened.code) == (0, 0)
    assert (folder / "plain").read_bytes() == b"rest\n"


def test_a_file_called_dash_is_a_file(folder: Path, cleanroom: Here) -> None:
    (folder / "-").write_bytes(b"in the file")

    ran = apart("seal", "./-", *SEAL[2:], stdin=b"on stdin")
    opened = cleanroom(
        *("open", "pipe.sealed", "--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("-o", "plain"),
    )

    assert (ran.code, opened.code) == (0, 0)
    assert (folder / "plain").read_bytes() == b"in the file"


def test_what_is_on_stdin_is_never_written_over(folder: Path) -> None:
    ran = shell(f"cleanroom {' '.join(SEAL)} -o table.csv --force < table.csv")

    assert ran.refusal == (1, "--output: table.csv is the source", "")
    assert (folder / "table.csv").read_text() == TABLE


def test_a_wrapped_key_that_cannot_appear_leaves_the_file_and_says_so(folder: Path) -> None:
    vault = "https://north.vault.azure.net/secrets/customers"
    process = start(*SEAL, "--keep-key-at", vault, "--wrapped-key-to", "wrapped.txt")
    assert process.stdin
    process.stdin.write(MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()
    (folder / "wrapped.txt").write_text("theirs")

    ran = end(process)

    assert ran.refusal == (
        5,
        "pipe.sealed is written, but its wrapped key is not: wrapped.txt: it exists already",
        "nobody can open it without that key; seal it again with --force",
    )
    assert (folder / "pipe.sealed").exists()
    assert (folder / "wrapped.txt").read_text() == "theirs"


def test_a_sealed_file_that_cannot_appear_leaves_the_old_wrapped_key(folder: Path) -> None:
    vault = "https://north.vault.azure.net/secrets/customers"
    (folder / "wrapped.txt").write_text("the key of what is there")
    (folder / "out").mkdir()
    output = ("-o", "out/sealed", "--force")
    process = start(*SEAL, *output, "--keep-key-at", vault, "--wrapped-key-to", "wrapped.txt")
    assert process.stdin
    process.stdin.write(MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()
    (folder / "out").rename(folder / "elsewhere")

    ran = end(process)

    assert ran.refusal[:2] == (1, "out/sealed: there is no such file or folder")
    assert (folder / "wrapped.txt").read_text() == "the key of what is there"


def unread(*command: str) -> tuple[int, bytes]:
    """Run a command into a pipe that nobody reads any more."""
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [SCRIPT, *command], stdout=write, stderr=subprocess.PIPE, timeout=PATIENCE, check=False
        )
    finally:
        os.close(write)
    return done.returncode, done.stderr


@pytest.mark.parametrize(
    "command",
    [
        "contract show contract.yaml",
        "contract show contract.yaml --json",
        "contract digest contract.yaml",
        "contract check contract.yaml",
        "keys show north.signing.pub.pem",
    ],
)
def test_a_reader_that_goes_away_is_nothing_to_talk_about(command: str) -> None:
    assert unread(*command.split()) == (141, b"")


@pytest.mark.parametrize("command", ["--help", "--version", "seal --help"])
def test_nobody_has_to_read_help_to_its_end(command: str) -> None:
    code, err = unread(*command.split())

    assert code != 0
    assert err == b""


def test_what_was_written_before_the_reader_went_away_stays(folder: Path) -> None:
    code, err = unread("contract", "check", "contract.yaml", "-o", "written.json")

    assert (code, err) == (141, b"")
    assert (folder / "written.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        "contract show contract.yaml",
        "contract digest contract.yaml",
        "keys show north.reader.pub.pem",
    ],
)
def test_a_result_that_does_not_fit_on_the_disk_is_an_error(command: str) -> None:
    ran = shell(f"cleanroom {command} > /dev/full")

    assert ran.refusal == (5, "stdout: not written, no space left on device", "")


def test_a_result_as_json_that_does_not_fit_on_the_disk_is_an_error() -> None:
    ran = shell("cleanroom contract show contract.yaml --json > /dev/full")

    assert ran.code == 5
    assert ran.json_error["code"] == "unavailable"


@pytest.mark.parametrize("closed", ["<&-", ">&-", "<&- >&-", "<&- >&- 2>&-"])
def test_streams_may_be_closed(closed: str, folder: Path, cleanroom: Here) -> None:
    ran = shell(
        "cleanroom seal table.csv --party north --dataset customers -o a.sealed"
        f" --sign-with north.signing.pem --for south.reader.pub.pem {closed}"
    )
    opened = cleanroom(
        *("open", "a.sealed", "--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("-o", "plain"),
    )

    assert (ran.code, ran.err) == (0, "")
    assert opened.code == 0
    assert (folder / "plain").read_text() == TABLE


def test_a_refusal_is_told_though_stdout_is_closed() -> None:
    ran = shell("cleanroom contract digest missing >&-")

    assert ran.refusal == (1, "missing: there is no such file or folder", "")


@pytest.mark.parametrize(
    ("encoding", "name", "printed"),
    [
        pytest.param("ascii", "größe", r"gr\xf6\xdfe", id="ASCII"),
        pytest.param("ascii", "数", r"\u6570", id="another script"),
        pytest.param("latin-1", "数", r"\u6570", id="Latin-1"),
        pytest.param("utf-8", "größe 数", "größe 数", id="UTF-8"),
    ],
)
def test_letters_that_cannot_be_printed_are_escaped(
    encoding: str, name: str, printed: str, folder: Path
) -> None:
    (folder / name).write_bytes((folder / "contract.yaml").read_bytes())
    env = {"PYTHONIOENCODING": encoding}

    result = apart("contract", "check", name, env=env)
    error = apart("inspect", name, env=env)

    assert result.text.startswith(f"{printed}: a contract that can be approved\n")
    assert error.refusal[1].startswith(f"{printed}: expected a sealed file")


@pytest.mark.parametrize(
    "more",
    [
        pytest.param("--for south.reader.pub.pem", id="reader named twice"),
        pytest.param("--version 0", id="version zero"),
        pytest.param("--region-size 3MiB", id="region size"),
    ],
)
def test_what_is_wrong_is_said_before_a_pipe_is_read_to_its_end(more: str, folder: Path) -> None:
    ran = shell(f"cleanroom {' '.join(SEAL)} {more} < /dev/zero")

    assert ran.refusal[0] == 1
    assert not (folder / "pipe.sealed").exists()


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


def test_a_sealed_pipe_opens_again(folder: Path, cleanroom: Here) -> None:
    data = os.urandom(200_000)

    sealed = apart(*SEAL, "--region-size", "64 KiB", stdin=data)
    opened = cleanroom(
        *("open", "pipe.sealed", "--from", "north.signing.pub.pem", "--with", "south.reader.pem"),
        *("-o", "plain"),
    )

    assert (sealed.code, opened.code) == (0, 0)
    assert (folder / "plain").read_bytes() == data


_LOADED = """import json, sys
from party.main import run
strange = {"azure", "requests", "urllib3", "msal"}
for command in json.loads(sys.argv[1]):
    code = run(command)
    loaded = {name.partition(".")[0] for name in sys.modules} & strange
    sys.stderr.write(f"{command[0]}: loaded {sorted(loaded)}, exit code {code}\\n")
"""
LOCAL = [
    ["explain", "contract.yaml"],
    ["contract", "check", "contract.yaml"],
    ["contract", "digest", "contract.yaml"],
    ["keys", "show", "north.signing.pub.pem"],
    [
        *("seal", "table.csv", "--contract", "contract.yaml", "--party", "north"),
        *("--sign-with", "north.signing.pem", "--header"),
    ],
    [
        *("approve", "contract.yaml", "--party", "north"),
        *("--sign-with", "north.signing.pem", "--expires", "1 day"),
    ],
]


def test_what_needs_no_network_loads_nothing_for_one() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _LOADED, json.dumps(LOCAL)],
        capture_output=True,
        text=True,
        check=False,
    )

    told = [line for line in done.stderr.splitlines() if "loaded" in line]
    assert told == [f"{command[0]}: loaded [], exit code 0" for command in LOCAL], done.stderr
