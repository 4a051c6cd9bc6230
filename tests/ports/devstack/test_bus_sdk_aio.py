"""Service Bus by its genuine SDK, aio: as the sync tests, as far as the SDK's code differs."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from azure.servicebus import (
    NEXT_AVAILABLE_SESSION,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiveMode,
    ServiceBusSubQueue,
    TransportType,
)
from azure.servicebus.aio import AutoLockRenewer, ServiceBusClient, ServiceBusReceiver
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

from devstack.home import HOST
from tests.buses import LISTENER, SENDER
from tests.ports.azure import PLACES
from tests.ports.namespaces import Local, Namespace, hurry, namespace_at
from tests.servers import trusting

PATIENCE = 10
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


@asynccontextmanager
async def connected(connection_string: str, **options: Any) -> AsyncIterator[ServiceBusClient]:
    """Connect as a program that does not try again."""
    async with ServiceBusClient.from_connection_string(
        connection_string, retry_total=0, **options
    ) as client:
        yield client


async def received(receiver: ServiceBusReceiver, count: int = 1) -> list[ServiceBusReceivedMessage]:
    """Receive as many messages as should be there."""
    found: list[ServiceBusReceivedMessage] = []
    async with asyncio.timeout(PATIENCE):
        while len(found) < count:
            found += await receiver.receive_messages(count - len(found), max_wait_time=1)
    return found


def texts(messages: list[ServiceBusReceivedMessage]) -> list[str]:
    return [str(message) for message in messages]


def test_messages_arrive_and_are_completed(namespace: Namespace) -> None:
    queue = namespace.queue()

    async def scenario() -> tuple[list[str], list[ServiceBusReceivedMessage]]:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
        ):
            await sender.send_messages(ServiceBusMessage("one"))
            await sender.send_messages([ServiceBusMessage("two"), ServiceBusMessage("three")])
            batch = await sender.create_message_batch()
            batch.add_message(ServiceBusMessage("four"))
            await sender.send_messages(batch)
            found = await received(receiver, 4)
            await asyncio.gather(*(receiver.complete_message(message) for message in found))
            return texts(found), await receiver.peek_messages(1)

    assert asyncio.run(scenario()) == (["one", "two", "three", "four"], [])


def test_many_senders_lose_nothing(namespace: Namespace) -> None:
    queue = namespace.queue()
    names = [f"{sender}-{number}" for sender in range(4) for number in range(25)]

    async def scenario() -> list[str]:
        async with connected(namespace.connection_string()) as client:

            async def send(bodies: list[str]) -> None:
                async with client.get_queue_sender(queue) as sender:
                    for body in bodies:
                        await sender.send_messages(ServiceBusMessage(body))

            await asyncio.gather(*(send(names[i : i + 25]) for i in range(0, 100, 25)))
            mode = ServiceBusReceiveMode.RECEIVE_AND_DELETE
            async with client.get_queue_receiver(queue, receive_mode=mode) as receiver:
                return texts(await received(receiver, 100))

    assert sorted(asyncio.run(scenario())) == sorted(names)


def test_every_way_to_settle_has_its_effect(namespace: Namespace) -> None:
    queue = namespace.queue()

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
            client.get_queue_receiver(queue, sub_queue=ServiceBusSubQueue.DEAD_LETTER) as dead,
        ):
            await sender.send_messages(ServiceBusMessage("x"))
            (message,) = await received(receiver)
            await receiver.abandon_message(message)
            (message,) = await received(receiver)
            assert message.delivery_count == 1

            await receiver.defer_message(message)
            assert await receiver.receive_messages(1, max_wait_time=SOON) == []
            number = message.sequence_number or 0
            (message,) = await receiver.receive_deferred_messages([number])
            assert str(message) == "x"

            await receiver.dead_letter_message(message, reason="why", error_description="because")
            with pytest.raises(MessageNotFoundError):
                await receiver.receive_deferred_messages([number])
            (message,) = await received(dead)
            assert message.dead_letter_reason == "why"
            assert message.dead_letter_error_description == "because"

            await dead.complete_message(message)
            assert await dead.peek_messages(1) == []

    asyncio.run(scenario())


def test_a_lock_is_renewed_kept_and_lost(namespace: Namespace) -> None:
    lock = max(2.4, namespace.shortest)  # the SDK renews no shorter one in time
    queue = namespace.queue(LockDuration=f"PT{lock}S")

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
            AutoLockRenewer() as renewer,
        ):
            await sender.send_messages([ServiceBusMessage("kept"), ServiceBusMessage("lost")])
            kept, lost = await received(receiver, 2)
            before = kept.locked_until_utc
            assert before is not None
            assert await receiver.renew_message_lock(kept) >= before
            renewer.register(receiver, kept, max_lock_renewal_duration=60)
            await asyncio.sleep(lock * 1.2)

            await receiver.complete_message(kept)
            with pytest.raises(MessageLockLostError):
                await receiver.complete_message(lost)
            (again,) = await received(receiver)
            assert (str(again), again.delivery_count) == ("lost", 1)

    asyncio.run(scenario())


def test_a_message_is_scheduled_and_cancelled(namespace: Namespace) -> None:
    queue = namespace.queue()

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
        ):
            due = datetime.now(UTC) + timedelta(seconds=1)
            numbers = await sender.schedule_messages(
                [ServiceBusMessage("a"), ServiceBusMessage("b")], due
            )
            await sender.cancel_scheduled_messages(numbers[0])
            assert texts(await receiver.peek_messages(5)) == ["b"]
            assert texts(await received(receiver)) == ["b"]
            with pytest.raises(MessageNotFoundError):
                await sender.cancel_scheduled_messages(numbers[0])

    asyncio.run(scenario())


def test_a_session_has_an_order_a_state_and_one_receiver(namespace: Namespace) -> None:
    queue = namespace.queue(RequiresSession=True)

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
        ):
            await sender.send_messages(
                [ServiceBusMessage("a", session_id="s"), ServiceBusMessage("b", session_id="s")]
            )
            async with client.get_queue_receiver(
                queue, session_id=NEXT_AVAILABLE_SESSION
            ) as receiver:
                assert texts(await received(receiver, 2)) == ["a", "b"]
                assert receiver.session.session_id == "s"
                await receiver.session.set_state("half way")
                assert await receiver.session.get_state() == b"half way"
                assert await receiver.session.renew_lock() > datetime.now(UTC)
                with pytest.raises(SessionCannotBeLockedError):
                    async with client.get_queue_receiver(queue, session_id="s") as other:
                        await other.session.get_state()
                with pytest.raises(OperationTimeoutError):
                    async with client.get_queue_receiver(
                        queue, session_id=NEXT_AVAILABLE_SESSION, max_wait_time=1
                    ) as other:
                        await other.receive_messages(max_wait_time=1)

    asyncio.run(scenario())


def test_a_session_that_nobody_renewed_is_lost(namespace: Namespace) -> None:
    queue = namespace.queue(RequiresSession=True, LockDuration=f"PT{namespace.shortest}S")

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_receiver(queue, session_id="s") as receiver,
        ):
            await receiver.session.get_state()
            await asyncio.sleep(namespace.shortest + 0.5)
            with pytest.raises(SessionLockLostError):
                await receiver.session.set_state("too late")

    asyncio.run(scenario())


def test_a_subscription_gets_what_its_rule_takes(namespace: Namespace) -> None:
    topic = namespace.topic()
    subscription = namespace.subscription(topic)
    rule = {"FilterType": "Sql", "SqlFilter": {"SqlExpression": "kind IN ('a', 'b')"}}
    namespace.rule(topic, subscription, rule)

    async def scenario() -> list[str]:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_topic_sender(topic) as sender,
            client.get_subscription_receiver(topic, subscription) as receiver,
        ):
            for kind in ("a", "b", "c"):
                await sender.send_messages(
                    ServiceBusMessage(kind, application_properties={"kind": kind})
                )
            return texts(await received(receiver, 2)) + texts(
                await receiver.receive_messages(1, max_wait_time=SOON)
            )

    assert asyncio.run(scenario()) == ["a", "b"]


def test_a_message_that_is_too_large_is_refused(namespace: Namespace) -> None:
    queue = namespace.queue()

    async def scenario() -> None:
        async with (
            connected(namespace.connection_string()) as client,
            client.get_queue_sender(queue) as sender,
        ):
            with pytest.raises(MessageSizeExceededError):
                await sender.send_messages(ServiceBusMessage(b"x" * 2_000_000))

    asyncio.run(scenario())


REFUSED: dict[str, tuple[str, dict[str, str], type[ServiceBusError]]] = {
    "a key to listen": (LISTENER, {}, ServiceBusAuthorizationError),
    "another key": (SENDER, {"SharedAccessKey": "d3Jvbmc="}, ServiceBusAuthenticationError),
}


@pytest.mark.parametrize(("rule", "parts", "error"), REFUSED.values(), ids=REFUSED)
def test_only_a_key_to_send_lets_send(
    namespace: Namespace, rule: str, parts: dict[str, str], error: type[ServiceBusError]
) -> None:
    queue = namespace.queue()

    async def scenario() -> None:
        async with connected(namespace.connection_string(rule, **parts)) as client:
            with pytest.raises(error):
                async with client.get_queue_sender(queue) as sender:
                    await sender.send_messages(ServiceBusMessage("x"))

    asyncio.run(scenario())


def test_a_queue_that_is_not_there_is_refused(namespace: Namespace) -> None:
    async def scenario() -> None:
        async with connected(namespace.connection_string()) as client:
            with pytest.raises((MessagingEntityNotFoundError, ServiceBusAuthenticationError)):
                async with client.get_queue_sender(f"missing-{uuid.uuid4().hex}") as sender:
                    await sender.send_messages(ServiceBusMessage("x"))

    asyncio.run(scenario())


def test_an_identity_may_send_and_receive(namespace: Namespace) -> None:
    queue = namespace.queue()

    async def scenario() -> list[str]:
        async with (
            ServiceBusClient(**namespace.by_identity_aio()) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
        ):
            await sender.send_messages(ServiceBusMessage("by token"))
            return texts(await received(receiver))

    assert asyncio.run(scenario()) == ["by token"]


def test_the_bus_speaks_tls_with_the_stacks_certificate(local: Local) -> None:
    queue = local.queue()

    async def scenario() -> list[str]:
        async with (
            over_tls(local, connection_verify=str(local.bus.home.authority_file)) as client,
            client.get_queue_sender(queue) as sender,
            client.get_queue_receiver(queue) as receiver,
        ):
            await sender.send_messages(ServiceBusMessage("sealed"))
            return texts(await received(receiver))

    assert asyncio.run(scenario()) == ["sealed"]


def test_a_client_may_bring_its_own_tls_context(local: Local) -> None:
    queue = local.queue()

    async def scenario() -> None:
        async with (
            over_tls(local, ssl_context=trusting(local.bus.home)) as client,
            client.get_queue_sender(queue) as sender,
        ):
            await sender.send_messages(ServiceBusMessage("sealed"))

    asyncio.run(scenario())


def test_a_client_that_does_not_trust_the_stack_does_not_connect(local: Local) -> None:
    queue = local.queue()

    async def scenario() -> None:
        async with over_tls(local) as client:
            with pytest.raises(ServiceBusConnectionError):
                async with client.get_queue_sender(queue) as sender:
                    await sender.send_messages(ServiceBusMessage("x"))

    asyncio.run(scenario())


@asynccontextmanager
async def over_tls(local: Local, **options: Any) -> AsyncIterator[ServiceBusClient]:
    """Connect as to Azure; the port that is not Azure's is a custom endpoint to the SDK."""
    async with connected(
        local.connection_string(Endpoint=f"sb://{HOST}", UseDevelopmentEmulator="false"),
        custom_endpoint_address=f"amqps://{HOST}:{local.bus.tls_port}",
        transport_type=TransportType.Amqp,
        **options,
    ) as client:
        yield client
