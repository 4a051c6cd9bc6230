"""Events as messages: Event Grid and the bus of the stack, with the genuine client of the bus."""

import json
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.credentials import AzureKeyCredential
from azure.eventgrid import EventGridPublisherClient
from azure.servicebus import ServiceBusClient, ServiceBusReceivedMessage, ServiceBusReceiver

from devstack.home import HOST
from tests.buses import Bus, running_bus
from tests.grids import RunningGrid, running_grid, webhook

NAMESPACE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ServiceBus/namespaces/bus"


@pytest.fixture(scope="module")
def grid(bus: Bus) -> Iterator[RunningGrid]:
    options = ("--bus", f"{HOST}:{bus.port}", "--speed", "1000")
    with running_grid(bus.home, options) as made:
        yield made


@pytest.fixture(scope="module")
def client(bus: Bus) -> Iterator[ServiceBusClient]:
    with ServiceBusClient.from_connection_string(bus.connection_string()) as made:
        yield made


@pytest.fixture(scope="module")
def inbox(bus: Bus, client: ServiceBusClient) -> tuple[str, ServiceBusReceiver]:
    """A queue that several tests share, one after the other."""
    queue = bus.control.queue()
    return queue, client.get_queue_receiver(queue)


@pytest.fixture
def topic(grid: RunningGrid) -> str:
    name = f"topic-{uuid.uuid4().hex}"
    grid.topic(name)
    return name


@pytest.fixture(autouse=True)
def forgotten(grid: RunningGrid) -> Iterator[None]:
    yield
    grid.forget()


@pytest.fixture(autouse=True)
def trusting_the_stack(bus: Bus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bus.home.authority_file))


def entity(sort: str, name: str, *mappings: object) -> dict[str, object]:
    kind = {"ServiceBusQueue": "queues", "ServiceBusTopic": "topics"}[sort]
    properties: dict[str, object] = {"resourceId": f"{NAMESPACE}/{kind}/{name}"}
    if mappings:
        properties["deliveryAttributeMappings"] = mappings
    return webhook("", destination={"endpointType": sort, "properties": properties})


def mapping(name: str, **properties: object) -> dict[str, object]:
    sort = "Dynamic" if "sourceField" in properties else "Static"
    return {"name": name, "type": sort, "properties": properties}


def event(number: int = 1) -> dict[str, object]:
    return {
        "specversion": "1.0",
        "id": f"e{number}",
        "source": "/x",
        "type": "T",
        "data": {"room": "r1", "number": number},
    }


def send(grid: RunningGrid, topic: str, *events: dict[str, object]) -> None:
    credential = AzureKeyCredential(grid.key(topic))
    with EventGridPublisherClient(grid.topic_url(topic), credential) as client:
        client.send(list(events))


def received(receiver: ServiceBusReceiver, count: int = 1) -> list[ServiceBusReceivedMessage]:
    found: list[ServiceBusReceivedMessage] = []
    while len(found) < count:
        batch = receiver.receive_messages(count - len(found), max_wait_time=10)
        assert batch
        for message in batch:
            receiver.complete_message(message)
        found += batch
    return found


def body(message: ServiceBusReceivedMessage) -> Any:
    return json.loads(str(message))


def text(properties: Any) -> dict[str, str]:
    """Spell application properties, of which the client leaves names and values in bytes."""
    return {
        (name.decode() if isinstance(name, bytes) else name): (
            value.decode() if isinstance(value, bytes) else value
        )
        for name, value in properties.items()
    }


def test_an_event_becomes_a_message_of_a_queue(
    grid: RunningGrid, inbox: tuple[str, ServiceBusReceiver], topic: str
) -> None:
    queue, receiver = inbox
    grid.subscribe(topic, "to-queue", entity("ServiceBusQueue", queue))

    send(grid, topic, event())

    (message,) = received(receiver)
    told = text(message.application_properties)
    assert body(message) == event()
    assert message.content_type == "application/cloudevents+json; charset=utf-8"
    assert message.message_id == told["aeg-output-event-id"]
    assert told["aeg-subscription-name"] == "TO-QUEUE"
    assert told["aeg-event-type"] == "Notification"
    assert told["aeg-delivery-count"] == "0"


def test_mappings_set_the_messages_own_properties(
    grid: RunningGrid, inbox: tuple[str, ServiceBusReceiver], topic: str
) -> None:
    queue, receiver = inbox
    mappings = (
        mapping("MessageId", sourceField="id"),
        mapping("CorrelationId", sourceField="data.room"),
        mapping("Label", value="event"),
        mapping("To", value="runner"),
        mapping("ReplyTo", value="functions"),
        mapping("kind", value="blob"),
        mapping("number", sourceField="data.number"),
    )
    grid.subscribe(topic, "mapped", entity("ServiceBusQueue", queue, *mappings))

    send(grid, topic, event(7))

    (message,) = received(receiver)
    told = text(message.application_properties)
    assert (message.message_id, message.correlation_id) == ("e7", "r1")
    assert (message.subject, message.to, message.reply_to) == ("event", "runner", "functions")
    assert (told["kind"], told["number"]) == ("blob", "7")


def test_an_event_becomes_a_message_of_a_session(
    grid: RunningGrid, bus: Bus, client: ServiceBusClient, topic: str
) -> None:
    queue = bus.control.queue(RequiresSession=True)
    session = mapping("SessionId", sourceField="data.room")
    grid.subscribe(topic, "by-room", entity("ServiceBusQueue", queue, session))

    send(grid, topic, event())

    (message,) = received(client.get_queue_receiver(queue, session_id="r1"))
    assert message.session_id == "r1"


def test_events_become_messages_of_a_topic(
    grid: RunningGrid, bus: Bus, client: ServiceBusClient, topic: str
) -> None:
    name = bus.control.topic()
    bus.control.subscription(name, "all")
    grid.subscribe(topic, "to-topic", entity("ServiceBusTopic", name))

    send(grid, topic, *(event(number) for number in range(20)))

    messages = received(client.get_subscription_receiver(name, "all"), 20)
    assert sorted(body(one)["data"]["number"] for one in messages) == list(range(20))


def test_a_queue_that_comes_later_gets_the_event(grid: RunningGrid, bus: Bus, topic: str) -> None:
    grid.subscribe(topic, "too-early", entity("ServiceBusQueue", "too-early"))
    send(grid, topic, event(3))
    assert grid.idle(retries="ignore")

    bus.control.put("queues/too-early", {})

    assert grid.idle()
    assert bus.control.get("queues/too-early")["active"] == 1


def test_a_bus_that_dies_and_comes_back_gets_every_event(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_bus(tmp_path) as bus:
        monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bus.home.authority_file))
        queue = bus.control.queue()
        with running_grid(bus.home, ("--bus", f"{HOST}:{bus.port}")) as grid:
            grid.topic("outcomes")
            grid.subscribe("outcomes", "after-all", entity("ServiceBusQueue", queue))
            send(grid, "outcomes", event(1))
            assert grid.idle(retries="ignore")

            bus.server.kill()
            send(grid, "outcomes", event(2))
            bus.server.restart()

            assert grid.idle()
            assert bus.control.get(f"queues/{queue}")["active"] == 2


def test_a_message_too_large_for_the_bus_is_given_up(
    grid: RunningGrid, bus: Bus, topic: str
) -> None:
    queue = bus.control.queue()
    grid.subscribe(topic, "too-large", entity("ServiceBusQueue", queue))

    send(grid, topic, {**event(), "data": "x" * ((1 << 20) - 200)})

    assert grid.idle()
    assert bus.control.get(f"queues/{queue}")["active"] == 0
