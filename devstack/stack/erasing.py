"""Deletes a home, and nothing that a home does not have."""

import contextlib
import os
import shutil
from pathlib import Path

from cleanroom.errors import PolicyRefused, Unavailable
from devstack.stack.plan import PLANNED

_KEYS = ("tokens.key", "ca.pem", "ca.key", "stack.key")
_FOLDERS = ("hardware", "logs", "stack")


def demand_no_other_s(home: Path) -> None:
    """Refuse to make a home where somebody keeps what `erase` would take for the stack's."""
    there = [name for name in (*PLANNED, *_FOLDERS, *_KEYS) if _is_something(home / name)]
    if there and not (home / "stack.key").exists():  # the first thing in a home, and the last
        raise PolicyRefused(
            f"{home}: expected an empty folder or the home of a stack, got one with {there[0]}"
        ).with_hint("name another folder: --home DIR")


def erase(home: Path) -> None:
    """Delete what the stack made; the folder too, if it is empty then.

    Data first: a home whose keys are gone but not its data would be of no use to anybody.
    """
    if not (home / "stack.key").exists():
        raise PolicyRefused(f"{home}: expected the home of a stack")
    try:
        for name in (*PLANNED, *_FOLDERS, *_KEYS):
            _delete(home / name)
    except OSError as error:
        reason = os.strerror(error.errno or 0).lower()
        raise Unavailable(f"{error.filename}: cannot be deleted: {reason}") from error
    if not (home.is_symlink() or any(home.iterdir())):
        home.rmdir()


def _is_something(path: Path) -> bool:
    """Tell whether there is anything but an empty folder, or one in which commands wait."""
    if path.is_dir() and not path.is_symlink():
        return any(one.suffix != ".lock" for one in path.iterdir())
    return os.path.lexists(path)


def _delete(path: Path) -> None:
    """Delete a file, a link, or a folder with all that is in it; links are not followed."""
    with contextlib.suppress(FileNotFoundError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()
