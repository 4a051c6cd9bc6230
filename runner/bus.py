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
_AWAY = (ServiceBusError, AzureError, OSError, ValueError)  # whatever the SDK raises for it


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
        self._clock = clock
        self._jobs = _Line(
            connect, lambda client: client.get_queue_receiver(queue), "the bus does not answer"
        )
        self._outcomes = _Line(
            connect,
            lambda client: client.get_topic_sender(topic),
            "the bus does not take the outcome",
        )
        self._sending = threading.Lock()  # any job's thread sends; only the loop's receives

    def close(self) -> None:
        """Close both connections."""
        self._jobs.drop()
        with self._sending:
            self._outcomes.drop()

    def receive(self, wait: float) -> list[Delivery]:
        """Take the next message, and wait at most so long for it.

        Asked for several, the SDK keeps the first for a fifth of a second, in case more come.
        """
        with self._jobs.used() as receiver:
            found = receiver.receive_messages(1, max_wait_time=wait)
        return [
            Delivery(message, message.delivery_count or 0, self._half(message.locked_until_utc))
            for message in found
        ]

    def renew(self, delivery: Delivery) -> bool:
        """Keep a message locked; tell whether it still is ours."""
        with self._jobs.used() as receiver:
            try:
                until = receiver.renew_message_lock(delivery.message)
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
        """Tell how a job ended, from any thread.

        The name of the message is the job's, so a second one is noticed as such.
        """
        message = ServiceBusMessage(
            outcome.to_bytes(),
            message_id=f"outcome-{outcome.job.hex}",
            subject=outcome.ending.status,
            content_type="application/json",
        )
        with self._sending, self._outcomes.used() as sender:
            sender.send_messages(message, timeout=_PATIENCE)

    def check(self) -> None:
        """Open both connections."""
        with self._jobs.used() as receiver:
            receiver.peek_messages(1)
        with self._sending, self._outcomes.used() as sender:
            sender.create_message_batch()

    def _settle(self, act: Callable[[ServiceBusReceiver], None]) -> bool:
        with self._jobs.used() as receiver:
            try:
                act(receiver)
            except (MessageLockLostError, MessageAlreadySettled, SessionLockLostError):
                return False
        return True

    def _half(self, until: datetime | None) -> float:
        """Say when half of a lock's time has gone."""
        left = (until - self._clock()).total_seconds() if until else 0.0
        return time.monotonic() + max(left, 0.0) / 2


class _Line[E: ServiceBusReceiver | ServiceBusSender]:
    """One end of a queue or topic, whose connection is made when it is used, and after a break."""

    def __init__(
        self,
        connect: Callable[[], ServiceBusClient],
        end: Callable[[ServiceBusClient], E],
        broken: str,
    ) -> None:
        self._connect = connect
        self._end = end
        self._broken = broken
        self._open: tuple[E, ExitStack] | None = None

    @contextmanager
    def used(self) -> Iterator[E]:
        """Lend it; raises `Unavailable` if the bus is away, and begins anew the next time."""
        try:
            yield self._opened()
        except _AWAY as error:
            self.drop()
            raise Unavailable(self._broken) from error

    def drop(self) -> None:
        """Close it, if it is open and not broken already."""
        found, self._open = self._open, None
        if found is not None:
            with suppress(*_AWAY):
                found[1].close()

    def _opened(self) -> E:
        """Open it now, if it is not: the time to receive is too short for that."""
        if self._open is not None:
            return self._open[0]
        with ExitStack() as stack:
            end = self._end(stack.enter_context(self._connect()))
            stack.enter_context(end)
            self._open = end, stack.pop_all()
        return end
