"""A stack with everything but the functions themselves: tests put these together in-process."""

from collections.abc import Iterator
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


@pytest.fixture
def place(services: RunningStack, north: Keys, south: Keys) -> Iterator[Place]:
    env = services.env("functions")
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
