"""Service Bus by its genuine SDK, sync: the same tests for the dev stack and for Azure."""

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    AutoLockRenewer,
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusReceiver,
    ServiceBusSender,
    ServiceBusSubQueue,
    TransportType,
)
from azure.servicebus.amqp import AmqpAnnotatedMessage, AmqpMessageBodyType
from azure.servicebus.exceptions import (
    MessageLockLostError,
    MessageNotFoundError,
    MessageSizeExceededError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusConnectionError,
    ServiceBusError,
    SessionCannotBeLockedError,
    SessionLockLostError,
)

from devstack import tokens
from devstack.home import HOST
from tests.buses import LISTENER, SENDER
from tests.ports.azure import PLACES
from tests.ports.namespaces import Credential, Local, Namespace, hurry, namespace_at
from tests.servers import trusting

PATIENCE = 10.0
SOON = 0.3


@pytest.fixture(scope="module", params=PLACES)
def namespace(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Namespace]:
    with namespace_at(request.param, tmp_path_factory.mktemp("bus")) as found:
        yield found


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    hurry(monkeypatch)


@pytest.fixture
def local(namespace: Namespace) -> Local:
    if not isinstance(namespace, Local):
        pytest.skip("about the dev stack's ports and authority")
    return namespace


@pytest.fixture
def client(namespace: Namespace) -> Iterator[ServiceBusClient]:
    with connected(namespace.connection_string()) as found:
        yield found


@contextmanager
def connected(connection_string: str, **options: Any) -> Iterator[ServiceBusClient]:
    """Connect as a program that does not try again."""
    with ServiceBusClient.from_connection_string(
        connection_string, retry_total=0, **options
    ) as client:
        yield client


def received(receiver: ServiceBusReceiver, count: int = 1) -> list[ServiceBusReceivedMessage]:
    """Receive as many messages as should be there."""
    found: list[ServiceBusReceivedMessage] = []
    until = time.monotonic() + PATIENCE
    while len(found) < count and time.monotonic() < until:
        found += receiver.receive_messages(count - len(found), max_wait_time=1)
    return found


