"""What is kept of an event that could not be delivered: the documented JSON and blob name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from devstack.eventgrid import json_values
from devstack.eventgrid.events import Event, Schema


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """An event and how it failed."""

    event: Event
    reason: str
    attempts: int
    outcome: str
    status: int | None
    published: float
    attempted: float

    def to_dict(self, schema: Schema) -> dict[str, object]:
        """Spell it in the subscription's schema; CloudEvents allow no capitals in attributes."""
        told: Mapping[str, object] = {
            "deadLetterReason": self.reason,
            "deliveryAttempts": self.attempts,
            "lastDeliveryOutcome": self.outcome or None,
            "lastHttpStatusCode": self.status,
            "publishTime": _time(self.published),
            "lastDeliveryAttemptTime": _time(self.attempted) if self.attempts else None,
        }
        lower = schema is Schema.CLOUD_EVENTS
        return {
            **self.event.as_schema(schema),
            **{name.lower() if lower else name: v for name, v in told.items() if v is not None},
        }


def content(letters: Sequence[DeadLetter], schema: Schema) -> bytes:
    """Write the blob: always an array."""
    return json_values.encode([one.to_dict(schema) for one in letters])


def blob_name(topic: str, subscription: str, now: datetime, guid: str) -> str:
    """Name the blob: the subscription in capitals, date and hour without leading zeros."""
    at = now.astimezone(UTC)
    return f"{topic}/{subscription.upper()}/{at.year}/{at.month}/{at.day}/{at.hour}/{guid}.json"


def _time(seconds: float) -> str:
    """Spell a time with seven digits, as .NET does."""
    at = datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)
    return f"{at.isoformat(timespec='microseconds')}0Z"
