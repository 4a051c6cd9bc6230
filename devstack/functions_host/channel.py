"""A worker process as the host sees it: started, indexed, asked to run functions, ended."""

import asyncio
import logging
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from cleanroom.errors import Malformed
from devstack.functions_host import wire
from devstack.functions_host.data import Failed, Found, Invocation, Outcome

_MODULE = "devstack.functions_host.worker"
_LONGEST_LOAD = 60  # seconds
_PATIENCE = 10.0  # seconds for a worker to end by itself

log = logging.getLogger("devstack")


class Channel:
    """One worker process; ends with the process, or with the host."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self._idle = asyncio.Event()
        self._idle.set()
        self._listening: asyncio.Task[None] | None = None
        self.ended = asyncio.Event()
        """The process is gone, whoever ended it."""

    @classmethod
    async def open(cls, app: Path, environment: Mapping[str, str]) -> "Channel":
        """Start a worker for an app."""
        ours, theirs = socket.socketpair()
        with theirs:
            safe = ["-P"] if sys.flags.safe_path else []  # as the host was started
            command = [sys.executable, *safe, "-m", _MODULE, "--channel", str(theirs.fileno())]
            process = await asyncio.create_subprocess_exec(
                *command,
                "--app",
                str(app),
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=asyncio.subprocess.DEVNULL,
            )
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        return cls(process, reader, writer)

    async def index(self) -> Found:
        """Wait until the app is loaded, and return what is in it."""
        try:
            async with asyncio.timeout(_LONGEST_LOAD):
                found = wire.found_in(await self._message())
        except TimeoutError as error:
            await self.kill()
            within = f"an app that loads within {_LONGEST_LOAD} seconds"
            raise Malformed("function_app.py", within) from error
        except (asyncio.IncompleteReadError, OSError) as error:
            await self.kill()
            got = "the end of its process"
            raise Malformed("function_app.py", "an app that loads", got) from error
        self._listening = asyncio.create_task(self._listen())
        return found

    async def invoke(self, invocation: Invocation) -> Outcome:
        """Run a function; if the worker ends before it does, it failed."""
        if self.ended.is_set():
            return Failed("the worker process has ended")
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting[invocation.id] = outcome
        self._idle.clear()
        try:
            self._writer.write(wire.frame(wire.invocation_out(invocation)))
            await self._writer.drain()
            return await outcome
        except OSError:
            return Failed("the worker process has ended")
        finally:
            self._waiting.pop(invocation.id, None)
            if not self._waiting:
                self._idle.set()

    async def close(self, patience: float) -> None:
        """End the worker when it has nothing to do any more, or when patience ends."""
        with suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), patience)
        self._writer.close()
        with suppress(TimeoutError):
            await asyncio.wait_for(self._process.wait(), 0.1 if self._waiting else _PATIENCE)
        await self.kill()

    async def kill(self) -> None:
        """End the worker now."""
        with suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
        self._writer.close()
        if self._listening is not None:
            await self._listening

    async def _listen(self) -> None:
        try:
            while True:
                id_, outcome = wire.outcome_in(await self._message())
                waiting = self._waiting.get(id_)
                if waiting is not None and not waiting.done():
                    waiting.set_result(outcome)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the process is gone
        except Malformed:
            log.exception("a worker sent what is no message")
            with suppress(ProcessLookupError):
                self._process.kill()
        finally:
            self.ended.set()
            for waiting in self._waiting.values():
                if not waiting.done():
                    waiting.set_result(Failed("the worker process has ended"))

    async def _message(self) -> list[object]:
        head = await self._reader.readexactly(wire.LENGTH.size)
        return wire.message(await self._reader.readexactly(wire.length(head)))
