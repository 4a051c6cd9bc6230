"""What every test may rely on: keys made at test time, a fixed clock, no network in unit tests."""

import os
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import NoReturn

import pytest

from tests.builders import Keys

UNIT = Path(__file__).parent / "unit"

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # Whoever starts the tests in the background has them, and all that they start, ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Whoever has Python keep no bytecode would have each of the thousand processes that tests start
# compile all that it loads.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Profiles of whoever runs the tests are not theirs to see.
os.environ["XDG_CONFIG_HOME"] = str(Path(tempfile.gettempdir(), "no-profiles-of-cleanroom-here"))


@pytest.fixture(scope="session")
def north() -> Keys:
    return Keys.make()


@pytest.fixture(scope="session")
def south() -> Keys:
    return Keys.make()


@pytest.fixture(autouse=True)
def no_network_in_unit_tests(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    if UNIT in request.path.parents:
        monkeypatch.setattr(socket.socket, "connect", _refuse)


def _refuse(*_: object) -> NoReturn:
    raise AssertionError("a unit test tried to use the network")
