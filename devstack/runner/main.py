"""The command: a machine with simulated hardware, launched under a fixed policy, and what it runs.

The runner is a process of its own, started by its command: it has no port, and says when it is
ready in its log. So readiness is asked of the machine, which opens its port when the runner has
said so, and ends when the runner does.
"""

import argparse
import asyncio
import json
import logging
import os
import sys
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Sequence
from pathlib import Path

from aiohttp import web as aiohttp_web

from cleanroom.errors import Unavailable
from devstack import web
from devstack.hardware import context
from devstack.hardware.guest import GuestDevice, make_way
from devstack.hardware.machine import Machine
from devstack.home import Home
from devstack.runner.policy import GUEST, POLICY

_STARTED = "runner.started"
_LONGEST_LINE = 1 << 16

log = logging.getLogger("devstack")


def main(arguments: Sequence[str]) -> int:
    """Run until told to stop, or until the runner ends."""
    options = _parser().parse_args(arguments)

    async def run() -> None:
        home = Home.at(options.home.absolute())
        group = Machine.of(home).launched(POLICY, None)
        folder = home.folder("hardware") / "guests" / GUEST
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        os.chdir(folder)  # the name of a socket has 107 characters; the runner finds it from here
        device = Path(context.DEVICE)
        make_way(device)
        context.write(folder, group)
        with GuestDevice(device, group.chip):
            await _host(options.command, options.port)

    return web.run(run)


async def _host(command: str, port: int) -> None:
    """Run the command beside the open port; whichever ends first ends the other."""
    try:
        child = await asyncio.create_subprocess_exec(
            command, "serve", stdin=DEVNULL, stdout=DEVNULL, stderr=PIPE, limit=_LONGEST_LINE
        )
    except OSError as error:
        raise Unavailable(f"{command}: cannot be started") from error
    started = asyncio.Event()
    tasks = [
        asyncio.create_task(_follow(child, started)),
        asyncio.create_task(_ready(started, port)),
        asyncio.create_task(web.told_to_stop()),
    ]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks[1:]:
            task.cancel()
        if child.returncode is None:
            child.terminate()
        await asyncio.gather(*tasks, return_exceptions=True)


async def _follow(child: Process, started: asyncio.Event) -> None:
    """Pass on what the runner says, and notice what it says of itself; it must not end."""
    assert child.stderr is not None  # noqa: S101  # it is a pipe
    while line := await child.stderr.readline():
        sys.stderr.write(line.decode("utf-8", "replace"))
        if _event(line) == _STARTED:
            started.set()
    raise Unavailable(f"the runner ended with exit code {await child.wait()}")


def _event(line: bytes) -> object:
    try:
        said = json.loads(line)
    except ValueError:
        return None
    return said.get("event") if isinstance(said, dict) else None


async def _ready(started: asyncio.Event, port: int) -> None:
    """Open the port when the runner has started."""
    await started.wait()
    site = await web.start(web.Site(aiohttp_web.Application(), port, None))
    log.info("runner: ready")
    try:
        await asyncio.Event().wait()
    finally:
        await site.cleanup()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="devstack.runner", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the folder of the stack")
    parser.add_argument("--port", type=int, required=True, help="where it says that it is ready")
    parser.add_argument(
        "--command",
        default=str(Path(sys.executable).with_name("cleanroom-runner")),
        help="what runs on the machine (%(default)s)",
    )
    return parser
