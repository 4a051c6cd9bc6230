"""A world of services for jobs, and the parts that jobs are run with."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from runner import assembly
from runner.cells import Cells, Share
from runner.job import Parts
from runner.settings import Settings
from tests.worlds import World, running_world


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with running_world(tmp_path_factory.mktemp("world")) as made:
        yield made


@pytest.fixture(scope="session")
def cells() -> Iterator[Cells]:
    with Cells.started(frozenset(), None, Share(1, 0)) as made:
        yield made


@pytest.fixture(scope="module")
def parts(world: World, cells: Cells) -> Iterator[Parts]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        for name, value in world.outside().items():
            patch.setenv(name, value)
        made = stack.enter_context(assembly.services(Settings.parse(world.environment())))
        yield assembly.parts(made, cells)


@pytest.fixture
def here(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """Have every client of this process trust the world, also those of the tests."""
    for name, value in world.outside().items():
        monkeypatch.setenv(name, value)
    return world
