"""The stack's machine: ready when its runner says so, and gone when the runner is."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from cleanroom.requirements import HostData, RunnerRequirement
from devstack.hardware.context import DEVICE
from devstack.home import HOST, Home
from devstack.runner import policy
from devstack.stack.environment import Stack
from devstack.stack.settings import Settings
from tests.servers import free_ports
from tests.simulated import same_hardware

PATIENCE = 60.0
_POLL = 0.05
_SAYS = """import json, os, signal, sys, time
from pathlib import Path
assert sys.argv[1:] == ["serve"], sys.argv
assert Path({device!r}).is_socket()
sys.stderr.write("not JSON\\n[1]\\n" + json.dumps({{"event": "wall.stands"}}) + "\\n")
time.sleep({before})
sys.stderr.write(json.dumps({{"event": "runner.started"}}) + "\\n")
sys.stderr.flush()
signal.signal(signal.SIGTERM, lambda *_: (Path({gone!r}).touch(), sys.exit(0)))
time.sleep({after})
sys.exit(7)
"""


@dataclass
class Machine:
    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def ready(self) -> bool:
        link = HTTPConnection(HOST, self.port, timeout=5)
        try:
            link.request("GET", "/devstack/health")
            return link.getresponse().status == 200
        except ConnectionRefusedError:
            return False
        finally:
            link.close()

    def until_ready(self) -> None:
        end = time.monotonic() + PATIENCE
        while not self.ready():
            assert time.monotonic() < end, self.log.read_text()
            assert self.process.poll() is None, self.log.read_text()
            time.sleep(_POLL)


@contextmanager
def machine(folder: Path, command: Path) -> Iterator[Machine]:
    (port,) = free_ports(1)
    log = folder / "log"
    # Longer than the name of a socket may be: the machine must not mind.
    home = folder / ("a" * 60) / "home"
    same_hardware(Home.at(home))
    options = ["--home", str(home), "--port", str(port), "--command", str(command)]
    with log.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "devstack.runner", *options], stdout=out, stderr=out
        )
    try:
        yield Machine(process, port, log)
    finally:
        process.kill()
        process.wait(PATIENCE)


def runner(folder: Path, *, before: float = 0.0, after: float = 600.0) -> Path:
    """Write a command that says what a runner says."""
    script = folder / "runner.py"
    values = {"device": DEVICE, "before": before, "after": after, "gone": str(folder / "gone")}
    script.write_text(f"#!{sys.executable}\n" + _SAYS.format(**values))
    script.chmod(0o700)
    return script


def test_it_is_ready_when_the_runner_is_and_stops_it_at_the_end(tmp_path: Path) -> None:
    with machine(tmp_path, runner(tmp_path)) as made:
        made.until_ready()
        made.process.send_signal(signal.SIGTERM)

        assert made.process.wait(PATIENCE) == 0

    assert (tmp_path / "gone").exists()
    assert json.dumps({"event": "wall.stands"}) in made.log.read_text()


def test_it_ends_with_the_runner_and_says_how_that_ended(tmp_path: Path) -> None:
    with machine(tmp_path, runner(tmp_path, after=0.0)) as made:
        assert made.process.wait(PATIENCE) == 5

    assert "the runner ended with exit code 7" in made.log.read_text()


def test_a_command_that_is_not_there_is_named(tmp_path: Path) -> None:
    with machine(tmp_path, tmp_path / "missing") as made:
        assert made.process.wait(PATIENCE) == 5

    assert f"{tmp_path / 'missing'}: cannot be started" in made.log.read_text()


def test_contracts_know_the_machine_by_its_policy() -> None:
    found = RunnerRequirement.parse(policy.requirement(), "runner")

    assert found.platform == "simulated"
    assert isinstance(found.code, HostData)
    assert found.code.value == policy.HOST_DATA


def test_a_party_is_told_of_it(tmp_path: Path) -> None:
    told = Stack(Home.at(tmp_path), Settings()).of("north-bank", lambda *_: "")

    assert json.loads(told["CLEANROOM_PARTY_RUNNERS"]) == [policy.requirement()]
