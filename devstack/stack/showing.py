"""What the commands print: tables for people, one object for programs."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from devstack import console
from devstack.stack import control
from devstack.stack.control import Started
from devstack.stack.records import Running, Server

type Pairs = Sequence[tuple[Server, Running]]

_MIB = 1 << 20


def started(home: Path, found: Started, *, as_json: bool) -> None:
    """Show what `up` has come to."""
    if not (as_json or found.new):
        console.say("everything runs already")
    _show(home, found.servers, ("ready in",), as_json=as_json)


def status(home: Path, pairs: Pairs, *, as_json: bool) -> None:
    """Show how servers are."""
    _show(home, pairs, ("state", "restarts", "memory"), as_json=as_json)


def lines(found: Sequence[str]) -> None:
    """Print what servers wrote; a log may hold anything."""
    for line in found:
        console.say(console.printable(line))


def lines_aside(found: Sequence[str]) -> None:
    """Print what servers wrote beside the result of a command."""
    for line in found:
        console.tell(f"{console.printable(line)}\n")


def _show(home: Path, pairs: Pairs, more: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        servers = [_described(one, at) for one, at in pairs]
        console.say(json.dumps({"home": str(home), "servers": servers}, indent=2))
        return
    rows = [
        (
            *_addressed(one),
            str(at.pid or ""),
            *(_COLUMNS[column](at) for column in more),
        )
        for one, at in pairs
    ]
    console.table(("server", "address", "process", *more), rows)


def _addressed(one: Server) -> tuple[str, str]:
    """Show a server with its addresses; those that are not called as it is, below it."""
    named = dict(zip(one.ports, one.addresses, strict=False))
    names, addresses = [one.name], [named.pop(one.name, "")]
    for name, address in named.items():
        names.append(f"  {name.removeprefix(one.name)[1:]}")
        addresses.append(address)
    return "\n".join(names), "\n".join(addresses)


def _described(one: Server, at: Running) -> dict[str, object]:
    return {
        "name": one.name,
        "addresses": dict(zip(one.ports, one.addresses, strict=False)),
        "ports": dict(one.ports),
        "pid": at.pid,
        "state": at.phase,
        "ready_in_ms": at.ready_in,
        "restarts": at.restarts,
        "exit_code": at.exit,
        "memory_bytes": control.memory(at),
    }


def _seconds(at: Running) -> str:
    return "" if at.ready_in is None else f"{at.ready_in / 1000:.1f} s"


def _state(at: Running) -> str:
    ended = "" if at.exit is None or at.phase != "failed" else f"\nexit code {at.exit}"
    return f"{at.phase}{ended}"


_COLUMNS: Mapping[str, Callable[[Running], str]] = {
    "state": _state,
    "ready in": _seconds,
    "restarts": lambda at: str(at.restarts),
    "memory": lambda at: "" if at.pid is None else f"{control.memory(at) / _MIB:.0f} MiB",
}
