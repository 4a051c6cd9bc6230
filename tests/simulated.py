"""A simulated guest's hardware as a process of its own, for tests."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from devstack.files import first
from devstack.hardware.context import DEVICE
from devstack.hardware.machine import Machine
from devstack.home import Home

_PATIENCE = 30.0
_POLL = 0.02


@dataclass
class Guest:
    """A running guest: what its hardware gives it is in `folder`."""

    folder: Path
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def device(self) -> Path:
        return self.folder / DEVICE

    def kill(self) -> None:
        """End its hardware as a power cut would."""
        self.process.kill()
        self.process.wait(_PATIENCE)


def same_hardware(home: Home) -> None:
    """Give a stack the hardware that others of these tests have; its keys take a second to make."""
    first(home.folder("hardware") / "machine.pem", _made)


@cache
def _made() -> bytes:
    with TemporaryDirectory() as folder:
        Machine.of(Home.at(Path(folder)))
        return (Path(folder) / "hardware" / "machine.pem").read_bytes()


@contextmanager
def guest(
    home: Home, policy: Path, log: Path, name: str = "guest", options: Sequence[str] = ()
) -> Iterator[Guest]:
    """Run `python -m devstack.hardware` until the block ends."""
    command = [sys.executable, "-m", "devstack.hardware", "--home", str(home.path)]
    command += ["--policy", str(policy), "--guest", name, *options]
    log.touch()
    with log.open("ab") as out:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=dict(os.environ)
        )
    made = Guest(home.path / "hardware" / "guests" / name, process, log)
    try:
        _wait(made)
        yield made
    finally:
        if process.poll() is None:
            process.terminate()
            assert process.wait(_PATIENCE) == 0, log.read_text()


def _wait(made: Guest) -> None:
    until = time.monotonic() + _PATIENCE
    while time.monotonic() < until and made.process.poll() is None:
        if " ready, host data " in made.log.read_text():
            return
        time.sleep(_POLL)
    made.kill()
    raise AssertionError(made.log.read_text()[-2000:])
