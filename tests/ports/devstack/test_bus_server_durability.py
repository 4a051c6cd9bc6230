"""What the bus acknowledged, after it was killed: all of it, and once."""

import gc
import time
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSubQueue,
)

from tests.buses import Bus
from tests.ports.namespaces import hurry

SOON = 3


@pytest.fixture(autouse=True)
def what_the_sdk_leaves_open(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Collect sockets that the SDK forgets to close when the other side is killed."""
    hurry(monkeypatch)
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def connected(bus: Bus) -> ServiceBusClient:
    return ServiceBusClient.from_connection_string(bus.connection_string())


def cut(bus: Bus) -> None:
    """Kill it, and start it again."""
    bus.server.kill()
    bus.server.restart()


def received(receiver: ServiceBusReceiver, count: int) -> list[ServiceBusReceivedMessage]:
    found: list[ServiceBusReceivedMessage] = []
    while len(found) < count:
        more = receiver.receive_messages(count - len(found), max_wait_time=10)
        assert more, f"{len(found)} of {count}"
        found += more
    return found


def test_what_was_acknowledged_is_there_in_order_and_once(bus: Bus) -> None:
    queue = bus.control.queue()
    sent = [str(number) for number in range(200)]

    with connected(bus) as client, client.get_queue_sender(queue) as sender:
        for text in sent[:100]:
            sender.send_messages(ServiceBusMessage(text))
        cut(bus)
        sender.send_messages([ServiceBusMessage(text) for text in sent[100:]])
    cut(bus)
    with connected(bus) as client, client.get_queue_receiver(queue) as receiver:
        found = received(receiver, 200)
        numbers = [message.sequence_number or 0 for message in found]
        for message in found[:20]:
            receiver.complete_message(message)
    cut(bus)

    assert [str(message) for message in found] == sent
    assert numbers == sorted(set(numbers))
    assert bus.control.get(f"queues/{queue}")["active"] == 180


def test_all_that_a_queue_knows_outlives_a_kill(bus: Bus) -> None:
    queue = bus.control.queue(
        RequiresDuplicateDetection=True, DuplicateDetectionHistoryTimeWindow="PT1M"
    )
    due = datetime.now(UTC) + timedelta(seconds=SOON)

    with (
        connected(bus) as client,
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue) as receiver,
    ):
        sender.send_messages([ServiceBusMessage(text, message_id=text) for text in "abcd"])
        sender.schedule_messages(ServiceBusMessage("later", message_id="later"), due)
        done, deferred, dead, back = received(receiver, 4)
        receiver.complete_message(done)
        receiver.defer_message(deferred)
        receiver.dead_letter_message(dead, reason="why")
        receiver.abandon_message(back)
    number = deferred.sequence_number or 0
    cut(bus)
    with (
        connected(bus) as client,
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue) as receiver,
        client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as morgue,
    ):
        sender.send_messages(ServiceBusMessage("again", message_id="a"))
        (again,) = received(receiver, 1)
        (kept,) = receiver.receive_deferred_messages([number])
        (buried,) = received(morgue, 1)
        receiver.complete_message(again)
        (late,) = received(receiver, 1)

    assert (str(again), again.delivery_count) == ("d", 1)
    assert (str(kept), str(buried), buried.dead_letter_reason) == ("b", "c", "why")
    assert str(late) == "later"
    assert time.time() >= due.timestamp()


def test_sessions_outlive_a_kill(bus: Bus) -> None:
    queue = bus.control.queue(RequiresSession=True)

    with connected(bus) as client:
        with client.get_queue_sender(queue) as sender:
            sender.send_messages(ServiceBusMessage("m", session_id="s"))
        with client.get_queue_receiver(queue, session_id="s") as receiver:
            receiver.session.set_state(b"noted")
    cut(bus)
    with connected(bus) as client, client.get_queue_receiver(queue, session_id="s") as receiver:
        state = receiver.session.get_state()
        (message,) = received(receiver, 1)

    assert (state, str(message)) == (b"noted", "m")
