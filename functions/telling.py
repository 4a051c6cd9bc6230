"""Where jobs and events go: a queue of Service Bus, a topic of Event Grid."""

import asyncio
from collections.abc import Sequence
from datetime import datetime, timedelta

from azure.core.exceptions import AzureError
from azure.eventgrid.aio import EventGridPublisherClient
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.servicebus.exceptions import ServiceBusError

from cleanroom.errors import Unavailable
from cleanroom.job import JobRequest
from functions.events import Event

SUBJECT = "cleanroom.job"
_LONGEST = timedelta(days=14)
_CONTENT = "application/json"


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
                self._sender = None
                raise Unavailable(f"queue {self._name}: {type(error).__name__}") from error


class Topic:
    """The topic for everybody who wants to know."""

    def __init__(self, client: EventGridPublisherClient) -> None:
        self._client = client

    async def tell(self, events: Sequence[Event]) -> None:
        """Publish events."""
        if not events:
            return
        try:
            await self._client.send([event.cloud_event() for event in events])
        except AzureError as error:
            raise Unavailable(f"topic: {type(error).__name__}") from error


def _message(job: JobRequest, life: timedelta, trace: str | None) -> ServiceBusMessage:
    return ServiceBusMessage(
        job.to_bytes(),
        message_id=job.id.hex,
        subject=SUBJECT,
        content_type=_CONTENT,
        time_to_live=life,
        application_properties={"traceparent": trace} if trace else None,
    )
