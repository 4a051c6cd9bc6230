"""The whole stack, by the command: genuine clients find all that `env` tells them."""

import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient
from azure.identity import DefaultAzureCredential
from azure.keyvault.secrets import SecretClient
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.storage.blob import BlobServiceClient, ContainerClient

from cleanroom.jose import base64url_bytes
from tests.dev_commands import dev, dev_here
from tests.servers import free_ports

type Environment = dict[str, str]

APP = """\
import os

import azure.functions as func
from azure.identity import DefaultAzureCredential
from azure.storage.blob import BlobServiceClient

app = func.FunctionApp(http_auth_level=func.AuthLevel.FUNCTION)


@app.route("hello")
def hello(req: func.HttpRequest) -> func.HttpResponse:
    return func.HttpResponse("hello")


@app.event_grid_trigger(arg_name="event")
def party_event(event: func.CloudEvent) -> None:
    account = BlobServiceClient(
        os.environ["CLEANROOM_STORAGE__blobServiceUri"], DefaultAzureCredential()
    )
    account.get_blob_client("control", event.id).upload_blob(event.type)
"""
SERVERS = {
    *("attestation", "azurite", "bus", "eventgrid", "functions", "identity", "storage", "vault"),
}
NAMES = (
    *("identity", "attestation", "eventgrid", "storage", "azurite", "bus", "bus-tls"),
    *("bus-control", "functions", "vault/north-bank", "vault/south-bank"),
)
PATIENCE = 30.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("stack")
    (folder / "app").mkdir()
    (folder / "app" / "function_app.py").write_text(APP)
    (folder / "app" / "host.json").write_text('{"version": "2.0"}')
    ports = zip(NAMES, free_ports(len(NAMES)), strict=True)
    chosen = [f"--port={name}={port}" for name, port in ports]
    home = folder / "home"
    started = dev("up", "--home", home, *chosen, folder=folder / "app")
    assert (started.code, started.err) == (0, "")
    yield home
    stopped = dev("reset", "--yes", "--home", home)
    assert (stopped.code, home.exists()) == (0, False)


def of(home: Path, identity: str) -> Environment:
    found: Environment = dev_here("env", identity, "--json", "--home", home).json
    return found


@pytest.fixture(scope="module")
def operator(home: Path) -> Environment:
    return of(home, "operator")


@pytest.fixture(scope="module")
def north(home: Path) -> Environment:
    return of(home, "north-bank")


@pytest.fixture
def as_north(north: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    """Be a party in this process, as `eval "$(cleanroom-dev env north-bank)"` has it."""
    for name, value in north.items():
        monkeypatch.setenv(name, value)
    return north


@pytest.fixture
def as_operator(operator: Environment, monkeypatch: pytest.MonkeyPatch) -> Environment:
    for name, value in operator.items():
        monkeypatch.setenv(name, value)
    return operator


def status(home: Path) -> dict[str, Any]:
    servers = json.loads(dev_here("status", "--json", "--home", home).out)["servers"]
    return {one["name"]: one for one in servers}


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_every_server_is_ready(home: Path) -> None:
    found = status(home)

    assert set(found) == SERVERS
    assert {one["state"] for one in found.values()} == {"ready"}


def test_up_again_says_that_everything_runs(home: Path) -> None:
    before = {name: one["pid"] for name, one in status(home).items()}

    ran = dev("up", "--home", home)

    assert ran.text.startswith("everything runs already\n")
    assert {name: one["pid"] for name, one in status(home).items()} == before


def test_a_party_keeps_a_secret_in_its_own_vault(as_north: Environment) -> None:
    vault = as_north["CLEANROOM_DEV_VAULT_URL"]

    with (
        DefaultAzureCredential() as credential,
        SecretClient(vault, credential) as client,
    ):
        client.set_secret("color", "green")
        found = client.get_secret("color").value

    assert found == "green"


def test_a_party_is_refused_in_the_vault_of_another(as_north: Environment) -> None:
    vault = as_north["CLEANROOM_DEV_VAULT_URL_SOUTH_BANK"]

    with (
        DefaultAzureCredential() as credential,
        SecretClient(vault, credential) as client,
        pytest.raises(HttpResponseError) as caught,
    ):
        client.get_secret("color")

    assert caught.value.status_code == 403


def test_a_party_drops_a_dataset_by_its_signature(as_north: Environment) -> None:
    with ContainerClient.from_container_url(as_north["CLEANROOM_DEV_DATASETS_URL"]) as container:
        container.upload_blob("room/customers/1.sealed", b"sealed")
        found = container.download_blob("room/customers/1.sealed").readall()

    assert found == b"sealed"


def test_a_party_drops_a_dataset_by_its_identity(as_north: Environment) -> None:
    url, name = as_north["CLEANROOM_DEV_STORAGE_URL"], as_north["CLEANROOM_DEV_DATASETS_CONTAINER"]

    with DefaultAzureCredential() as credential, BlobServiceClient(url, credential) as storage:
        container = storage.get_container_client(name)
        container.upload_blob("room/customers/2.sealed", b"sealed")

        assert container.download_blob("room/customers/2.sealed").readall() == b"sealed"


def test_a_partys_identity_is_refused_where_others_drop_theirs(as_north: Environment) -> None:
    url = as_north["CLEANROOM_DEV_STORAGE_URL"]

    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(url, credential) as storage,
        storage.get_container_client("datasets-south-bank") as container,
        pytest.raises(HttpResponseError) as caught,
    ):
        container.upload_blob("a", b"")

    assert caught.value.status_code == 403


