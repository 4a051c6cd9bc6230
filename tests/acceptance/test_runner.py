"""A runner as a process: a message in, a sealed result, a receipt and an outcome out."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.runners import running_runner
from tests.worlds import TOTAL, World, agree, running_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world"), LockDuration="PT10S") as made:
        yield made


@pytest.fixture(autouse=True)
def trusted(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in world.outside().items():
        monkeypatch.setenv(name, value)


def test_a_message_becomes_a_result_a_receipt_and_an_outcome(world: World, tmp_path: Path) -> None:
    room = agree(world)
    request = room.request()
    with running_runner(world.environment(), tmp_path / "log") as runner:
        world.send(request)

        (outcome,) = world.outcomes(1)

        assert runner.stop() == 0
    assert (outcome.job, outcome.ending.status) == (request.id, "completed")
    assert room.opened(request.id) == TOTAL
    assert room.verdict(request.id, tmp_path).refusal is None
    assert world.bus.control.get("queues/jobs")["active"] == 0
