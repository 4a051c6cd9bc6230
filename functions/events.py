"""What the control plane tells: CloudEvents 1.0 with codes and digests only (docs/spec/events.md).

The id of an event is made of what it says, so that telling twice is the same event twice, which
every reader of CloudEvents takes for one.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from azure.core.messaging import CloudEvent

from cleanroom.canonical import canonical
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, instant, instant_text, text

_PREFIX = "cleanroom."
_TRACE = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
_word = text(1100)
_longer = text(2048)


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a room."""

    type: str  # without the prefix: contract.approved, job.completed
    room: str
    subject: str
    time: datetime
    data: Mapping[str, str]
    trace: str | None = None
    id: str = field(init=False, compare=False)  # of what is said; when it was does not matter

    def __post_init__(self) -> None:
        said = {"type": self.type, "room": self.room, "subject": self.subject}
        whole = canonical({**said, "data": dict(self.data)}, "event")
        object.__setattr__(self, "id", hashlib.sha256(whole).hexdigest()[:32])

    @classmethod
    def parse(cls, raw: object, where: str) -> "Event":
        """Accept what `to_dict` wrote."""
        f = Fields(raw, where)
        trace = f.take("trace", _anything)
        event = cls(
            f.take("type", _word),
            f.take("room", _word),
            f.take("subject", _longer),
            f.take("time", instant),
            f.take("data", _texts),
            trace or None,
        )
        f.end()
        return event

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "type": self.type,
            "room": self.room,
            "subject": self.subject,
            "time": instant_text(self.time),
            "data": dict(self.data),
            "trace": traceparent(self.trace) or "",
        }

    def cloud_event(self) -> CloudEvent[dict[str, str]]:
        """Spell it as Event Grid takes it."""
        trace = traceparent(self.trace)
        extensions = {"traceparent": trace} if trace else None
        return CloudEvent(
            source=f"/rooms/{self.room}",
            type=_PREFIX + self.type,
            id=self.id,
            subject=self.subject,
            time=self.time,
            data=dict(self.data),
            extensions=extensions,
        )


def traceparent(given: str | None) -> str | None:
    """Take what is one, and nothing else that a caller put there: state is read again strictly."""
    return given if given and _TRACE.fullmatch(given) else None


_anything = text(256, shortest=0)


def _texts(raw: object, where: str) -> dict[str, str]:
    if not isinstance(raw, Mapping):
        raise Malformed(where, "an object of texts")
    return {str(key): _longer(value, f"{where}.{key}") for key, value in raw.items()}