def texts(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


def send(sender: ServiceBusSender, *bodies: str, **properties: Any) -> None:
    sender.send_messages([ServiceBusMessage(body, **properties) for body in bodies])


# Sending


def test_a_message_arrives_as_it_was_sent(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue()
    user_id = uuid.uuid4()
    message = ServiceBusMessage(
        b'{"job": 1}',
        application_properties={"text": "é", "number": 7, "true": True, "id": user_id, "real": 1.5},
        content_type="application/json",
        correlation_id="c-1",
        message_id="m-1",
        reply_to="answers",
        reply_to_session_id="s-2",
        subject="job",
        time_to_live=timedelta(minutes=5),
        to="runner",
    )

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        sender.send_messages(message)
        (found,) = received(receiver)

    assert b"".join(found.body) == b'{"job": 1}'
    assert found.application_properties == {
        b"text": b"\xc3\xa9",
        b"number": 7,
        b"true": True,
        b"id": user_id,
        b"real": 1.5,
    }
    assert found.content_type == "application/json"
    assert found.correlation_id == "c-1"
    assert found.message_id == "m-1"
    assert found.reply_to == "answers"
    assert found.reply_to_session_id == "s-2"
    assert found.subject == "job"
    assert found.time_to_live == timedelta(minutes=5)
    assert found.to == "runner"
    assert found.delivery_count == 0
    assert found.enqueued_time_utc is not None
    assert found.sequence_number is not None


def test_a_list_and_a_batch_arrive_in_order(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "a", "b")
        batch = sender.create_message_batch()
        batch.add_message(ServiceBusMessage("c"))
        batch.add_message(ServiceBusMessage("d"))
        sender.send_messages(batch)
        found = received(receiver, 4)

    assert texts(found) == ["a", "b", "c", "d"]
    numbers = [message.sequence_number or 0 for message in found]
    assert numbers == sorted(set(numbers))


def test_a_body_may_be_a_value_or_a_sequence(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        sender.send_messages(AmqpAnnotatedMessage(value_body={"a": [1, None]}))
        sender.send_messages(AmqpAnnotatedMessage(sequence_body=[[1, "x"], [2]]))
        value, sequence = received(receiver, 2)

    assert value.body_type == AmqpMessageBodyType.VALUE
    assert value.body == {b"a": [1, None]}
    assert sequence.body_type == AmqpMessageBodyType.SEQUENCE
    assert list(sequence.body) == [[1, b"x"], [2]]


def test_a_message_that_is_too_large_is_refused(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, pytest.raises(MessageSizeExceededError):
        sender.send_messages(ServiceBusMessage(b"x" * 2_000_000))


def test_an_identifier_sent_twice_is_delivered_once(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(
        RequiresDuplicateDetection=True, DuplicateDetectionHistoryTimeWindow="PT1M"
    )

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "first", message_id="same")
        send(sender, "second", message_id="same")
        send(sender, "third", message_id="other")
        found = received(receiver, 2)

    assert texts(found) == ["first", "third"]


def test_a_scheduled_message_arrives_when_it_is_due(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()
    soon = datetime.now(UTC) + timedelta(seconds=0.5)
    later = soon + timedelta(minutes=5)

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        (number,) = sender.schedule_messages(ServiceBusMessage("later"), later)
        sender.schedule_messages(ServiceBusMessage("soon"), soon)
        (found,) = received(receiver)
        nothing = receiver.receive_messages(1, max_wait_time=SOON)
        (waiting,) = receiver.peek_messages(1, sequence_number=number)

    assert str(found) == "soon"
    assert found.enqueued_time_utc is not None
    assert found.enqueued_time_utc >= soon - timedelta(seconds=0.5)
    assert nothing == []
    assert str(waiting) == "later"
    assert waiting.sequence_number == number


def test_a_scheduled_message_can_be_cancelled(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()
    due = datetime.now(UTC) + timedelta(minutes=5)

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        numbers = sender.schedule_messages([ServiceBusMessage("a"), ServiceBusMessage("b")], due)
        sender.cancel_scheduled_messages(numbers[0])
        left = receiver.peek_messages(10)
        with pytest.raises(MessageNotFoundError):
            sender.cancel_scheduled_messages(numbers[0])

    assert texts(left) == ["b"]


# Receiving and settling


def test_a_completed_message_is_gone(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "once")
        (found,) = received(receiver)
        receiver.complete_message(found)
        left = receiver.peek_messages(1)

    assert left == []


def test_an_abandoned_message_comes_back_until_it_came_too_often(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(MaxDeliveryCount=2)

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "poison")
        (first,) = received(receiver)
        receiver.abandon_message(first)
        (second,) = received(receiver)
        receiver.abandon_message(second)
    with client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead:
        (found,) = received(dead)
        dead.complete_message(found)

    assert (first.delivery_count, second.delivery_count) == (0, 1)
    assert str(found) == "poison"
    assert found.sequence_number == first.sequence_number
    assert found.dead_letter_reason == "MaxDeliveryCountExceeded"


def test_a_dead_lettered_message_says_why(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "bad", application_properties={"kept": "yes"})
        (message,) = received(receiver)
        receiver.dead_letter_message(message, reason="malformed", error_description="no JSON")
    with client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead:
        (found,) = received(dead)

    assert found.dead_letter_reason == "malformed"
    assert found.dead_letter_error_description == "no JSON"
    assert found.application_properties == {
        b"kept": b"yes",
        b"DeadLetterReason": b"malformed",
        b"DeadLetterErrorDescription": b"no JSON",
    }


def test_a_deferred_message_waits_to_be_asked_for(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "not yet", "now")
        first, second = received(receiver, 2)
        receiver.defer_message(first)
        receiver.complete_message(second)
        nothing = receiver.receive_messages(1, max_wait_time=SOON)
        (found,) = receiver.receive_deferred_messages([first.sequence_number or 0])
        receiver.complete_message(found)
        with pytest.raises(MessageNotFoundError):
            receiver.receive_deferred_messages([first.sequence_number or 0])

    assert nothing == []
    assert str(found) == "not yet"


def test_a_message_that_is_received_and_deleted_needs_no_settling(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()
    mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE

    with (
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue, receive_mode=mode) as receiver,
    ):
        send(sender, "a", "b")
        found = received(receiver, 2)
        left = receiver.peek_messages(1)

    assert texts(found) == ["a", "b"]
    assert left == []


def test_a_message_can_be_looked_at_without_taking_it(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "a", "b", "c")
        (locked,) = received(receiver)
        number = locked.sequence_number or 0
        all_of_them = receiver.peek_messages(10, sequence_number=number)
        later = receiver.peek_messages(10, sequence_number=number + 1)

    assert texts(all_of_them) == ["a", "b", "c"]
    assert texts(later) == ["b", "c"]


def test_a_lock_can_be_renewed(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "long")
        (message,) = received(receiver)
        before = message.locked_until_utc
        until = receiver.renew_message_lock(message)
        after = message.locked_until_utc
        receiver.complete_message(message)

    assert before is not None
    assert until > before
    assert until == after


def test_a_lock_that_nobody_renewed_is_lost(namespace: Namespace, client: ServiceBusClient) -> None:
    queue = namespace.queue(LockDuration=f"PT{namespace.shortest}S")

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "slow")
        (first,) = received(receiver)
        time.sleep(namespace.shortest + 0.2)
        with pytest.raises(MessageLockLostError):
            receiver.complete_message(first)
        (second,) = received(receiver)

    assert str(second) == "slow"
    assert second.delivery_count == 1


def test_the_sdk_can_keep_a_lock_for_us(namespace: Namespace, client: ServiceBusClient) -> None:
    lock = max(2.0, namespace.shortest)  # the SDK renews no shorter one in time
    queue = namespace.queue(LockDuration=f"PT{lock}S")
    renewer = AutoLockRenewer()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "kept")
        (message,) = received(receiver)
        renewer.register(receiver, message, max_lock_renewal_duration=60)
        time.sleep(lock * 1.5)
        receiver.complete_message(message)
        left = receiver.peek_messages(1)
    renewer.close()

    assert left == []


def test_a_message_that_is_too_old_is_dead_lettered(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(DeadLetteringOnMessageExpiration=True, DefaultMessageTimeToLive="PT1S")

    with (
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead,
    ):
        send(sender, "old")
        (found,) = received(dead)

    assert str(found) == "old"
    assert found.dead_letter_reason == "TTLExpiredException"


def test_a_message_that_is_too_old_is_dropped(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue()

    with client.get_queue_sender(queue) as sender, client.get_queue_receiver(queue) as receiver:
        send(sender, "old", time_to_live=timedelta(milliseconds=50))
        time.sleep(0.2)
        send(sender, "new")
        found = received(receiver)

    assert texts(found) == ["new"]


def test_a_queue_can_forward_to_another(namespace: Namespace, client: ServiceBusClient) -> None:
    target = namespace.queue()
    source = namespace.queue(ForwardTo=target)

    with client.get_queue_sender(source) as sender, client.get_queue_receiver(target) as receiver:
        send(sender, "passed on")
        (found,) = received(receiver)

    assert str(found) == "passed on"


# Sessions


def test_a_session_has_its_messages_in_order_and_a_state(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(RequiresSession=True)

    with client.get_queue_sender(queue) as sender:
        send(sender, "a1", "a2", session_id="a")
        send(sender, "b1", session_id="b")
    with client.get_queue_receiver(queue, session_id="a") as receiver:
        found = received(receiver, 2)
        before = receiver.session.get_state()
        receiver.session.set_state(b"half way")
        after = receiver.session.get_state()
        until = receiver.session.locked_until_utc
        renewed = receiver.session.renew_lock()
        for message in found:
            receiver.complete_message(message)

    assert texts(found) == ["a1", "a2"]
    assert before is None
    assert after == b"half way"
    assert until is not None
    assert renewed >= until


def test_the_next_session_that_is_free_can_be_had(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(RequiresSession=True)

    with client.get_queue_sender(queue) as sender:
        send(sender, "x", session_id="only")
    with client.get_queue_receiver(queue, session_id=NEXT_AVAILABLE_SESSION) as receiver:
        (found,) = received(receiver)
        name = receiver.session.session_id
        with (
            pytest.raises(OperationTimeoutError),
            client.get_queue_receiver(
                queue, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1
            ) as other,
        ):
            other.receive_messages(max_wait_time=1)

    assert (name, str(found)) == ("only", "x")


def test_a_session_has_one_receiver_at_a_time(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(RequiresSession=True)

    with client.get_queue_receiver(queue, session_id="one") as receiver:
        receiver.session.get_state()
        with (
            pytest.raises(SessionCannotBeLockedError),
            client.get_queue_receiver(queue, session_id="one") as other,
        ):
            other.session.get_state()


def test_a_session_that_nobody_renewed_is_lost(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    queue = namespace.queue(RequiresSession=True, LockDuration=f"PT{namespace.shortest}S")

    with client.get_queue_receiver(queue, session_id="one") as receiver:
        receiver.session.get_state()
        time.sleep(namespace.shortest + 0.5)
        with pytest.raises(SessionLockLostError):
            receiver.session.set_state(b"too late")


# Topics


def test_every_subscription_has_a_copy_of_its_own(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    topic = namespace.topic()
    one, two = namespace.subscription(topic), namespace.subscription(topic)

    with (
        client.get_topic_sender(topic) as sender,
        client.get_subscription_receiver(topic, one) as first,
        client.get_subscription_receiver(topic, two) as second,
    ):
        send(sender, "news")
        (mine,) = received(first)
        first.complete_message(mine)
        (theirs,) = received(second)

    assert (str(mine), str(theirs)) == ("news", "news")


RULES: dict[str, tuple[dict[str, Any], list[str]]] = {
    "SQL on properties": (
        {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "colour = 'red' AND size > 5"}},
        ["large red"],
    ),
    "SQL on the message": (
        {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "sys.Label LIKE 'sm%'"}},
        ["small red"],
    ),
    "SQL on what is missing": (
        {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "NOT EXISTS(size)"}},
        ["bare"],
    ),
    "correlation": (
        {"FilterType": "Correlation", "CorrelationFilter": {"CorrelationId": "c-2"}},
        ["large blue"],
    ),
    "correlation of properties": (
        {
            "FilterType": "Correlation",
            "CorrelationFilter": {"Label": "large", "Properties": {"colour": "red"}},
        },
        ["large red"],
    ),
}


@pytest.mark.parametrize(("rule", "expected"), RULES.values(), ids=RULES)
def test_a_subscription_gets_what_its_rule_takes(
    namespace: Namespace, client: ServiceBusClient, rule: dict[str, Any], expected: list[str]
) -> None:
    topic = namespace.topic()
    subscription = namespace.subscription(topic)
    namespace.rule(topic, subscription, rule)
    messages = [
        coloured("small red", "small", "red", 1),
        coloured("large red", "large", "red", 9),
        coloured("large blue", "large", "blue", 9, correlation_id="c-2"),
        ServiceBusMessage("bare"),
    ]

    with (
        client.get_topic_sender(topic) as sender,
        client.get_subscription_receiver(topic, subscription) as receiver,
    ):
        sender.send_messages(messages)
        found = received(receiver, len(expected))
        left = receiver.peek_messages(10, sequence_number=1 + (found[-1].sequence_number or 0))

    assert texts(found) == expected
    assert left == []


def coloured(
    body: str, subject: str, colour: str, size: int, **properties: Any
) -> ServiceBusMessage:
    return ServiceBusMessage(
        body,
        subject=subject,
        application_properties={"colour": colour, "size": size},
        **properties,
    )


def test_a_rule_can_change_its_copy(namespace: Namespace, client: ServiceBusClient) -> None:
    topic = namespace.topic()
    subscription = namespace.subscription(topic)
    action = "SET size = size / 2; REMOVE colour; SET sys.Label = 'halved'"
    rule = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "colour = 'red'"}}
    namespace.rule(topic, subscription, rule | {"Action": {"SqlExpression": action}})

    with (
        client.get_topic_sender(topic) as sender,
        client.get_subscription_receiver(topic, subscription) as receiver,
    ):
        send(sender, "x", subject="whole", application_properties={"colour": "red", "size": 9})
        (found,) = received(receiver)

    assert str(found) == "x"
    assert found.subject == "halved"
    properties = found.application_properties or {}
    assert properties[b"size"] == 4
    assert b"colour" not in properties
    assert b"RuleName" in properties


def test_a_subscription_has_a_dead_letter_queue(
    namespace: Namespace, client: ServiceBusClient
) -> None:
    topic = namespace.topic()
    subscription = namespace.subscription(topic)

    with (
        client.get_topic_sender(topic) as sender,
        client.get_subscription_receiver(topic, subscription) as receiver,
        client.get_subscription_receiver(
            topic, subscription, sub_queue=ServiceBusSubQueue.DEAD_LETTER
        ) as dead,
    ):
        send(sender, "bad")
        (message,) = received(receiver)
        receiver.dead_letter_message(message, reason="malformed")
        (found,) = received(dead)

    assert found.dead_letter_reason == "malformed"


# Who may


def test_a_key_to_send_does_not_let_receive(namespace: Namespace) -> None:
    queue = namespace.queue()

    with connected(namespace.connection_string(SENDER)) as client:
        with client.get_queue_sender(queue) as sender:
            send(sender, "x")
        with (
            pytest.raises(ServiceBusAuthorizationError),
            client.get_queue_receiver(queue) as receiver,
        ):
            receiver.receive_messages(max_wait_time=1)


def test_a_key_to_listen_does_not_let_send(namespace: Namespace) -> None:
    queue = namespace.queue()

    with connected(namespace.connection_string(LISTENER)) as client:
        with client.get_queue_receiver(queue) as receiver:
            nothing = receiver.receive_messages(max_wait_time=SOON)
        with (
            pytest.raises(ServiceBusAuthorizationError),
            client.get_queue_sender(queue) as sender,
        ):
            send(sender, "x")

    assert nothing == []


@pytest.mark.parametrize(
    "parts",
    [
        pytest.param({"SharedAccessKey": "d3Jvbmc="}, id="another key"),
        pytest.param({"SharedAccessKeyName": "nobody"}, id="a key that nobody has"),
    ],
)
def test_a_wrong_key_is_refused(namespace: Namespace, parts: dict[str, str]) -> None:
    queue = namespace.queue()

    with (
        connected(namespace.connection_string(**parts)) as client,
        pytest.raises(ServiceBusAuthenticationError),
        client.get_queue_sender(queue) as sender,
    ):
        send(sender, "x")


def test_a_queue_that_is_not_there_is_refused(client: ServiceBusClient) -> None:
    missing = (MessagingEntityNotFoundError, ServiceBusAuthenticationError)

    with pytest.raises(missing), client.get_queue_sender("missing") as sender:
        send(sender, "x")


def test_an_identity_may_send_and_receive(namespace: Namespace) -> None:
    queue = namespace.queue()

    with (
        ServiceBusClient(**namespace.by_identity()) as client,
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue) as receiver,
    ):
        send(sender, "by token")
        (found,) = received(receiver)

    assert str(found) == "by token"


def test_a_token_for_another_service_is_refused(local: Local) -> None:
    queue = local.queue()
    credential = Credential(local.bus.home, tokens.KEY_VAULT)

    with (
        ServiceBusClient(
            **local.by_identity() | {"credential": credential}, retry_total=0
        ) as client,
        pytest.raises(ServiceBusAuthenticationError),
        client.get_queue_sender(queue) as sender,
    ):
        send(sender, "x")


# The way there


def test_the_bus_speaks_tls_with_the_stacks_certificate(local: Local) -> None:
    queue = local.queue()

    with (
        over_tls(local, connection_verify=str(local.bus.home.authority_file)) as client,
        client.get_queue_sender(queue) as sender,
        client.get_queue_receiver(queue) as receiver,
    ):
        send(sender, "sealed")
        (found,) = received(receiver)

    assert str(found) == "sealed"


def test_a_client_may_bring_its_own_tls_context(local: Local) -> None:
    queue = local.queue()

    with (
        over_tls(local, ssl_context=trusting(local.bus.home)) as client,
        client.get_queue_sender(queue) as sender,
    ):
        send(sender, "sealed")


def test_a_client_that_does_not_trust_the_stack_does_not_connect(local: Local) -> None:
    queue = local.queue()

    with (
        over_tls(local) as client,
        pytest.raises(ServiceBusConnectionError),
        client.get_queue_sender(queue) as sender,
    ):
        send(sender, "x")


def test_a_bus_that_is_not_there_is_a_connection_error(local: Local) -> None:
    nowhere = local.connection_string(Endpoint=f"sb://{HOST}:1")

    with (
        connected(nowhere) as client,
        pytest.raises(ServiceBusError),
        client.get_queue_sender("any") as sender,
    ):
        send(sender, "x")


@contextmanager
def over_tls(local: Local, **options: Any) -> Iterator[ServiceBusClient]:
    """Connect as to Azure; the port that is not Azure's is a custom endpoint to the SDK."""
    with connected(
        local.connection_string(Endpoint=f"sb://{HOST}", UseDevelopmentEmulator="false"),
        custom_endpoint_address=f"amqps://{HOST}:{local.bus.tls_port}",
        transport_type=TransportType.Amqp,
        **options,
    ) as client:
        yield client
