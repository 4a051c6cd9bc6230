"""A runner as a process: messages in; results, receipts and outcomes out, whatever happens."""

import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from psutil import Process

from cleanroom.dsse import Signed
from cleanroom.ids import Digest
from cleanroom.job import Outcome
from tests.runners import Runner, Shared, check, run, running_runner
from tests.servers import Server, free_ports
from tests.worlds import TOTAL, Agreed, World, agree, drop, running_world

MARKER = "alice-4711-secret"
_PATIENCE = 60.0
_POLL = 0.05


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world"), LockDuration="PT5S") as made:
        yield made


@pytest.fixture(autouse=True)
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.outside().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="module")
def shared(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    made = Shared(world.environment(), tmp_path_factory.mktemp("runner"))
    yield made
    made.stop()


@pytest.fixture
def runner(shared: Shared) -> Iterator[Runner]:
    made = shared.get()
    yield made
    assert made.process.poll() is None, made.log.read_text()


@pytest.fixture
def alone(shared: Shared) -> None:
    shared.stop()


def ended(outcomes: list[Outcome]) -> list[tuple[str, str | None]]:
    return [(each.ending.status, each.ending.reason) for each in outcomes]


def until(holds: Callable[[], bool]) -> None:
    end = time.monotonic() + _PATIENCE
    while not holds():
        assert time.monotonic() < end
        time.sleep(_POLL)


def is_empty(world: World) -> Callable[[], bool]:
    """Tell whether the queue has no message, not even one under lock."""
    return lambda: world.bus.control.get("queues/jobs")["active"] == 0


def test_a_message_becomes_a_result_a_receipt_and_an_outcome(
    world: World, runner: Runner, tmp_path: Path
) -> None:
    room = agree(world)
    request = room.request()

    world.send(request)

    (outcome,) = world.outcomes(1)
    assert (outcome.job, outcome.ending.status) == (request.id, "completed")
    assert room.opened(request.id) == TOTAL
    assert room.verdict(request.id, tmp_path).refusal is None
    until(is_empty(world))
    assert [line["code"] for line in runner.events("job.ended")] == ["completed"]
    assert Process(runner.process.pid).memory_info().rss < 200 << 20


def test_a_message_that_comes_a_hundred_times_is_one_job_with_one_outcome(
    world: World, runner: Runner
) -> None:
    room = agree(world)
    request = room.request()
    asked = len(world.releases("north"))

    world.send(*[request] * 100)

    (outcome,) = world.outcomes(1)
    until(is_empty(world))
    assert outcome.ending.status == "completed"
    assert len(world.releases("north")) == asked + 1
    assert world.outcomes_left() == 0
    assert {line["code"] for line in runner.events("job.ended")} == {"completed"}


def test_messages_that_are_no_jobs_are_put_aside_and_others_go_on(
    world: World, runner: Runner
) -> None:
    room = agree(world)
    aside = world.bus.control.get("queues/jobs")["deadLetter"]

    world.send(b"", b"\xff\xfe", b"{}", room.request().to_bytes()[:-1], room.request())

    assert ended(world.outcomes(1)) == [("completed", None)]
    until(is_empty(world))
    assert world.bus.control.get("queues/jobs")["deadLetter"] == aside + 4
    assert {line["code"] for line in runner.events("job.rejected")} == {"malformed"}


def test_no_word_of_data_program_or_error_gets_out(world: World, runner: Runner) -> None:
    data = f"customer,amount\n{MARKER},1\n".encode()
    failing = agree(world, "SELECT customer::HUGEINT AS total FROM a")
    failing = failing.with_input("a", drop(world, failing.contract, "a", data))
    refused = agree(world, "SELECT alice_4711_secret(customer) AS total FROM a")

    world.send(failing.request(), refused.request())

    outcomes = sorted(world.outcomes(2), key=lambda outcome: outcome.ending.status)
    assert ended(outcomes) == [("failed", "program_failed"), ("refused", "policy_refused")]
    papers = [failing.receipt(failing.request().id), *(o.to_bytes() for o in outcomes)]
    said = b"".join([*papers, runner.log.read_bytes()])
    assert b"4711" not in said


@pytest.mark.parametrize("server", ["vaults", "attestation"])
def test_a_service_that_is_down_delays_a_job_and_does_not_end_it(
    server: str, world: World, runner: Runner
) -> None:
    room = agree(world)
    down: Server = {"vaults": world.vaults.server, "attestation": world.attestation}[server]
    down.stop()
    try:
        world.send(room.request())
        runner.wait_for("job.retried")
    finally:
        down.restart()

    assert ended(world.outcomes(1)) == [("completed", None)]


def test_a_bus_that_goes_away_and_comes_back_loses_nothing(world: World, runner: Runner) -> None:
    room = agree(world)
    world.bus.server.stop()
    runner.wait_for("bus.away")
    world.bus.server.restart()

    world.send(room.request())

    assert ended(world.outcomes(1)) == [("completed", None)]
    runner.wait_for("bus.back")


@pytest.mark.usefixtures("runner")
def test_twenty_jobs_leave_twenty_outcomes(world: World) -> None:
    room = agree(world)
    requests = [room.request(number) for number in range(1, 21)]

    world.send(*requests)

    outcomes = world.outcomes(len(requests))
    assert {outcome.job for outcome in outcomes} == {request.id for request in requests}
    assert {outcome.ending.status for outcome in outcomes} == {"completed"}


# --- check


def test_check_says_that_all_is_well(world: World) -> None:
    vault = world.vaults.url("north")

    code, said, wrong = check(world.environment(), "--authority", world.authority, "--vault", vault)

    assert (code, wrong) == (0, "")
    assert said.splitlines() == [
        "machine: ok",
        f"attestation {world.authority}: ok",
        f"vault {vault}: ok",
        "storage rooms: ok",
        "storage results: ok",
        "bus: ok",
    ]


@pytest.mark.parametrize(
    ("changes", "wrong", "exit_code"),
    [
        pytest.param({"QUEUE": "nowhere"}, "bus: unavailable: ", 5, id="queue"),
        pytest.param({"TOPIC": "nowhere"}, "bus: unavailable: ", 5, id="topic"),
        pytest.param({"STORAGE_URL": ""}, "", 2, id="no storage"),
    ],
)
def test_check_says_what_is_wrong(
    changes: dict[str, str], wrong: str, exit_code: int, world: World
) -> None:
    code, said, _ = check(world.environment(**changes))

    assert code == exit_code
    assert wrong in said


def test_check_looks_at_everything_whatever_is_wrong(world: World) -> None:
    (port,) = free_ports(1)
    nowhere = f"https://127.0.0.1:{port}"

    code, said, _ = check(world.environment(), "--authority", nowhere, "--vault", nowhere)

    assert code == 5
    assert said.count(": ok") == 4
    assert said.count(": unavailable: ") == 2


def test_a_command_that_is_none_is_refused(world: World) -> None:
    code, said, wrong = run(["rest"], world.environment())

    assert (code, said) == (1, "")
    assert wrong.startswith("usage: cleanroom-runner ")


# --- runners of their own


@pytest.mark.campaign
@pytest.mark.usefixtures("alone")
def test_a_runner_that_is_killed_at_any_moment_leaves_one_outcome_for_each_job(
    world: World, tmp_path: Path
) -> None:
    room = agree(world)
    requests = [room.request(number) for number in range(1, 9)]
    world.send(*requests)
    moments = random.Random(4711)  # noqa: S311  # the same in every run
    for number in range(4):
        with running_runner(world.environment(), tmp_path / f"log-{number}") as killed:
            killed.wait_for("job.begun")
            time.sleep(moments.uniform(0, 0.6))
            killed.kill()

    with running_runner(world.environment(), tmp_path / "log") as last:
        outcomes = {outcome.job: outcome for outcome in world.outcomes(len(requests))}
        until(is_empty(world))
        assert last.stop() == 0

    assert set(outcomes) == {request.id for request in requests}
    assert {each.ending.status for each in outcomes.values()} == {"completed"}
    assert world.outcomes_left() == 0
    for request in requests:
        assert room.opened(request.id) == TOTAL
        receipt = Digest.of(payload_of(room, request.id))
        assert outcomes[request.id].receipt == receipt


def payload_of(room: Agreed, job: Digest) -> bytes:
    return Signed.parse(room.receipt(job), "receipt").payload


@pytest.mark.usefixtures("alone")
def test_a_runner_that_is_told_to_stop_ends_what_it_began(world: World, tmp_path: Path) -> None:
    room = agree(world)
    world.send(room.request())
    with running_runner(world.environment(), tmp_path / "log") as runner:
        runner.wait_for("job.begun")

        assert runner.stop() == 0

        assert [line["code"] for line in runner.events("job.ended")] == ["completed"]
    assert ended(world.outcomes(1)) == [("completed", None)]


@pytest.mark.usefixtures("alone")
def test_a_runner_hands_back_what_takes_too_long_when_it_is_told_to_stop(
    world: World, tmp_path: Path
) -> None:
    # Of three rows each: long in coming, and no half of them too many for the cell's memory.
    tables = ", ".join(f"a AS a{number}" for number in range(25))
    slow = agree(world, f"SELECT count(*)::HUGEINT AS total FROM {tables}")  # noqa: S608  # no data
    world.send(slow.request())
    with running_runner(world.environment(DRAIN_SECONDS="1"), tmp_path / "log") as runner:
        runner.wait_for("job.begun")

        assert runner.stop() == 0

        assert len(runner.events("job.handed_back")) == 1
    assert world.bus.control.get("queues/jobs")["active"] == 1
    world.clear_jobs()
