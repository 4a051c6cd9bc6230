"""What the control plane remembers of one contract, in one blob that changes by compare-and-set.

- Whatever is decided is written here first, in one step: which job, that it counts against the
  limit, and what is to be told. Then it is carried out, and taken off the list.
- So a crash between any two writes leaves a list of what is still to be done, and two functions
  that decide at once cannot both win.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    Parser,
    exactly,
    instant,
    instant_text,
    integer,
    list_of,
    matching,
    optional,
    text,
)
from cleanroom.ids import Digest, alias, name
from cleanroom.job import JobRequest
from functions.arrivals import Version
from functions.events import Event

FORMAT = "cleanroom/control/v1"
LARGEST = 64 << 20
MOST_OPEN = 10_000
MOST_UNQUEUED = 100
MOST_UNTOLD = 1000
_MOST_TOLD = 10 * MOST_UNTOLD
_period = matching(r"lifetime|\d{4}(-\d\d|-\d\d-\d\d|-W\d\d)", "a day, week, month or 'lifetime'")


@dataclass(frozen=True, slots=True)
class Watch:
    """What is known of one dataset's location.

    `since` is when the storage had last been listed whole (files older than that are known); while
    a listing is under way, `cursor` is the last file of it that was looked at. `newest` is the
    highest number that a head ever had: no run was made yet with one that is higher.
    """

    head: Version | None = None
    since: datetime | None = None
    cursor: tuple[datetime, str] | None = None
    newest: int = 0

    @property
    def listed(self) -> bool:
        """Tell whether every file has been looked at once."""
        return self.since is not None and self.cursor is None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Watch":
        """Accept what `to_dict` wrote."""
        f = Fields(raw, where)
        head = f.take("head", optional(Version.parse))
        since = f.take("since", optional(instant))
        at, file = f.take("at", optional(instant)), f.take("file", optional(text(1024)))
        newest = f.take("newest", integer(0))
        f.end()
        return cls(head, since, (at, file) if at and file else None, newest)

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        at, file = self.cursor or (None, None)
        return {
            "head": dict(self.head.to_dict()) if self.head else None,
            "since": instant_text(self.since) if self.since else None,
            "at": instant_text(at) if at else None,
            "file": file,
            "newest": self.newest,
        }

    def headed(self, head: Version) -> "Watch":
        """Put a version at the head."""
        return replace(self, head=head, newest=max(self.newest, head.number))

    def again(self) -> "Watch":
        """Begin to look at the location anew."""
        return Watch(newest=self.newest)


@dataclass(frozen=True, slots=True)
class Open:
    """A job that has not ended; its request is kept until it is known to be on the queue."""

    job: Digest
    since: datetime  # when it was due
    sent: datetime  # when it was last meant for the queue
    request: JobRequest | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Open":
        """Accept what `to_dict` wrote."""
        f = Fields(raw, where)
        job = f.take("job", Digest.parse)
        since, sent = f.take("since", instant), f.take("sent", instant)
        spelled = f.take("request", optional(text(1 << 20)))
        f.end()
        request = JobRequest.parse(spelled.encode(), f"{where}.request") if spelled else None
        return cls(job, since, sent, request)

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        request = self.request.to_bytes().decode() if self.request else None
        return {
            "job": self.job.text,
            "since": instant_text(self.since),
            "sent": instant_text(self.sent),
            "request": request,
        }


@dataclass(frozen=True, slots=True)
class State:
    """Everything that is remembered of one contract."""

    watches: Mapping[str, Watch]
    words: Mapping[str, Digest]  # of parties, by the digest of the statement that was told of
    period: str
    runs: int
    arrival: Digest | None  # the last job of each kind of trigger
    approval: Digest | None
    slot: datetime | None
    open: tuple[Open, ...]
    untold: tuple[Event, ...]

    @classmethod
    def new(cls, aliases: Mapping[str, object]) -> "State":
        """Begin to remember a contract."""
        watches = dict.fromkeys(aliases, Watch())
        return cls(watches, {}, "lifetime", 0, None, None, None, (), ())

    @classmethod
    def parse(cls, data: bytes, where: str) -> "State":
        """Accept what `to_bytes` wrote."""
        f = Fields(parse_json(data, where, LARGEST), where)
        f.take("format", exactly(FORMAT))
        state = cls(
            f.take("watches", _mapping(alias, Watch.parse)),
            f.take("words", _mapping(name, Digest.parse)),
            f.take("period", _period),
            f.take("runs", integer(0)),
            f.take("arrival", optional(Digest.parse)),
            f.take("approval", optional(Digest.parse)),
            f.take("slot", optional(instant)),
            f.take("open", list_of(Open.parse, 0, MOST_OPEN)),
            f.take("untold", list_of(Event.parse, 0, _MOST_TOLD)),
        )
        f.end()
        return state

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        document = {
            "format": FORMAT,
            "watches": {key: watch.to_dict() for key, watch in self.watches.items()},
            "words": {party: digest.text for party, digest in self.words.items()},
            "period": self.period,
            "runs": self.runs,
            "arrival": self.arrival.text if self.arrival else None,
            "approval": self.approval.text if self.approval else None,
            "slot": instant_text(self.slot) if self.slot else None,
            "open": [one.to_dict() for one in self.open],
            "untold": [event.to_dict() for event in self.untold],
        }
        # Nobody signs this or names it by its digest, so it need not be canonical, only quick.
        return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()

    @property
    def jobs(self) -> frozenset[Digest]:
        """Name the jobs that have not ended."""
        return frozenset(one.job for one in self.open)

    @property
    def full(self) -> bool:
        """Tell whether no more jobs fit: this document must stay one that can be read."""
        unqueued = sum(one.request is not None for one in self.open)
        return len(self.open) >= MOST_OPEN or unqueued >= MOST_UNQUEUED

    def settled(self, queued: frozenset[Digest], told: frozenset[str]) -> "State":
        """Take off the lists what has been carried out."""
        return replace(
            self,
            open=tuple(
                replace(one, request=None) if one.job in queued else one for one in self.open
            ),
            untold=tuple(event for event in self.untold if event.id not in told),
        )

    def ended(self, job: Digest) -> "State":
        """Take off the list a job that has ended, and been told of."""
        return replace(self, open=tuple(one for one in self.open if one.job != job))


def _mapping[T](key: Parser[str], value: Parser[T]) -> Parser[dict[str, T]]:
    """Accept an object whose names and values are each of one kind."""

    def parse(raw: object, where: str) -> dict[str, T]:
        if not isinstance(raw, Mapping):
            raise Malformed(where, "an object")
        return {key(k, where): value(v, f"{where}.{k}") for k, v in raw.items()}

    return parse
