"""The front and the stack's Event Grid together: an upload's event comes to a webhook, once."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from devstack.home import Home
from tests.endpoints import Endpoint
from tests.grids import RunningGrid, running_grid
from tests.storages import Storage, storage


@pytest.fixture
def grid(tmp_path: Path) -> Iterator[RunningGrid]:
    with running_grid(Home.at(tmp_path / "home")) as made:
        yield made


@pytest.fixture
def stack(tmp_path: Path, grid: RunningGrid) -> Iterator[Storage]:
    with storage(tmp_path, grid_url=grid.url) as made:
        yield made


@pytest.fixture
def webhook(grid: RunningGrid, stack: Storage) -> Iterator[Endpoint]:
    with Endpoint() as made:
        assert stack.front.process.poll() is None
        properties = {
            "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": made.url}},
            "eventDeliverySchema": "CloudEventSchemaV1_0",
            "filter": {
                "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
                "subjectBeginsWith": "/blobServices/default/containers/north/",
                "advancedFilters": [
                    {"operatorType": "StringIn", "key": "data.blobType", "values": ["BlockBlob"]}
                ],
            },
        }
        grid.subscribe("storage", "north", properties)
        yield made


def subjects(webhook: Endpoint, count: int) -> list[str]:
    came = [json.loads(webhook.next().body)["subject"] for _ in range(count)]
    return sorted(subject.rpartition("/")[2] for subject in came)


def test_an_upload_comes_to_whoever_subscribed(
    stack: Storage, grid: RunningGrid, webhook: Endpoint
) -> None:
    container = stack.container("north")
    container.upload_blob("a.csv", b"1")
    container.get_blob_client("pages").create_page_blob(512)
    container.delete_blob("a.csv")
    stack.container("south").upload_blob("b.csv", b"1")

    assert subjects(webhook, 1) == ["a.csv"]
    assert grid.idle()
    assert webhook.count() == 0


def test_kills_of_all_three_double_and_lose_no_event(
    stack: Storage, grid: RunningGrid, webhook: Endpoint
) -> None:
    container = stack.container("north")
    container.upload_blob("1", b"1")
    grid.server.kill()
    container.upload_blob("2", b"1")
    stack.front.kill()
    stack.front.restart()
    stack.azurite.kill()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(container.upload_blob, "3", b"1")
        stack.azurite.run()
        waiting.result()

    grid.server.restart()
    container.upload_blob("4", b"1")

    assert subjects(webhook, 4) == ["1", "2", "3", "4"]
    assert grid.idle()
    assert webhook.count() == 0
