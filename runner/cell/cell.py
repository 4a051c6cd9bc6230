"""A cell, as the runner holds it: locked down, given one task, killed, and only then looked at.

- The walls are told before anything is given; a missing one ends it there.
- All that is read of what a cell sends is one word of a fixed size (protocol.py).
- The output is bytes of a bounded length in sealed memory. Nothing here reads what they mean.
"""

import os
import select
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Self

from cleanroom.errors import Unavailable
from cleanroom.walls import Walls
from runner.cell import memory, protocol, walls
from runner.cell.birth import Birth
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.protocol import Failure, Head
from runner.cell.ring import RegionServer

_LOCKING = 15.0  # seconds until a cell must have said its walls
_WATCHING = 0.05  # seconds between two looks at the spill


class Cell:
    """One task's cell; use it in a `with`, which ends it."""

    def __init__(self, birth: Birth, limits: Limits, required: Walls) -> None:
        self._birth, self._limits, self._used = birth, limits, False
        self._output = memory.fixed("output", limits.output)
        try:
            self.walls = self._lock()
            walls.check(self.walls, required, spill=limits.spill > 0)
        except BaseException:
            self.close()
            raise

    def run(
        self, task: bytes, descriptors: Sequence[int] = (), ring: RegionServer | None = None
    ) -> Done | Failure:
        """Run a task, once; the descriptors are what it may read.

        Raises what the ring's `fetch` raised, if it did: then the program is not at fault.
        """
        if self._used:
            raise ValueError("a cell runs one task")
        self._used = True
        if len(descriptors) > protocol.MOST_INPUTS:
            raise ValueError(f"a cell is given at most {protocol.MOST_INPUTS} descriptors")
        for descriptor in descriptors:
            memory.check_readable_only(descriptor)
        deadline = time.monotonic() + self._limits.seconds
        with ExitStack() as stack:
            stack.callback(self._birth.end)  # whatever comes of it, and before the ring ends
            ends = stack.enter_context(ring.serving()) if ring is not None else ()
            said = self._hand_over(task, [*descriptors, *ends], ring) or self._await(deadline)
            self._birth.end()
        if ring is not None and ring.error is not None:
            raise ring.error
        return self._judge(said)

    def close(self) -> None:
        """End it, and let its output go."""
        self._birth.end()
        if self._output >= 0:
            os.close(self._output)
            self._output = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _lock(self) -> Walls:
        link = self._birth.link
        link.settimeout(_LOCKING)
        try:
            socket.send_fds(link, [self._limits.to_bytes()], [self._output])
            said = link.recv(protocol.LARGEST)
        except OSError as error:
            raise Unavailable("cell: it ended before it was locked") from error
        if not said:
            raise Unavailable("cell: it ended before it was locked")
        return walls.parse(said)

    def _hand_over(
        self, task: bytes, descriptors: Sequence[int], ring: RegionServer | None
    ) -> Failure | None:
        shape = (ring.shape.slots, ring.shape.slot_bytes) if ring is not None else ()
        head = Head(len(task), len(descriptors), *shape)
        link = self._birth.link
        link.settimeout(self._limits.seconds)
        try:
            socket.send_fds(link, [head.to_bytes()], descriptors)
            link.sendall(task)
        except TimeoutError:
            return Failure.TIMED_OUT
        except OSError:
            return Failure.KILLED
        return None

    def _await(self, deadline: float) -> bytes | Failure:
        word = select.poll()
        word.register(self._birth.link, select.POLLIN)
        spill = self._birth.spill if self._limits.spill else None
        while (left := deadline - time.monotonic()) > 0:
            if word.poll(1000 * (left if spill is None else min(left, _WATCHING))):
                return self._hear()
            if spill is not None and spill.used() > self._limits.spill:
                return Failure.OUT_OF_MEMORY
        return Failure.TIMED_OUT

    def _hear(self) -> bytes:
        try:
            return self._birth.link.recv(protocol.NOTE_BYTES + 1)
        except OSError:
            return b""

    def _judge(self, said: bytes | Failure) -> Done | Failure:
        """Decide what became of it; it is dead."""
        if isinstance(said, Failure):
            return said
        found = protocol.verdict(said, self._limits.output)
        if isinstance(found, Failure):
            return found
        return Done(self._output, found) if memory.seal(self._output) else Failure.KILLED
