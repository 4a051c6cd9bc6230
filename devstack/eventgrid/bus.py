"""The edge to the bus: events as messages, sent with the genuine client.

- A message's id is ours and stays the same from try to try, so that a queue can drop repetitions;
  a subscription may take it from the event instead.
- Documented names among the delivery attributes set the message's own properties; others become
  application properties.
"""

import asyncio
from collections.abc import Callable
from typing import Self

from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import (
    MessageSizeExceededError,
    MessagingEntityDisabledError,
    MessagingEntityNotFoundError,
    OperationTimeoutError,
    ServiceBusAuthenticationError,
    ServiceBusAuthorizationError,
    ServiceBusError,
    ServiceBusQuotaExceededError,
    ServiceBusServerBusyError,
)

from devstack.eventgrid import attributes, events, json_values
from devstack.eventgrid.destinations import Entity
from devstack.eventgrid.schedule import SOCKET_ERROR, TIMED_OUT, Outcome
from devstack.eventgrid.store import Pending
from devstack.eventgrid.subscriptions import Subscription

_OUTCOMES: tuple[tuple[type[Exception], Outcome], ...] = (
    (MessageSizeExceededError, Outcome("PayloadTooLarge", 413, final=True)),
    (MessagingEntityNotFoundError, Outcome("NotFound", 404)),
    (MessagingEntityDisabledError, Outcome("Disabled")),
    (ServiceBusAuthenticationError, Outcome("Unauthorized", 401)),
    (ServiceBusAuthorizationError, Outcome("Unauthorized", 401)),
    (ServiceBusQuotaExceededError, Outcome("Full")),
    (ServiceBusServerBusyError, Outcome("Busy", 503)),
    (OperationTimeoutError, Outcome(TIMED_OUT)),
    (TimeoutError, Outcome(TIMED_OUT)),
)
_SENT = Outcome("Delivered", delivered=True)
_FIELDS: dict[str, Callable[[ServiceBusMessage, str], None]] = {
    "messageid": lambda message, value: setattr(message, "message_id", value),
    "partitionkey": lambda message, value: setattr(message, "partition_key", value),
    "sessionid": lambda message, value: setattr(message, "session_id", value),
    "correlationid": lambda message, value: setattr(message, "correlation_id", value),
    "label": lambda message, value: setattr(message, "subject", value),
    "replyto": lambda message, value: setattr(message, "reply_to", value),
    "replytosessionid": lambda message, value: setattr(message, "reply_to_session_id", value),
    "to": lambda message, value: setattr(message, "to", value),
}


class Bus:
    """One connection to the bus, and a sender for each entity that events go to."""

    def __init__(self, address: str, key: str, patience: float) -> None:
        self._client = ServiceBusClient.from_connection_string(
            f"Endpoint=sb://{address};SharedAccessKeyName=RootManageSharedAccessKey;"
            f"SharedAccessKey={key};UseDevelopmentEmulator=true",
            retry_total=0,  # ours are the service's retries
            logging_enable=False,
        )
        self._patience = patience
        self._senders: dict[Entity, ServiceBusSender] = {}
        self._turns: dict[Entity, asyncio.Lock] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for entity in list(self._senders):
            self._forget(entity)
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._client.close()

    async def send(self, subscription: Subscription, entity: Entity, pending: Pending) -> Outcome:
        """Send one event; over a link that was used before twice, for it may have gone stale."""
        async with self._turns.setdefault(entity, asyncio.Lock()):
            used = entity in self._senders
            outcome = await self._try(subscription, entity, pending)
            if used and outcome.name == SOCKET_ERROR:
                outcome = await self._try(subscription, entity, pending)
        return outcome

    async def _try(self, subscription: Subscription, entity: Entity, pending: Pending) -> Outcome:
        try:
            sent = message(subscription, pending)
            async with asyncio.timeout(self._patience):
                await self._sender(entity).send_messages(sent)
        except (ServiceBusError, OSError, ValueError) as error:
            self._forget(entity)
            return _judged(error)
        return _SENT

    def _sender(self, entity: Entity) -> ServiceBusSender:
        if entity not in self._senders:
            queue = entity.sort == "ServiceBusQueue"
            get = self._client.get_queue_sender if queue else self._client.get_topic_sender
            self._senders[entity] = get(entity.name)
        return self._senders[entity]

    def _forget(self, entity: Entity) -> None:
        sender = self._senders.pop(entity, None)
        if sender is not None:
            task = asyncio.create_task(sender.close())  # it takes its time to say goodbye
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)


def message(subscription: Subscription, pending: Pending) -> ServiceBusMessage:
    """Make the message of an event."""
    event = pending.event
    made = ServiceBusMessage(
        json_values.encode(event.as_schema(subscription.schema)),
        message_id=pending.uid,
        content_type=events.content_type(subscription.schema, batch=False),
    )
    properties = attributes.system(
        event, subscription=subscription.name, attempts=pending.attempts, uid=pending.uid
    )
    for name, value in attributes.values(subscription.attributes, event).items():
        field = _FIELDS.get(name.lower())
        if field is None:
            properties[name] = value
        else:
            field(made, value)
    made.application_properties = dict[str | bytes, str](properties.items())
    return made


def _judged(error: Exception) -> Outcome:
    for sort, outcome in _OUTCOMES:
        if isinstance(error, sort):
            return outcome
    return Outcome(SOCKET_ERROR)
