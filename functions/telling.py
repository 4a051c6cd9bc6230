"""Where jobs and events go: a queue of Service Bus, a topic of Event Grid."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import batched

from azure.core.exceptions import AzureError
from azure.eventgrid.aio import EventGridPublisherClient
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import ServiceBusError

from cleanroom.errors import Unavailable
from cleanroom.job import JobRequest
from functions.events import Event, traceparent

SUBJECT = "cleanroom.job"
_LONGEST = timedelta(days=14)
_CONTENT = "application/json"
_AT_ONCE = 32  # a request takes 1 MiB, and a name that is spelled out may be long


class Queue:
    """The queue of jobs: one sender, which takes one call at a time."""

    def __init__(self, client: ServiceBusClient, name: str) -> None:
        self._client = client
        self._name = name
        self._sender: ServiceBusSender | None = None
        self._turn = asyncio.Lock()

    async def send(
        self, jobs: Sequence[JobRequest], expires: datetime, now: datetime, trace: str | None
    ) -> None:
        """Put jobs on the queue; the same job is the same message, which the queue takes once."""
        life = max(timedelta(seconds=1), min(expires - now, _LONGEST))
        messages = [_message(job, life, trace) for job in jobs]
        async with self._turn:
            try:
                if self._sender is None:
                    self._sender = self._client.get_queue_sender(self._name)
                for message in messages:
                    await self._sender.send_messages(message)
            except (ServiceBusError, OSError) as error:
                await self._forget()
                raise Unavailable(f"queue {self._name}: {type(error).__name__}") from error

    async def _forget(self) -> None:
        """Close a sender that failed: the next call opens another."""
        sender, self._sender = self._sender, None
        if sender is not None:
            with suppress(ServiceBusError, OSError):
                await sender.close()


class Topic:
    """The topic for everybody who wants to know."""

    def __init__(self, client: EventGridPublisherClient) -> None:
        self._client = client

    async def tell(self, events: Sequence[Event]) -> None:
        """Publish events, so many at once that they fit."""
        try:
            for some in batched(events, _AT_ONCE, strict=False):
                await self._client.send([event.cloud_event() for event in some])
        except AzureError as error:
            raise Unavailable(f"topic: {type(error).__name__}") from error


def _message(job: JobRequest, life: timedelta, trace: str | None) -> ServiceBusMessage:
    trace = traceparent(trace)
    return ServiceBusMessage(
        job.to_bytes(),
        message_id=job.id.hex,
        subject=SUBJECT,
        content_type=_CONTENT,
        time_to_live=life,
        application_properties={"traceparent": trace} if trace else None,
    )
