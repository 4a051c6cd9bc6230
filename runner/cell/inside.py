"""What a cell does with itself, in this order (what can fail, fails before anything is given).

1. Every descriptor but its own closed; a root with nothing in it, or with the spill as its current
   folder: its own, unless the zygote has one already.
2. Nobody, no capabilities, no new privileges; it dies with the zygote. Here a spare cell waits.
3. Limits come, with memory for the output: rlimits, Landlock, the first filter. It says its walls.
4. The task comes, with what it may read: the second filter, and the program runs.
5. The cell says how it ended. The runner kills it then, whatever it says.

It runs in a fork of the zygote: it can import nothing, and nothing it prints goes anywhere.
"""

import os
import signal
import socket
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import NoReturn

from cleanroom.walls import Wall
from runner.cell import kernel, landlock, namespaces, protocol, walls
from runner.cell.entry import Entry
from runner.cell.limits import Limits, apply, kernel_limits
from runner.cell.memory import Output
from runner.cell.protocol import Ending, Head, Note
from runner.cell.ring import RegionClient, Shape
from runner.cell.seccomp import Filters

_LAST_DESCRIPTOR = 1 << 16
_LIMITS_BYTES = 256


@dataclass(frozen=True, slots=True)
class Womb:
    """What every cell of a zygote is born with."""

    entry: Entry
    filters: Filters
    walls: Collection[Wall]
    data: int  # bytes, as RLIMIT_DATA counts them


def ending_of(
    entry: Entry,
    task: bytes,
    descriptors: Sequence[int],
    ring: RegionClient | None,
    output: Output,
) -> Note:
    """Run a program, and fold everything it can do into one word."""
    try:
        entry(task, descriptors, ring, output.write)
    except MemoryError:
        return Note(Ending.OUT_OF_MEMORY)
    except BaseException:  # noqa: BLE001  # whatever a program raises ends here, and says nothing
        return Note(Ending.TOO_LARGE if output.full else Ending.FAILED)
    return Note(Ending.TOO_LARGE) if output.full else Note(Ending.DONE, output.length)


def live(
    womb: Womb, link: int, spill: int | None, own_pid: bool
) -> NoReturn:  # pragma: no cover  # runs in a cell
    """Be a cell, and end."""
    try:
        _Cell(womb, socket.socket(fileno=link), spill, own_pid).live()
    finally:
        os._exit(0)


class _Cell:  # pragma: no cover  # runs in a cell
    def __init__(self, womb: Womb, link: socket.socket, spill: int | None, own_pid: bool) -> None:
        self._womb, self._link, self._spill = womb, link, spill
        self._walls = set(womb.walls) - {Wall.PID} | ({Wall.PID} if own_pid else set())

    def live(self) -> None:
        self._withdraw()
        output = self._lock()
        head, task, given = self._receive()
        kernel.load_filter(self._womb.filters.closing)
        ring, given = _ring(head, given)
        note = ending_of(self._womb.entry, task, given, ring, output)
        os.write(self._link.fileno(), note.to_bytes())

    def _withdraw(self) -> None:
        kept = {self._link.fileno()} | ({self._spill} if self._spill is not None else set())
        _close_all_but(kept)
        if Wall.MOUNT not in self._walls and namespaces.own_root(self._spill):
            self._walls.add(Wall.MOUNT)
        kernel.drop_bounding_set()
        namespaces.become_nobody()
        kernel.drop_capabilities()
        self._walls.add(Wall.NOCAPS)
        kernel.prctl(kernel.PR_SET_NO_NEW_PRIVS, 1)
        self._walls.add(Wall.NONEWPRIVS)
        kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
        kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)
        os.environ.clear()  # noqa: TID251  # to have none is the point

    def _lock(self) -> Output:
        raw, received, _, _ = socket.recv_fds(self._link, _LIMITS_BYTES, 1)
        if not received:
            os._exit(0)  # a spare that nobody wanted
        limits = Limits.parse(raw)
        output = Output(received[0], limits.output)
        os.close(received[0])  # the mapping is all that is needed
        cores = len(os.sched_getaffinity(0))
        apply(kernel_limits(limits, cores, self._womb.data))
        self._walls.add(Wall.RLIMITS)
        self._confine(limits)
        os.write(self._link.fileno(), walls.to_bytes(self._walls))
        return output

    def _confine(self, limits: Limits) -> None:
        spill = self._spill if limits.spill else None
        try:
            landlock.restrict(spill)
        except OSError:
            pass
        else:
            self._walls.add(Wall.LANDLOCK)
        if self._spill is not None:
            os.close(self._spill)
        paths = spill is not None and bool(self._walls & walls.PATHS)
        filters = self._womb.filters
        kernel.load_filter(filters.locked_with_spill if paths else filters.locked)
        self._walls.add(Wall.SECCOMP)

    def _receive(self) -> tuple[Head, bytes, list[int]]:
        raw, given, _, _ = socket.recv_fds(
            self._link, protocol.HEAD_BYTES, protocol.MOST_INPUTS + 2
        )
        head = Head.parse(raw)
        if len(given) != head.descriptors:
            os._exit(0)
        task = bytearray(head.task)
        left = memoryview(task)
        while left:
            got = self._link.recv_into(left)
            if not got:
                os._exit(0)
            left = left[got:]
        return head, bytes(task), given


def _ring(
    head: Head, given: list[int]
) -> tuple[RegionClient | None, list[int]]:  # pragma: no cover  # runs in a cell
    if not head.slots:
        return None, given
    *inputs, held, channel = given
    client = RegionClient(held, channel, Shape(head.slots, head.slot_bytes))
    os.close(held)
    return client, inputs


def _close_all_but(kept: Collection[int]) -> None:  # pragma: no cover  # runs in a cell
    low = 3  # input, output and errors are /dev/null
    for descriptor in sorted(kept):
        os.closerange(low, descriptor)
        low = descriptor + 1
    os.closerange(low, _LAST_DESCRIPTOR)
