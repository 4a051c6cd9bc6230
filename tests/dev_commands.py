"""Run `cleanroom-dev` as a person does: in a process of its own, or quickly within this one."""

import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from devstack.main import run

SCRIPT = Path(sys.executable).with_name("cleanroom-dev")
PATIENCE = 120  # seconds, on a machine that others keep busy
_ERROR = re.compile(r"cleanroom-dev: ([^\n]+)\n(?:hint: ([^\n]+)\n)?")


@dataclass(frozen=True)
class DevRan:
    """What came of a command."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """The result of a command that went well."""
        assert (self.code, self.err) == (0, ""), self.err
        return self.out

    @property
    def words(self) -> str:
        """What was printed as words, however wide and colourful the terminal is said to be."""
        return " ".join(re.sub(r"\x1b\[[0-9;]*m", "", self.out).split())

    @property
    def json(self) -> Any:
        """The one object that a command with --json printed."""
        assert (self.code, self.err) == (0, ""), self.err
        return json.loads(self.out)

    @property
    def refusal(self) -> tuple[int, str, str]:
        """Exit code, message and hint of a command that printed nothing else."""
        assert self.out == ""
        found = _ERROR.fullmatch(self.err)
        assert found, self.err
        assert not found[1].endswith(".")
        return self.code, found[1], found[2] or ""


class DevHere:
    """Runs commands within this process, in the current folder."""

    def __init__(self, capture: pytest.CaptureFixture[str]) -> None:
        self._capture = capture

    def __call__(self, *arguments: object) -> DevRan:
        self._capture.readouterr()
        code = run([str(argument) for argument in arguments])
        return DevRan(code, *self._capture.readouterr())


def dev_here(*arguments: object) -> DevRan:
    """Run a command that starts nothing, within this process."""
    out, err = io.StringIO(), io.StringIO()
    with redirect_stdout(out), redirect_stderr(err):
        code = run([str(argument) for argument in arguments])
    return DevRan(code, out.getvalue(), err.getvalue())


def dev(
    *arguments: object, env: Mapping[str, str] | None = None, folder: Path | None = None
) -> DevRan:
    """Run a command in a process of its own to its end."""
    done = subprocess.run(
        [SCRIPT, *map(str, arguments)],
        env=os.environ | (env or {}),
        cwd=folder,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=PATIENCE,
        check=False,
        text=True,
    )
    return DevRan(done.returncode, done.stdout, done.stderr)
