"""Subscriptions in ARM's words: read strictly, shown without secrets."""

from typing import Any

import pytest

from cleanroom.errors import Malformed, PolicyRefused
from devstack.eventgrid import attributes, subscriptions
from devstack.eventgrid.attributes import Attribute
from devstack.eventgrid.destinations import Batching, Entity, Function, WebHook
from devstack.eventgrid.events import Event, Schema
from devstack.eventgrid.schedule import RetryPolicy
from devstack.eventgrid.subscriptions import Subscription

BUS = "/subscriptions/s/resourceGroups/r/providers/Microsoft.ServiceBus/namespaces/b"
SITE = "/subscriptions/s/resourceGroups/r/providers/Microsoft.Web/sites/app"
EVENT = Event(
    Schema.CLOUD_EVENTS,
    {"id": "e1", "source": "/s", "type": "T", "data": {"n": 1.5, "b": True, "l": [1], "t": "ü"}},
)


def parse(**properties: object) -> Subscription:
    return subscriptions.parse(
        properties, "outcomes", "mine", Schema.EVENT_GRID, (Schema.EVENT_GRID, Schema.CLOUD_EVENTS)
    )


def to(sort: str, **properties: object) -> dict[str, Any]:
    return {"endpointType": sort, "properties": properties}


def hook(url: str = "https://127.0.0.1:1/x?code=hidden", **properties: object) -> dict[str, Any]:
    return to("WebHook", endpointUrl=url, **properties)


def test_what_is_not_said_is_as_in_azure() -> None:
    found = parse(destination=hook())

    assert found.schema is Schema.EVENT_GRID
    assert (found.retry.attempts, found.retry.minutes) == (30, 1440)
    assert (found.batching, found.dead_letters) == (Batching(1, 64), None)
    assert found.filter.matches(EVENT)
    assert not found.resource


@pytest.mark.parametrize(
    ("destination", "found"),
    [
        (hook("http://localhost/x"), WebHook("http://localhost/x", Batching())),
        (hook("http://[::1]:80/"), WebHook("http://[::1]:80/", Batching())),
        (
            hook("http://127.9.9.9/", maxEventsPerBatch=10, preferredBatchSizeInKilobytes=1),
            WebHook("http://127.9.9.9/", Batching(10, 1)),
        ),
        (
            to("ServiceBusQueue", resourceId=f"{BUS}/queues/jobs"),
            Entity("ServiceBusQueue", f"{BUS}/queues/jobs"),
        ),
        (
            to("ServiceBusTopic", resourceId=f"{BUS}/topics/jobs"),
            Entity("ServiceBusTopic", f"{BUS}/topics/jobs"),
        ),
        (
            to("AzureFunction", resourceId=f"{SITE}/functions/made"),
            Function(f"{SITE}/functions/made", Batching()),
        ),
    ],
)
def test_a_destination_is_one_of_four(destination: object, found: object) -> None:
    plain = parse(destination=destination)
    by_identity = parse(
        deliveryWithResourceIdentity={
            "identity": {"type": "SystemAssigned"},
            "destination": destination,
        }
    )

    assert plain.destination == by_identity.destination == found


def test_the_last_segment_names_the_resource() -> None:
    queue = parse(destination=to("ServiceBusQueue", resourceId=f"{BUS}/queues/jobs"))
    function = parse(destination=to("AzureFunction", resourceId=f"{SITE}/functions/made"))

    assert isinstance(queue.destination, Entity)
    assert isinstance(function.destination, Function)
    assert (queue.destination.name, function.destination.name) == ("jobs", "made")
    assert queue.resource
    assert queue.batching == Batching()


@pytest.mark.parametrize(
    "url",
    ["https://example.com/", "http://10.0.0.1/", "http://127.0.0.1.example.com/", "http://[::2]/"],
)
def test_a_webhook_elsewhere_is_refused(url: str) -> None:
    with pytest.raises(PolicyRefused, match="loopback"):
        parse(destination=hook(url))


