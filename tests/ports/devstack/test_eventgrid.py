"""Publishing to the stack's Event Grid with the genuine client."""

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from azure.core.credentials import AccessToken, AzureKeyCredential, AzureSasCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceNotFoundError,
)
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent, EventGridPublisherClient, generate_sas
from azure.eventgrid.aio import EventGridPublisherClient as AsyncEventGridPublisherClient
from azure.identity import ManagedIdentityCredential

from devstack import clock, tokens
from devstack.home import HOST, Home
from devstack.tokens import Caller, Issuer
from tests.endpoints import Endpoint, Received, Reply
from tests.grids import RunningGrid, running_grid, webhook
from tests.servers import free_ports, running

MOST_BYTES = 1 << 20


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("h"))


@pytest.fixture(scope="module")
def grid(home: Home) -> Iterator[RunningGrid]:
    with running_grid(home, ("--sender", "south:parties")) as made:
        made.topic("outcomes")
        made.topic("parties")
        made.topic("classic", "EventGridSchema")
        yield made


@pytest.fixture(autouse=True)
def forgotten(grid: RunningGrid) -> Iterator[None]:
    yield
    grid.forget()


@pytest.fixture(autouse=True)
def trusting_the_stack(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))
    monkeypatch.setenv("SSL_CERT_FILE", str(home.authority_file))


def publisher(grid: RunningGrid, topic: str = "outcomes") -> EventGridPublisherClient:
    return EventGridPublisherClient(grid.topic_url(topic), AzureKeyCredential(grid.key(topic)))


def datum(body: bytes) -> Any:
    event: CloudEvent[Any] = CloudEvent.from_json(body)
    return event.data


def completed(number: int = 1) -> CloudEvent[object]:
    return CloudEvent(
        source="/jobs",
        type="Job.Completed",
        id=f"job-{number}",
        subject=f"jobs/{number}",
        data={"rows": number},
        extensions={"traceparent": "00-1-2-01"},
    )


def test_a_cloud_event_arrives_as_it_was_sent(grid: RunningGrid) -> None:
    with Endpoint() as endpoint, publisher(grid) as topic:
        grid.subscribe("outcomes", "whole", webhook(endpoint.url))

        topic.send(completed())

        received = endpoint.next()
    event: CloudEvent[Any] = CloudEvent.from_json(received.body)
    assert (event.id, event.subject, event.data) == ("job-1", "jobs/1", {"rows": 1})
    assert event.extensions == {"traceparent": "00-1-2-01"}
    assert received.headers["content-type"] == "application/cloudevents+json; charset=utf-8"
    assert received.headers["aeg-event-type"] == "Notification"
    assert received.headers["aeg-subscription-name"] == "WHOLE"
    assert received.headers["aeg-delivery-count"] == "0"


def test_publishing_by_the_aio_client_is_the_same(grid: RunningGrid) -> None:
    async def send() -> None:
        credential = AzureKeyCredential(grid.key("outcomes"))
        async with AsyncEventGridPublisherClient(
            grid.topic_url("outcomes"), credential, connection_verify=str(grid.home.authority_file)
        ) as topic:
            await topic.send([completed(1), completed(2)])

    with Endpoint() as endpoint:
        grid.subscribe("outcomes", "by-aio", webhook(endpoint.url))

        asyncio.run(send())

        received = [endpoint.next(), endpoint.next()]
    assert sorted(json.loads(one.body)["id"] for one in received) == ["job-1", "job-2"]


def test_bytes_and_fractions_survive(grid: RunningGrid) -> None:
    with Endpoint() as endpoint, publisher(grid) as topic:
        grid.subscribe("outcomes", "bytes", webhook(endpoint.url))

        topic.send(CloudEvent(source="/x", type="T", data=b"\0\1\2"))
        topic.send({"specversion": "1.0", "id": "f", "source": "/x", "type": "T", "data": 1.5})

        received = [datum(endpoint.next().body) for _ in range(2)]
    assert sorted(map(str, received)) == ["1.5", str(b"\0\1\2")]


