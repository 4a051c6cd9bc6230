"""What cannot be delivered is written to the stack's storage; what is written there, is told."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid import EventGridPublisherClient

from tests.endpoints import Endpoint, Reply
from tests.grids import RunningGrid, running_grid, webhook
from tests.servers import free_ports
from tests.storages import Storage, storage

EVENT = {"specversion": "1.0", "id": "e1", "source": "/x", "type": "T", "data": {"a": 1}}
GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


@pytest.fixture(scope="module")
def port() -> int:
    return free_ports(1)[0]


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Storage]:
    options = ["--eventgrid", f"https://127.0.0.1:{port}"]
    with storage(tmp_path_factory.mktemp("s"), options) as made:
        yield made


@pytest.fixture(scope="module")
def grid(account: Storage, port: int) -> Iterator[RunningGrid]:
    options = ("--storage", account.url, "--speed", "1000")
    with running_grid(account.home, options, port) as made:
        made.topic("outcomes")
        yield made


@pytest.fixture(autouse=True)
def forgotten(grid: RunningGrid) -> Iterator[None]:
    yield
    grid.forget()


@pytest.fixture(autouse=True)
def trusting_the_stack(account: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", account.trust)


def send(grid: RunningGrid, topic: str = "outcomes") -> None:
    credential = AzureKeyCredential(grid.key(topic))
    with EventGridPublisherClient(grid.topic_url(topic), credential) as client:
        client.send(EVENT)


def keeping(container: str) -> dict[str, object]:
    account = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Storage/storageAccounts/a"
    properties = {"resourceId": account, "blobContainerName": container}
    return {"endpointType": "StorageBlob", "properties": properties}


def letters(account: Storage, container: str) -> list[tuple[str, Any]]:
    client = account.client().get_container_client(container)
    return [
        (name, json.loads(client.download_blob(name).readall()))
        for name in client.list_blob_names()
    ]


def test_what_is_refused_becomes_a_dead_letter(grid: RunningGrid, account: Storage) -> None:
    account.container("refused")
    with Endpoint(lambda _: Reply(400)) as endpoint:
        properties = webhook(endpoint.url, deadLetterDestination=keeping("refused"))
        grid.subscribe("outcomes", "refusing", properties)

        send(grid)

        assert grid.idle()
    ((name, (letter,)),) = letters(account, "refused")
    assert re.fullmatch(rf"outcomes/REFUSING/\d{{4}}/\d+/\d+/\d+/{GUID}\.json", name)
    assert letter["deadletterreason"] == "UndeliverableDueToHttpBadRequest"
    assert (letter["deliveryattempts"], letter["lastdeliveryoutcome"]) == (1, "BadRequest")
    assert letter["lasthttpstatuscode"] == 400
    assert letter["publishtime"] <= letter["lastdeliveryattempttime"]
    assert {name: letter[name] for name in EVENT} == EVENT


def test_what_fails_too_often_becomes_a_dead_letter(grid: RunningGrid, account: Storage) -> None:
    account.container("failed")
    with Endpoint(lambda _: Reply(500)) as endpoint:
        policy = {"maxDeliveryAttempts": 3}
        letter_box = {"identity": {"type": "SystemAssigned"}}
        letter_box["deadLetterDestination"] = keeping("failed")  # type: ignore[assignment]  # JSON
        properties = webhook(
            endpoint.url, retryPolicy=policy, deadLetterWithResourceIdentity=letter_box
        )
        grid.subscribe("outcomes", "failing", properties)

        send(grid)

        assert grid.idle()
    ((_, (letter,)),) = letters(account, "failed")
    assert letter["deadletterreason"] == "MaxDeliveryAttemptsExceeded"
    assert letter["deliveryattempts"] == 3


def test_without_its_container_a_dead_letter_is_dropped(grid: RunningGrid) -> None:
    with Endpoint(lambda _: Reply(400)) as endpoint:
        properties = webhook(endpoint.url, deadLetterDestination=keeping("nowhere"))
        grid.subscribe("outcomes", "dropping", properties)

        send(grid)

        assert grid.idle()


def test_the_event_of_a_dead_letter_becomes_no_other(grid: RunningGrid, account: Storage) -> None:
    container = account.container("round")
    with Endpoint(lambda _: Reply(400)) as endpoint:
        properties = webhook(endpoint.url, deadLetterDestination=keeping("round"))
        grid.subscribe("storage", "round", properties)
        account.container("outside").upload_blob("a", b"1")

        told = [json.loads(endpoint.next().body)["subject"] for _ in range(2)]

        assert grid.idle()
        assert endpoint.count() == 0
    (letter,) = container.list_blob_names()
    assert told[0] == "/blobServices/default/containers/outside/blobs/a"
    assert told[1] == f"/blobServices/default/containers/round/blobs/{letter}"


def test_a_dead_letter_waits_for_a_storage_that_does_not_answer(
    grid: RunningGrid, account: Storage, tmp_path: Path
) -> None:
    del tmp_path
    account.container("awaited")
    with Endpoint(lambda _: Reply(400)) as endpoint:
        properties = webhook(endpoint.url, deadLetterDestination=keeping("awaited"))
        grid.subscribe("outcomes", "awaiting", properties)
        account.front.kill()
        send(grid)
        assert grid.idle(retries="ignore")

        account.front.restart()

        assert grid.idle()
    assert len(letters(account, "awaited")) == 1


def test_an_upload_is_told_to_who_subscribes_to_the_storage(
    grid: RunningGrid, account: Storage
) -> None:
    container = account.container("inbox")
    wanted = {
        "includedEventTypes": ["Microsoft.Storage.BlobCreated"],
        "subjectBeginsWith": "/blobServices/default/containers/inbox/",
        "advancedFilters": [{"operatorType": "StringIn", "key": "data.api", "values": ["PutBlob"]}],
    }
    with Endpoint() as endpoint:
        grid.subscribe("storage", "uploads", webhook(endpoint.url, filter=wanted))

        container.upload_blob("table.sealed", b"sealed")

        event = json.loads(endpoint.next().body)
    assert event["type"] == "Microsoft.Storage.BlobCreated"
    assert event["subject"].endswith("/blobs/table.sealed")
    assert event["data"]["contentLength"] == 6
