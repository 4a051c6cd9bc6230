"""What pytest does around Microsoft's tests: where the bus is, what is expected to fail, limits.

Loaded by `-p`, before any of their files, so that what these import is ours (standins.py).

- The bus is reached over TLS, as Azure is. Two things are changed around the SDK, none within it:
  the certificates it trusts (certifi's file) and the port of AMQP over TLS, which is fixed.
- An expected failure that passes is a failure (strict); the reasons stand in expected.py.
"""

import json
import os
import signal
from pathlib import Path
from types import FrameType
from typing import NoReturn

import certifi
import pytest
from azure.servicebus._pyamqp import _connection
from azure.servicebus._pyamqp.aio import _connection_async

from devstack.home import Home
from tests.buses import Bus, Control
from tests.conformance.servicebus import expected, standins
from tests.servers import Server

SETTINGS = "CONFORMANCE_SETTINGS"
LIMIT = 600  # seconds that one test may take: the longest sleep 300, and one waits for its client


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests() -> None:
    """Point everything at the bus that the environment names, before their conftest is read."""
    settings = json.loads(os.environ[SETTINGS])
    home = Home.at(Path(settings["home"]))
    control = Control(home, settings["control"])
    nobody = Server((), {}, (0, None), Path(os.devnull), None)  # type: ignore[arg-type]  # not ours
    standins.Setup.bus = Bus(home, 0, settings["tls"], control, nobody)
    certifi.where = lambda: settings["authority"]
    for module in (_connection, _connection_async):
        setattr(module, "SECURE_PORT", settings["tls"])  # noqa: B010  # a name they import
    standins.install()


def pytest_configure(config: pytest.Config) -> None:
    """Know their marks."""
    for name in ("liveTest", "live_test_only", "playback_test_only"):
        config.addinivalue_line("markers", f"{name}: of Microsoft's")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is expected to fail, and begin with what takes longest."""
    items.sort(key=lambda item: not expected.is_slow(item.nodeid))
    for item in items:
        reason = expected.reason(item.nodeid)
        if reason is not None:
            item.add_marker(pytest.mark.xfail(reason=reason, strict=True))


@pytest.fixture(scope="session")
def test_proxy() -> None:
    """Stand for the program that records; their conftest asks for it."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> object:
    """End a test that takes too long."""

    def ended(_: int, __: FrameType | None) -> NoReturn:
        raise TimeoutError(f"{item.name}: longer than {LIMIT} seconds")

    signal.signal(signal.SIGALRM, ended)
    signal.alarm(LIMIT)
    try:
        return (yield)
    finally:
        signal.alarm(0)
