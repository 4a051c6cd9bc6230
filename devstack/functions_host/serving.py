"""An app in service: its triggers listen, its worker runs, until another takes its place."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from devstack.functions_host.app import App
from devstack.functions_host.executor import Executor
from devstack.functions_host.functions import ServiceBusTrigger, TimerTrigger
from devstack.functions_host.http import HttpFunctions
from devstack.functions_host.keys import Keys
from devstack.functions_host.receivers import Receiver
from devstack.functions_host.services import Services
from devstack.functions_host.timers import Timer
from devstack.home import Home


class Serving:
    """One loaded app, and all that runs because of it."""

    def __init__(
        self, app: App, home: Home, overran: Callable[[App], None], patience: float
    ) -> None:
        self.app = app
        self.keys = Keys(home)
        self._patience = patience  # seconds for what is under way when an app leaves service
        self._services = Services.open(app.settings, home)
        self.executor = Executor(app, self._services, overran)
        self.http = HttpFunctions(self.executor, self.keys)
        self._timers = _folder(home)
        self._stop = asyncio.Event()
        self._listening: list[asyncio.Task[None]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._users = 0
        self._unused = asyncio.Event()
        self._unused.set()

    @contextmanager
    def used(self) -> Iterator[None]:
        """Keep the worker while a request is under way."""
        self._users += 1
        self._unused.clear()
        try:
            yield
        finally:
            self._users -= 1
            if not self._users:
                self._unused.set()

    def begin(self, work: Coroutine[None, None, object]) -> None:
        """Do something that nobody waits for."""
        task = asyncio.create_task(self._used(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _used(self, work: Coroutine[None, None, object]) -> None:
        with self.used():
            await work

    def listen(self) -> None:
        """Start the triggers that wait for something themselves."""
        self._listening = [asyncio.create_task(one(self._stop)) for one in self._listeners()]

    async def leave(self) -> None:
        """Stop the triggers; what they began may end, within patience."""
        self._stop.set()
        if self._listening:
            _, late = await asyncio.wait(self._listening, timeout=self._patience)
            for task in late:
                task.cancel()
            await asyncio.gather(*self._listening, return_exceptions=True)

    async def close(self) -> None:
        """End the worker once no request needs it, within patience."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._unused.wait(), self._patience)
        await self.app.worker.close(self._patience if not self._users else 0)
        await self._services.close()

    def _listeners(self) -> Iterator[Callable[[asyncio.Event], Coroutine[None, None, None]]]:
        for function in self.app.functions:
            match function.trigger:
                case TimerTrigger() as trigger if not function.disabled:
                    yield Timer(self.executor, function, trigger, self._timers).listen
                case ServiceBusTrigger() as trigger if not function.disabled:
                    yield Receiver(self.executor, function, trigger).listen
                case _:
                    pass  # it is called through HTTP, or not at all


def _folder(home: Home) -> Path:
    folder = home.folder("functions") / "timers"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder
