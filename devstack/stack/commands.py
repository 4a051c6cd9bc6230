"""The commands of `cleanroom-dev`, one function each: what was given in, what is printed out."""

import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from cleanroom.errors import Malformed, Unavailable
from devstack import clock, console, files
from devstack.home import Home, default_path
from devstack.stack import (
    app_settings,
    control,
    environment,
    erasing,
    plan,
    ports,
    settings,
    showing,
    signing,
    tail,
)
from devstack.stack.control import Started
from devstack.stack.environment import Stack
from devstack.stack.folder import Folder
from devstack.stack.records import Running
from devstack.stack.settings import Settings

_SUPERVISOR = "supervisor"
_BREATH = 0.2  # seconds between two looks at logs and supervisor


@dataclass(frozen=True, slots=True)
class Wishes:
    """What `up` was given; what it was not is as it was. `here` is the current folder's app."""

    forget: bool = False
    servers: tuple[str, ...] = ()
    parties: tuple[str, ...] | None = None
    functions: Path | None = None
    here: Path | None = None
    watch: bool | None = None
    runner: bool | None = None
    bus_config: Path | None = None
    eventgrid_config: Path | None = None
    ports: tuple[str, ...] = ()
    base: int | None = None

    def over(self, before: Settings) -> Settings:
        """Change the settings that were given."""
        if self.functions and not app_settings.here(self.functions):
            raise Malformed("--functions", f"a folder with {app_settings.APP}", str(self.functions))
        if self.forget:
            before = Settings()
        parties = before.parties if self.parties is None else settings.parties(self.parties)
        single = dict(ports.assignment(text, parties) for text in self.ports)
        functions = str(self.functions or before.functions or self.here or "")
        if self.runner is None:  # an app that comes with one has it, from its first time on
            runner = app_settings.has_runner(functions) if not before.functions else before.runner
        else:
            runner = self.runner
        return replace(
            before,
            parties=parties,
            ports=ports.chosen(parties, base=self.base, kept=before.ports, single=single),
            functions=functions,
            watch=before.watch if self.watch is None else self.watch,
            runner=runner,
            bus_config=str(self.bus_config or before.bus_config),
            eventgrid_config=str(self.eventgrid_config or before.eventgrid_config),
        )


def up(wishes: Wishes, path: Path | None, *, foreground: bool, as_json: bool) -> None:
    """Start servers, wait until they are ready, show them; stay with them if asked to."""
    home = _home(_path(path))
    folder = Folder(home.path)
    if foreground:
        _demand_unsupervised(folder)
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    until = os.getpid() if foreground else None
    with control.alone(folder, console.note):
        home = _home(home.path)  # a `reset` that we waited for has deleted it
        before = settings.remembered(folder.settings)
        with _usage():
            stack = Stack(home, wishes.over(before))
            names = plan.selected(stack, wishes.servers)
        try:
            started = _up(stack, folder, names, until)
        except Unavailable:
            _take_back(stack.settings, before, folder)
            raise

    def show() -> None:
        showing.started(home.path, started, as_json=as_json)

    if foreground:
        _stay(folder, show)
    else:
        show()


def _up(stack: Stack, folder: Folder, names: Sequence[str], until: int | None) -> Started:
    stay = control.kept(folder)
    servers = plan.planned(stack, [name for name in plan.PLANNED if name in (*names, *stay)])
    control.demand_ports(folder, servers)
    settings.remember(folder.settings, stack.settings)
    if "functions" in names:
        app_settings.write(stack, app_settings.own(Path(stack.settings.functions)))
    started = control.up(folder, stack.home.authority_file, servers, until)
    if "storage" in names:
        _make_containers(stack, folder)
    return started


def _take_back(chosen: Settings, before: Settings, folder: Folder) -> None:
    """Forget files with which a server could not start: a plain `up` would fail with them again."""
    if settings.remembered(folder.settings) != chosen:
        return
    failed = {one.name for one in folder.state().servers if one.phase == "failed"}
    kept = replace(
        chosen,
        functions=(before if "functions" in failed else chosen).functions,
        bus_config=(before if "bus" in failed else chosen).bus_config,
        eventgrid_config=(before if "eventgrid" in failed else chosen).eventgrid_config,
    )
    settings.remember(folder.settings, kept)


def _make_containers(stack: Stack, folder: Folder) -> None:
    made = folder.path / "containers.json"
    wanted = [*environment.CONTAINERS, *map(environment.own_container, stack.settings.parties)]
    if made.exists() and set(wanted) <= set(json.loads(made.read_bytes())):
        return
    from devstack.stack import containers

    containers.make(stack, wanted)
    files.replace(made, json.dumps(wanted).encode())


