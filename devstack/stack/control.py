"""What the commands do: change the plan, see that a supervisor follows it, and wait until it has.

- One command at a time changes a stack; another waits for it.
- Nothing here depends on a supervisor that is well: one that was killed is replaced.
"""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cleanroom.errors import Unavailable
from devstack.stack import ports, process
from devstack.stack.folder import Folder
from devstack.stack.process import Process
from devstack.stack.records import Plan, Running, Server, State

PATIENCE = 60.0
"""Seconds until a server has to be ready; a machine may be busy."""
_POLL = 0.02
_LARGEST_LOG = 10 << 20
_LAST = 4096  # bytes of a log in which its last line is looked for


@dataclass(frozen=True, slots=True)
class Started:
    """What came of `up`: all servers that were asked for, and those that did not run before."""

    servers: tuple[tuple[Server, Running], ...]
    new: frozenset[str]


@contextlib.contextmanager
def alone(folder: Folder, note: Callable[[str], None]) -> Iterator[None]:
    """Be the one command that changes the stack."""
    with folder.locked("command", wait=False) as ours:
        if ours:
            yield
            return
    note("another cleanroom-dev changes this stack; waiting for it")
    with folder.locked("command", wait=True):
        yield


def alive(state: State) -> dict[str, Running]:
    """Name the servers whose processes run."""
    return {
        one.name: one
        for one in state.servers
        if one.pid is not None and Process(one.pid, one.started).alive
    }


def kept(folder: Folder) -> list[str]:
    """Name the servers that a command leaves as they are unless it says otherwise."""
    state, supervised = folder.state(), folder.supervised
    running = alive(state)
    failed = {one.name for one in state.servers if one.phase == "failed"}
    return [
        one.name
        for one in folder.plan().servers
        if one.name in running or (supervised and one.name not in failed)
    ]


def demand_ports(folder: Folder, servers: Sequence[Server]) -> None:
    """Refuse to begin unless every port is free that a server to be started will open."""
    running = alive(folder.state())
    ours = {
        port for one in folder.plan().servers if one.name in running for port in one.ports.values()
    }
    new = [one for one in servers if not _as_planned(one, running)]
    wanted = [pair for one in new for pair in one.ports.items() if pair[1] not in ours]
    if taken := ports.taken(wanted):
        raise Unavailable(f"ports are taken: {', '.join(map(str, taken))}").with_hint(
            "choose others: --port NAME=N for one, --port-base N for all"
        )


def up(
    folder: Folder, authority: Path, servers: Sequence[Server], until: int | None = None
) -> Started:
    """Start what does not run, stop what is not named; stop all if the process `until` ends."""
    running = alive(folder.state())
    new = frozenset(one.name for one in servers if not _as_planned(one, running))
    for name in new:
        _turn(folder.log(name))
    plan = Plan(_next(folder), str(authority), tuple(servers))
    folder.write_plan(plan)
    found = _ready(folder, plan, until).by_name
    return Started(tuple((one, found[one.name]) for one in servers), new)


def down(folder: Folder, names: Sequence[str] | None) -> list[str]:
    """Stop these servers, or all; say which ran."""
    old, keep = folder.plan(), set(kept(folder))
    stay = tuple(one for one in old.servers if names and one.name not in names and one.name in keep)
    leaving = sorted(set(alive(folder.state())) - {one.name for one in stay})
    plan = Plan(_next(folder), old.authority, stay)
    folder.write_plan(plan)
    _stopped(folder, plan)
    return leaving


def _next(folder: Folder) -> int:
    """Number a plan that is later than all before, also if the last one cannot be read."""
    return max(folder.plan().number, folder.state().plan) + 1


def as_it_is(at: Running) -> Running:
    """Look whether a process still runs: the supervisor may not be there to know."""
    gone = at.pid is not None and not Process(at.pid, at.started).alive
    return replace(at, phase="waiting", pid=None) if gone else at


def memory(at: Running) -> int:
    """Count the bytes of a server's memory, shared ones in proportion."""
    return 0 if at.pid is None else Process(at.pid, at.started).memory


def see_to_it(folder: Folder, until: int) -> None:
    """Have a supervisor, if there shall be one and it was killed."""
    if folder.plan().servers and not folder.supervised:
        supervise(folder, until)


def supervise(folder: Folder, until: int | None) -> None:
    """Start a supervisor, which runs when this returns; it ends if there is one already."""
    more = () if until is None else ("--until", str(until))
    command = (sys.executable, "-P", "-m", "devstack.stack", str(folder.home), *more)
    process.start(command, {}, folder.home, folder.log("supervisor")).wait()


def last_words(log: Path) -> str:
    """Return the last line of a log."""
    if not log.exists():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _LAST))
        lines = file.read().decode("utf-8", "replace").split("\n")
    return next((line.strip() for line in reversed(lines) if line.strip()), "")


def _ready(folder: Folder, plan: Plan, until: int | None) -> State:
    late = [one.name for one in plan.servers]
    for state in _states(folder, until):
        if state.plan < plan.number:
            continue
        for one in state.servers:
            if one.phase == "failed":
                raise _failure(folder, one)
        late = [one.name for one in state.servers if one.phase != "ready"]
        if not late:
            return state
    raise Unavailable(f"not ready after {PATIENCE:g} s: {', '.join(late)}").with_hint(
        f"cleanroom-dev logs {late[0]} --home {folder.home}"
    )


def _stopped(folder: Folder, plan: Plan) -> None:
    if not (folder.supervised or alive(folder.state())):
        return
    wanted = {one.name for one in plan.servers}
    for state in _states(folder, None):
        if state.plan >= plan.number and set(alive(state)) <= wanted:
            break
    while not wanted and folder.supervised:
        time.sleep(_POLL)


def _states(folder: Folder, until: int | None) -> Iterator[State]:
    """Look again and again, for as long as is reasonable, and see that there is a supervisor."""
    patience = time.monotonic() + PATIENCE
    while time.monotonic() < patience:
        if not folder.supervised:
            supervise(folder, until)
        yield folder.state()
        time.sleep(_POLL)


def _failure(folder: Folder, one: Running) -> Unavailable:
    words = last_words(folder.log(one.name)).removeprefix("cleanroom-dev: ")
    said = f": {words}" if words else ""
    how = f"with exit code {one.exit}" if one.exit else "again and again"
    return Unavailable(f"{one.name}: ended {how}{said}").with_hint(
        f"cleanroom-dev logs {one.name} --home {folder.home}"
    )


def _as_planned(server: Server, running: Mapping[str, Running]) -> bool:
    return server.name in running and running[server.name].digest == server.digest


def _turn(log: Path) -> None:
    """Begin a new log if the old one is large; one old log is kept."""
    with contextlib.suppress(FileNotFoundError):
        if log.stat().st_size > _LARGEST_LOG:
            log.replace(log.with_name(f"{log.name}.1"))
