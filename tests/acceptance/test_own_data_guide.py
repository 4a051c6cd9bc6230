"""The guide's ten commands, typed into one shell with a terminal, lead to the guide's result."""

import os
import pty
import re
import subprocess
from pathlib import Path

from devstack.stack.settings import PARTIES
from tests.commands import SCRIPT
from tests.dev_commands import dev
from tests.parties import clean, stack_ports

ROOT = Path(__file__).parents[2]
GUIDE = ROOT / "docs" / "guides" / "own-data.md"
PATIENCE = 240  # seconds for all of it, on a machine that others keep busy
_FILE = re.compile(r"^```\w+ file=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)$", re.MULTILINE)
_SETUP = "make setup && . .venv/bin/activate"


def test_the_guide_leads_from_two_files_to_a_result(tmp_path: Path) -> None:
    guide = GUIDE.read_text()
    commands = _COMMAND.findall(guide)
    for name, content in _FILE.findall(guide):
        (tmp_path / name).write_text(content)
    home = tmp_path / "state" / "cleanroom-dev"  # where a plain `cleanroom-dev up` has it
    chosen = [f"--port={name}={port}" for name, port in stack_ports(PARTIES).items()]
    assert len(commands) <= 10
    assert commands[0] == _SETUP

    started = dev("up", "--home", home, "--functions", ROOT, *chosen)
    try:
        assert started.code == 0, started.err
        code, said = typed(commands[1:], tmp_path)
    finally:
        dev("reset", "--yes", "--home", home)

    assert code == 0, said
    assert (tmp_path / "result.csv").read_text() == '"customers","total"\n2,35\n'
    assert "two customers are in both, and that theirs is 35" in guide


def typed(commands: list[str], folder: Path) -> tuple[int, str]:
    """Have one shell run the lines, and say yes to every question; stop at what fails."""
    ours, theirs = pty.openpty()
    log = folder / "log"
    with log.open("wb") as out:
        shell = subprocess.Popen(
            ["/bin/bash", "-e", "-c", "\n".join(commands)],
            cwd=folder,
            env=clean()
            | {
                "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}",
                "XDG_CONFIG_HOME": str(folder / "config"),
                "XDG_STATE_HOME": str(folder / "state"),
            },
            stdin=theirs,
            stdout=out,
            stderr=out,
        )
    os.write(ours, b"yes\nyes\n")
    try:
        code = shell.wait(PATIENCE)
    finally:
        shell.kill()
        os.close(ours)
        os.close(theirs)
    return code, log.read_text()
