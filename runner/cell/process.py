"""One zygote process, as the runner sees it: started, greeted, asked for cells, hung up on.

Cells are asked for before they are wanted, and taken in the order of asking, so that one is
usually there. A process that is retired bears no more, and goes when its last cell has.
"""

import os
import select
import socket
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from contextlib import suppress

from cleanroom.errors import Unavailable
from runner.cell import namespaces, protocol
from runner.cell.birth import Birth
from runner.cell.spill import Spill, SpillRoot

_WARMING = 60.0  # seconds to import and warm up
_BEARING = 15.0  # seconds for a fork, on a machine that has much else to do
_GOING = 5.0
_SURROUNDINGS = {
    "MALLOC_ARENA_MAX": "4",  # arenas are address space that every cell's memory limit counts
    "OPENBLAS_NUM_THREADS": "1",
    "ORT_DISABLE_TELEMETRY": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
}


class Process:
    """A zygote; one thread at a time talks to it."""

    def __init__(self, entry: str, spills: SpillRoot | None) -> None:
        self._spills = spills
        self._asked: deque[tuple[socket.socket, Spill | None]] = deque()
        self._counting = threading.Lock()
        self._living = 0
        self._retired = False
        self.born = 0
        self._link, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603  # ourselves
                command(entry, theirs.fileno()),
                cwd="/",
                env=surroundings(sys.path),
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # errors go where ours do, until it is warm
            )

    def greet(self) -> None:
        """Map its users, if it has its own, and wait until it is warm."""
        said = self._hear(_WARMING)
        if said == protocol.UNSHARED:
            self._map_users()
            self._say(protocol.MAPPED)
            said = self._hear(_WARMING)
        if said != protocol.WARM:
            raise Unavailable("cell: the zygote does not start as it should")

    def ask(self) -> None:
        """Ask for a cell."""
        ours, theirs = socket.socketpair()
        spill = self._spills.folder() if self._spills is not None else None
        given = [theirs.fileno(), *([spill.descriptor] if spill is not None else ())]
        self._asked.append((ours, spill))
        with theirs:
            self._say(protocol.BEAR, given)

    def ask_up_to(self, spares: int) -> None:
        """Ask for so many cells in advance."""
        while len(self._asked) < spares:
            self.ask()

    def take(self) -> Birth:
        """Take the cell that was asked for first."""
        if not self._asked:
            self.ask()
        process = self._receive()
        link, spill = self._asked.popleft()
        with self._counting:
            self._living += 1
            self.born += 1
        return Birth(link, process, spill, self._one_ended)

    def retire(self) -> None:
        """Bear no more; hang up as soon as no cell lives."""
        while self._asked:
            try:
                self.take().end()
            except Unavailable:
                self._abandon()
        with self._counting:
            self._retired = True
            idle = self._living == 0
        if idle:
            self._hang_up()

    def _one_ended(self) -> None:
        with self._counting:
            self._living -= 1
            idle = self._retired and self._living == 0
        if idle:
            self._hang_up()

    def _abandon(self) -> None:
        """Let go of cells that were asked for and never came."""
        while self._asked:
            link, spill = self._asked.popleft()
            link.close()
            if spill is not None:
                spill.remove()

    def _hang_up(self) -> None:
        self._link.close()
        try:
            self._process.wait(_GOING)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _receive(self) -> int:
        self._await(_BEARING)
        try:
            said, received, _, _ = socket.recv_fds(self._link, protocol.LARGEST, 1)
        except ConnectionError:
            said, received = b"", []
        if said != protocol.BORN:
            raise Unavailable("cell: the zygote is gone")
        return received[0]

    def _map_users(self) -> None:
        try:
            namespaces.map_users(self._process.pid, os.geteuid(), os.getegid())
        except OSError as error:
            raise Unavailable("cell: the users of its namespace cannot be mapped") from error

    def _say(self, word: bytes, given: list[int] | None = None) -> None:
        try:
            socket.send_fds(self._link, [word], given or [])
        except OSError as error:
            raise Unavailable("cell: the zygote is gone") from error

    def _hear(self, seconds: float) -> bytes:
        self._await(seconds)
        said = b""
        with suppress(ConnectionError):
            said = self._link.recv(protocol.LARGEST)
        if not said:
            raise Unavailable("cell: the zygote ended before it was warm")
        return said

    def _await(self, seconds: float) -> None:
        answer = select.poll()
        answer.register(self._link, select.POLLIN)
        if not answer.poll(seconds * 1000):
            raise Unavailable("cell: the zygote does not answer in time")


def command(entry: str, descriptor: int) -> list[str]:
    """Name what is run: this Python, with our modules and without the user's."""
    module = "runner.cell.zygote_main"
    return [sys.executable, "-s", "-P", "-W", "ignore", "-m", module, str(descriptor), entry]


def surroundings(path: list[str]) -> Mapping[str, str]:
    """Name all of its environment, and so of every cell's until that has none."""
    return {**_SURROUNDINGS, "PYTHONPATH": os.pathsep.join(part for part in path if part)}
