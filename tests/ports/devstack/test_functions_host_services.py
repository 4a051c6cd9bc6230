"""Functions with the dev stack's storage, Event Grid and identity around them."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridPublisherClient

from devstack.home import HOST, Home
from devstack.storage import azurite
from tests.grids import RunningGrid, running_grid, webhook
from tests.ports.devstack.functions_apps import APPS, Hosted, hosted
from tests.servers import free_ports, running
from tests.storages import Storage, storage


@dataclass(frozen=True)
class Place:
    """A host, with storage and a topic."""

    host: Hosted
    storage: Storage
    grid: RunningGrid

    def blob(self, container: str, name: str) -> bytes:
        with self.storage.client() as client:
            return client.get_blob_client(container, name).download_blob().readall()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("services")


@pytest.fixture(scope="module")
def identity(folder: Path) -> Iterator[dict[str, str]]:
    home = Home.at(folder / "home")
    (port,) = free_ports(1)
    options = ["--home", str(home.path), "--port", str(port), "--identity", "functions"]
    with running("devstack.identity", options, (port, None), folder / "identity.log"):
        yield {
            "IDENTITY_ENDPOINT": f"http://{HOST}:{port}/msi/token",
            "IDENTITY_HEADER": home.secret("identity/functions"),
        }


@pytest.fixture(scope="module")
def place(folder: Path, identity: dict[str, str]) -> Iterator[Place]:
    with storage(folder) as store, running_grid(store.home) as grid:
        with store.client() as client:
            for name in ("source", "sink"):
                client.create_container(name)
        settings = {
            "STORE": azurite.connection_string(store.home, store.port),
            "IDENTITY__serviceUri": store.url,
            "SINK": "sink",
            "TOPIC_ENDPOINT": grid.topic("words"),
            "TOPIC_KEY": grid.key("words"),
            "GRID__topicEndpointUri": grid.topic_url("words"),
        }
        with hosted(APPS / "services", folder, settings | identity) as host:
            url = f"http://{HOST}:{host.port}{host.webhook('hear')}"
            grid.subscribe("words", "functions", webhook(url))
            yield Place(host, store, grid)


def event(word: str) -> dict[str, object]:
    fixed = {"specversion": "1.0", "source": "/tests", "type": "Word", "subject": word}
    return fixed | {"id": word, "data": {"kind": "k"}}


def test_blobs_are_read_and_written(place: Place) -> None:
    with place.storage.client() as client:
        client.get_blob_client("source", "a.txt").upload_blob("words \u00fc")

    copied = place.host.ask("POST", "/api/copies/a.txt")
    size = place.host.ask("GET", "/api/sizes/a.txt")

    assert (copied.status, copied.body) == (200, "words \u00fc".encode())
    assert place.blob("sink", "a.txt") == "WORDS \u00dc".encode()
    assert size.body == b"GET 8"


def test_a_blob_that_is_not_there_is_nothing(place: Place) -> None:
    assert place.host.ask("POST", "/api/copies/gone").status == 404


def test_a_published_event_runs_a_function(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", place.storage.trust)
    key = AzureKeyCredential(place.grid.key("words"))

    with EventGridPublisherClient(place.grid.topic_url("words"), key) as topic:
        topic.send(CloudEvent(source="/tests", type="Word", subject="one", data={"kind": "k"}))

    assert place.grid.idle()
    assert place.blob("sink", "one/k") == b"heard"


@pytest.mark.parametrize("path", ["tell", "tell-as-identity"])
def test_what_a_function_publishes_comes_to_another(place: Place, path: str) -> None:
    assert place.host.ask("POST", f"/api/{path}", json.dumps(event(path))).status == 202

    assert place.grid.idle()
    assert path in [one["id"] for one in place.host.recorded("heard")]


def test_what_no_service_takes_fails_the_invocation(place: Place) -> None:
    odd = event("odd") | {"data": {}}  # its path cannot be named

    assert place.host.ask("POST", "/api/tell", json.dumps(odd)).status == 202

    place.host.wait_for_text("expected the trigger to know 'data.kind'")
