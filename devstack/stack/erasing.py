"""Deletes a home, and nothing that a home does not have."""

import shutil
from pathlib import Path

from cleanroom.errors import PolicyRefused
from devstack.stack.plan import PLANNED

_KEYS = ("tokens.key", "ca.pem", "ca.key", "stack.key")
_FOLDERS = ("hardware", "logs", "stack")


def erase(home: Path) -> None:
    """Delete what the stack made; the folder too, if it is empty then.

    Data first: a home whose keys are gone but not its data would be of no use to anybody.
    """
    if not (home / "stack.key").exists():
        raise PolicyRefused(f"{home}: expected the home of a stack")
    for name in (*PLANNED, *_FOLDERS):
        shutil.rmtree(home / name, ignore_errors=True)
    for name in _KEYS:
        (home / name).unlink(missing_ok=True)
    if not any(home.iterdir()):
        home.rmdir()