@pytest.mark.parametrize(
    "properties",
    [
        pytest.param({}, id="no destination"),
        pytest.param({"destination": []}, id="no object"),
        pytest.param({"destination": to("EventHub", resourceId="x")}, id="another sort"),
        pytest.param({"destination": hook("ftp://127.0.0.1/")}, id="another scheme"),
        pytest.param({"destination": hook("http://u@127.0.0.1/")}, id="credentials"),
        pytest.param({"destination": hook("http://[::1/")}, id="no url"),
        pytest.param({"destination": hook("http://127.0.0.1:port/")}, id="no port"),
        pytest.param({"destination": hook("http:///")}, id="no host"),
        pytest.param({"destination": hook(maxEventsPerBatch=5001)}, id="batch"),
        pytest.param({"destination": hook(endpoint="x")}, id="unknown of destination"),
        pytest.param(
            {"destination": to("ServiceBusQueue", resourceId=f"{BUS}/topics/jobs")}, id="no queue"
        ),
        pytest.param(
            {"destination": to("AzureFunction", resourceId=f"{SITE}/functions/a?b")}, id="function"
        ),
        pytest.param({"destination": hook(), "filters": {}}, id="misspelled"),
        pytest.param({"destination": hook(), "eventDeliverySchema": "Custom"}, id="schema"),
        pytest.param({"destination": hook(), "retryPolicy": {"tries": 1}}, id="retry"),
        pytest.param({"destination": hook(), "retryPolicy": {"maxDeliveryAttempts": 0}}, id="0"),
        pytest.param(
            {"destination": hook(), "retryPolicy": {"eventTimeToLiveInMinutes": 1441}}, id="1441"
        ),
        pytest.param(
            {
                "destination": hook(),
                "deadLetterDestination": to("StorageBlob", blobContainerName="No"),
            },
            id="container",
        ),
        pytest.param(
            {"destination": hook(), "expirationTimeUtc": "2027-01-01T00:00:00Z"}, id="expiration"
        ),
    ],
)
def test_what_is_no_subscription_is_refused(properties: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        parse(**properties)


def test_everything_can_be_said() -> None:
    found = parse(
        destination=hook(deliveryAttributeMappings=[dynamic("X-Id", "id")]),
        filter={"includedEventTypes": ["U"]},
        eventDeliverySchema="CloudEventSchemaV1_0",
        retryPolicy={"maxDeliveryAttempts": 3, "eventTimeToLiveInMinutes": 5},
        deadLetterDestination=to("StorageBlob", resourceId="/x", blobContainerName="dead-letters"),
        labels=["a"],
        provisioningState="Succeeded",
        topic="/t",
    )

    assert not found.filter.matches(EVENT)
    assert found.schema is Schema.CLOUD_EVENTS
    assert (found.retry, found.dead_letters) == (RetryPolicy(3, 5), "dead-letters")
    assert found.attributes == (Attribute("X-Id", source="id"),)


def test_what_only_its_maker_knows_is_not_shown() -> None:
    mappings = [
        {"name": "X-A", "type": "Static", "properties": {"value": "open"}},
        {"name": "X-B", "type": "Static", "properties": {"value": "hidden", "isSecret": True}},
        dynamic("X-C", "data.n"),
    ]

    shown = subscriptions.to_dict(
        parse(
            destination=hook(deliveryAttributeMappings=mappings),
            deadLetterDestination=to("StorageBlob", blobContainerName="dead-letters"),
        )
    )

    assert "hidden" not in str(shown)
    assert "'open'" in str(shown)
    assert "'endpointBaseUrl': 'https://127.0.0.1:1/x'" in str(shown)
    assert "'blobContainerName': 'dead-letters'" in str(shown)


# --- delivery attributes


def dynamic(name: str, source: str) -> dict[str, object]:
    return {"name": name, "type": "Dynamic", "properties": {"sourceField": source}}


def static(name: str, value: object = "v", **properties: object) -> dict[str, object]:
    return {"name": name, "type": "Static", "properties": {"value": value, **properties}}


@pytest.mark.parametrize(
    ("source", "found"),
    [("id", "e1"), ("data.n", "1.5"), ("data.b", "true"), ("data.l", None), ("data.x", None)],
)
def test_a_header_can_come_from_the_event(source: str, found: str | None) -> None:
    (one,) = attributes.parse_all([dynamic("X", source)], "it")

    assert one.of(EVENT) == found


def test_what_no_header_can_hold_is_dropped_from_headers_only() -> None:
    mappings = attributes.parse_all(
        [dynamic("X", "data.t"), static("Y"), static("Z", "a\nb")], "it"
    )

    assert attributes.headers(mappings, EVENT) == {"Y": "v"}
    assert attributes.values(mappings, EVENT) == {"X": "ü", "Y": "v", "Z": "a\nb"}


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param([static("aeg-own")], id="Event Grid's"),
        pytest.param([static("Content-Type")], id="the message's"),
        pytest.param([static("a b")], id="no name"),
        pytest.param([static("A"), static("a")], id="twice"),
        pytest.param([static("A", 1)], id="no text"),
        pytest.param([static("A", "x" * 4097)], id="long"),
        pytest.param([static("A", isSecret="no")], id="no truth"),
        pytest.param([static("A", sourceField="x")], id="both"),
        pytest.param([{"name": "A", "type": "Other", "properties": {}}], id="sort"),
        pytest.param([static(f"A{number}") for number in range(11)], id="eleven"),
    ],
)
def test_what_is_no_mapping_is_refused(raw: object) -> None:
    with pytest.raises(Malformed):
        attributes.parse_all(raw, "it")
