"""A stack with everything but the functions themselves: tests put these together in-process."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from azure.storage.blob import BlobServiceClient

from tests.builders import Keys
from tests.rooms import Place
from tests.stacks import RunningStack, being, stack


@pytest.fixture(scope="session")
def services(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    servers = ("identity", "storage", "eventgrid", "bus")
    with stack(tmp_path_factory.mktemp("services"), servers) as running:
        yield running


@pytest.fixture(scope="session")
def env(services: RunningStack) -> Mapping[str, str]:
    """What the functions are told; asked for once, because it is a command."""
    return services.env("functions")


@pytest.fixture
def place(env: Mapping[str, str], north: Keys, south: Keys) -> Iterator[Place]:
    with (
        being(env),
        BlobServiceClient.from_connection_string(
            env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
        ) as storage,
    ):
        url = env["CLEANROOM_DEV_STORAGE_URL"]
        yield Place(storage, url, env["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"], north, south)


@pytest.fixture
def home(services: RunningStack) -> Path:
    return services.home
