"""Service Bus messages as a function sees them: a body, and metadata by the extension's names."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from devstack.functions_host.data import Batch, Binary, Datum, Document, Text
from devstack.functions_host.executor import Occasion

_DAY = timedelta(days=1)
_MARK = "UserProperties"  # by this name the worker library tells one message from many


def one(message: ServiceBusReceivedMessage, *, binary: bool) -> Occasion:
    """Make a message the occasion of an invocation."""
    content = body(message)
    known = metadata(message)
    datum = Binary(content) if binary else Text(content.decode("utf-8", "replace"))
    data = {name: value for name, value in known.items() if isinstance(value, str)}
    return Occasion(
        datum,
        data | _fields(content),
        {name: _datum(value) for name, value in known.items()},
        _trace(message),
        message.delivery_count or 0,
    )


def many(messages: Sequence[ServiceBusReceivedMessage]) -> Occasion:
    """Make several messages the occasion of one invocation."""
    known = [metadata(message) for message in messages]
    names = dict.fromkeys(name for each in known for name in each)
    arrays = {f"{name}Array": _json([each.get(name) for each in known]) for name in names}
    return Occasion(Batch(tuple(map(body, messages))), metadata=arrays)


def body(message: ServiceBusReceivedMessage) -> bytes:
    """Return the bytes of a message, whichever way AMQP holds them."""
    raw = message.body
    match message.body_type:
        case AmqpMessageBodyType.DATA:
            return b"".join(raw)
        case AmqpMessageBodyType.VALUE if isinstance(raw, bytes):
            return raw
        case AmqpMessageBodyType.VALUE if isinstance(raw, str):
            return raw.encode()
        case _:
            return _plain(raw if isinstance(raw, dict) else list(raw or ()))


def metadata(message: ServiceBusReceivedMessage) -> dict[str, object]:
    """Name what is known of a message; what it does not have is left out."""
    properties = _readable(message.application_properties)
    life = message.time_to_live
    # The worker library knows hours, minutes and seconds, and fails on days.
    short = str(life).zfill(8) if life and life < _DAY and not life.microseconds else None
    known: dict[str, object] = {
        "MessageId": message.message_id or "",
        "DeliveryCount": (message.delivery_count or 0) + 1,  # .NET counts this delivery too
        "SequenceNumber": message.sequence_number,
        "EnqueuedSequenceNumber": message.enqueued_sequence_number,
        "EnqueuedTimeUtc": _time(message.enqueued_time_utc),
        "ExpiresAtUtc": _time(message.expires_at_utc),
        "LockedUntil": _time(message.locked_until_utc),
        "ScheduledEnqueueTimeUtc": _time(message.scheduled_enqueue_time_utc),
        "LockToken": str(message.lock_token) if message.lock_token else None,
        "ContentType": message.content_type,
        "CorrelationId": message.correlation_id,
        "Subject": message.subject,
        "Label": message.subject,
        "To": message.to,
        "ReplyTo": message.reply_to,
        "ReplyToSessionId": message.reply_to_session_id,
        "SessionId": message.session_id,
        "PartitionKey": message.partition_key,
        "DeadLetterSource": message.dead_letter_source,
        "DeadLetterReason": message.dead_letter_reason,
        "DeadLetterErrorDescription": message.dead_letter_error_description,
        "TimeToLive": short,
        "State": message.state.value,
        "ApplicationProperties": properties,
        _MARK: properties,
    }
    return {name: value for name, value in known.items() if value is not None}


def _trace(message: ServiceBusReceivedMessage) -> object:
    properties = _readable(message.application_properties)
    return properties.get("traceparent") or properties.get("Diagnostic-Id")


def _fields(content: bytes) -> dict[str, str]:
    """Return the fields of a JSON body, by which a path may be named."""
    try:
        raw = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    fields = raw.items() if isinstance(raw, dict) else ()
    return {name: str(value) for name, value in fields if isinstance(value, str | int)}


def _readable(raw: object) -> dict[str, object]:
    pairs = raw.items() if isinstance(raw, dict) else ()
    return {_text(name): _value(value) for name, value in pairs}


def _value(raw: object) -> object:
    match raw:
        case bytes():
            return raw.decode("utf-8", "replace")
        case datetime():
            return _time(raw)
        case UUID():
            return str(raw)
        case _:
            return raw


def _text(raw: object) -> str:
    return raw.decode("utf-8", "replace") if isinstance(raw, bytes) else str(raw)


def _time(moment: datetime | None) -> str | None:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ") if moment else None


def _plain(raw: object) -> bytes:
    return json.dumps(raw, default=_value).encode()


def _datum(value: object) -> Datum:
    return Text(value) if isinstance(value, str) else _json(value)


def _json(value: object) -> Document:
    return Document(json.dumps(value, default=str))
