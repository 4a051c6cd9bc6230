from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.campaigns import GROWTH, connections, crashes
from tests.buses import Bus, running_bus


@pytest.fixture
def bus(tmp_path: Path) -> Iterator[Bus]:
    with running_bus(tmp_path) as found:
        yield found


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # sockets that the SDK forgets when cut
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_power_cuts_lose_and_double_nothing_that_was_acknowledged(bus: Bus) -> None:
    ledger = crashes(bus, kills=2, messages=100)

    assert len(ledger.sent) >= 300
    assert ledger.lost == set()
    assert ledger.doubled == set()


def test_connections_that_are_dropped_leave_no_memory_behind(bus: Bus) -> None:
    grown = connections(bus, 1000)

    assert grown < GROWTH
