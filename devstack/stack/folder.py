"""Where in a home the stack as a whole keeps its files, and the locks that keep two apart."""

import contextlib
import errno
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Malformed
from devstack import files
from devstack.stack.records import NO_PLAN, NO_STATE, Plan, State


@dataclass(frozen=True, slots=True)
class Folder:
    """The files of one stack."""

    home: Path

    @property
    def path(self) -> Path:
        """The folder itself, which exists."""
        found = self.home / "stack"
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
        return found

    @property
    def settings(self) -> Path:
        """What was asked last."""
        return self.path / "settings.json"

    def log(self, server: str) -> Path:
        """Where a server's output goes."""
        logs = self.home / "logs"
        logs.mkdir(mode=0o700, parents=True, exist_ok=True)
        return logs / f"{server}.log"

    def plan(self) -> Plan:
        """Read what shall run; what cannot be read is no plan, so that `reset` helps always."""
        with contextlib.suppress(FileNotFoundError, Malformed):
            return Plan.parse((self.path / "plan.json").read_bytes())
        return NO_PLAN

    def write_plan(self, plan: Plan) -> None:
        """Say what shall run, and wake the supervisor if there is one."""
        files.replace(self.path / "plan.json", plan.to_bytes())
        self._ring()

    def state(self) -> State:
        """Read what runs, as far as the supervisor knew and as it can be read."""
        with contextlib.suppress(FileNotFoundError, Malformed):
            return State.parse((self.path / "state.json").read_bytes())
        return NO_STATE

    def write_state(self, state: State) -> None:
        """Say what runs."""
        files.replace(self.path / "state.json", state.to_bytes())

    def bell(self) -> int:
        """Open what becomes readable when there is a new plan."""
        with contextlib.suppress(FileExistsError):
            os.mkfifo(self.path / "bell", 0o600)
        return os.open(self.path / "bell", os.O_RDWR | os.O_NONBLOCK)

    def _ring(self) -> None:
        try:
            bell = os.open(self.path / "bell", os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno in (errno.ENXIO, errno.ENOENT):  # nobody listens
                return
            raise
        with contextlib.suppress(BlockingIOError):  # full: it rings already
            os.write(bell, b"!")
        os.close(bell)

    @contextlib.contextmanager
    def locked(self, name: str, *, wait: bool) -> Iterator[bool]:
        """Hold a lock that ends with the process at the latest; say whether we have it.

        Whoever held it may have deleted the home meanwhile: a file that is gone keeps nobody out.
        """
        while True:
            path = self.path / f"{name}.lock"
            lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                ours = _locked(lock, wait=wait)
                if not ours or _is_there(lock, path):
                    yield ours
                    return
            finally:
                os.close(lock)

    @property
    def supervised(self) -> bool:
        """Tell whether a supervisor runs."""
        with self.locked("supervisor", wait=False) as free:
            return not free


def _locked(lock: int, *, wait: bool) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    return True


def _is_there(file: int, path: Path) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.fstat(file), path.stat())
    return False
