"""The supervisor keeps processes running, whatever is killed, and stops what it started."""

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from devstack.home import HOST, Home
from devstack.stack import control, health
from devstack.stack.folder import Folder
from devstack.stack.process import Process, started
from devstack.stack.records import Health, Running, Server, State
from tests.servers import free_ports

STUB = Path(__file__).with_name("stub.py")
PATIENCE = 20.0


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


@pytest.fixture
def folder(home: Home) -> Iterator[Folder]:
    found = Folder(home.path)
    yield found
    control.down(found, None)


def stub(name: str, port: int, *options: str) -> Server:
    return Server(
        name=name,
        command=(sys.executable, str(STUB), "--port", str(port), *options),
        environment={},
        ports={name: port},
        health=Health(port, "/", tls=False),
        addresses=(f"http://{HOST}:{port}",),
    )


@pytest.fixture
def servers() -> list[Server]:
    return [stub(name, port) for name, port in zip(("one", "two"), free_ports(2), strict=True)]


def up(folder: Folder, servers: Sequence[Server]) -> control.Started:
    control.demand_ports(folder, servers)
    return control.up(folder, Home.at(folder.home).authority_file, servers)


def pids(folder: Folder) -> dict[str, int | None]:
    return {one.name: one.pid for one in folder.state().servers}


def pid(folder: Folder, name: str) -> int:
    found = pids(folder)[name]
    assert found is not None
    return found


def kill_supervisor(folder: Folder) -> None:
    os.kill(folder.state().supervisor, signal.SIGKILL)
    until(lambda: not folder.supervised)


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def answers(server: Server) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HOST, server.health.port)):
        return True
    return False


def test_servers_are_started_and_ready(folder: Folder, servers: list[Server]) -> None:
    started = up(folder, servers)

    assert [(one.name, at.phase) for one, at in started.servers] == [
        ("one", "ready"),
        ("two", "ready"),
    ]
    assert started.new == {"one", "two"}
    assert all(map(answers, servers))


def test_what_runs_is_not_started_again(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)
    before = pids(folder)

    started = up(folder, servers)

    assert started.new == frozenset()
    assert pids(folder) == before


def test_what_is_missing_is_started_beside_the_rest(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers[:1])
    before = pid(folder, "one")

    started = up(folder, servers)

    assert started.new == {"two"}
    assert pid(folder, "one") == before


def test_a_server_that_shall_be_another_is_replaced(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)
    before = pids(folder)
    changed = replace(servers[0], command=(*servers[0].command, "--after", "0.01"))

    started = up(folder, [changed, servers[1]])

    assert started.new == {"one"}
    assert pid(folder, "one") != before["one"]
    assert pid(folder, "two") == before["two"]


def test_a_killed_server_is_started_again(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)
    before = pids(folder)

    os.kill(pid(folder, "one"), signal.SIGKILL)
    until(lambda: folder.state().by_name["one"].restarts == 1)
    until(lambda: folder.state().by_name["one"].phase == "ready")

    assert pid(folder, "one") != before["one"]
    assert pid(folder, "two") == before["two"]
    assert folder.state().by_name["one"].exit == -signal.SIGKILL


def test_a_server_that_is_killed_while_it_starts_is_started_again(
    folder: Folder, servers: list[Server]
) -> None:
    slow = replace(servers[0], command=(*servers[0].command, "--after", "0.3"))
    killer = subprocess.Popen(["/bin/sh", "-c", killing(folder)], stderr=subprocess.DEVNULL)

    up(folder, [slow])

    killer.wait()
    assert folder.state().by_name["one"].restarts == 1


def killing(folder: Folder) -> str:
    """Write a script that kills the first process that the state names."""
    state = folder.path / "state.json"
    pid = rf"sed -n 's/.*\"pid\": \([0-9]*\).*/\1/p' {state}"
    return f"while ! pid=$({pid}) || [ -z $pid ]; do sleep 0.01; done; kill -9 $pid"