def test_an_event_of_the_other_schema_arrives_in_either(grid: RunningGrid) -> None:
    with Endpoint() as cloud, Endpoint() as classic, publisher(grid, "classic") as topic:
        classic.reply = echoing
        grid.subscribe("classic", "as-cloud", webhook(cloud.url))
        grid.subscribe("classic", "as-it-is", webhook(classic.url, eventDeliverySchema=None))
        classic.next()  # the handshake

        topic.send(EventGridEvent("s/1", "T", {"a": 1}, "2.0", id="e1"))

        turned, (same,) = json.loads(cloud.next().body), json.loads(classic.next().body)
    assert (turned["type"], turned["subject"], turned["data"]) == ("T", "s/1", {"a": 1})
    assert turned["source"] == same["topic"]
    assert (same["id"], same["eventType"], same["dataVersion"]) == ("e1", "T", "2.0")
    assert same["metadataVersion"] == "1"


def echoing(received: Received) -> Reply:
    """Answer as whoever gives the code of a handshake back."""
    first = json.loads(received.body)[0]
    code = first["data"].get("validationCode") if isinstance(first["data"], dict) else None
    return Reply(body=json.dumps({"validationResponse": code}).encode())


# --- who may publish


class Signed:
    """A credential as azure-identity has them, of an identity of the stack."""

    def __init__(self, home: Home, name: str, audience: str = tokens.EVENT_GRID) -> None:
        tenant = home.object_id("tenant")
        issuer = Issuer(f"http://127.0.0.1:8440/{tenant}", tenant, home.token_key())
        caller = Caller(name, home.object_id(name))
        self._token = issuer.issue(caller, audience, clock.now())

    def get_token(self, *_: str, **__: object) -> AccessToken:
        return AccessToken(self._token, int(clock.now().timestamp()) + 3600)


def signature(grid: RunningGrid, topic: str, key: str, life: timedelta) -> str:
    until = datetime.now(UTC) + life
    return str(generate_sas(grid.topic_url(topic), key, until))


def test_a_signature_of_the_key_may_publish(grid: RunningGrid) -> None:
    token = signature(grid, "outcomes", grid.key("outcomes"), timedelta(minutes=5))

    with EventGridPublisherClient(grid.topic_url("outcomes"), AzureSasCredential(token)) as topic:
        topic.send(completed())


def test_an_identity_gets_its_token_from_the_stacks_directory(
    grid: RunningGrid, monkeypatch: pytest.MonkeyPatch
) -> None:
    (port,) = free_ports(1)
    options = ["--home", str(grid.home.path), "--port", str(port), "--identity", "functions"]
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{HOST}:{port}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", grid.home.secret("identity/functions"))
    log = grid.home.path / "identity.log"
    with (
        running("devstack.identity", options, (port, None), log),
        ManagedIdentityCredential() as credential,
        EventGridPublisherClient(grid.topic_url("outcomes"), credential) as topic,
    ):
        topic.send(completed())


@pytest.mark.parametrize("name", ["functions", "runner"])
def test_an_identity_with_the_role_may_publish(grid: RunningGrid, name: str) -> None:
    credential = Signed(grid.home, name)

    with EventGridPublisherClient(grid.topic_url("outcomes"), credential) as topic:
        topic.send(completed())


def test_an_identity_may_publish_to_one_topic_alone(grid: RunningGrid) -> None:
    credential = Signed(grid.home, "south")

    with EventGridPublisherClient(grid.topic_url("parties"), credential) as topic:
        topic.send(completed())
    with (
        EventGridPublisherClient(grid.topic_url("outcomes"), credential) as topic,
        pytest.raises(HttpResponseError, match="permission") as refusal,
    ):
        topic.send(completed())

    assert refusal.value.status_code == 403


def test_an_identity_without_the_role_is_forbidden(grid: RunningGrid) -> None:
    credential = Signed(grid.home, "north")

    with (
        EventGridPublisherClient(grid.topic_url("outcomes"), credential) as topic,
        pytest.raises(HttpResponseError, match="permission") as refusal,
    ):
        topic.send(completed())

    assert refusal.value.status_code == 403


def test_nobody_but_the_storage_publishes_to_the_system_topic(grid: RunningGrid) -> None:
    credential = Signed(grid.home, "runner")

    with (
        EventGridPublisherClient(grid.topic_url("storage"), credential) as topic,
        pytest.raises(HttpResponseError, match="permission"),
    ):
        topic.send(completed())


