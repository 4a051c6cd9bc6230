"""The jobs queue and the outcomes topic on Service Bus: deliveries in, outcomes out.

- Messages are received under a lock (peek-lock), one by one as there is room for them: none waits
  in a buffer while its lock runs out, so nothing is fetched ahead.
- A delivery of a connection that broke can still be settled by its lock; the SDK sees to that.
- Nothing here decides what becomes of a message: that is the loop's.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from typing import Self

from azure.core.exceptions import AzureError
from azure.servicebus import (
    ServiceBusClient,
    ServiceBusMessage,
    ServiceBusReceivedMessage,
    ServiceBusReceiver,
    ServiceBusSender,
)
from azure.servicebus.amqp import AmqpMessageBodyType
from azure.servicebus.exceptions import (
    MessageAlreadySettled,
    MessageLockLostError,
    ServiceBusError,
    SessionLockLostError,
)

from cleanroom.errors import Malformed, Unavailable
from cleanroom.job import LARGEST, Outcome

_PATIENCE = 30.0  # seconds to send an outcome


@dataclass(slots=True)
class Delivery:
    """A message under lock; `attempt` counts from 0, `renew_at` is on the monotonic clock."""

    message: ServiceBusReceivedMessage = field(repr=False)
    attempt: int
    renew_at: float

    def body(self) -> bytes:
        """Give its bytes, whatever they are."""
        if self.message.body_type is not AmqpMessageBodyType.DATA:
            raise Malformed("message", "a body of bytes")
        data = bytearray()
        for part in self.message.body:
            data += part
            if len(data) > LARGEST:
                raise Malformed("message", f"at most {LARGEST} bytes")
        return bytes(data)


class Bus:
    """One queue to receive from, one topic to send to, each by a connection of its own."""

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        queue: str,
        topic: str,
        clock: Callable[[], datetime],
    ) -> None:
        self._connect = connect
        self._queue = queue
        self._clock = clock
        self._link: _Link[ServiceBusReceiver] | None = None
        self._outcomes = _Outcomes(connect, topic)

    def close(self) -> None:
        """Close both connections."""
        self._drop()
        self._outcomes.close()

    def receive(self, wait: float) -> list[Delivery]:
        """Take the next message, and wait at most so long for it.

        Asked for several, the SDK keeps the first for a fifth of a second, in case more come.
        """
        with self._translated():
            found = self._receiver().receive_messages(1, max_wait_time=wait)
        return [
            Delivery(message, message.delivery_count or 0, self._half(message.locked_until_utc))
            for message in found
        ]

    def renew(self, delivery: Delivery) -> bool:
        """Keep a message locked; tell whether it still is ours."""
        with self._translated():
            try:
                until = self._receiver().renew_message_lock(delivery.message)
            except (MessageLockLostError, MessageAlreadySettled):
                return False
        delivery.renew_at = self._half(until)
        return True

    def complete(self, delivery: Delivery) -> bool:
        """Take the message away: its work is done."""
        return self._settle(lambda receiver: receiver.complete_message(delivery.message))

    def abandon(self, delivery: Delivery) -> bool:
        """Give the message back: it comes again at once, here or elsewhere."""
        return self._settle(lambda receiver: receiver.abandon_message(delivery.message))

    def dead_letter(self, delivery: Delivery, code: str) -> bool:
        """Put the message aside; the reason is a code, never a text."""
        return self._settle(
            lambda receiver: receiver.dead_letter_message(delivery.message, reason=code)
        )

    def send(self, outcome: Outcome) -> None:
        """Tell how a job ended; may be called from any thread."""
        self._outcomes.send(outcome)

    def check(self) -> None:
        """Open both connections."""
        with self._translated():
            self._receiver().peek_messages(1)
        self._outcomes.check()

    def _settle(self, act: Callable[[ServiceBusReceiver], None]) -> bool:
        with self._translated():
            try:
                act(self._receiver())
            except (MessageLockLostError, MessageAlreadySettled, SessionLockLostError):
                return False
        return True

    def _receiver(self) -> ServiceBusReceiver:
        if self._link is None:
            self._link = _Link.opened(
                self._connect(), lambda client: client.get_queue_receiver(self._queue)
            )
        return self._link.end

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _half(self, until: datetime | None) -> float:
        """Say when half of a lock's time has gone."""
        left = (until - self._clock()).total_seconds() if until else 0.0
        return time.monotonic() + max(left, 0.0) / 2

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ServiceBusError, AzureError, OSError, ValueError) as error:
            self._drop()
            raise Unavailable("the bus does not answer") from error


class _Outcomes:
    def __init__(self, connect: Callable[[], ServiceBusClient], topic: str) -> None:
        self._connect = connect
        self._topic = topic
        self._lock = threading.Lock()
        self._link: _Link[ServiceBusSender] | None = None

    def send(self, outcome: Outcome) -> None:
        """Send; the name of the message is the job's, so a second one is noticed as such."""
        message = ServiceBusMessage(
            outcome.to_bytes(),
            message_id=f"outcome-{outcome.job.hex}",
            subject=outcome.ending.status,
            content_type="application/json",
        )
        with self._lock, self._translated():
            self._sender().send_messages(message, timeout=_PATIENCE)

    def check(self) -> None:
        """Open the connection."""
        with self._lock, self._translated():
            self._sender().create_message_batch()

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            self._drop()

    def _sender(self) -> ServiceBusSender:
        if self._link is None:
            self._link = _Link.opened(
                self._connect(), lambda client: client.get_topic_sender(self._topic)
            )
        return self._link.end

    def _drop(self) -> None:
        link, self._link = self._link, None
        if link is not None:
            link.close()

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (ServiceBusError, AzureError, OSError, ValueError) as error:
            self._drop()
            raise Unavailable("the bus does not take the outcome") from error


@dataclass(frozen=True, slots=True)
class _Link[E: (ServiceBusReceiver, ServiceBusSender)]:
    """An open connection with one end of a queue or topic."""

    end: E
    _opened: ExitStack

    @classmethod
    def opened(cls, client: ServiceBusClient, end: Callable[[ServiceBusClient], E]) -> Self:
        """Open it now: the time to receive is too short for that."""
        with ExitStack() as stack:
            made = stack.enter_context(end(stack.enter_context(client)))
            return cls(made, stack.pop_all())

    def close(self) -> None:
        """Close it, if it is not broken already."""
        with suppress(ServiceBusError, AzureError, OSError, ValueError):
            self._opened.close()
