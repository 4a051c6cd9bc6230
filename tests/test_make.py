"""What make says to a newcomer whose machine lacks something."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKE = shutil.which("make") or "make"
NEEDED = ("make", "bash", "grep", "sed", "expand", "touch", "test", "echo")


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of what make reads, with nothing installed."""
    storage = tmp_path / "devstack" / "storage"
    storage.mkdir(parents=True)
    for name in ("Makefile", "requirements-dev.txt", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    for name in ("package.json", "package-lock.json"):
        shutil.copy(ROOT / "devstack" / "storage" / name, storage)
    return tmp_path


def make(folder: Path, *words: str, path: str = os.environ["PATH"]) -> tuple[int, str]:
    done = subprocess.run(
        [MAKE, *words],
        cwd=folder,
        env={"PATH": path, "HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


def program(folder: Path, name: str, script: str) -> Path:
    made = folder / "bin" / name
    made.parent.mkdir(exist_ok=True)
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    return made


def test_another_python_is_named_with_what_to_do(copy: Path) -> None:
    python = program(copy, "python3", '[ "$1" = --version ] && echo "Python 3.11.7"; exit 1')

    code, err = make(copy, "setup", f"PYTHON={python}")

    assert code != 0
    assert f"cleanroom: Python 3.13 is needed, and '{python}' is Python 3.11.7" in err
    assert "hint: install it, or name it: make setup PYTHON=/path/to/python3.13" in err


@pytest.mark.parametrize(
    ("node", "said"),
    [(None, "missing"), ('[ "$1" = --version ] && echo v18.0.0; exit 1', "v18.0.0")],
    ids=["none", "too old"],
)
def test_a_missing_node_is_named_with_what_to_do(copy: Path, node: str | None, said: str) -> None:
    (copy / ".venv").mkdir()
    (copy / ".venv" / ".installed").touch()
    own = copy / "bin"
    own.mkdir()
    for name in NEEDED:
        found = shutil.which(name)
        assert found
        (own / name).symlink_to(found)
    if node:
        program(copy, "node", node)

    code, err = make(copy, "setup", path=str(own))

    assert code != 0
    assert f"cleanroom: Node.js 20 or newer is needed, and 'node' is {said}" in err
    assert "hint: install it, and npm with it" in err


def test_help_names_every_target_that_a_newcomer_needs(copy: Path) -> None:
    done = subprocess.run([MAKE], cwd=copy, capture_output=True, text=True, timeout=60, check=True)

    targets = {line.split()[0] for line in done.stdout.splitlines()}
    assert {"setup", "lint", "test", "demo", "bench"} <= targets
