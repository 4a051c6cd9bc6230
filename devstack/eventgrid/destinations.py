"""Where events go: a webhook, a function, a queue or topic of the bus, as ARM describes them.

- This is a development server: a webhook is on the loopback or is none.
- A resource id names what it means by its last segment: there is one bus, one functions host.
- A webhook's query, where keys are, is not shown again, as in ARM.
"""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit

from cleanroom.errors import Malformed, PolicyRefused
from cleanroom.fields import integer, matching, one_of, text
from devstack.eventgrid import attributes
from devstack.eventgrid.attributes import Attribute
from devstack.eventgrid.given import Given, anything

_WEBHOOK, _FUNCTION = "WebHook", "AzureFunction"
_DEFAULT_KILOBYTES = 64
_MOST_KILOBYTES = 1024
_MOST_EVENTS = 5000

_function_id = matching(
    r"[^?#\s]*/functions/[A-Za-z][A-Za-z0-9_-]{0,126}", "a function's resource id"
)
_ENTITIES = {
    "ServiceBusQueue": matching(r"[^?#\s]*/queues/[^/?#\s]{1,260}", "a queue's resource id"),
    "ServiceBusTopic": matching(r"[^?#\s]*/topics/[^/?#\s]{1,260}", "a topic's resource id"),
}
_url = text(4096)


@dataclass(frozen=True, slots=True)
class Batching:
    """How many events one delivery may have."""

    events: int = 1
    kilobytes: int = _DEFAULT_KILOBYTES


@dataclass(frozen=True, slots=True)
class WebHook:
    """An endpoint that proved it wants events."""

    url: str
    batching: Batching

    @property
    def base(self) -> str:
        """The url without its query, where keys are."""
        return self.url.partition("?")[0]

    def to_dict(self) -> dict[str, object]:
        """Show it."""
        return {"endpointBaseUrl": self.base, **_batching_dict(self.batching)}


@dataclass(frozen=True, slots=True)
class Function:
    """A function with an Event Grid trigger, on the stack's host."""

    resource: str
    batching: Batching

    @property
    def name(self) -> str:
        """The function's name on its host."""
        return self.resource.rpartition("/")[2]

    def to_dict(self) -> dict[str, object]:
        """Show it."""
        return {"resourceId": self.resource, **_batching_dict(self.batching)}


@dataclass(frozen=True, slots=True)
class Entity:
    """A queue or topic of the stack's bus; `sort` is its endpoint type."""

    sort: str
    resource: str

    @property
    def name(self) -> str:
        """The entity's name on the bus."""
        return self.resource.rpartition("/")[2]

    def to_dict(self) -> dict[str, object]:
        """Show it."""
        return {"resourceId": self.resource}


type Destination = WebHook | Function | Entity


def endpoint_type(destination: Destination) -> str:
    """Name a destination's type as ARM does."""
    match destination:
        case WebHook():
            return _WEBHOOK
        case Function():
            return _FUNCTION
        case Entity():
            return destination.sort


def parse(f: Given) -> tuple[Destination, tuple[Attribute, ...]]:
    """Take a subscription's destination, plain or reached with an identity, and its headers."""
    plain = f.get("destination", anything, None)
    where = "properties.destination"
    if plain is None:
        where = "properties.deliveryWithResourceIdentity"
        g = Given(f.take("deliveryWithResourceIdentity", anything), where)
        g.get("identity", anything, None)  # whoever it is: the stack's own servers trust each other
        plain = g.take("destination", anything)
        g.end()
    d = Given(plain, where)
    sort = d.take("endpointType", one_of(_WEBHOOK, _FUNCTION, *_ENTITIES))
    p = Given(d.take("properties", anything), f"{where}.properties")
    d.end()
    mappings = p.get("deliveryAttributeMappings", attributes.parse_all, ())
    destination: Destination
    if sort == _WEBHOOK:
        destination = WebHook(p.take("endpointUrl", _loopback), _batching(p))
    elif sort == _FUNCTION:
        destination = Function(p.take("resourceId", _function_id), _batching(p))
    else:
        destination = Entity(sort, p.take("resourceId", _ENTITIES[sort]))
    p.end()
    return destination, mappings


def _batching(p: Given) -> Batching:
    return Batching(
        p.get("maxEventsPerBatch", integer(1, _MOST_EVENTS), 1),
        p.get("preferredBatchSizeInKilobytes", integer(1, _MOST_KILOBYTES), _DEFAULT_KILOBYTES),
    )


def _batching_dict(batching: Batching) -> dict[str, object]:
    return {
        "maxEventsPerBatch": batching.events,
        "preferredBatchSizeInKilobytes": batching.kilobytes,
    }


def _loopback(raw: object, where: str) -> str:
    url = _url(raw, where)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise Malformed(where, "a url") from error
    if parts.scheme not in ("http", "https") or not host or parts.username is not None:
        raise Malformed(where, "an http or https url without credentials")
    if not _is_loopback(host):
        raise PolicyRefused(f"{where}: expected an endpoint on the loopback: this is a dev stack")
    return url


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
