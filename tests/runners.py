"""`cleanroom-runner serve` as a process of its own: started, ready, killed, stopped."""

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

_PATIENCE = 60.0
_POLL = 0.02


@dataclass
class Runner:
    """A running runner, and what it says."""

    environment: Mapping[str, str]
    log: Path
    process: subprocess.Popen[bytes]
    heard: int = 0
    """How much of its log is of before."""

    def said(self) -> list[dict[str, Any]]:
        """Read its log; what is not a line of JSON was said by somebody who must not speak."""
        return [json.loads(line) for line in self.log.read_text()[self.heard :].splitlines()]

    def events(self, event: str) -> list[dict[str, Any]]:
        return [line for line in self.said() if line["event"] == event]

    def wait_for(self, event: str, count: int = 1) -> None:
        """Wait until it has said something so often."""
        until = time.monotonic() + _PATIENCE
        while len(self.events(event)) < count:
            assert time.monotonic() < until, self.log.read_text()[-2000:]
            assert self.process.poll() is None, self.log.read_text()[-2000:]
            time.sleep(_POLL)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(_PATIENCE)

    def stop(self) -> int:
        """Ask it to stop, and wait until it did."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_PATIENCE)


_SERVE = (sys.executable, "-m", "runner", "serve")


@contextmanager
def running_runner(
    environment: Mapping[str, str], log: Path, command: Sequence[str] = _SERVE
) -> Iterator[Runner]:
    """Run it until the block ends; it is ready when the block begins."""
    log.touch()
    with log.open("wb") as out:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            env=_clean() | dict(environment),
        )
    made = Runner(environment, log, process)
    try:
        made.wait_for("runner.started")
        yield made
    finally:
        if process.poll() is None:
            made.kill()


@dataclass
class Shared:
    """One runner for tests that leave it running, started for the first of them."""

    environment: Mapping[str, str]
    folder: Path
    _stack: ExitStack = field(default_factory=ExitStack)
    _runner: Runner | None = None

    def get(self) -> Runner:
        """Have it run, and hear only what it says from now on."""
        if self._runner is None:
            log = self.folder / f"log-{uuid.uuid4().hex}"
            self._runner = self._stack.enter_context(running_runner(self.environment, log))
        return replace(self._runner, heard=len(self._runner.log.read_text()))

    def stop(self) -> None:
        """Have none run, for a test that runs its own."""
        if self._runner is not None:
            assert self._runner.process.poll() is None, self._runner.log.read_text()[-2000:]
            assert self._runner.stop() == 0
            self._runner = None
        self._stack.close()


def check(environment: Mapping[str, str], *options: str) -> tuple[int, str, str]:
    """Run `cleanroom-runner check`."""
    return run(["check", *options], environment)


def run(given: Sequence[str], environment: Mapping[str, str]) -> tuple[int, str, str]:
    """Run the command, and return its exit code and what it says."""
    done = subprocess.run(
        [sys.executable, "-m", "runner", *given],
        capture_output=True,
        env=_clean() | dict(environment),
        timeout=_PATIENCE,
        check=False,
    )
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def _clean() -> dict[str, str]:
    """Take over what a process needs, and nothing that would tell it who it is."""
    strange = ("AZURE_", "MSI_", "IDENTITY_", "CLEANROOM_")
    return {name: value for name, value in os.environ.items() if not name.startswith(strange)}
