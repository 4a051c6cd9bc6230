"""The worker process: loads one app, runs its functions as the host asks, ends with the host.

It reads in a thread, so that it sees the host go even while a function holds the event loop.
"""

import argparse
import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from pathlib import Path

from cleanroom.errors import Malformed
from devstack.functions_host import library, wire
from devstack.functions_host.data import Failed, Invocation

_PATIENCE = 5.0  # seconds that functions have after the host is gone

log = logging.getLogger("devstack.functions_host.worker")


def main(arguments: list[str]) -> int:
    """Serve a host at the other end of an inherited socket."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--channel", type=int, required=True)
    parser.add_argument("--app", type=Path, required=True)
    options = parser.parse_args(arguments)
    for which in (signal.SIGINT, signal.SIGTERM):  # who tells all processes means the host
        signal.signal(which, _nothing)  # not SIG_IGN, which processes of the app would inherit
    _log()
    with socket.socket(fileno=options.channel) as channel:
        asyncio.run(_serve(channel, options.app))
    return 0


def _nothing(*_: object) -> None:
    pass


def _log() -> None:
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s app: %(message)s"
    )
    for noisy in ("azure", "azure.functions"):  # each request of an SDK, each invocation twice
        logging.getLogger(noisy).setLevel(logging.WARNING)


async def _serve(channel: socket.socket, app: Path) -> None:
    worker = _Worker(channel)
    found = await library.index(app)
    worker.say(wire.frame(wire.found_out(found)))
    reader = threading.Thread(target=worker.listen, daemon=True)
    reader.start()
    await worker.ended.wait()
    if worker.running:  # nobody is there to hear their outcome, and a thread cannot be ended
        sys.stderr.flush()
        os._exit(1)


class _Worker:
    """One end of the channel, and the invocations that run."""

    def __init__(self, channel: socket.socket) -> None:
        self.running: set[asyncio.Task[None]] = set()
        self.ended = asyncio.Event()
        self._channel = channel
        self._loop = asyncio.get_running_loop()

    def say(self, framed: bytes) -> None:
        """Send one message whole; the host always reads."""
        try:
            self._channel.sendall(framed)
        except OSError:
            self.ended.set()

    def listen(self) -> None:
        """Take invocations until the host closes the channel."""
        try:
            while head := self._exactly(wire.LENGTH.size):
                message = wire.message(self._exactly(wire.length(head)))
                invocation = wire.invocation_in(message)
                self._loop.call_soon_threadsafe(self._begin, invocation)
        except (OSError, Malformed):
            log.exception("the channel to the host broke")
        timer = threading.Timer(_PATIENCE, os._exit, (1,))
        timer.daemon = True
        timer.start()
        self._loop.call_soon_threadsafe(self.ended.set)

    def _exactly(self, size: int) -> bytes:
        parts = bytearray()
        while len(parts) < size:
            part = self._channel.recv(min(size - len(parts), 1 << 20))
            if not part:
                return b""
            parts += part
        return bytes(parts)

    def _begin(self, invocation: Invocation) -> None:
        task = self._loop.create_task(self._run(invocation))
        self.running.add(task)
        task.add_done_callback(self.running.discard)

    async def _run(self, invocation: Invocation) -> None:
        try:
            outcome = await library.invoke(invocation)
            framed = wire.frame(wire.outcome_out(invocation.id, outcome))
        except Exception as error:  # also of texts that no frame can hold
            log.exception("an outcome could not be told")
            failed = Failed(f"the outcome could not be told: {type(error).__name__}")
            framed = wire.frame(wire.outcome_out(invocation.id, failed))
        self.say(framed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
