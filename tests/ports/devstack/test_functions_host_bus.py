"""Functions that run on messages of the dev stack's bus, sent by the genuine SDK."""

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
)
from azure.servicebus.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType

from devstack.home import HOST
from tests.buses import Bus
from tests.ports.devstack.functions_apps import APPS, Hosted, hosted
from tests.servers import free_ports, running

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
OTHER = "00-11111111111111111111111111111111-2222222222222222-01"
PATIENCE = 10.0


@dataclass(frozen=True)
class Place:
    """A bus, a host whose functions listen to it, and a client of our own."""

    bus: Bus
    host: Hosted
    client: ServiceBusClient
    names: dict[str, str]
    senders: dict[str, ServiceBusSender] = field(default_factory=dict)

    def send(self, key: str, *messages: ServiceBusMessage | AmqpAnnotatedMessage) -> None:
        if key not in self.senders:  # a topic is sent to likewise
            self.senders[key] = self.client.get_queue_sender(self.names[key], keep_alive=0)
        for message in messages:
            self.senders[key].send_messages(message)

    def close_senders(self) -> None:
        for sender in self.senders.values():
            sender.close()
        self.senders.clear()

    def counts(self, key: str) -> dict[str, int]:
        found = self.bus.control.get(f"queues/{self.names[key]}")
        assert isinstance(found, dict)
        return found

    def wait_until_empty(self, key: str) -> None:
        until = time.monotonic() + PATIENCE
        while self.counts(key)["active"]:
            assert time.monotonic() < until, self.counts(key)
            time.sleep(0.02)


