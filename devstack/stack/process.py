"""One process of the stack: started in a session of its own, known by more than its number.

- Numbers of processes are used again. A process is its number, when it started and in which boot;
  none is signalled before all of that was seen to hold, through a handle that cannot change hands.
- Linux only: /proc and pidfd.
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc")
_BOOT = _PROC / "sys" / "kernel" / "random" / "boot_id"
_STATE, _SESSION, _STARTED = 0, 3, 19  # fields of /proc/N/stat after the name, see proc_pid_stat(5)
_DEAD = "ZX"
_ASKERS = ("CLEANROOM_DEV_", "CLEANROOM_PARTY_", "IDENTITY_")


@dataclass(frozen=True, slots=True)
class Process:
    """A process that was started once; it may have ended since."""

    pid: int
    started: str

    @property
    def alive(self) -> bool:
        """Tell whether it still runs."""
        return started(self.pid) == self.started

    def handle(self) -> int | None:
        """Open what becomes readable when the process ends; nothing, if it has ended."""
        try:
            found = os.pidfd_open(self.pid)
        except OSError:
            return None
        if not self.alive:  # looked at after opening: the handle is of this process or of none
            os.close(found)
            return None
        return found

    def ask_to_end(self) -> None:
        """Send SIGTERM; nothing happens if it has ended."""
        if (handle := self.handle()) is None:
            return
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        os.close(handle)

    def kill(self) -> None:
        """End it and all that it started; nothing happens if it has ended."""
        if (handle := self.handle()) is None:
            return
        kill_group(self.pid)  # its number is its own as long as it has not ended
        os.close(handle)

    @property
    def memory(self) -> int:
        """Count its bytes of memory, with all that it started; shared ones in proportion."""
        return sum(map(_memory, _session(self.pid))) if self.alive else 0


def started(pid: int) -> str | None:
    """Tell since when a process with this number runs; nothing, if none does."""
    state, since = _stat(pid)
    return None if state in _DEAD else since


def kill_group(pid: int) -> None:
    """Kill what is left of a session that this process began."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _session(leader: int) -> Iterator[int]:
    """Name the processes of a session."""
    for folder in _PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError, IndexError):  # it has ended
            if int(_fields(int(folder.name))[_SESSION]) == leader:
                yield int(folder.name)


def _memory(pid: int) -> int:
    try:
        lines = (_PROC / str(pid) / "smaps_rollup").read_text("ascii").splitlines()
    except OSError:  # it has ended
        return 0
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith("Pss:"))


def _stat(pid: int) -> tuple[str, str]:
    try:
        fields = (
            (_PROC / str(pid) / "stat").read_text("utf-8", "replace").rpartition(")")[2].split()
        )
    except OSError:
        return _DEAD, ""
    return fields[_STATE], f"{_BOOT.read_text('ascii').strip()}/{fields[_STARTED]}"


def _fields(pid: int) -> list[str]:
    stat = (_PROC / str(pid) / "stat").read_text("utf-8", "replace")
    return stat.rpartition(")")[2].split()  # a program may have any name


def start(
    command: Sequence[str], environment: Mapping[str, str], folder: Path, log: Path
) -> subprocess.Popen[bytes]:
    """Start a process that outlives this one, and whose output goes to a file."""
    with log.open("ab") as out:
        return subprocess.Popen(  # noqa: S603  # what the plan says
            command,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=out,
            cwd=folder,
            env={**inherited(os.environ), **environment},  # noqa: TID251  # handed on, and added to
            start_new_session=True,
        )


def inherited(variables: Mapping[str, str]) -> dict[str, str]:
    """Leave out what `cleanroom-dev env` may have put there: who asks is not who serves."""
    return {name: value for name, value in variables.items() if not name.startswith(_ASKERS)}


def of_child(child: subprocess.Popen[bytes]) -> Process:
    """Name a process that we started and have not waited for; it may have ended already."""
    return Process(child.pid, _stat(child.pid)[1])
