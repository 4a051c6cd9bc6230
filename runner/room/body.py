"""The body of an answer, read into memory that is there already: no byte of it is copied again.

The SDK signs and sends the request, tries it again and reads the answer's head, and is told that
nothing follows; whoever asked reads the body from the connection, part by part.
"""

import io
import os
import socket
from http.client import HTTPException
from typing import Any

import requests

from cleanroom.errors import Tampered, Unavailable

_MUCH = 1 << 18  # bytes that are worth waking up for
_LAST = _MUCH + (1 << 16)  # bytes: when only these are missing, fewer than `_MUCH` may be to come


class _Nothing(io.BytesIO):
    """Stands for a body in an answer, where the SDK sets an attribute on it."""


class Body:
    """What one answer carries: as many bytes as were asked for, read in order by one thread."""

    def __init__(self, length: int) -> None:
        self._length = self._left = length
        self._woken_at = 1
        self._raw: Any = None  # urllib3's, which has no types for what is in it

    def take(self, response: requests.Response) -> None:
        """Take the body out of an answer; of an earlier one nobody made anything."""
        self.close()
        if response.headers.get("Content-Length") != str(self._length):
            raise Tampered("an answer has fewer bytes than were asked for")
        self._raw, response.raw = response.raw, _Nothing()

    def read_into(self, view: memoryview) -> None:
        """Fill a piece of memory with what comes next."""
        soon = max(0, min(len(view), self._left - _LAST))  # of it, what is not near the end
        try:
            for much, part in ((_MUCH, view[:soon]), (1, view[soon:])):
                if part:
                    self._wake_at(much)
                    self._read(part)
        except (OSError, HTTPException) as error:
            raise Unavailable("an answer broke off") from error

    def _read(self, view: memoryview) -> None:
        # what urllib3 and requests do with a body copies it three times, and undoes nothing
        if self._raw._fp.readinto(view) != len(view):  # noqa: SLF001  # there is no other door
            raise Unavailable("an answer broke off")
        self._left -= len(view)

    def _wake_at(self, count: int) -> None:
        """Sleep until so many bytes have come: waking up for a few costs as much as for many."""
        if count != self._woken_at:
            with socket.socket(fileno=os.dup(self._raw.fileno())) as link:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, count)
            self._woken_at = count

    def close(self) -> None:
        """Let the connection go: for the next request, if all of the body was read."""
        if self._raw is not None and self._raw.isclosed():
            self._raw.release_conn()
        elif self._raw is not None:
            self._raw.close()
        self._raw = None
