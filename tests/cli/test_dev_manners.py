"""How `cleanroom-dev` talks whatever is asked of it: usage, help, errors, variables."""

import json
import os
import pty
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from cleanroom import __version__
from devstack import main
from devstack.home import HOST, Home
from devstack.main import EXIT_CODES
from devstack.stack import ports, settings
from devstack.stack.folder import Folder
from devstack.stack.plan import PLANNED
from devstack.stack.settings import Settings
from party.main import EXIT_CODES as EXIT_CODES_OF_CLEANROOM
from tests.dev_commands import SCRIPT, DevHere, DevRan, dev
from tests.servers import free_ports

COMMANDS = ["up", "down", "status", "env", "logs", "reset", "bus"]
commands = pytest.mark.parametrize("command", COMMANDS)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> DevHere:
    return DevHere(capfd)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return Home.at(tmp_path / "home").path


def test_the_version_is_one_line(run: DevHere) -> None:
    assert run("--version").text == f"cleanroom-dev {__version__}\n"


def test_the_installed_command_starts() -> None:
    assert dev("--version").text == f"cleanroom-dev {__version__}\n"


def test_the_module_is_the_command_too() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "devstack.main", "--version"], capture_output=True, check=True
    )

    assert done.stdout.decode() == f"cleanroom-dev {__version__}\n"


@commands
def test_every_command_explains_itself(command: str, run: DevHere) -> None:
    ran = run(command, "--help")

    assert (ran.code, ran.err) == (0, "")
    assert f"Usage: cleanroom-dev {command} [OPTIONS]" in ran.words


def test_without_a_command_all_are_listed(run: DevHere) -> None:
    ran = run()

    assert (ran.code, ran.err) == (1, "")
    assert [name for name in COMMANDS if not re.search(rf"\b{name}\b", ran.words)] == []


@commands
def test_an_unknown_option_is_refused(command: str, run: DevHere) -> None:
    code, message, hint = run(command, "--no-such-option").refusal

    assert (code, hint) == (1, f"cleanroom-dev {command} --help")
    assert message.startswith("no such option: --no-such-option")