@pytest.fixture(scope="module")
def identity(bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    (port,) = free_ports(1)
    options = ["--home", str(bus.home.path), "--port", str(port), "--identity", "functions"]
    log = tmp_path_factory.mktemp("identity") / "log"
    with running("devstack.identity", options, (port, None), log):
        yield {
            "IDENTITY_ENDPOINT": f"http://{HOST}:{port}/msi/token",
            "IDENTITY_HEADER": bus.home.secret("identity/functions"),
        }


def settings(bus: Bus, names: dict[str, str], identity: dict[str, str]) -> dict[str, str]:
    connections = {
        "BUS": bus.connection_string(),
        "IDENTITY__fullyQualifiedNamespace": f"{HOST}:{bus.port}",
    }
    return connections | names | identity


def entities(bus: Bus) -> dict[str, str]:
    queues = ("QUEUE", "MANY", "BINARY", "JUDGED", "FORGOTTEN")
    names = {name: bus.control.queue(MaxDeliveryCount=3) for name in queues}
    names["SLOW"] = bus.control.queue(MaxDeliveryCount=3, LockDuration="PT2S")
    names["TOPIC"] = bus.control.topic()
    names["OTHER_TOPIC"] = bus.control.topic()
    bus.control.subscription(names["OTHER_TOPIC"], "judge")
    names["SUBSCRIPTION"] = bus.control.subscription(names["TOPIC"], "listener")
    return names


@pytest.fixture(scope="module")
def place(
    bus: Bus, identity: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Place]:
    names = entities(bus)
    folder = tmp_path_factory.mktemp("messages")
    given = settings(bus, names, identity)
    with (
        hosted(APPS / "messages", folder, given, home=bus.home.path) as host,
        ServiceBusClient.from_connection_string(bus.connection_string()) as client,
    ):
        made = Place(bus, host, client, names)
        yield made
        made.close_senders()


def test_a_message_runs_its_function_and_is_complete(place: Place) -> None:
    message = ServiceBusMessage(
        "hello",
        message_id="m1",
        content_type="text/plain",
        correlation_id="c1",
        subject="s1",
        to="t1",
        reply_to="r1",
        partition_key="p1",
        application_properties={"traceparent": TRACE, "n": 1},
    )

    place.send("QUEUE", message)

    seen = next(one for one in place.host.wait_for("message", 1) if one["body"] == "hello")
    properties = {"traceparent": TRACE, "n": 1}
    timed = {name: seen.pop(name) for name in ("enqueued", "locked", "token")}
    assert all(timed.values())
    assert isinstance(seen.pop("sequence"), int)
    assert seen == {
        "kind": "message",
        "body": "hello",
        "id": "m1",
        "count": 1,
        "content_type": "text/plain",
        "correlation": "c1",
        "subject": "s1",
        "to": "t1",
        "reply_to": "r1",
        "partition": "p1",
        "expires": None,
        "life": None,
        "properties": properties,
        "user": properties,
        "trace": TRACE,
    }
    place.wait_until_empty("QUEUE")
    assert place.counts("QUEUE")["deadLetter"] == 0


def test_a_poison_message_is_tried_as_often_as_its_queue_says(place: Place) -> None:
    place.send("QUEUE", ServiceBusMessage("poison", message_id="p"))

    with place.client.get_queue_receiver(
        place.names["QUEUE"], sub_queue=ServiceBusSubQueue.DEAD_LETTER, keep_alive=0
    ) as receiver:
        (dead,) = receiver.receive_messages(max_wait_time=PATIENCE)
        receiver.complete_message(dead)

    assert dead.dead_letter_reason == "MaxDeliveryCountExceeded"
    tries = [one["count"] for one in place.host.recorded("message") if one["id"] == "p"]
    assert tries == [1, 2, 3]


@pytest.mark.parametrize(
    ("properties", "found"),
    [
        pytest.param({"Diagnostic-Id": TRACE}, TRACE, id="the older name"),
        pytest.param({"traceparent": TRACE, "Diagnostic-Id": OTHER}, TRACE, id="both"),
        pytest.param({"Diagnostic-Id": "no trace"}, None, id="no trace"),
    ],
)
def test_a_message_brings_its_trace(
    place: Place, properties: dict[str | bytes, Any], found: str | None
) -> None:
    name = str(uuid.uuid4())

    place.send("QUEUE", ServiceBusMessage(name, application_properties=properties))

    place.host.wait_for_text(name)
    (seen,) = [one for one in place.host.recorded("message") if one["body"] == name]
    assert (seen["trace"] == TRACE) == (found == TRACE)
    assert seen["trace"] not in (OTHER, "no trace")


def dead_letter(receiver: ServiceBusReceiver) -> None:
    with receiver:
        (message,) = receiver.receive_messages(max_wait_time=PATIENCE)
        receiver.dead_letter_message(message, reason="judged")


def recorded_dead(place: Place, name: str, count: int = 1) -> list[dict[str, object]]:
    until = time.monotonic() + PATIENCE
    while len(found := [one for one in place.host.recorded("dead") if one["body"] == name]) < count:
        assert time.monotonic() < until, place.host.log()[-2000:]
        time.sleep(0.02)
    return found


@pytest.mark.parametrize(
    ("key", "by"), [("JUDGED", "connection string"), ("FORGOTTEN", "identity")]
)
def test_a_dead_letter_runs_its_function_and_is_gone(place: Place, key: str, by: str) -> None:
    place.send(key, ServiceBusMessage(f"in {key}"))

    dead_letter(place.client.get_queue_receiver(place.names[key], keep_alive=0))

    (found,) = recorded_dead(place, f"in {key}")
    assert (found["by"], found["reason"], found["count"]) == (by, "judged", 1)
    wait_until_none_is_dead(place, key)


def wait_until_none_is_dead(place: Place, key: str) -> None:
    until = time.monotonic() + PATIENCE
    while place.counts(key)["deadLetter"]:
        assert time.monotonic() < until, place.counts(key)
        time.sleep(0.02)


def test_a_dead_letter_on_which_a_function_fails_comes_again(place: Place) -> None:
    place.send("JUDGED", ServiceBusMessage("again"))

    dead_letter(place.client.get_queue_receiver(place.names["JUDGED"], keep_alive=0))

    assert [one["count"] for one in recorded_dead(place, "again", 3)] == [1, 2, 3]
    wait_until_none_is_dead(place, "JUDGED")


def test_a_dead_letter_of_a_subscription_runs_its_function(place: Place) -> None:
    topic = place.names["OTHER_TOPIC"]
    place.send("OTHER_TOPIC", ServiceBusMessage("to all"))

    dead_letter(place.client.get_subscription_receiver(topic, "judge", keep_alive=0))

    (found,) = recorded_dead(place, "to all")
    assert (found["by"], found["reason"]) == ("subscription", "judged")


def test_a_subscription_runs_its_function(place: Place) -> None:
    name = uuid.uuid4()
    given: dict[str | bytes, Any] = {"k": "v", "id": name, "raw": b"x", "n": 0.5}

    place.send("TOPIC", ServiceBusMessage("news", application_properties=given))

    place.host.wait_for_text('"news"')
    (seen,) = [one for one in place.host.recorded("topic") if one["body"] == "news"]
    assert seen["properties"] == {"k": "v", "id": str(name), "raw": "x", "n": 0.5}


def test_no_more_run_at_once_than_host_json_allows(place: Place) -> None:
    place.send("SLOW", *(ServiceBusMessage("0.15") for _ in range(8)))

    seen = place.host.wait_for("ended", 8)

    place.wait_until_empty("SLOW")
    assert {one["count"] for one in seen} == {1}
    assert max(int(str(one["running"])) for one in place.host.recorded("begun")) == 3


def test_many_messages_run_one_function_once(place: Place) -> None:
    messages = [ServiceBusMessage(f"b{n}", message_id=str(n)) for n in range(5)]

    place.send("MANY", *messages)

    place.host.wait_for_text('"b4"')
    seen = [body for one in place.host.recorded("many") for body in one["bodies"]]  # type: ignore[attr-defined]  # a list
    assert sorted(set(seen) & {f"b{n}" for n in range(5)}) == [f"b{n}" for n in range(5)]
    place.wait_until_empty("MANY")


def test_a_batch_that_fails_comes_again(place: Place) -> None:
    place.send("MANY", ServiceBusMessage("again"))

    until = time.monotonic() + PATIENCE
    while place.host.records.read_text().count('"again"') < 2:
        assert time.monotonic() < until
        time.sleep(0.02)
    place.wait_until_empty("MANY")


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        pytest.param(ServiceBusMessage(b"\x00\xff"), "00ff", id="bytes"),
        pytest.param(AmqpAnnotatedMessage(data_body=[b"ab", b"cd"]), "61626364", id="in parts"),
        pytest.param(AmqpAnnotatedMessage(value_body="text"), "74657874", id="a value"),
        pytest.param(AmqpAnnotatedMessage(value_body=b"\x01"), "01", id="a value of bytes"),
        pytest.param(
            AmqpAnnotatedMessage(sequence_body=[[1, "x"]]), "5b5b312c202278225d5d", id="list"
        ),
    ],
)
def test_bodies_of_any_kind_arrive(
    place: Place, body: ServiceBusMessage | AmqpAnnotatedMessage, seen: str
) -> None:
    place.send("BINARY", body)

    place.host.wait_for_text(f'"body": "{seen}"')


