"""The process that cells are forked from; run with the number of its socket and an entry.

1. It leaves for its own namespaces before it imports anything that starts a thread.
2. It imports the entry, warms it up, and compiles the filters.
3. If its cells have no spill, it takes a root that holds nothing, for all of them: none could
   change it. With a spill each cell takes its own.
4. It forks a cell for each request, and knows nothing of tasks.

It ends when the runner does, or hangs up; its cells end with it.
"""

import gc
import os
import signal
import socket
import sys
from pathlib import Path
from typing import NoReturn

from cleanroom.walls import Wall
from runner.cell import kernel, namespaces, protocol


def main(arguments: list[str]) -> NoReturn:  # pragma: no cover  # runs in the zygote
    """Serve births until the runner hangs up."""
    link = socket.socket(fileno=int(arguments[0]))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a runner that is told to end has cells to finish
    stand = namespaces.enter(lambda: _await_mapping(link))
    if Wall.PID in stand:
        _go_on_as_first()
    kernel.prctl(kernel.PR_SET_DUMPABLE, 0)
    _serve(link, stand, arguments[1])


def _await_mapping(link: socket.socket) -> None:  # pragma: no cover  # runs in the zygote
    link.send(protocol.UNSHARED)
    if link.recv(protocol.LARGEST) != protocol.MAPPED:
        os._exit(1)


def _go_on_as_first() -> None:  # pragma: no cover  # runs in the zygote
    """Go on as process 1 of the new PID namespace; who is outside of it only waits."""
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        os._exit(0)
    kernel.prctl(kernel.PR_SET_PDEATHSIG, signal.SIGKILL)


def _serve(
    link: socket.socket, stand: set[Wall], entry_name: str
) -> NoReturn:  # pragma: no cover  # runs in the zygote
    from runner.cell.entry import load  # noqa: PLC0415  # only now: it starts threads
    from runner.cell.inside import Womb, live  # noqa: PLC0415  # as above
    from runner.cell.limits import own_data  # noqa: PLC0415  # as above
    from runner.cell.seccomp import Filters  # noqa: PLC0415  # as above

    entry, filters = load(entry_name), Filters.make()
    births = namespaces.Births(namespaced=Wall.PID in stand)
    _be_quiet()
    gc.collect()
    gc.freeze()  # what is warm stays shared with the cells
    womb = Womb(entry, filters, stand, own_data(Path("/proc/self/status").read_text("ascii")))
    link.send(protocol.WARM)
    rooted = False
    while given := _next(link):
        spill = given[1] if len(given) > 1 else None
        if spill is None and not rooted:
            rooted = True
            stand |= {Wall.MOUNT} if namespaces.own_root(None) else set()
        own_pid = births.prepare()
        child = os.fork()
        if child == 0:
            live(womb, given[0], spill, own_pid)
        held = os.pidfd_open(child)
        socket.send_fds(link, [protocol.BORN], [held])
        for descriptor in (held, *given):
            os.close(descriptor)
        _bury()
    os._exit(0)


def _next(link: socket.socket) -> list[int]:  # pragma: no cover  # runs in the zygote
    _, given, _, _ = socket.recv_fds(link, protocol.LARGEST, 2)
    return given


def _bury() -> None:  # pragma: no cover  # runs in the zygote
    """Let dead cells go; the runner learns of deaths by itself."""
    while True:
        try:
            found, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not found:
            return


def _be_quiet() -> None:  # pragma: no cover  # runs in the zygote
    """Say nothing from here on: what could be said later is about data."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


if __name__ == "__main__":  # pragma: no cover  # as above
    main(sys.argv[1:])