@pytest.mark.parametrize(
    "credential",
    [
        pytest.param(lambda _: AzureKeyCredential("d3Jvbmc="), id="another key"),
        pytest.param(
            lambda grid: AzureSasCredential(
                signature(grid, "outcomes", grid.key("outcomes"), -timedelta(seconds=1))
            ),
            id="an expired signature",
        ),
        pytest.param(
            lambda grid: AzureSasCredential(
                signature(grid, "outcomes", grid.key("classic"), timedelta(hours=1))
            ),
            id="a signature of another key",
        ),
        pytest.param(
            lambda grid: AzureSasCredential(
                signature(grid, "classic", grid.key("outcomes"), timedelta(hours=1))
            ),
            id="a signature for another topic",
        ),
        pytest.param(lambda _: AzureSasCredential("nonsense"), id="no signature"),
        pytest.param(
            lambda grid: Signed(grid.home, "functions", tokens.STORAGE), id="another audience"
        ),
    ],
)
def test_who_may_not_publish_is_unauthorized(grid: RunningGrid, credential: Any) -> None:
    with (
        EventGridPublisherClient(grid.topic_url("outcomes"), credential(grid)) as topic,
        pytest.raises(ClientAuthenticationError) as refusal,
    ):
        topic.send(completed())

    assert refusal.value.status_code == 401


# --- what the client makes of refusals


def test_an_unknown_topic_is_not_found(grid: RunningGrid) -> None:
    with publisher(grid, "nowhere") as topic, pytest.raises(ResourceNotFoundError):
        topic.send(completed())


def test_an_event_of_the_wrong_schema_is_refused_in_words(grid: RunningGrid) -> None:
    with publisher(grid) as topic, pytest.raises(HttpResponseError) as refusal:
        topic.send(EventGridEvent("s", "T", {}, "1"))

    assert refusal.value.status_code == 400
    assert "configured to receive event in 'CloudEventV10' schema" in str(refusal.value)


def test_one_bad_event_refuses_the_batch(grid: RunningGrid) -> None:
    bad = {"specversion": "1.0", "id": "b", "source": "", "type": "T"}
    with Endpoint() as endpoint, publisher(grid) as topic:
        grid.subscribe("outcomes", "all-or-none", webhook(endpoint.url))

        with pytest.raises(HttpResponseError, match="the event at 1"):
            topic.send([{**bad, "source": "/x"}, bad])

        assert grid.idle()
        assert endpoint.count() == 0


def test_more_than_a_mebibyte_is_too_large(grid: RunningGrid) -> None:
    with publisher(grid) as topic, pytest.raises(HttpResponseError, match="maximum size") as large:
        topic.send(CloudEvent(source="/x", type="T", data="x" * MOST_BYTES))

    assert large.value.status_code == 413


def test_an_event_of_nearly_a_mebibyte_arrives(grid: RunningGrid) -> None:
    with Endpoint() as endpoint, publisher(grid) as topic:
        grid.subscribe("outcomes", "large", webhook(endpoint.url))

        topic.send(CloudEvent(source="/x", type="T", data="x" * (MOST_BYTES - 1000)))

        assert len(endpoint.next().body) > MOST_BYTES - 1000


@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [
        pytest.param({}, "?api-version=2018-01-01", 401, id="no credential"),
        pytest.param({"aeg-sas-key": "KEY"}, "", 200, id="no version"),
        pytest.param({"aeg-sas-key": "KEY"}, "?api-version=1", 400, id="another version"),
        pytest.param({}, "?api-version=2018-01-01&aeg-sas-key=KEY", 200, id="key in the query"),
    ],
)
def test_publishing_without_the_client(
    grid: RunningGrid, headers: dict[str, str], query: str, status: int
) -> None:
    key = grid.key("outcomes")
    answer = requests.post(
        grid.topic_url("outcomes") + query.replace("KEY", quote(key, safe="")),
        json={"specversion": "1.0", "id": "1", "source": "/x", "type": "T"},
        headers={name: value.replace("KEY", key) for name, value in headers.items()},
        timeout=10,
    )

    assert answer.status_code == status
    assert (status == 200) == (answer.content == b"")


# --- the system topic


def test_the_system_topic_takes_each_event_once_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    created = {"specversion": "1.0", "id": "blob-1", "source": "/s", "type": "T", "subject": "x"}
    home = Home.at(tmp_path / "h")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(home.authority_file))
    with Endpoint() as endpoint, running_grid(home) as grid:
        grid.subscribe("storage", "once", webhook(endpoint.url))
        with publisher(grid, "storage") as topic:
            topic.send([created, created])
            topic.send(created)
            assert grid.idle()
            grid.server.kill()
            grid.server.restart()

            topic.send(created)
            topic.send({**created, "id": "blob-2"})

        found = [json.loads(endpoint.next().body)["id"] for _ in range(2)]
        assert grid.idle()
        assert (sorted(found), endpoint.count()) == (["blob-1", "blob-2"], 0)