def test_outputs_send_messages(place: Place) -> None:
    assert place.host.ask("POST", "/api/send", "x").status == 202

    place.host.wait_for_text("to the queue: x")
    place.host.wait_for_text("to the topic: x")


def test_what_a_function_returns_may_be_a_message(place: Place) -> None:
    assert place.host.fire("returned").status == 202

    place.host.wait_for_text('"body": "past due: False"')


def test_a_message_by_hand_runs_a_function(place: Place) -> None:
    assert place.host.fire("on_topic", "typed by hand").status == 202

    place.host.wait_for_text("typed by hand")


def test_neither_a_kill_nor_a_stop_loses_a_message(
    bus: Bus, identity: dict[str, str], tmp_path: Path
) -> None:
    names = entities(bus)
    given = settings(bus, names, identity)
    with (
        hosted(APPS / "messages", tmp_path, given, ["--patience", "2"], bus.home.path) as host,
        ServiceBusClient.from_connection_string(bus.connection_string()) as client,
        client.get_queue_sender(names["SLOW"], keep_alive=0) as sender,
    ):
        sender.send_messages(ServiceBusMessage("0.4"))
        host.wait_for("begun", 1)
        host.server.kill()
        host.server.restart()
        (killed,) = host.wait_for("ended", 1)

        sender.send_messages([ServiceBusMessage("30"), ServiceBusMessage("0.5")])
        host.wait_for("begun", 4)
        before = bus.control.get(f"queues/{names['SLOW']}")["active"]
        host.server.stop()

        assert (killed["body"], killed["count"]) == ("0.4", 2)
        assert before == 2
        assert [one["body"] for one in host.recorded("ended")] == ["0.4", "0.5"]
        with client.get_queue_receiver(names["SLOW"], keep_alive=0) as receiver:
            (back,) = receiver.receive_messages(max_wait_time=PATIENCE)
            receiver.complete_message(back)
    assert (str(back), back.delivery_count) == ("30", 1)
    assert back.body_type is AmqpMessageBodyType.DATA


def test_a_bus_that_was_away_is_found_again(place: Place) -> None:
    place.close_senders()  # the SDK leaves a socket open whose other end is gone
    place.bus.server.kill()
    place.bus.server.restart()
    marked = f"after {uuid.uuid4()}"

    with (
        ServiceBusClient.from_connection_string(place.bus.connection_string()) as client,
        client.get_queue_sender(place.names["QUEUE"], keep_alive=0) as sender,
    ):
        sender.send_messages(ServiceBusMessage(marked))

    place.host.wait_for_text(marked)
