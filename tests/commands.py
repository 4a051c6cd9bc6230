"""Run the command as a person does: in a process of its own, or quickly within this one."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from party.main import run

SCRIPT = Path(sys.executable).with_name("cleanroom")
PATIENCE = 60  # seconds, on a machine that others keep busy
CELL = "alice-8d1f"
"""A value that stands in the data of the tests, and nowhere in what a command prints."""
TABLE = f"customer,amount\n{CELL},1.50\nbob-77aa,2.25\n"
_SECRETS = (CELL, "bob-77aa", "PRIVATE KEY")
_ERROR = re.compile(r"cleanroom: ([^\n]+)\n(?:hint: ([^\n]+)\n)?")


@dataclass(frozen=True)
class Ran:
    """What came of a command."""

    code: int
    out: str
    err: str

    def __post_init__(self) -> None:
        """Hold every command of every test to the one rule without exception."""
        assert not [secret for secret in _SECRETS if secret in self.out + self.err]

    @property
    def text(self) -> str:
        """The result of a command that went well, with what changes each time masked."""
        assert (self.code, self.err) == (0, "")
        return masked(self.out)

    @property
    def words(self) -> str:
        """What was printed as words, however wide and colourful the terminal is said to be."""
        return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", self.out).split())

    @property
    def json(self) -> Any:
        """The one object that a command with --json printed."""
        assert (self.code, self.err) == (0, "")
        return json.loads(self.out)

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Exit code, message and hint of a command that printed nothing else."""
        assert self.out == ""
        found = _ERROR.fullmatch(self.err)
        assert found, self.err
        assert not found[1].endswith(".")
        assert found[1].isprintable()
        return self.code, masked(found[1]), masked(found[2] or "")

    @property
    def json_error(self) -> Any:
        """The one object that a command with --json printed on stderr."""
        return json.loads(self.err)["error"]


def masked(text: str) -> str:
    """Replace what differs from run to run by what it is."""
    text = re.sub(r"sha256:[0-9a-f]{64}", "<digest>", text)
    text = re.sub(r"\b[a-z]{5}(-[a-z]{5}){5}\b", "<words>", text)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "<time>", text)


class Here:
    """Runs commands within this process, in the current folder."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> Ran:
        self._capture.readouterr()
        code = run([str(argument) for argument in arguments])
        return Ran(code, *self._capture.readouterr())


def start(*arguments: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
    """Start a command in a process of its own, in the current folder."""
    return subprocess.Popen(
        [SCRIPT, *map(str, arguments)],
        env=os.environ | (env or {}),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def end(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> Ran:
    """Wait for a command to end; one that does not is killed, and the test fails."""
    with process:
        try:
            out, err = process.communicate(stdin, timeout=PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                process.kill()
    return Ran(process.returncode, out.decode(), err.decode())


def apart(*arguments: object, stdin: bytes = b"", env: Mapping[str, str] | None = None) -> Ran:
    """Run a command in a process of its own to its end."""
    return end(start(*arguments, env=env), stdin)


def shell(line: str) -> Ran:
    """Run a line of bash, with `cleanroom` found and the exit code that of its first command."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"],
        env=os.environ | {"PATH": f"{SCRIPT.parent}:{os.environ['PATH']}"},
        capture_output=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ran(done.returncode, done.stdout.decode(), done.stderr.decode())