def test_servers_outlive_their_supervisor(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)
    before = pids(folder)

    kill_supervisor(folder)

    assert all(map(answers, servers))
    assert up(folder, servers).new == frozenset()
    assert pids(folder) == before


def test_a_new_supervisor_watches_what_it_took_over(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)
    kill_supervisor(folder)
    up(folder, servers)

    os.kill(pid(folder, "one"), signal.SIGKILL)
    until(lambda: folder.state().by_name["one"].restarts == 1)
    until(lambda: folder.state().by_name["one"].phase == "ready")

    assert answers(servers[0])


def test_a_new_supervisor_replaces_what_shall_be_another(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)
    before = pids(folder)
    kill_supervisor(folder)
    changed = replace(servers[0], command=(*servers[0].command, "--after", "0.01"))

    up(folder, [changed, servers[1]])

    assert pid(folder, "one") != before["one"]
    assert pid(folder, "two") == before["two"]


def test_what_a_killed_supervisor_left_can_be_stopped(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)
    kill_supervisor(folder)

    assert control.down(folder, None) == ["one", "two"]

    assert not any(map(answers, servers))
    assert not folder.supervised


def test_what_died_without_a_supervisor_is_started_again(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)
    kill_supervisor(folder)
    os.kill(pid(folder, "one"), signal.SIGKILL)
    until(lambda: "one" not in control.alive(folder.state()))

    started = up(folder, servers)

    assert started.new == {"one"}
    assert answers(servers[0])


def test_a_process_that_has_the_number_of_a_server_is_left_alone(
    folder: Folder, servers: list[Server]
) -> None:
    stranger = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    left = Running("one", servers[0].digest, "ready", stranger.pid, "another boot/1")
    folder.write_state(State(1, 1, (left,)))

    up(folder, servers)
    control.down(folder, None)

    assert stranger.poll() is None
    stranger.kill()
    stranger.wait()


def test_one_server_can_be_stopped(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)

    assert control.down(folder, ["one"]) == ["one"]

    assert [answers(one) for one in servers] == [False, True]
    assert folder.supervised


def test_nothing_is_left_when_all_are_stopped(folder: Folder, servers: list[Server]) -> None:
    up(folder, servers)

    control.down(folder, None)

    assert not any(map(answers, servers))
    assert not folder.supervised
    assert control.alive(folder.state()) == {}


def test_stopping_what_does_not_run_is_nothing(folder: Folder) -> None:
    assert control.down(folder, None) == []


def test_a_supervisor_that_is_told_to_end_stops_its_servers(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)

    os.kill(folder.state().supervisor, signal.SIGTERM)
    until(lambda: not folder.supervised)

    assert not any(map(answers, servers))


def test_servers_end_with_the_process_that_they_are_for(
    folder: Folder, servers: list[Server]
) -> None:
    owner = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    control.up(folder, Home.at(folder.home).authority_file, servers, owner.pid)

    owner.kill()
    owner.wait()
    until(lambda: not folder.supervised)

    assert not any(map(answers, servers))


def test_a_supervisor_that_was_killed_is_replaced_while_somebody_looks(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)
    kill_supervisor(folder)

    control.see_to_it(folder, os.getpid())

    assert folder.supervised


def test_a_server_that_refuses_to_start_says_why(folder: Folder, servers: list[Server]) -> None:
    bad = stub("bad", free_ports(1)[0], "--exit", "2")

    with pytest.raises(Unavailable) as caught:
        up(folder, [bad, servers[0]])

    assert str(caught.value) == "bad: ended with exit code 2: here I am"
    assert caught.value.hint == f"cleanroom-dev logs bad --home {folder.home}"


def test_a_server_that_refused_to_start_is_tried_by_the_next_command(
    folder: Folder, servers: list[Server]
) -> None:
    bad = replace(servers[0], command=(*servers[0].command, "--exit", "2"))
    with pytest.raises(Unavailable):
        up(folder, [bad])

    started = up(folder, servers)

    assert [at.phase for _, at in started.servers] == ["ready", "ready"]