@pytest.mark.parametrize("container", ["ROOMS", "RESULTS"])
def test_a_party_reads_what_is_shared_and_writes_nothing_there(
    container: str, as_north: Environment
) -> None:
    url = as_north[f"CLEANROOM_DEV_{container}_URL"]

    with ContainerClient.from_container_url(url) as client:
        assert list(client.list_blobs()) == []
        with pytest.raises(HttpResponseError) as caught:
            client.upload_blob("a", b"")

    assert caught.value.status_code == 403


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda blobs: list(blobs.list_blobs()), id="list"),
        pytest.param(lambda blobs: blobs.upload_blob("a", b""), id="write"),
    ],
)
def test_a_party_has_no_part_in_what_the_control_plane_keeps(
    ask: Callable[[Any], object], as_north: Environment
) -> None:
    url = as_north["CLEANROOM_DEV_STORAGE_URL"]

    with (
        DefaultAzureCredential() as credential,
        BlobServiceClient(url, credential) as storage,
        storage.get_container_client("control") as container,
        pytest.raises(HttpResponseError) as caught,
    ):
        ask(container)

    assert caught.value.status_code == 403


def test_what_a_party_s_system_says_reaches_the_app_which_keeps_it(
    as_north: Environment, operator: Environment
) -> None:
    endpoint = as_north["CLEANROOM_DEV_EVENTGRID_PARTIES_ENDPOINT"]

    with (
        DefaultAzureCredential() as credential,
        EventGridPublisherClient(endpoint, credential) as topic,
    ):
        topic.send(CloudEvent("/north", "com.example.loaded", id="said-by-north", data={}))

    account = operator["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    with BlobServiceClient.from_connection_string(account) as storage:
        blob = storage.get_blob_client("control", "said-by-north")
        until(blob.exists)
        assert blob.download_blob().readall() == b"com.example.loaded"


@pytest.mark.usefixtures("as_north")
def test_a_party_publishes_to_no_other_topic(operator: Environment) -> None:
    endpoint = operator["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]

    with (
        DefaultAzureCredential() as credential,
        EventGridPublisherClient(endpoint, credential) as topic,
        pytest.raises(HttpResponseError) as caught,
    ):
        topic.send(CloudEvent("/rooms/a", "cleanroom.job.completed", data={}))

    assert caught.value.status_code == 403


@pytest.mark.usefixtures("as_north")
def test_a_party_gets_a_token_that_tells_the_control_plane_who_it_is() -> None:
    with DefaultAzureCredential() as credential:
        token = credential.get_token("api://cleanroom/.default").token

    claims = json.loads(base64url_bytes(1 << 14)(token.split(".")[1], "claims"))
    assert (claims["aud"], claims["roles"]) == ("api://cleanroom", ["party:north-bank"])


def test_an_event_is_published(as_operator: Environment) -> None:
    endpoint = as_operator["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
    key = AzureKeyCredential(as_operator["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"])

    with EventGridPublisherClient(endpoint, key) as client:
        client.send(CloudEvent("/rooms/a", "cleanroom.job.completed", data={}))


def test_a_function_answers_to_its_key(as_operator: Environment) -> None:
    url = f"{as_operator['CLEANROOM_DEV_FUNCTIONS_URL']}/api/hello"
    key = as_operator["CLEANROOM_DEV_FUNCTIONS_KEY"]

    answer = requests.get(url, headers={"x-functions-key": key}, timeout=PATIENCE)

    assert (answer.status_code, answer.text) == (200, "hello")


def test_the_attestation_service_publishes_its_keys(as_operator: Environment) -> None:
    url = f"{as_operator['CLEANROOM_DEV_ATTESTATION_URL']}/certs"

    assert requests.get(url, timeout=PATIENCE).json()["keys"]


def sent(connection: str, name: str) -> None:
    with (
        ServiceBusClient.from_connection_string(connection) as client,
        client.get_queue_sender("jobs", keep_alive=0) as sender,
    ):
        sender.send_messages(ServiceBusMessage(name, message_id=name))


def received(connection: str) -> list[str]:
    with (
        ServiceBusClient.from_connection_string(connection) as client,
        client.get_queue_receiver("jobs", keep_alive=0) as receiver,
    ):
        found = receiver.receive_messages(5, max_wait_time=1)
        for message in found:
            receiver.complete_message(message)
    return [str(message) for message in found]


def test_a_message_is_sent_and_received_once(as_operator: Environment) -> None:
    connection = as_operator["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"]

    sent(connection, "job")
    sent(connection, "job")

    assert received(connection) == ["job"]


def test_whatever_is_killed_comes_back_with_what_it_acknowledged(
    home: Path, as_operator: Environment
) -> None:
    connection = as_operator["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"]
    storage = as_operator["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    before = status(home)
    sent(connection, "kept")
    with BlobServiceClient.from_connection_string(storage) as blobs:
        blobs.get_blob_client("rooms", "kept").upload_blob(b"kept")

    for one in before.values():
        os.kill(one["pid"], signal.SIGKILL)
    until(lambda: {name: one["restarts"] for name, one in status(home).items()} == again(before))
    until(lambda: {one["state"] for one in status(home).values()} == {"ready"})

    assert received(connection) == ["kept"]
    with BlobServiceClient.from_connection_string(storage) as blobs:
        assert blobs.get_blob_client("rooms", "kept").download_blob().readall() == b"kept"


def again(before: dict[str, Any]) -> dict[str, int]:
    return {name: one["restarts"] + 1 for name, one in before.items()}
