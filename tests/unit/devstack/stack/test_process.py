"""A process is more than its number."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.stack import process
from devstack.stack.process import Process

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")


@pytest.fixture
def sleeping(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    child = process.start(SLEEP, {}, tmp_path, tmp_path / "log")
    yield child
    with contextlib.suppress(ProcessLookupError):
        os.kill(child.pid, signal.SIGKILL)
    child.wait()


def test_a_process_that_runs_is_alive(sleeping: subprocess.Popen[bytes]) -> None:
    found = process.of_child(sleeping)

    assert found.alive
    assert found.memory > 0


def test_what_a_process_started_counts_as_its_memory(tmp_path: Path) -> None:
    shell = (
        "/bin/sh",
        "-c",
        f"{sys.executable} -c 'print(1, flush=True); import time; time.sleep(60)' & wait",
    )
    child = process.start(shell, {}, tmp_path, tmp_path / "log")
    found = process.of_child(child)
    while not (tmp_path / "log").read_text():
        time.sleep(0.01)

    memory = found.memory
    process.kill_group(child.pid)
    child.wait()

    assert memory > 2 << 20  # a shell alone has less than one MiB
    assert found.memory == 0


def test_a_process_is_in_a_session_of_its_own(sleeping: subprocess.Popen[bytes]) -> None:
    assert os.getsid(sleeping.pid) == sleeping.pid


def test_a_process_that_ended_is_not_alive_though_nobody_waited_for_it(
    sleeping: subprocess.Popen[bytes],
) -> None:
    found = process.of_child(sleeping)

    found.kill()
    os.waitid(os.P_PID, sleeping.pid, os.WEXITED | os.WNOWAIT)

    assert not found.alive
    assert (found.handle(), found.memory) == (None, 0)


def test_a_number_that_is_used_again_is_another_process(
    sleeping: subprocess.Popen[bytes],
) -> None:
    old = replace(process.of_child(sleeping), started="boot/1")

    old.kill()
    old.ask_to_end()

    assert not old.alive
    assert old.handle() is None
    assert sleeping.poll() is None


def test_a_process_ends_when_asked(sleeping: subprocess.Popen[bytes]) -> None:
    process.of_child(sleeping).ask_to_end()

    assert sleeping.wait() == -signal.SIGTERM


def test_a_number_that_nobody_has_is_no_process() -> None:
    assert process.started(1 << 30) is None
    assert Process(1 << 30, "").memory == 0


def test_what_one_asked_for_is_not_handed_to_servers() -> None:
    found = process.inherited(
        {"PATH": "/bin", "IDENTITY_HEADER": "secret", "CLEANROOM_DEV_HOME": "/a"}
    )

    assert found == {"PATH": "/bin"}
