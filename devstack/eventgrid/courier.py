"""One try to deliver: which edge a destination needs, what is sent over it, what came of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from devstack.eventgrid import attributes, events, json_values
from devstack.eventgrid.bus import Bus
from devstack.eventgrid.destinations import Entity, Function, WebHook
from devstack.eventgrid.events import Schema
from devstack.eventgrid.schedule import Outcome
from devstack.eventgrid.store import Pending
from devstack.eventgrid.subscriptions import Subscription
from devstack.eventgrid.webhooks import WebHooks

log = logging.getLogger("devstack.eventgrid")


@dataclass(frozen=True, slots=True)
class Host:
    """The functions host: where it is, and its key for Event Grid."""

    url: str
    key: str

    def endpoint(self, function: Function) -> str:
        """Say where a function's events are posted to."""
        name, key = quote(function.name), quote(self.key, safe="")
        return f"{self.url}/runtime/webhooks/EventGrid?functionName={name}&code={key}"


@dataclass(frozen=True, slots=True)
class Courier:
    """All edges that events leave by."""

    webhooks: WebHooks
    bus: Bus
    host: Host

    async def deliver(self, subscription: Subscription, batch: Sequence[Pending]) -> Outcome:
        """Deliver some events once, all or none; a bus takes them one by one."""
        match subscription.destination:
            case WebHook(url=url):
                return await self._post(url, subscription, batch)
            case Function() as function:
                return await self._post(self.host.endpoint(function), subscription, batch)
            case Entity() as entity:
                return await self.bus.send(subscription, entity, batch[0])

    async def _post(
        self, url: str, subscription: Subscription, batch: Sequence[Pending]
    ) -> Outcome:
        return await self.webhooks.post(
            url,
            body(subscription, batch),
            headers(subscription, batch),
            resource=subscription.resource,
        )


def body(subscription: Subscription, batch: Sequence[Pending]) -> bytes:
    """Write events as a webhook gets them: an array, but for a single CloudEvent."""
    documents = [one.event.as_schema(subscription.schema) for one in batch]
    single = subscription.schema is Schema.CLOUD_EVENTS and subscription.batching.events == 1
    return json_values.encode(documents[0] if single else documents)


def headers(subscription: Subscription, batch: Sequence[Pending]) -> dict[str, str]:
    """Write what goes with them; of a batch, the first event speaks for all."""
    first = batch[0]
    return {
        **attributes.headers(subscription.attributes, first.event),
        **attributes.system(
            first.event,
            subscription=subscription.name,
            attempts=first.attempts,
            uid=first.uid,
        ),
        "Content-Type": events.content_type(
            subscription.schema, batch=subscription.batching.events > 1
        ),
    }
