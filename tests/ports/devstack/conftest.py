"""Servers that several modules share: what they keep there has names of their own."""

from collections.abc import Iterator

import pytest

from devstack.home import Home
from tests.buses import Bus, running_bus
from tests.vaults import Vaults, running_vaults


@pytest.fixture(scope="session")
def vaults(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vaults]:
    with running_vaults(Home.at(tmp_path_factory.mktemp("home")), "north", "south") as made:
        yield made


@pytest.fixture(scope="session")
def bus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bus]:
    with running_bus(tmp_path_factory.mktemp("bus")) as made:
        yield made
