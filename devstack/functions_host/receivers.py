"""Service Bus triggers: messages are taken under a lock, and settled by how the function ended.

- It returned: complete. It raised, or the host stops before it ends: abandon, and the message is
  delivered again until the entity's own count is reached.
- At most `maxConcurrentCalls` messages of one function are under way; locks are renewed meanwhile.
- A broker that is away is asked again, more slowly each time.
"""

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress

from azure.core.exceptions import AzureError
from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.aio import AutoLockRenewer, ServiceBusReceiver

from cleanroom.errors import CleanroomError
from devstack.functions_host import messages
from devstack.functions_host.data import Failed, Outcome, Returned
from devstack.functions_host.executor import Executor
from devstack.functions_host.functions import Function, ServiceBusTrigger

_WAIT = 0.5  # seconds of one look for messages; a stop waits as long
_GLANCE = 0.02  # seconds of a look while something has to be settled soon
_LONGEST_PAUSE = 15.0

log = logging.getLogger("devstack")


class Receiver:
    """The trigger of one function."""

    def __init__(self, executor: Executor, function: Function, trigger: ServiceBusTrigger) -> None:
        self._executor = executor
        self._function = function
        self._trigger = trigger
        self._limits = executor.app.host.service_bus
        self._slots = 1 if trigger.many else self._limits.most_concurrent
        self._running: set[asyncio.Task[None]] = set()
        self._done: list[tuple[Sequence[ServiceBusReceivedMessage], Outcome]] = []

    async def listen(self, stop: asyncio.Event) -> None:
        """Take messages until told to stop, then wait for what is under way."""
        pause = 1.0
        while not stop.is_set():
            try:
                async with self._open() as receiver:
                    await self._take_all(receiver, stop)
                    pause = 1.0
            except (AzureError, CleanroomError, OSError, ValueError) as error:
                log.warning(
                    "%s: %s cannot be read (%s); trying again",
                    *(self._function.name, self._trigger.entity, type(error).__name__),
                )
                await _rest(stop, pause)
                pause = min(pause * 2, _LONGEST_PAUSE)

    def _open(self) -> ServiceBusReceiver:
        client = self._executor.services.bus(self._trigger.connection)
        entity, prefetch = self._trigger.entity, self._limits.prefetch
        if entity.subscription is None:
            return client.get_queue_receiver(entity.name, prefetch_count=prefetch)
        return client.get_subscription_receiver(
            entity.name, entity.subscription, prefetch_count=prefetch
        )

    async def _take_all(self, receiver: ServiceBusReceiver, stop: asyncio.Event) -> None:
        """Take and settle by turns: one client of the SDK does well what it does alone."""
        longest = self._limits.longest_renewal.total_seconds()
        renewer = AutoLockRenewer(longest)
        try:
            while not stop.is_set():
                await self._settle(receiver)
                if len(self._running) >= self._slots:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
                    continue
                for batch in await self._take(receiver):
                    for message in batch if longest else ():
                        renewer.register(receiver, message)
                    self._begin(batch)
        finally:
            await self._finish(receiver)
            await renewer.close()

    async def _take(
        self, receiver: ServiceBusReceiver
    ) -> Sequence[Sequence[ServiceBusReceivedMessage]]:
        """Return what is there: one batch for a function of many, else a batch of one."""
        # For more than one the SDK waits a while after the first.
        most = self._limits.largest_batch if self._trigger.many else 1
        wait = _GLANCE if self._running else _WAIT
        taken = await receiver.receive_messages(max_message_count=most, max_wait_time=wait)
        return [taken] if taken else []

    def _begin(self, batch: Sequence[ServiceBusReceivedMessage]) -> None:
        task = asyncio.create_task(self._handle(batch))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def _handle(self, batch: Sequence[ServiceBusReceivedMessage]) -> None:
        outcome: Outcome = Failed("it did not come to its end")
        try:
            outcome = await self._run(batch)
        finally:
            self._done.append((batch, outcome))

    async def _finish(self, receiver: ServiceBusReceiver) -> None:
        """Wait for what is under way; if that is cut short, give it back."""
        try:
            while self._running:
                await asyncio.wait(self._running)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._settle(receiver)

    async def _settle(self, receiver: ServiceBusReceiver) -> None:
        while self._done:
            batch, outcome = self._done.pop()
            ended = isinstance(outcome, Returned)
            settle = receiver.complete_message if ended else receiver.abandon_message
            for message in batch:
                try:
                    await settle(message)
                except (AzureError, ValueError) as error:
                    # Its lock is lost: it comes again, and its function is told how often.
                    kind = type(error).__name__
                    log.warning("%s: a message is not settled (%s)", self._function.name, kind)

    async def _run(self, batch: Sequence[ServiceBusReceivedMessage]) -> Outcome:
        if self._trigger.many:
            occasion = messages.many(batch)
        else:
            occasion = messages.one(batch[0], binary=self._trigger.binary)
        return await self._executor.run(self._function, occasion)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
