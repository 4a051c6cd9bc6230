"""A runner that is killed at each step of a job: what is left, others finish, once.

Nothing in the runner knows of this. Between it and its services stand gates that hold the request
of one step, or the answer to it; then the runner is killed, and what was held comes to nothing.
"""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from cleanroom.dsse import Signed
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from devstack.home import HOST
from tests.gates import LineGate, Matches, WebGate, web_gate
from tests.runners import running_runner
from tests.servers import Server, trusting
from tests.worlds import SOUTH, TOTAL, Agreed, World, agree, drop, running_world

_PATIENCE = 60.0
_POLL = 0.02
_MUCH = 20_000  # rows: regions are read apart from the file's end


@dataclass(frozen=True)
class Step:
    """A step of docs/spec/job.md, by the request to the storage that it makes."""

    name: str
    method: str
    path: str
    told: Callable[[Mapping[str, str]], bool] = lambda _: True

    def of(self, room: str) -> Matches:
        def matches(method: str, target: str, headers: dict[str, str]) -> bool:
            ours = room in target and self.path in target
            return method == self.method and ours and self.told(headers)

        return matches


def is_beginning(headers: Mapping[str, str]) -> bool:
    return headers.get("x-ms-range", "").startswith("bytes=0-")


STEPS = (
    Step("1: contract", "GET", "/contracts/"),
    Step("2: earlier receipt", "GET", "/receipt.json"),
    Step("3: approvals", "GET", "/approvals/"),
    Step("4: listing of inputs", "GET", "comp=list"),
    Step("4, 5: end of an input", "GET", ".sealed", lambda headers: not is_beginning(headers)),
    Step("8: region of an input", "GET", ".sealed", is_beginning),
    Step("9: result handed in", "PUT", "comp=block&"),
    Step("10: receipt", "PUT", "/receipt.json"),
    Step("11: result committed", "PUT", "comp=blocklist"),
)


pytestmark = pytest.mark.campaign  # three minutes


@pytest.fixture(scope="module")
def gated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[World, WebGate]]:
    folder = tmp_path_factory.mktemp("world")
    with running_world(folder, LockDuration="PT5S", MaxDeliveryCount=50) as world:
        tls, trust = world.home.tls(), trusting(world.home)
        with web_gate(world.storage.port, tls, trust) as gate:
            yield replace(world, storage=replace(world.storage, port=gate.port)), gate


@pytest.fixture(autouse=True)
def here(gated: tuple[World, WebGate], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in gated[0].outside().items():
        monkeypatch.setenv(name, value)


def large(world: World) -> Agreed:
    """Have a room with an input that is not read at once."""
    room = agree(world)
    plain = SOUTH + b"nobody,1\n" * _MUCH
    return room.with_input("b", drop(world, room.contract, "b", plain))


def finished(world: World, rooms: Mapping[Digest, tuple[Agreed, JobRequest]], log: Path) -> None:
    """Have a last runner do what is left, and see that every job ended once, and well."""
    with running_runner(world.environment(), log) as last:
        outcomes = {outcome.job: outcome for outcome in world.outcomes(len(rooms))}
        until(lambda: world.bus.control.get("queues/jobs")["active"] == 0)
        assert last.stop() == 0
    assert set(outcomes) == set(rooms)
    assert {each.ending.status for each in outcomes.values()} == {"completed"}
    assert world.outcomes_left() == 0
    for job, (room, _) in rooms.items():
        assert room.opened(job) == TOTAL
        assert outcomes[job].receipt == Digest.of(Signed.parse(room.receipt(job), "").payload)


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(_POLL)


@pytest.mark.parametrize("answered", [False, True], ids=["before", "after"])
def test_a_runner_that_is_killed_at_a_request_to_the_storage_leaves_one_outcome(
    answered: bool, gated: tuple[World, WebGate], tmp_path: Path
) -> None:
    world, gate = gated
    jobs: dict[Digest, tuple[Agreed, JobRequest]] = {}
    for number, step in enumerate(STEPS):
        room = large(world)
        request = room.request()
        jobs[request.id] = room, request
        gate.hold(step.of(room.contract.room), answered=answered)
        with running_runner(world.environment(), tmp_path / f"log-{number}") as runner:
            world.send(request)
            assert gate.held.wait(_PATIENCE), step.name
            runner.kill()
        gate.drop()

    finished(world, jobs, tmp_path / "log")


@pytest.mark.parametrize("service", ["attestation", "vaults"])
def test_a_runner_that_is_killed_while_it_asks_for_proof_or_keys_leaves_one_outcome(
    service: str, gated: tuple[World, WebGate], tmp_path: Path
) -> None:
    world, _ = gated
    room = large(world)
    request = room.request()
    server = {"attestation": world.attestation, "vaults": world.vaults.server}[service]
    with running_runner(world.environment(), tmp_path / "killed") as runner, frozen(server):
        world.send(request)
        until(lambda: unread(server) > 0)
        runner.kill()

    finished(world, {request.id: (room, request)}, tmp_path / "log")


@contextmanager
def frozen(server: Server) -> Iterator[None]:
    """Have a server that takes connections, and does nothing."""
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


def unread(server: Server) -> int:
    """Count the bytes that were sent to a server, and that it has not read."""
    inodes = {
        f"{link.readlink()}".removeprefix("socket:[").removesuffix("]")
        for link in Path(f"/proc/{server.process.pid}/fd").iterdir()
        if "socket" in str(link.readlink())
    }
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    ports = {row[1] for row in rows if row[9] in inodes and row[3] == "0A"}  # it listens there
    return sum(int(row[4].split(":")[1], 16) for row in rows if row[1] in ports and row[3] == "01")


@pytest.mark.parametrize(
    "holds", [pytest.param(2, id="before the outcome"), pytest.param(1, id="before it is settled")]
)
def test_a_runner_that_is_killed_around_its_outcome_leaves_one(
    holds: int, gated: tuple[World, WebGate], tmp_path: Path
) -> None:
    world, _ = gated
    room = large(world)
    request = room.request()
    line = LineGate(world.bus.port, holds)
    string = world.bus.connection_string().replace(
        f"{HOST}:{world.bus.port}", f"{HOST}:{line.port}"
    )
    changed = world.environment(SERVICEBUS_CONNECTION_STRING=string)
    with running_runner(changed, tmp_path / "killed") as runner:
        world.send(request)
        assert line.held.wait(_PATIENCE)
        if holds == 1:
            until(lambda: world.outcomes_left() == 1)
        runner.kill()
    line.close()

    assert len(runner.events("job.ended")) == 0
    finished(world, {request.id: (room, request)}, tmp_path / "log")
