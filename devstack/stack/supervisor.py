"""The supervisor: one small process that makes what runs what the plan says.

1. There is one for each home: a lock that ends with the process sees to it.
2. It reads the plan whenever the bell rings, and writes the state whenever it changes.
3. It ends when nothing shall run any more, or when it is told to (SIGTERM, SIGINT): then it stops
   every server first. If it is killed, the servers stay, and the next one takes them over.
4. If somebody removes the home, nobody could name it any more: it stops every server and ends.
"""

import argparse
import asyncio
import os
import signal
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from devstack.stack import health
from devstack.stack.folder import Folder
from devstack.stack.keeper import Keeper, end, watch
from devstack.stack.process import Process, started
from devstack.stack.records import NO_PLAN, Plan, Running, Server, State

_TRIES = 40
_BETWEEN = 0.05
_LOOK = 1.0  # seconds between two looks whether the home is there


class Supervisor:
    """Keeps the servers of one home."""

    def __init__(self, folder: Folder) -> None:
        self._folder = folder
        self._keepers: dict[str, Keeper] = {}
        self._before: dict[str, Running] = folder.state().by_name
        self._plan = NO_PLAN
        self._home = _identity(folder.home)
        self._gone = False
        self._ending = False
        self._failure: BaseException | None = None
        self._woken = asyncio.Event()

    async def run(self, until: int | None) -> None:
        """Keep what the plan says until nothing is left to keep."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end)
        bell = self._folder.bell()
        loop.add_reader(bell, self._rung, bell)
        if until is not None:
            watch(Process(until, started(until) or "")).add_done_callback(lambda _: self._end())
        self._woken.set()
        home = asyncio.create_task(self._watch_home())
        try:
            while await self._step():
                pass
        finally:
            home.cancel()
            loop.remove_reader(bell)
            os.close(bell)

    async def _step(self) -> bool:
        """Follow the plan; say whether there is more to do."""
        await self._woken.wait()
        self._woken.clear()
        if self._failure:
            raise self._failure
        plan = self._plan if self._gone else self._folder.plan()
        if self._ending:
            plan = Plan(plan.number, plan.authority, ())
        if plan != self._plan:
            await self._follow(plan)
        return bool(self._keepers) or self._woken.is_set()

    async def _follow(self, plan: Plan) -> None:
        wanted = {server.name: server for server in plan.servers}
        self._plan = plan
        await self._part({name for name, keeper in self._keepers.items() if _over(keeper, wanted)})
        await self._clear(set(self._before) - set(wanted))
        tls = health.trusting(Path(plan.authority)) if wanted else None
        for name in [name for name in wanted if name not in self._keepers]:
            before = self._before.pop(name, None)
            keeper = Keeper(wanted[name], before, self._folder, tls, self._tell)
            keeper.done.add_done_callback(self._ended)
            self._keepers[name] = keeper
        self._tell()

    async def _part(self, names: set[str]) -> None:
        """End servers that shall run no more, or as something else, or once more."""
        for name in names:
            self._keepers[name].stop()
        await asyncio.gather(*(self._keepers[name].done for name in names))
        for name in names:
            del self._keepers[name]

    async def _clear(self, names: set[str]) -> None:
        """End what another supervisor has left and nobody wants."""
        left = [self._before.pop(name) for name in names]
        processes = [Process(one.pid, one.started) for one in left if one.pid is not None]
        await asyncio.gather(*map(end, processes))

    def _tell(self) -> None:
        running = tuple(keeper.running for keeper in self._keepers.values())
        before = tuple(self._before.values())
        if not self._gone:
            self._folder.write_state(State(self._plan.number, os.getpid(), running + before))

    async def _watch_home(self) -> None:
        while _identity(self._folder.home) == self._home:  # noqa: ASYNC110  # no event tells
            await asyncio.sleep(_LOOK)
        self._gone = True
        self._end()

    def _rung(self, bell: int) -> None:
        os.read(bell, 1 << 10)
        self._woken.set()

    def _ended(self, done: asyncio.Task[None]) -> None:
        """End without stopping anything if a keeper failed: the next supervisor takes over."""
        if not done.cancelled() and (error := done.exception()):
            self._failure = error
            self._woken.set()

    def _end(self) -> None:
        self._ending = True
        self._woken.set()


def _identity(home: Path) -> tuple[int, int] | None:
    """Tell a folder from another that took its place."""
    try:
        found = home.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _over(keeper: Keeper, wanted: Mapping[str, Server]) -> bool:
    return wanted.get(keeper.server.name) != keeper.server or keeper.running.phase == "failed"


def main(arguments: Sequence[str]) -> int:
    """Supervise a home, until another process ends if one is named."""
    parser = argparse.ArgumentParser(prog="devstack.stack", description=__doc__)
    parser.add_argument("home", type=Path)
    parser.add_argument("--until", type=int, help="end with this process")
    given = parser.parse_args(arguments)
    folder = Folder(given.home)
    for _ in range(_TRIES):
        with folder.locked("supervisor", wait=False) as ours:
            if ours:
                if os.fork() == 0:  # whoever waits for us knows by our end that one runs
                    asyncio.run(Supervisor(folder).run(given.until))
                return 0
        time.sleep(_BETWEEN)  # somebody looks whether the lock is free
    return 0
