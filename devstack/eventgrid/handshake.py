"""How a webhook proves that it wants events, by either of two documented handshakes.

- CloudEvents: OPTIONS with the origin; the answer names the origin, or all, and a rate.
- Event Grid: a validation event with a code; the answer is 200 and gives the code back.
- Whoever answers 200 without proof may GET the url it was given, for ten minutes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum
from http import HTTPStatus

from cleanroom.errors import Malformed
from devstack.eventgrid import json_values

ORIGIN = "eventgrid.azure.net"
MANUAL_FOR = timedelta(minutes=10)
_RATE = "120"  # deliveries a minute that we ask for


class State(Enum):
    """How far a subscription is, as ARM names it."""

    SUCCEEDED = "Succeeded"
    AWAITING = "AwaitingManualAction"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True)
class Proof:
    """What one handshake asks for."""

    code: str
    url: str
    topic_id: str
    subscription: str

    def cloud_headers(self) -> dict[str, str]:
        """Ask for permission as CloudEvents do."""
        return {
            "WebHook-Request-Origin": ORIGIN,
            "WebHook-Request-Callback": self.url,
            "WebHook-Request-Rate": _RATE,
        }

    def grid_headers(self) -> dict[str, str]:
        """Say what kind of request follows."""
        return {
            "aeg-event-type": "SubscriptionValidation",
            "aeg-subscription-name": self.subscription.upper(),
            "aeg-delivery-count": "0",
            "aeg-data-version": "2",
            "aeg-metadata-version": "1",
            "Content-Type": "application/json; charset=utf-8",
        }

    def grid_body(self, uid: str, now: datetime) -> bytes:
        """Write the validation event."""
        event = {
            "id": uid,
            "topic": self.topic_id,
            "subject": "",
            "data": {"validationCode": self.code, "validationUrl": self.url},
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": now.isoformat().replace("+00:00", "Z"),
            "metadataVersion": "1",
            "dataVersion": "2",
        }
        return json_values.encode([event])

    def judge_cloud(self, status: int, headers: Mapping[str, str]) -> State:
        """Judge the answer to OPTIONS; a rate, if there is one, has to be one."""
        if status != HTTPStatus.OK:
            return State.FAILED
        origin = headers.get("WebHook-Allowed-Origin")
        if origin is None:
            return State.AWAITING
        rate = headers.get("WebHook-Allowed-Rate", "*").strip()
        allowed = origin.strip().lower() in ("*", ORIGIN)
        return State.SUCCEEDED if allowed and _is_rate(rate) else State.FAILED

    def judge_grid(self, status: int, body: bytes) -> State:
        """Judge the answer to the validation event."""
        if status != HTTPStatus.OK:
            return State.FAILED
        try:
            answer = json_values.parse(body, "the answer")
        except Malformed:
            return State.AWAITING
        given = answer.get("validationResponse") if isinstance(answer, dict) else None
        if given is None:
            return State.AWAITING
        return State.SUCCEEDED if given == self.code else State.FAILED


def _is_rate(text: str) -> bool:
    return text == "*" or (text.isascii() and text.isdigit() and int(text) > 0)
