"""What leaves the server: bodies, headers, messages, validation events, dead letters."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from devstack.eventgrid import courier, dead_letters, subscriptions
from devstack.eventgrid.bus import message
from devstack.eventgrid.courier import Host
from devstack.eventgrid.dead_letters import DeadLetter
from devstack.eventgrid.destinations import Batching, Function
from devstack.eventgrid.events import Event, Schema
from devstack.eventgrid.handshake import Proof, State
from devstack.eventgrid.names import Names
from devstack.eventgrid.store import Pending
from devstack.eventgrid.subscriptions import Subscription

NOW = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
GRID = Event(
    Schema.EVENT_GRID,
    {
        "id": "e1",
        "topic": "/t",
        "subject": "s/ü",
        "eventType": "T",
        "eventTime": "2026-01-02T03:04:05Z",
        "data": {"n": 1},
        "dataVersion": "2.0",
        "metadataVersion": "1",
    },
)
PROOF = Proof("code-1", "https://127.0.0.1:8442/validate?id=code-1", "/t", "mine")


def subscription(schema: Schema, **destination: object) -> Subscription:
    sort = "WebHook" if "endpointUrl" in destination else "ServiceBusQueue"
    return subscriptions.parse(
        {
            "destination": {"endpointType": sort, "properties": destination},
            "eventDeliverySchema": schema.value,
        },
        "outcomes",
        "mine",
        schema,
        tuple(Schema),
    )


def pending(attempts: int = 0) -> Pending:
    return Pending(1, "uid-1", GRID, 100, 0.0, attempts, "", None, 0.0, None, 0.0)


@pytest.mark.parametrize(
    ("schema", "events", "kind"),
    [
        (Schema.CLOUD_EVENTS, 1, dict),
        (Schema.CLOUD_EVENTS, 2, list),
        (Schema.EVENT_GRID, 1, list),
    ],
)
def test_only_a_single_cloud_event_comes_alone(schema: Schema, events: int, kind: type) -> None:
    mine = subscription(schema, endpointUrl="http://127.0.0.1/", maxEventsPerBatch=events)

    body = json.loads(courier.body(mine, [pending()]))

    assert isinstance(body, kind)


def test_headers_tell_of_the_delivery() -> None:
    mine = subscription(Schema.EVENT_GRID, endpointUrl="http://127.0.0.1/")

    assert courier.headers(mine, [pending(3)]) == {
        "aeg-subscription-name": "MINE",
        "aeg-delivery-count": "3",
        "aeg-data-version": "2.0",
        "aeg-metadata-version": "1",
        "aeg-event-type": "Notification",
        "aeg-output-event-id": "uid-1",
        "Content-Type": "application/json; charset=utf-8",
    }


def test_a_functions_endpoint_has_the_hosts_key() -> None:
    made = Function("/x/functions/made", Batching())

    endpoint = Host("http://127.0.0.1:7071", "a+b/c=").endpoint(made)

    assert endpoint == (
        "http://127.0.0.1:7071/runtime/webhooks/EventGrid?functionName=made&code=a%2Bb%2Fc%3D"
    )


def test_a_message_has_our_id_unless_the_event_gives_one() -> None:
    mapping = {"name": "MessageId", "type": "Dynamic", "properties": {"sourceField": "id"}}
    queue: dict[str, Any] = {"resourceId": "/n/queues/q"}

    plain = message(subscription(Schema.EVENT_GRID, **queue), pending())
    mapped = message(
        subscription(Schema.EVENT_GRID, **queue, deliveryAttributeMappings=[mapping]), pending()
    )

    assert (plain.message_id, mapped.message_id) == ("uid-1", "e1")
    assert plain.content_type == "application/json; charset=utf-8"
    assert json.loads(b"".join(plain.body)) == GRID.document


def test_partitions_and_sessions_come_from_mappings() -> None:
    mappings = [
        {"name": name, "type": "Static", "properties": {"value": "r1"}}
        for name in ("SessionId", "PartitionKey", "ReplyToSessionId")
    ]
    mine = subscription(
        Schema.EVENT_GRID, resourceId="/n/queues/q", deliveryAttributeMappings=mappings
    )

    made = message(mine, pending())

    assert (made.session_id, made.partition_key, made.reply_to_session_id) == ("r1", "r1", "r1")


# --- handshakes


def test_a_validation_event_asks_for_its_code() -> None:
    (event,) = json.loads(PROOF.grid_body("id-1", NOW))

    assert event == {
        "id": "id-1",
        "topic": "/t",
        "subject": "",
        "data": {"validationCode": "code-1", "validationUrl": PROOF.url},
        "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
        "eventTime": "2026-01-02T03:04:05Z",
        "metadataVersion": "1",
        "dataVersion": "2",
    }
    assert PROOF.grid_headers()["aeg-event-type"] == "SubscriptionValidation"


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (200, b'{"validationResponse":"code-1"}', State.SUCCEEDED),
        (200, b'{"validationResponse":"code-2"}', State.FAILED),
        (200, b'{"ValidationResponse":"code-1"}', State.AWAITING),
        (200, b"", State.AWAITING),
        (200, b"[]", State.AWAITING),
        (202, b'{"validationResponse":"code-1"}', State.FAILED),
    ],
)
def test_a_code_is_given_back(status: int, body: bytes, found: State) -> None:
    assert PROOF.judge_grid(status, body) is found


@pytest.mark.parametrize(
    ("status", "headers", "found"),
    [
        (200, {"origin": "*"}, State.SUCCEEDED),
        (200, {"origin": "EventGrid.azure.net", "rate": "*"}, State.SUCCEEDED),
        (200, {"origin": "eventgrid.azure.net", "rate": " 120"}, State.SUCCEEDED),
        (200, {"origin": "eventgrid.azure.net", "rate": "0"}, State.FAILED),
        (200, {"origin": "eventgrid.azure.net", "rate": "-1"}, State.FAILED),
        (200, {"origin": "other.net"}, State.FAILED),
        (200, {}, State.AWAITING),
        (204, {"origin": "*"}, State.FAILED),
    ],
)
def test_permission_is_for_us_and_at_a_rate(
    status: int, headers: dict[str, str], found: State
) -> None:
    spelled = {f"WebHook-Allowed-{name.title()}": value for name, value in headers.items()}

    assert PROOF.judge_cloud(status, spelled) is found


# --- dead letters


LETTER = DeadLetter(GRID, "MaxDeliveryAttemptsExceeded", 2, "TimedOut", None, 1.5, 2.25)


def test_a_dead_letter_tells_how_the_event_failed() -> None:
    (letter,) = json.loads(dead_letters.content([LETTER], Schema.EVENT_GRID))

    assert letter == {
        **GRID.document,
        "deadLetterReason": "MaxDeliveryAttemptsExceeded",
        "deliveryAttempts": 2,
        "lastDeliveryOutcome": "TimedOut",
        "publishTime": "1970-01-01T00:00:01.5000000Z",
        "lastDeliveryAttemptTime": "1970-01-01T00:00:02.2500000Z",
    }


def test_a_dead_cloud_event_has_attributes_in_small_letters() -> None:
    never = replace(LETTER, attempts=0, outcome="", status=400)

    (letter,) = json.loads(dead_letters.content([never], Schema.CLOUD_EVENTS))

    assert letter["deadletterreason"] == "MaxDeliveryAttemptsExceeded"
    assert (letter["deliveryattempts"], letter["lasthttpstatuscode"]) == (0, 400)
    assert "lastdeliveryoutcome" not in letter
    assert "lastdeliveryattempttime" not in letter


def test_a_blobs_name_has_the_hour_without_zeros() -> None:
    name = dead_letters.blob_name("storage", "to-jobs", NOW, "guid")

    assert name == "storage/TO-JOBS/2026/1/2/3/guid.json"


# --- names


def test_resources_are_called_as_in_azure() -> None:
    names = Names("s-1", "https://127.0.0.1:8442")

    assert names.topic("storage").endswith("Microsoft.EventGrid/systemTopics/storage")
    assert names.subscription("mine", "sub").endswith("/topics/mine/eventSubscriptions/sub")
    assert names.endpoint("mine") == "https://127.0.0.1:8442/topics/mine/api/events"
    assert names.proof("mine", "sub", "c").url.endswith("/eventsubscriptions/sub/validate?id=c")
