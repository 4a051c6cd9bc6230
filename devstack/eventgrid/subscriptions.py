"""A subscription as ARM describes it: where events go, which, how, and what if they cannot.

- Read strictly: a misspelled property is refused, for it would silently deliver something else.
- What only its maker knows (a webhook's query, a secret header) is not shown again, as in ARM.
"""

from dataclasses import dataclass

from cleanroom.fields import integer, matching, one_of, text
from devstack.eventgrid import destinations
from devstack.eventgrid.attributes import Attribute
from devstack.eventgrid.destinations import Batching, Destination, Entity, WebHook, endpoint_type
from devstack.eventgrid.events import Schema
from devstack.eventgrid.filters import EventFilter
from devstack.eventgrid.given import Given, anything
from devstack.eventgrid.schedule import RetryPolicy

SUBSCRIPTION_NAME = matching(r"[A-Za-z0-9-]{3,64}", "3 to 64 letters, digits and hyphens")
TOPIC_NAME = matching(
    r"(?!control\Z)[A-Za-z0-9-]{3,50}", "3 to 50 letters, digits and hyphens, and not 'control'"
)
"""The key of a topic is named after it, and that of this server is called `control`."""

_STORAGE = "StorageBlob"

_container_name = matching(r"[a-z0-9](?:[a-z0-9-]{1,61}[a-z0-9])", "a container's name")
_resource = text(1024)


@dataclass(frozen=True, slots=True)
class Subscription:
    """What one subscriber of one topic asked for."""

    topic: str
    name: str
    destination: Destination
    filter: EventFilter
    schema: Schema
    retry: RetryPolicy
    dead_letters: str | None
    attributes: tuple[Attribute, ...]

    @property
    def resource(self) -> bool:
        """Whether the destination is a resource of Azure, which answers for itself."""
        return not isinstance(self.destination, WebHook)

    @property
    def batching(self) -> Batching:
        """How many events go at once."""
        if isinstance(self.destination, Entity):
            return Batching()
        return self.destination.batching


def parse(
    raw: object, topic: str, name: str, default: Schema, allowed: tuple[Schema, ...]
) -> Subscription:
    """Read ARM's `properties` of an event subscription.

    1. The destination, plain or reached with an identity, and the headers to add.
    2. The filter.
    3. The schema, one that the topic's events can be spelled in.
    4. The retry policy and the dead letters.
    5. Nothing else, but what ARM itself tells.
    """
    f = Given(raw, "properties")
    destination, mappings = destinations.parse(f)  # 1
    event_filter = f.get("filter", EventFilter.parse, EventFilter())  # 2
    named = one_of(*(one.value for one in allowed))
    schema = Schema(f.get("eventDeliverySchema", named, default.value))  # 3
    retry = f.get("retryPolicy", _retry, RetryPolicy())  # 4
    dead_letters = f.get("deadLetterDestination", _container, None) or f.get(
        "deadLetterWithResourceIdentity", _container_by_identity, None
    )
    for told in ("provisioningState", "topic", "labels"):
        f.get(told, anything, None)  # 5
    f.end()
    return Subscription(
        topic, name, destination, event_filter, schema, retry, dead_letters, mappings
    )


def to_dict(subscription: Subscription) -> dict[str, object]:
    """Show a subscription as ARM does, without what only its creator knows."""
    shown: dict[str, object] = {
        "destination": {
            "endpointType": endpoint_type(subscription.destination),
            "properties": {
                **subscription.destination.to_dict(),
                "deliveryAttributeMappings": [one.to_dict() for one in subscription.attributes],
            },
        },
        "eventDeliverySchema": subscription.schema.value,
        "retryPolicy": {
            "maxDeliveryAttempts": subscription.retry.attempts,
            "eventTimeToLiveInMinutes": subscription.retry.minutes,
        },
        "deadLetterDestination": None,
    }
    if subscription.dead_letters is not None:
        container = {"blobContainerName": subscription.dead_letters}
        shown["deadLetterDestination"] = {"endpointType": _STORAGE, "properties": container}
    return shown


def _retry(raw: object, where: str) -> RetryPolicy:
    f = Given(raw, where)
    policy = RetryPolicy(
        f.get("maxDeliveryAttempts", integer(1, 30), RetryPolicy().attempts),
        f.get("eventTimeToLiveInMinutes", integer(1, 1440), RetryPolicy().minutes),
    )
    f.end()
    return policy


def _container(raw: object, where: str) -> str:
    f = Given(raw, where)
    f.take("endpointType", one_of(_STORAGE))
    p = Given(f.take("properties", anything), f"{where}.properties")
    f.end()
    p.get("resourceId", _resource, "")  # there is one account
    name = p.take("blobContainerName", _container_name)
    p.end()
    return name


def _container_by_identity(raw: object, where: str) -> str:
    f = Given(raw, where)
    f.get("identity", anything, None)
    name = f.take("deadLetterDestination", _container)
    f.end()
    return name
