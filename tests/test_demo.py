"""The demo shows what it says: every step is done, every attack is refused, or it fails."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parents[1]
PATIENCE = 200
ATTACKS = [
    "a program nobody approved asks for keys",
    "a modified runner asks for keys",
    "the operator swaps a dataset's rows",
    "a query for one person",
]


def command(*words: object) -> list[str]:
    return [sys.executable, "-u", "-m", *map(str, words)]


def dev(*words: object) -> str:
    return subprocess.run(
        [Path(sys.executable).with_name("cleanroom-dev"), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    ).stdout


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("demo") / "demo"
    yield made
    dev("reset", "--yes", "--home", made / "stack")


@pytest.fixture(scope="module")
def shown(folder: Path) -> str:
    done = subprocess.run(
        command("examples.demo", "fraud", "--folder", folder),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@contextmanager
def started(folder: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command("examples.demo", "--folder", folder),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        yield demo


def test_every_step_is_shown_with_its_time(shown: str) -> None:
    commands = re.findall(r"^ *\d+\.\d\d s  [a-z-]+ \$ cleanroom ([a-z]+)", shown, re.MULTILINE)

    assert list(dict.fromkeys(commands)) == [
        *("init", "propose", "explain", "approve", "drop", "open", "verify"),
    ]
    assert re.search(r"job [0-9a-f]{12} completed: corridors", shown)


def test_what_the_generator_hid_stands_in_the_result(shown: str) -> None:
    assert re.search(r"^LI +business +142 +7795640\.52 +7750110\.81$", shown, re.MULTILINE)


def test_every_attack_is_refused(shown: str) -> None:
    refused = re.findall(r"^ +refused  ([^:]+): (.+)$", shown, re.MULTILINE)

    assert [attack for attack, _ in refused] == ATTACKS
    assert f"All {len(ATTACKS)} attacks were refused" in shown


def test_how_to_look_on_and_how_to_stop_is_said_last(shown: str, folder: Path) -> None:
    words = re.findall(r"^  (\w+) +\S", shown.rpartition("attacks were refused")[2], re.MULTILINE)

    assert words == ["runs", "look", "be", "try", "more", "stop"]
    assert all(one["state"] == "ready" for one in _servers(folder))


def test_the_vault_would_have_given_the_key_for_the_contract_that_was_approved(
    shown: str, folder: Path
) -> None:
    """The attackers ask rightly, so that what refuses them is what the demo says."""
    assert shown
    env = json.loads(dev("env", "north-bank", "--json", "--home", folder / "stack"))
    runner = json.loads(dev("env", "runner", "--json", "--home", folder / "stack"))
    room = folder / "cash-and-wire"
    second = json.loads(
        subprocess.run(
            [Path(sys.executable).with_name("cleanroom"), "explain", "one.yaml", "--json"],
            cwd=room,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        ).stdout
    )
    url = f"{env['CLEANROOM_PARTY_VAULT']}/keys/room-cash-and-wire"
    asked = (folder / "stack", second["digest"], url, env["CLEANROOM_PARTY_AUTHORITY"])

    done = subprocess.run(
        command("examples.demo.asking", *asked),
        cwd=ROOT,
        env=os.environ | runner,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, f"{url}: released\n"), done.stderr


def test_ctrl_c_leaves_nothing_behind(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    with started(folder) as demo:
        assert demo.stdout
        assert next(line for line in demo.stdout if "servers are up" in line)
        pids = [int(str(one["pid"])) for one in _servers(folder)]

        demo.send_signal(signal.SIGINT)

        _, err = demo.communicate(timeout=PATIENCE)
    assert demo.returncode == 130
    assert "interrupted" in err
    assert not folder.exists()
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_a_folder_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")

    done = subprocess.run(
        command("examples.demo", "--folder", tmp_path),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )

    assert done.returncode == 1
    assert "not of this demo" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def _servers(folder: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads(
        dev("status", "--json", "--home", folder / "stack")
    )["servers"]
    return found