def test_a_server_that_refused_to_start_is_not_asked_for_by_others(
    folder: Folder, servers: list[Server]
) -> None:
    bad = replace(servers[0], command=(*servers[0].command, "--exit", "2"))
    up(folder, servers[1:])
    with pytest.raises(Unavailable):
        up(folder, [bad, servers[1]])

    assert control.kept(folder) == ["two"]


def test_a_program_that_is_not_there_is_named(folder: Folder) -> None:
    absent = replace(stub("bad", free_ports(1)[0]), command=("/no/such/program",))

    with pytest.raises(Unavailable, match="/no/such/program: no such file or directory"):
        up(folder, [absent])


def test_all_ports_that_are_taken_are_named(folder: Folder, servers: list[Server]) -> None:
    ports = [one.health.port for one in servers]
    with (
        socket.create_server((HOST, ports[0])),
        socket.create_server((HOST, ports[1])),
        pytest.raises(Unavailable) as caught,
    ):
        up(folder, servers)

    assert re.fullmatch(
        rf"ports are taken: {ports[0]} \(one: in use by .*, process {os.getpid()}\),"
        rf" {ports[1]} \(two: in use by .*, process {os.getpid()}\)",
        str(caught.value),
    )
    assert "--port-base N" in caught.value.hint
    assert not folder.supervised


def test_a_log_that_is_large_is_turned(folder: Folder, servers: list[Server]) -> None:
    log = folder.log("one")
    with log.open("wb") as file:
        file.truncate(11 << 20)

    up(folder, servers)

    assert log.stat().st_size < 1 << 20
    assert log.with_name("one.log.1").stat().st_size == 11 << 20


def test_a_state_tells_of_processes_that_ended_unseen(
    folder: Folder, servers: list[Server]
) -> None:
    up(folder, servers)
    kill_supervisor(folder)
    running = folder.state().by_name["one"]
    os.kill(pid(folder, "one"), signal.SIGKILL)
    until(lambda: "one" not in control.alive(folder.state()))

    found = control.as_it_is(running)

    assert (found.phase, found.pid) == ("waiting", None)
    assert (control.memory(found), control.memory(running)) == (0, 0)


def test_whatever_answers_no_http_is_not_ready() -> None:
    with socket.create_server((HOST, 0)) as server:
        port = server.getsockname()[1]

        assert [ask(server, port, line) for line in NO_HTTP] == [None] * len(NO_HTTP)


NO_HTTP = (b"", b"SSH-2.0-server\r\n", b"HTTP/1.1 ready\r\n", b"\xff\r\n", b"x" * 2000)


def ask(server: socket.socket, port: int, line: bytes) -> int | None:
    async def asked() -> int | None:
        status = asyncio.create_task(health.status(port, "/", None))
        link, _ = await asyncio.to_thread(server.accept)
        with link:
            link.sendall(line)
            link.shutdown(socket.SHUT_WR)
            return await status

    return asyncio.run(asked())


def test_where_nobody_listens_nothing_is_ready() -> None:
    assert asyncio.run(health.status(free_ports(1)[0], "/", None)) is None


@pytest.mark.parametrize("name", ["plan.json", "state.json"])
def test_what_runs_is_stopped_though_a_file_cannot_be_read(
    folder: Folder, servers: list[Server], name: str
) -> None:
    up(folder, servers)
    running = [Process(one.pid or 0, one.started) for one in folder.state().servers]
    (folder.path / name).write_bytes(b"{")

    control.down(folder, None)

    assert len(running) == 2
    assert not any(one.alive for one in running)
    assert not folder.supervised


def test_without_its_home_a_stack_ends(folder: Folder, servers: Sequence[Server]) -> None:
    up(folder, servers)
    number = folder.state().supervisor
    left = [Process(one.pid or 0, one.started) for one in folder.state().servers]
    left.append(Process(number, started(number) or ""))

    shutil.rmtree(folder.home)

    until(lambda: not any(one.alive for one in left))
    assert not folder.home.exists()
