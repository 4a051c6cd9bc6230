"""Every release that was tried: by whom, when, of which key, on which claims, and how it ended.

The log is only ever added to; an entry is in the file before the answer leaves.

Nothing here is secret: claims are what an attestation service says of a machine, the token itself
is named by its digest, and the key that was handed over is wrapped and not here at all.
"""

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from cleanroom.errors import Unavailable
from cleanroom.fields import instant_text
from devstack.tokens import Caller

PAGE = 500


@dataclass(frozen=True, slots=True)
class Entry:
    """One try; what was not reached is nothing."""

    request: str
    at: datetime
    caller: Caller
    key: str
    version: str | None
    policy: str | None = None  # its digest
    token: str | None = None  # its digest
    authority: str | None = None
    claims: Mapping[str, str | None] = field(default_factory=dict)
    wrapped_to: str | None = None
    algorithm: str | None = None
    released: bool = False
    reason: str | None = None

    def to_dict(self) -> dict[str, object]:
        """Spell it as the file and the owner read it."""
        return {
            "at": instant_text(self.at),
            "request": self.request,
            "who": {"name": self.caller.name, "object_id": self.caller.object_id},
            "key": self.key,
            "version": self.version,
            "verdict": "released" if self.released else "refused",
            "reason": self.reason,
            "policy": self.policy,
            "authority": self.authority,
            "token": self.token,
            "claims": dict(self.claims),
            "algorithm": self.algorithm,
            "wrapped_to": self.wrapped_to,
        }


class AuditLog:
    """The log of one vault: a line of JSON for each try."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
        size = os.fstat(self._file).st_size
        self._is_cut = bool(size) and os.pread(self._file, 1, size - 1) != b"\n"  # by a crash

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)

    def add(self, entry: Entry) -> None:
        """Write one line; the process may be killed afterwards, and it stays."""
        line = json.dumps(entry.to_dict()).encode() + b"\n"
        with self._lock:
            if self._is_cut:  # nothing may share a line with what was cut
                line = b"\n" + line
            try:
                written = os.write(self._file, line)
            except OSError as error:
                raise Unavailable(f"{self._path.name}: cannot be written") from error
            self._is_cut = written < len(line)
        if self._is_cut:
            raise Unavailable(f"{self._path.name}: the disk is full")

    def read(self, after: int) -> tuple[list[dict[str, object]], int | None]:
        """Give a page of entries from behind a number, and where the next page begins."""
        found: list[dict[str, object]] = []
        with self._path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if number <= after:
                    continue
                if len(found) == PAGE:
                    return found, number - 1
                found.append({"number": number} | _entry(line))
        return found, None


def _entry(line: bytes) -> dict[str, object]:
    try:
        found = json.loads(line)
    except ValueError:  # cut by a crash of the machine: say so, and go on
        return {"verdict": "unreadable"}
    return found if isinstance(found, dict) else {"verdict": "unreadable"}
