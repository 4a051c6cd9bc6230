"""A process that a zygote bore, as the runner holds it: a socket, a descriptor, a spill.

It is killed by its descriptor, which cannot mean another process, and it is dead before anything
of it is looked at or removed.
"""

import os
import select
import signal
import socket
from collections.abc import Callable
from contextlib import suppress

from cleanroom.errors import Unavailable
from runner.cell.spill import Spill

_DYING = 30.0  # seconds; the kernel takes large memory apart at some GiB a second


class Birth:
    """One process, until it is ended; that can be said twice."""

    def __init__(
        self, link: socket.socket, process: int, spill: Spill | None, ended: Callable[[], None]
    ) -> None:
        self.link = link
        self.spill = spill
        self._process = process
        self._ended = ended
        self._over = False

    def end(self) -> None:
        """Kill it, wait until it is dead, and remove what it leaves."""
        if self._over:
            return
        self._over = True
        try:
            self._kill()
        finally:
            os.close(self._process)
            self.link.close()
            if self.spill is not None:
                self.spill.remove()
            self._ended()

    def _kill(self) -> None:
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        death = select.poll()
        death.register(self._process, select.POLLIN)
        if not death.poll(_DYING * 1000):
            raise Unavailable("cell: the process does not die")