def test_an_unknown_command_is_refused(run: DevHere) -> None:
    assert run("start").refusal == (
        1,
        "no such command 'start'. Did you mean 'status'?",
        "cleanroom-dev --help",
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(
            ["up", "bsu"],
            "server: expected one of attestation, azurite, bus, eventgrid, functions, identity,"
            " runner, storage, vault, got 'bsu'",
            id="unknown server",
        ),
        pytest.param(
            ["up", "functions"],
            "functions: expected a folder to host: --functions DIR",
            id="no app",
        ),
        pytest.param(
            ["up", "--functions", "/"],
            "--functions: expected a folder with function_app.py, got /",
            id="no app there",
        ),
        pytest.param(
            ["up", "--party", "runner"],
            "--party: expected another name than operator, functions, runner, got 'runner'",
            id="party like us",
        ),
        pytest.param(["up", "--port", "bus"], "--port: expected NAME=N, got 'bus'", id="no number"),
        pytest.param(
            ["up", "--port-base", "65530"],
            "--port bus-tls: expected a number from 1 to 65535, got 65536",
            id="base too high",
        ),
        pytest.param(
            ["env", "nobody"],
            "identity: expected one of north-bank, south-bank, operator, functions, runner,"
            " got 'nobody'",
            id="unknown identity",
        ),
        pytest.param(
            ["logs", "bsu"],
            "server: expected one of attestation, azurite, bus, eventgrid, functions, identity,"
            " runner, storage, vault, got 'bsu'",
            id="log of nobody",
        ),
        pytest.param(
            ["down", "bsu"],
            "server: expected one of attestation, azurite, bus, eventgrid, functions, identity,"
            " runner, storage, vault, got 'bsu'",
            id="stop nobody",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(
    arguments: list[str], message: str, home: Path, run: DevHere
) -> None:
    ran = run(*arguments, "--home", home)

    assert ran.refusal == (1, message, f"cleanroom-dev {arguments[0]} --help")


@pytest.mark.parametrize("option", ["--functions", "--bus-config", "--eventgrid-config"])
def test_a_file_that_is_not_there_is_named(option: str, home: Path, run: DevHere) -> None:
    code, message, _ = run("up", option, "missing", "--home", home).refusal

    assert code == 1
    assert re.search("invalid value for '" + option + "'.* 'missing' does not exist", message)


def test_ports_that_are_taken_are_an_error_of_their_own(home: Path, run: DevHere) -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

        ran = run("up", "identity", f"--port=identity={port}", "--home", home)

    code, message, hint = ran.refusal
    assert (code, hint) == (5, "choose others: --port NAME=N for one, --port-base N for all")
    assert message.startswith(f"ports are taken: {port} (identity: in use by ")


def test_a_choice_that_could_not_be_had_is_not_remembered(home: Path, run: DevHere) -> None:
    with socket.create_server((HOST, 0)) as server:
        run("up", "identity", f"--port=identity={server.getsockname()[1]}", "--home", home)

    assert (
        run("env", "--json", "--home", home).json["IDENTITY_ENDPOINT"].endswith(":8440/msi/token")
    )


@pytest.mark.parametrize("command", ["down", "status", "env", "logs", "reset"])
def test_where_no_stack_is_there_is_nothing_to_do(command: str, run: DevHere) -> None:
    absent = Path("absent").absolute()

    assert run(command, "--home", "absent").refusal == (
        5,
        f"{absent}: there is no stack",
        f"cleanroom-dev up --home {absent}",
    )
    assert not absent.exists()


def test_a_stack_that_does_not_run_says_so(home: Path, run: DevHere) -> None:
    assert run("status", "--home", home).refusal == (
        5,
        f"{home}: nothing runs",
        f"cleanroom-dev up --home {home}",
    )


def test_stopping_what_does_not_run_is_no_error(home: Path, run: DevHere) -> None:
    assert run("down", "--home", home).text == "nothing runs\n"
    assert run("down", "bus", "vault", "--home", home).text == "does not run: bus, vault\n"


def test_an_error_as_json_is_one_object_with_a_code(home: Path, run: DevHere) -> None:
    ran = run("status", "--json", "--home", home)

    assert (ran.code, ran.out) == (5, "")
    assert json.loads(ran.err) == {
        "error": {
            "code": "unavailable",
            "message": f"{home}: nothing runs",
            "hint": f"cleanroom-dev up --home {home}",
        }
    }


def test_deleting_needs_a_yes(home: Path, run: DevHere) -> None:
    assert run("reset", "--home", home).refusal == (
        1,
        f"{home}: deleted only with --yes",
        "cleanroom-dev reset --help",
    )
    assert home.exists()


def test_what_was_deleted_is_named(home: Path, run: DevHere) -> None:
    assert run("reset", "--yes", "--home", home).text == f"deleted: {home}\n"
    assert not home.exists()


@pytest.mark.parametrize("command", ["up", "down"])
def test_help_names_every_server(command: str, run: DevHere) -> None:
    words = run(command, "--help").words

    assert [name for name in PLANNED if name not in words] == []


def test_the_supervisor_has_a_log_too(home: Path, run: DevHere) -> None:
    (home / "logs").mkdir()
    (home / "logs" / "supervisor.log").write_text("one\n")

    assert run("logs", "supervisor", "--home", home).text == "one\n"


def test_logs_show_their_last_lines(home: Path, run: DevHere) -> None:
    (home / "logs").mkdir()
    (home / "logs" / "bus.log").write_text("one\ntwo\x1b[2J\n")

    assert run("logs", "bus", "-n", "1", "--home", home).text == "two\\x1b[2J\n"
    assert run("logs", "--home", home).text == ("bus         | one\nbus         | two\\x1b[2J\n")


def test_variables_are_printed_for_a_shell(home: Path, run: DevHere) -> None:
    ran = run("env", "--home", home)

    lines = ran.text.splitlines()
    assert lines[1] == "export IDENTITY_ENDPOINT=http://127.0.0.1:8440/msi/token"
    assert [line for line in lines if not re.match(r"export [A-Za-z_]+=\S", line)] == []


def test_a_shell_takes_what_is_printed_for_it(home: Path) -> None:
    line = f'eval "$({SCRIPT} env south-bank --home {home})"; echo "$CLEANROOM_DEV_IDENTITY"'

    done = subprocess.run(["/bin/bash", "-c", line], capture_output=True, check=True)

    assert done.stdout == b"south-bank\n"


def test_variables_are_printed_for_a_file(home: Path, run: DevHere) -> None:
    ran = run("env", "runner", "--format", "dotenv", "--home", home)

    lines = ran.text.splitlines()
    assert "CLEANROOM_DEV_IDENTITY='runner'" in lines


def test_the_same_is_said_each_time(home: Path, run: DevHere) -> None:
    assert run("env", "--home", home).text == run("env", "--home", home).text


def test_a_damaged_memory_is_named(home: Path, run: DevHere) -> None:
    (home / "stack").mkdir()
    (home / "stack" / "settings.json").write_text("{")

    assert run("env", "--home", home).refusal[:2] == (
        2,
        "settings.json: expected JSON in UTF-8",
    )


def test_what_nobody_foresaw_is_called_our_bug_by_its_kind_alone(home: Path, run: DevHere) -> None:
    (home / "ca.key").write_text("no key")

    assert run("env", "--home", home).refusal == (
        70,
        "internal error (ValueError)",
        "please report what you ran, see SECURITY.md",
    )


def test_a_reader_that_goes_away_is_nothing_to_talk_about(home: Path) -> None:
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [SCRIPT, "env", "--home", home], stdout=write, stderr=subprocess.PIPE, check=False
    )
    os.close(write)

    assert (done.returncode, done.stderr) == (141, b"")


def test_a_result_that_does_not_fit_on_the_disk_is_an_error(home: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [SCRIPT, "env", "--home", home], stdout=full, stderr=subprocess.PIPE, check=False
        )

    assert done.returncode == 5
    assert done.stderr == b"cleanroom-dev: stdout: not written, no space left on device\n"


def test_a_shell_can_complete_commands() -> None:
    words = {"COMP_WORDS": "cleanroom-dev e", "COMP_CWORD": "1"}

    ran = dev(env={"_CLEANROOM_DEV_COMPLETE": "complete_bash", **words})

    assert (ran.code, ran.out.split()) == (0, ["env"])


def test_exit_codes_are_those_of_cleanroom() -> None:
    assert EXIT_CODES == EXIT_CODES_OF_CLEANROOM


def test_main_exits_with_the_code(capfd: pytest.CaptureFixture[str]) -> None:
    del capfd

    with pytest.raises(SystemExit) as caught:
        main.main(["nonsense"])

    assert caught.value.code == 1


@pytest.mark.parametrize("stream", ["stdout", "stderr"])
def test_main_does_without_a_stream(
    stream: str, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    del capfd
    monkeypatch.setattr(sys, stream, None)  # as Python has it when it is closed from the start

    with pytest.raises(SystemExit) as caught:
        main.main(["nonsense"])

    getattr(sys, stream).close()
    assert caught.value.code == 1


# --- in the foreground


@pytest.fixture
def staying(home: Path) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [
            *(SCRIPT, "up", "identity", "--foreground", "--home", home),
            f"--port=identity={free_ports(1)[0]}",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process
        with suppress(ProcessLookupError):
            process.kill()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["Ctrl-C", "SIGTERM"])
def test_in_the_foreground_all_stops_with_the_command(
    number: signal.Signals, staying: subprocess.Popen[str], home: Path, run: DevHere
) -> None:
    assert staying.stdout
    lines = [staying.stdout.readline(), staying.stdout.readline()]

    staying.send_signal(number)
    _, err = staying.communicate()

    assert [line.split()[0] for line in lines] == ["server", "identity"]
    assert (staying.returncode, err) == (0, "cleanroom-dev: stopping\n")
    assert run("status", "--home", home).refusal[:2] == (5, f"{home}: nothing runs")


def test_what_runs_in_the_foreground_is_not_started_there_again(
    staying: subprocess.Popen[str], home: Path, run: DevHere
) -> None:
    assert staying.stdout
    staying.stdout.readline()

    ran = run("up", "--foreground", "--home", home)

    assert ran.refusal == (
        5,
        "it runs already, in the background",
        f"cleanroom-dev down --home {home}",
    )
    staying.send_signal(signal.SIGINT)
    staying.communicate()


def test_what_a_server_writes_is_shown_in_the_foreground(
    staying: subprocess.Popen[str], home: Path, run: DevHere
) -> None:
    assert staying.stdout
    assert staying.stderr
    staying.stdout.readline()

    os.kill(identity(run, home)["pid"], signal.SIGKILL)
    line = staying.stderr.readline()

    assert re.match(r"identity \| .* ready on 127\.0\.0\.1:\d+", line)
    staying.send_signal(signal.SIGINT)
    staying.communicate()


# --- in the background


def identity(run: DevHere, home: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run("status", "--json", "--home", home).out)["servers"][0]
    return found


@dataclass(frozen=True)
class Started:
    """A server, started by two commands at once, and what these said."""

    home: Path
    by: list[DevRan]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Started]:
    home = Home.at(tmp_path_factory.mktemp("stack") / "home").path
    port = free_ports(1)[0]
    line = (*(SCRIPT, "up", "identity", f"--port=identity={port}", "--home"), home)
    both = [
        subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    outputs = [one.communicate() for one in both]
    ran = [DevRan(one.returncode, *out) for one, out in zip(both, outputs, strict=True)]
    yield Started(home, ran)
    dev("down", "--home", home)


def test_of_two_commands_at_once_one_starts_and_one_finds(running: Started, run: DevHere) -> None:
    first, second = sorted(running.by, key=lambda ran: len(ran.err))

    assert (first.code, second.code) == (0, 0)
    assert second.err in (
        "",
        "cleanroom-dev: another cleanroom-dev changes this stack; waiting for it\n",
    )
    found = [ran.out.startswith("everything runs already") for ran in running.by]
    assert sorted(found) == [False, True]
    assert identity(run, running.home)["restarts"] == 0


def test_status_tells_that_nobody_restarts_what_dies(running: Started, run: DevHere) -> None:
    supervisor = json.loads((running.home / "stack" / "state.json").read_bytes())["supervisor"]
    os.kill(supervisor, signal.SIGKILL)

    ran = run("status", "--home", running.home)
    dev("up", "identity", "--home", running.home)
    again = run("status", "--home", running.home)

    assert (ran.code, ran.err) == (
        5,
        "cleanroom-dev: nothing restarts what dies: the supervisor has ended; run up again\n",
    )
    row = ran.out.splitlines()[1]
    assert re.fullmatch(r"identity +http://127\.0\.0\.1:\d+ +\d+ +ready +0 +\d+ MiB", row)
    assert again.code == 0


def test_what_was_started_is_told_as_json(running: Started) -> None:
    (found,) = dev("up", "identity", "--json", "--home", running.home).json["servers"]

    assert (found["name"], found["state"], list(found["ports"])) == (
        "identity",
        "ready",
        ["identity"],
    )


def test_new_lines_of_a_log_are_shown_until_ctrl_c(running: Started) -> None:
    line = (*(SCRIPT, "logs", "identity", "--follow", "--home"), running.home)
    with subprocess.Popen(line, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as logs:
        assert logs.stdout
        first = logs.stdout.readline()
        with (running.home / "logs" / "identity.log").open("a") as log:
            log.write("more\n")
        second = logs.stdout.readline()
        logs.send_signal(signal.SIGINT)
        _, err = logs.communicate()

    assert ("ready on" in first, second) == (True, "more\n")
    assert (logs.returncode, err) == (130, "cleanroom-dev: interrupted\n")


def test_a_stack_with_a_server_that_gave_up_is_not_well(home: Path, run: DevHere) -> None:
    (home / "bad.json").write_text("{")
    numbers = zip(("bus", "bus-tls", "bus-control"), free_ports(3), strict=True)
    chosen = [f"--port={name}={port}" for name, port in numbers]

    started = dev("up", "bus", "--bus-config", home / "bad.json", *chosen, "--home", home)
    ran = run("status", "--home", home)
    dev("down", "--home", home)

    assert started.refusal[0] == 5
    assert started.refusal[1].startswith("bus: ended with exit code 2: ")
    assert started.refusal[2] == f"cleanroom-dev logs bus --home {home}"
    assert ran.code == 5
    assert {"failed", "exit code 2"} <= set(re.split(r"\n|  +", ran.out))
    assert json.loads((home / "stack" / "settings.json").read_bytes())["bus_config"] == ""


def test_what_was_chosen_can_be_forgotten(home: Path, run: DevHere) -> None:
    with socket.create_server((HOST, 0)) as server:
        taken = f"--port=identity={server.getsockname()[1]}"
        kept = Settings(parties=("mine",), ports=ports.chosen(["mine"], base=30000))
        settings.remember(Folder(home).settings, kept)

        code, message, _ = run("up", "--forget", taken, "--home", home).refusal

    assert code == 5
    assert "(identity: in use by" in message
    assert "30000" not in message
    assert settings.remembered(Folder(home).settings) == kept  # it could not be had


def test_the_bus_alone_takes_a_folder_from_here(tmp_path: Path) -> None:
    port, control = free_ports(2)
    options = [f"--port={port}", f"--control-port={control}", "--data=./bus"]
    with subprocess.Popen(
        [SCRIPT, "bus", *options], stdout=subprocess.PIPE, text=True, cwd=tmp_path
    ) as process:
        assert process.stdout

        line = process.stdout.readline()
        process.terminate()

    assert line.startswith(f"Endpoint=sb://{HOST}:{port};")
    assert process.returncode == 0
    assert not (tmp_path / "bus" / "bus" / "stack").exists()


@pytest.mark.parametrize(
    ("answer", "out", "deleted"),
    [
        pytest.param(b"y\n", "deleted", True, id="yes"),
        pytest.param(b"\n", "", False, id="nothing"),
        pytest.param(b"no\n", "", False, id="no"),
    ],
)
def test_on_a_terminal_deleting_asks(answer: bytes, out: str, deleted: bool, home: Path) -> None:
    ours, theirs = pty.openpty()
    os.write(ours, answer)

    done = subprocess.run(
        [SCRIPT, "reset", "--home", home], stdin=theirs, capture_output=True, check=True, text=True
    )
    os.close(ours)
    os.close(theirs)

    assert done.stderr.startswith(f"delete all data and keys in {home}? [y/N] ")
    assert done.stdout.startswith(out)
    assert home.exists() is not deleted


@pytest.mark.parametrize("command", ["up", "env"])
def test_no_home_is_made_of_a_folder_that_reset_would_empty(
    command: str, run: DevHere, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "functions").mkdir(parents=True)
    (project / "functions" / "function_app.py").touch()

    code, message, hint = run(command, "--home", project).refusal

    assert code == 3
    assert message.endswith("or the home of a stack, got one with functions")
    assert hint == "name another folder: --home DIR"
    assert [one.name for one in project.iterdir()] == ["functions"]


def test_a_home_that_is_a_file_is_said(run: DevHere, tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    assert run("up", "--home", tmp_path / "file").refusal == (
        5,
        f"{tmp_path}/file: file exists",
        "",
    )


def test_a_full_disk_is_said(run: DevHere, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)

    code, message, hint = run("up", "identity", "--home", home).refusal

    assert (code, message) == (5, "no space left on device")
    assert hint == "look at the disk of the stack's folder"


def test_settings_that_cannot_be_read_are_no_matter_of_usage(run: DevHere, home: Path) -> None:
    (home / "stack").mkdir()
    (home / "stack" / "settings.json").write_text("{")

    assert run("up", "--home", home).refusal == (2, "settings.json: expected JSON in UTF-8", "")
