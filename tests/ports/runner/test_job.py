"""One job after the other against every service of the dev stack, with real cells."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from runner import assembly
from runner.cells import Cells, Share
from runner.job import Job, Parts
from runner.settings import Settings
from tests.worlds import TOTAL, World, agree, running_world


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="module")
def parts(world: World) -> Iterator[Parts]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in world.outside().items():
            patch.setenv(name, value)
        cells = stack.enter_context(Cells.started(frozenset(), None, Share(1, 0)))
        made = stack.enter_context(assembly.services(Settings.parse(world.environment())))
        yield assembly.parts(made, cells)


@pytest.fixture(autouse=True)
def trusted(parts: Parts, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every client trust the stack, also those of the tests."""
    del parts
    for name, value in world.outside().items():
        monkeypatch.setenv(name, value)


def test_a_job_leaves_a_result_that_its_reader_opens_and_a_receipt(
    world: World, parts: Parts, tmp_path: Path
) -> None:
    room = agree(world)
    request = room.request()

    outcome = Job(request, parts).run()

    assert outcome.ending.status == "completed"
    assert room.opened(request.id) == TOTAL
    verdict = room.verdict(request.id, tmp_path)
    assert verdict.refusal is None
    assert [line.text for line in verdict.lines if not line.proven] == [
        "SIMULATED HARDWARE: software signed this, so nothing here proves anything",
        "what that policy allows: read it, and compare its digest",
    ]
