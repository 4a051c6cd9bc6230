"""Storage: from an upload through the genuine SDK to its event at a webhook, the whole chain.

Client, front, Azurite, Event Grid and webhook share the machine; the webhook is of this process.
"""

import json
import queue
import statistics
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import requests
from azure.storage.blob import BlobServiceClient, ContainerClient

from bench.devstack.figures import Figure
from devstack.home import HOST, Home
from devstack.storage import EVENT_TOPIC, azurite
from tests.endpoints import Endpoint, Received, Reply

_WARM, _SINGLE = 30, 300
_PAUSE = 0.005
_PATIENCE = 60
_SMALL = b"x" * 1024
_LARGE = 64 << 20
_ROUNDS = 3
_MIB = 1 << 20
_PORTS = {"storage": 10000, "eventgrid": 8442}


def measure(home: Home, ports: Mapping[str, int] = _PORTS) -> list[Figure]:
    """Measure a running stack."""
    service = BlobServiceClient.from_connection_string(
        azurite.connection_string(home, ports["storage"]),
        connection_verify=str(home.authority_file),
    )
    container = service.create_container(f"bench-{uuid.uuid4().hex[:8]}")
    try:
        uploads, ways = _singly(home, ports["eventgrid"], container)
        up, down = _large(container)
    finally:
        container.delete_container()
    return [
        Figure("storage: upload to event delivered, p50", statistics.median(ways), "ms", 20),
        Figure("storage: upload to event delivered, p95", _p95(ways), "ms", 20),
        Figure("storage: 1 KiB upload, p50", statistics.median(uploads), "ms", 15),
        Figure("storage: 64 MiB upload", up, "MiB/s", 20, at_least=True),
        Figure("storage: 64 MiB download", down, "MiB/s", 20, at_least=True),
    ]


def _singly(
    home: Home, grid_port: int, container: ContainerClient
) -> tuple[list[float], list[float]]:
    """Upload one blob after the other; say in ms when each was accepted, and when told."""
    came: queue.Queue[tuple[str, float]] = queue.Queue()

    def taken(received: Received) -> Reply:
        at = time.perf_counter()
        came.put((json.loads(received.body)["subject"].rpartition("/")[2], at))
        return Reply()

    uploads, ways = [], []
    with Endpoint(taken) as webhook, _subscribed(home, grid_port, container, webhook.url):
        for number in range(_WARM + _SINGLE):
            started = time.perf_counter()
            container.upload_blob(str(number), _SMALL)
            uploads.append((time.perf_counter() - started) * 1e3)
            name, at = came.get(timeout=_PATIENCE)
            if name != str(number):
                raise RuntimeError(f"storage: expected the event of {number}, got that of {name}")
            ways.append((at - started) * 1e3)
            time.sleep(_PAUSE)
    return uploads[_WARM:], ways[_WARM:]


def _large(container: ContainerClient) -> tuple[float, float]:
    up, down = [], []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        container.upload_blob("large", bytes(_LARGE), overwrite=True)
        up.append(time.perf_counter() - started)
        started = time.perf_counter()
        container.download_blob("large").readall()
        down.append(time.perf_counter() - started)
    size = _LARGE / _MIB
    return size / statistics.median(up), size / statistics.median(down)


@contextmanager
def _subscribed(
    home: Home, grid_port: int, container: ContainerClient, endpoint: str
) -> Iterator[None]:
    """Subscribe to one container's events, and take the subscription away again."""
    subscription = f"devstack/topics/{EVENT_TOPIC}/subscriptions/{container.container_name}"
    properties: dict[str, Any] = {
        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": endpoint}},
        "eventDeliverySchema": "CloudEventSchemaV1_0",
        "filter": {
            "subjectBeginsWith": f"/blobServices/default/containers/{container.container_name}/"
        },
    }
    with requests.Session() as control:
        control.verify = str(home.authority_file)
        control.headers["Authorization"] = f"Bearer {home.secret('eventgrid/control')}"
        url = f"https://{HOST}:{grid_port}/{subscription}"
        control.put(url, json=properties, timeout=_PATIENCE).raise_for_status()
        try:
            yield
        finally:
            control.delete(url, timeout=_PATIENCE).raise_for_status()


def _p95(values: list[float]) -> float:
    return statistics.quantiles(values, n=20)[-1]
