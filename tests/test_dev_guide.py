"""The guide of the dev stack and `cleanroom-dev` agree, and its example runs."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from devstack.main import app
from devstack.stack import environment, ports
from devstack.stack.plan import PLANNED
from devstack.stack.settings import PARTIES
from tests.dev_commands import SCRIPT
from tests.servers import free_ports
from tests.test_docs import Markdown, documents

COMMAND = "cleanroom-dev"
GUIDE = Path(__file__).parents[1] / "docs" / "guides" / "dev-stack.md"
every_document = pytest.mark.parametrize("file", documents(), ids=lambda file: file.name)


def commands() -> dict[str, Any]:
    group: Any = typer.main.get_command(app)
    found: dict[str, Any] = group.commands
    return found


def unknown(given: list[str]) -> list[str]:
    """Name the command and the options among these words that do not exist."""
    name, *words = given
    if name not in commands():
        return [] if name.startswith("-") else [name]
    known = {option for one in commands()[name].params for option in one.opts + one.secondary_opts}
    options = [word.partition("=")[0] for word in words if word.startswith("-") and word != "-"]
    return [option for option in options if option not in known | {"--help"}]


@every_document
def test_every_command_and_option_exists(file: Path) -> None:
    found = Markdown.of(file.read_text())

    bad = [
        f"{COMMAND} {' '.join(given)}: {' '.join(wrong)}"
        for given in found.commands(COMMAND)
        if given and (wrong := unknown(given))
    ]

    assert not bad


def test_what_does_not_exist_is_found() -> None:
    assert unknown(["start"]) == ["start"]
    assert unknown(["up", "--ports=1", "bus", "--help"]) == ["--ports"]
    assert unknown(["--version"]) == []


def test_the_guide_names_every_command() -> None:
    named = {given[0] for given in Markdown.of(GUIDE.read_text()).commands(COMMAND) if given}

    assert set(commands()) <= named


def test_the_guide_says_of_every_server_what_it_imitates() -> None:
    _, _, table = GUIDE.read_text().partition("| server | imitates |")
    rows = re.findall(r"^\| ([a-z]+) \|", table, re.MULTILINE)

    assert set(rows) == set(PLANNED) - {"azurite"}  # which is behind storage


@pytest.mark.parametrize(
    "word",
    [
        *PARTIES,
        *environment.CONTAINERS,
        *environment.TOPICS,
        str(ports.DEFAULTS["bus-control"]),
        "jobs",
        "outcomes",
        "queue.1",
    ],
)
def test_the_guide_names_what_is_there_by_default(word: str) -> None:
    assert f"`{word}`" in GUIDE.read_text() or f"port {word}" in GUIDE.read_text()


def two_in_a_row() -> int:
    """Find a port that nobody has, nor the one before it: the bus has TLS there.

    Above 32768 are those that the system gives to whoever asks for any.
    """
    pairs = (port for port in range(20000 + os.getpid() % 1000, 32000, 2))
    return next(port for port in pairs if not ports.taken([("", port), ("", port - 1)]))


def test_the_fixture_of_the_guide_runs(tmp_path: Path) -> None:
    (code,) = re.findall(r"^```python\n(.*?)^```$", GUIDE.read_text(), re.MULTILINE | re.DOTALL)
    port, (control,) = two_in_a_row(), free_ports(1)
    (tmp_path / "test_bus.py").write_text(
        code.replace("25672", f"{port}").replace("25300", f"{control}")
    )

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_bus.py"],
        cwd=tmp_path,
        env=os.environ
        | {
            "PATH": f"{SCRIPT.parent}:{os.environ['PATH']}",
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",  # the guide needs none of ours
        },
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout
