"""The front and the stack's Event Grid together: an upload's event comes to a webhook, once."""

import json
import secrets
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from devstack.home import Home
from tests.endpoints import Endpoint
from tests.grids import RunningGrid, running_grid
from tests.storages import Storage, storage


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("both")


@pytest.fixture(scope="module")
def grid(folder: Path) -> Iterator[RunningGrid]:
    with running_grid(Home.at(folder / "home")) as made:
        yield made


@pytest.fixture(scope="module")
def stack(folder: Path, grid: RunningGrid) -> Iterator[Storage]:
    with storage(folder, grid_url=grid.url) as made:
        yield made


@pytest.fixture
def north(stack: Storage) -> ContainerClient:
    return stack.container(f"c{secrets.token_hex(6)}")


@pytest.fixture
def webhook(grid: RunningGrid, stack: Storage, north: ContainerClient) -> Iterator[Endpoint]:
    with Endpoint() as made:
        assert stack.front.process.poll() is None
        properties = {
            "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": made.url}},
            "eventDeliverySchema": "CloudEventSchemaV1_0",
            "filter": {
                "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
                "subjectBeginsWith": f"/blobServices/default/containers/{north.container_name}/",
                "advancedFilters": [
                    {"operatorType": "StringIn", "key": "data.blobType", "values": ["BlockBlob"]}
                ],
            },
        }
        grid.subscribe("storage", north.container_name, properties)
        yield made
        grid.forget()


def subjects(webhook: Endpoint, count: int) -> list[str]:
    came = [json.loads(webhook.next().body)["subject"] for _ in range(count)]
    return sorted(subject.rpartition("/")[2] for subject in came)


def test_an_upload_comes_to_whoever_subscribed(
    stack: Storage, grid: RunningGrid, north: ContainerClient, webhook: Endpoint
) -> None:
    north.upload_blob("a.csv", b"1")
    north.get_blob_client("pages").create_page_blob(512)
    north.delete_blob("a.csv")
    stack.container("south").upload_blob("b.csv", b"1")

    assert subjects(webhook, 1) == ["a.csv"]
    assert grid.idle()
    assert webhook.count() == 0


def test_kills_of_all_three_double_and_lose_no_event(
    stack: Storage, grid: RunningGrid, north: ContainerClient, webhook: Endpoint
) -> None:
    north.upload_blob("1", b"1")
    before = subjects(webhook, 1)
    assert grid.idle()  # what it delivered and did not note would rightly come twice
    grid.server.kill()
    north.upload_blob("2", b"1")
    stack.front.kill()
    stack.front.restart()
    stack.azurite.kill()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(north.upload_blob, "3", b"1")
        stack.azurite.run()
        waiting.result()

    grid.server.restart()
    north.upload_blob("4", b"1")

    assert before + subjects(webhook, 3) == ["1", "2", "3", "4"]
    assert grid.idle()
    assert webhook.count() == 0