def down(servers: tuple[str, ...], path: Path | None) -> None:
    """Stop servers, and say which."""
    folder = _existing(path)
    with _usage():
        plan.known(servers)
    with control.alone(folder, console.note):
        stopped = control.down(folder, servers or None)
    nothing = f"does not run: {', '.join(servers)}" if servers else "nothing runs"
    console.say(f"stopped: {', '.join(stopped)}" if stopped else nothing)


def status(path: Path | None, *, as_json: bool) -> bool:
    """Show what runs; say whether all is well."""
    folder = _existing(path)
    running, servers = folder.state().by_name, folder.plan().servers
    if not servers:
        raise Unavailable(f"{folder.home}: nothing runs").with_hint(
            f"cleanroom-dev up --home {folder.home}"
        )
    missing = Running("", "", "waiting")
    pairs = [(one, control.as_it_is(running.get(one.name, missing))) for one in servers]
    showing.status(folder.home, pairs, as_json=as_json)
    if not (as_json or folder.supervised):
        console.note("nothing restarts what dies: the supervisor has ended; run up again")
    return all(one.phase == "ready" for _, one in pairs) and folder.supervised


def env(identity: str, path: Path | None, form: str) -> None:
    """Print the variables of an identity."""
    erasing.demand_no_other_s(_path(path))
    home = Home.at(_existing(path).home)
    stack = Stack(home, settings.remembered(Folder(home.path).settings))
    sign = signing.signer(home.secret("storage/account"), clock.now())
    with _usage():
        variables = stack.of(identity, sign)
    writers = {
        "shell": environment.shell,
        "dotenv": environment.dotenv,
        "json": environment.as_json,
    }
    console.say(writers[form](variables))


def logs(server: str | None, path: Path | None, lines: int, *, follow: bool) -> None:
    """Show the ends of logs, and what comes if asked to."""
    folder = _existing(path)
    with _usage():
        plan.known((server,) if server and server != _SUPERVISOR else ())
    names = [server] if server else [*plan.PLANNED, _SUPERVISOR]
    tails = tail.Tails({name: folder.log(name) for name in names}, named=server is None)
    showing.lines(tails.last(lines))
    while follow:
        showing.lines(tails.more())
        time.sleep(_BREATH)


def reset(path: Path | None, *, sure: bool) -> None:
    """Stop everything and delete it."""
    folder = _existing(path)
    if not sure:
        if not sys.stdin.isatty():
            raise typer.TyperException(f"{folder.home}: deleted only with --yes")
        console.tell(f"delete all data and keys in {console.printable(str(folder.home))}? [y/N] ")
        if sys.stdin.readline().strip().lower() not in ("y", "yes"):
            console.note("nothing was deleted")
            return
    with control.alone(folder, console.note):
        control.down(folder, None)
        erasing.erase(folder.home)
    console.say(f"deleted: {folder.home}")


def bus(port: int, control_port: int, path: Path | None, config: Path | None) -> None:
    """Run the bus alone until told to stop."""
    home = _home((path or default_path().with_name("cleanroom-dev-bus")).absolute())
    folder = Folder(home.path)
    _demand_unsupervised(folder)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    single = {"bus": port, "bus-tls": port - 1, "bus-control": control_port}
    with _usage():
        numbers = ports.chosen(settings.PARTIES, single=single)
    chosen = Settings(ports=numbers, bus_config=str(config or plan.DEFAULTS / "alone.json"))
    stack = Stack(home, chosen)
    with control.alone(folder, console.note):
        _up(stack, folder, ["bus"], os.getpid())
    _stay(folder, lambda: console.say(stack.bus_connection))


def _stay(folder: Folder, show: Callable[[], None]) -> None:
    """Show what runs, then the logs until told to stop; then stop everything."""
    with contextlib.suppress(KeyboardInterrupt):
        names = [one.name for one in folder.plan().servers]
        tails = tail.Tails({name: folder.log(name) for name in names}, named=True)
        tails.last(0)
        show()
        while True:
            showing.lines_aside(tails.more())
            control.see_to_it(folder, os.getpid())
            time.sleep(_BREATH)
    console.note("stopping")
    control.down(folder, None)


def _demand_unsupervised(folder: Folder) -> None:
    if folder.supervised:
        raise Unavailable("it runs already, in the background").with_hint(
            f"cleanroom-dev down --home {folder.home}"
        )


def _path(given: Path | None) -> Path:
    return (given or default_path()).absolute()


def _home(path: Path) -> Home:
    erasing.demand_no_other_s(path)
    return Home.at(path)


def _existing(given: Path | None) -> Folder:
    path = _path(given)
    if not (path / "stack.key").exists():
        raise Unavailable(f"{path}: there is no stack").with_hint(f"cleanroom-dev up --home {path}")
    return Folder(path)


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    """Take what is wrong in a command's arguments for a matter of usage."""
    try:
        yield
    except Malformed as error:
        raise typer.TyperException(str(error)) from error
