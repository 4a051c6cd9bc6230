"""Keeps one server running: started, ready, watched, started again when it dies.

- A server that ends by itself before it was ever ready has said why, and is not started again.
- One that is killed, or ends later, is started again: at once, then after growing waits, and no
  more after it ended soon after its start too often.
- Processes that another supervisor started are taken over as they are.
"""

import asyncio
import os
import ssl
import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from devstack.stack import health, process
from devstack.stack.folder import Folder
from devstack.stack.process import Process
from devstack.stack.records import Running, Server

SOON = 10.0
"""Seconds; a server that runs for longer counts as sound."""
MOST_SOON = 10
"""How often in a row a server may end soon."""
PATIENCE = 15.0
"""Seconds that a server has to end when it is told to."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_POLL = 0.03
_NO_PROGRAM = 127  # as shells have it


def pause(soon: int) -> float:
    """Say how many seconds to wait before the next start, after so many ends in a row."""
    return min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** (soon - 2)) if soon > 1 else 0.0


def gives_up(soon: int, code: int | None, *, was_ready: bool) -> bool:
    """Decide whether another start is of no use."""
    said_why = code is not None and code > 0 and not was_ready
    return said_why or soon >= MOST_SOON


class Keeper:
    """One server, from its start to its end on purpose."""

    def __init__(
        self,
        server: Server,
        before: Running | None,
        folder: Folder,
        tls: ssl.SSLContext | None,
        tell: Callable[[], None],
    ) -> None:
        """Keep `server`; what ran `before` is taken over if it still runs."""
        self.server = server
        fresh = Running(server.name, server.digest, "starting")
        self.running = replace(before, phase="starting") if before else fresh  # not ready unseen
        self._folder = folder
        self._tls = tls
        self._tell = tell
        self._stop = asyncio.get_running_loop().create_future()
        self._child: subprocess.Popen[bytes] | None = None
        self._code: int | None = None
        self.done = asyncio.create_task(self._keep())

    def stop(self) -> None:
        """End the server; `done` is when it has."""
        if not self._stop.done():
            self._stop.set_result(None)

    async def _keep(self) -> None:
        soon, was_ready = 0, False
        await self._clear()
        while not self._stop.done():
            began = self._time()
            ended = self._taken_over() or self._started()
            was_ready |= await self._ready(ended, began)
            await asyncio.wait({ended, self._stop}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.done():
                break
            code = self._reaped()
            soon = soon + 1 if self._time() - began < SOON else 1
            if gives_up(soon, code, was_ready=was_ready):
                self._be(phase="failed", pid=None, exit=code)
                await self._stop
                break
            self._be(phase="waiting", pid=None, exit=code, restarts=self.running.restarts + 1)
            await asyncio.wait({self._stop}, timeout=pause(soon))
        await self._end()

    async def _clear(self) -> None:
        """End what runs in the server's place, but was started as something else."""
        if self.running.digest != self.server.digest:
            await self._end()
            self.running = Running(self.server.name, self.server.digest, "starting")

    def _taken_over(self) -> asyncio.Future[None] | None:
        found = self._process()
        return watch(found) if found and not self._child and found.alive else None

    def _started(self) -> asyncio.Future[None]:
        log = self._folder.log(self.server.name)
        command, environment = self.server.command, self.server.environment
        try:
            self._child = process.start(command, environment, self._folder.home, log)
        except OSError as error:
            return self._not_started(log, error)
        found = process.of_child(self._child)
        self._be(phase="starting", pid=found.pid, started=found.started, ready_in=None)
        return watch(found)

    def _not_started(self, log: Path, error: OSError) -> asyncio.Future[None]:
        with log.open("a") as out:
            out.write(f"{self.server.command[0]}: {os.strerror(error.errno or 0).lower()}\n")
        self._child, self._code = None, _NO_PROGRAM
        self._be(phase="starting", pid=None)
        return done()

    async def _ready(self, ended: asyncio.Future[None], began: float) -> bool:
        asked = self.server.health
        tls = self._tls if asked.tls else None
        while not (ended.done() or self._stop.done()):
            if await health.status(asked.port, asked.path, tls) == asked.status:
                took = self.running.ready_in or int((self._time() - began) * 1000)
                self._be(phase="ready", ready_in=took)
                return True
            await asyncio.wait(
                {ended, self._stop}, timeout=_POLL, return_when=asyncio.FIRST_COMPLETED
            )
        return False

    def _reaped(self) -> int | None:
        """Take leave of a process that has ended, and of what it left; say its exit code."""
        if self._child is None:
            return self._code
        process.kill_group(self._child.pid)  # nobody else can have the number before `wait`
        return self._child.wait()

    async def _end(self) -> None:
        if found := self._process():
            self._be(phase="stopping")
            await end(found)
        self._reaped()
        self._be(phase="stopping", pid=None)

    def _process(self) -> Process | None:
        at = self.running
        return None if at.pid is None else Process(at.pid, at.started)

    def _be(self, **changes: Any) -> None:  # noqa: ANN401  # as `replace` has it
        self.running = replace(self.running, **changes)
        self._tell()

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


async def end(found: Process) -> None:
    """See that a process ends: it is asked to, and killed if it takes too long."""
    ended = watch(found)
    found.ask_to_end()
    await asyncio.wait({ended}, timeout=PATIENCE)
    if not ended.done():
        found.kill()
        await ended


def watch(found: Process) -> asyncio.Future[None]:
    """Return what is done when the process has ended."""
    handle = found.handle()
    if handle is None:
        return done()
    loop = asyncio.get_running_loop()
    future = loop.create_future()

    def over() -> None:
        loop.remove_reader(handle)
        os.close(handle)
        future.set_result(None)

    loop.add_reader(handle, over)
    return future


def done() -> asyncio.Future[None]:
    """Return what has happened already."""
    future = asyncio.get_running_loop().create_future()
    future.set_result(None)
    return future
