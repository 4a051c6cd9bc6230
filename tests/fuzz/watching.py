"""A server under attack, looked at from outside: does it live, what does it log, what it holds."""

import contextlib
import ssl
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.fuzz import wire
from tests.servers import Server

_MOST_GROWTH = 48 << 20  # bytes, after a tenth of the time
_MOST_FILES = 24  # more than at the start, once all connections are closed
_SOON = 0.2  # seconds for a server to end that hung up
_PAGE = 4096


@dataclass(frozen=True)
class Port:
    """Where to attack, with what, and how to change it."""

    number: int
    tls: ssl.SSLContext | None
    seeds: Sequence[bytes]
    mutate: wire.Mutate = wire.http


@dataclass(frozen=True)
class Subject:
    """A running server; `genuine` does what it is there for, and raises if it does not work."""

    server: Server
    ports: Sequence[Port]
    genuine: Callable[[], None]
    patience: float = 10.0  # seconds to close the files of connections that are closed


class Watch:
    """What a server was like before, and what is wrong with it now; it works when this begins."""

    def __init__(self, subject: Subject) -> None:
        self._subject = subject
        self._pid = subject.server.process.pid
        self._log = subject.server.log
        self._read = self._log.stat().st_size
        subject.genuine()
        self._files = self._open_files()
        self._before = self._memory()

    def start_counting(self) -> None:
        """Measure growth from here on."""
        self._before = self._memory()

    def noticed(self) -> str | None:
        """Tell what is plain to see: an end, or a traceback."""
        if self._subject.server.process.poll() is not None:
            return f"the server ended:\n{self._log.read_text(errors='replace')[-3000:]}"
        size = self._log.stat().st_size
        if size == self._read:
            return None
        with self._log.open("rb") as file:
            file.seek(self._read)
            new = file.read().decode("utf-8", "replace")
        if "Traceback" not in new:
            self._read = size
            return None
        return f"a traceback in the log:\n{_first_traceback(new)}"

    def broken(self) -> str | None:
        """Tell why a genuine request does not work."""
        try:
            self._subject.genuine()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._subject.server.process.wait(_SOON)
            return self.noticed() or f"a genuine request fails: {type(error).__name__}: {error}"
        return None

    def kept(self) -> str | None:
        """Tell what the server did not give back."""
        until = time.monotonic() + self._subject.patience
        while (files := self._open_files() - self._files) > _MOST_FILES:
            if time.monotonic() > until:
                return f"{files} more open files than before"
            time.sleep(0.1)
        if self.grown() > _MOST_GROWTH:
            return f"{self.grown() >> 20} MiB more memory than before"
        return None

    def grown(self) -> int:
        """Count the bytes of memory that it has more than before."""
        return self._memory() - self._before

    def _memory(self) -> int:
        try:
            return int(Path(f"/proc/{self._pid}/statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):  # it is gone
            return 0

    def _open_files(self) -> int:
        try:
            return len(list(Path(f"/proc/{self._pid}/fd").iterdir()))
        except OSError:
            return 0


def _first_traceback(log: str) -> str:
    """Find what a person wants to see: where it was, and the error that it ends with."""
    lines = log[log.index("Traceback") :].splitlines()
    end = next((i for i, line in enumerate(lines[1:], 1) if line[:1] not in ("", " ")), len(lines))
    return "\n".join(lines[: end + 1][-24:])
