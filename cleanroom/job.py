"""A job: one run of one contract on named inputs, and how it ended (docs/spec/job.md).

The id of a job is the digest of everything else in its request: the same work has the same name,
so doing it twice can be noticed and the second time left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cleanroom.canonical import canonical, parse_canonical
from cleanroom.errors import Malformed, Tampered
from cleanroom.fields import (
    Fields,
    exactly,
    instant,
    instant_text,
    list_of,
    matching,
    one_of,
    optional,
    unique,
)
from cleanroom.ids import Digest, alias, name
from cleanroom.parameters import Value, values

REQUEST_FORMAT = "cleanroom/job/v1"
OUTCOME_FORMAT = "cleanroom/outcome/v1"
LARGEST = 256 * 1024  # a Service Bus message of the standard tier
_MOST_INPUTS = 64
_MOST_RESULTS = 64

_reason = matching(r"[a-z][a-z0-9_]{0,62}", "a code of lower-case letters, digits and underscores")
_request_id = matching(r"[0-9a-f]{32}", "32 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class Input:
    """A dataset of the contract, and exactly which version of it."""

    alias: str
    manifest: Digest

    @classmethod
    def parse(cls, raw: object, where: str) -> "Input":
        """Accept an input."""
        f = Fields(raw, where)
        found = cls(f.take("alias", alias), f.take("manifest", Digest.parse))
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"alias": self.alias, "manifest": self.manifest.text}


def inputs(raw: object, where: str) -> tuple[Input, ...]:
    """Accept a job's inputs, in the order of their aliases."""
    found = list_of(Input.parse, 1, _MOST_INPUTS)(raw, where)
    names = [item.alias for item in found]
    unique(names, where)
    if names != sorted(names):  # the order must not make another job of the same work
        raise Malformed(where, "inputs in the order of their aliases")
    return found


@dataclass(frozen=True, slots=True)
class Trigger:
    """Why the job is due: two runs of the same inputs differ in this."""

    kind: str  # arrival, approval, request or schedule
    at: datetime | None  # of a schedule
    id: str | None  # of a request

    @classmethod
    def parse(cls, raw: object, where: str) -> "Trigger":
        """Accept a trigger with what tells it from others of its kind."""
        f = Fields(raw, where)
        trigger = cls(
            f.take("kind", one_of("approval", "arrival", "request", "schedule")),
            f.take("at", optional(instant)),
            f.take("id", optional(_request_id)),
        )
        f.end()
        if (trigger.at is not None) != (trigger.kind == "schedule"):
            raise Malformed(f"{where}.at", "a time for a schedule, null for others")
        if (trigger.id is not None) != (trigger.kind == "request"):
            raise Malformed(f"{where}.id", "an id for a request, null for others")
        return trigger

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        at = instant_text(self.at) if self.at else None
        return {"kind": self.kind, "at": at, "id": self.id}


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What the control plane asks the runner to do; only a hint, the runner verifies all of it."""

    room: str
    contract: Digest
    inputs: tuple[Input, ...]
    parameters: Mapping[str, Value]
    trigger: Trigger
    id: Digest = field(init=False, compare=False)
    """The name of the job: the digest of all the rest."""

    _bytes: list[bytes] = field(default_factory=list, init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "id", Digest.of(canonical(self._rest(), "job")))

    @classmethod
    def parse(cls, data: bytes, where: str) -> "JobRequest":
        """Accept the canonical bytes of a request whose id is right."""
        f = Fields(parse_canonical(data, where, LARGEST), where)
        f.take("format", exactly(REQUEST_FORMAT))
        claimed = f.take("job", Digest.parse)
        request = cls(
            f.take("room", name),
            f.take("contract", Digest.parse),
            f.take("inputs", inputs),
            f.take("parameters", values),
            f.take("trigger", Trigger.parse),
        )
        f.end()
        if claimed != request.id:
            raise Tampered(f"{where}.job: {claimed} is not the digest of the request")
        request._bytes.append(data)  # of this very class
        return request

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        if not self._bytes:
            self._bytes.append(canonical({"job": self.id.text, **self._rest()}, "job"))
        return self._bytes[0]

    def _rest(self) -> dict[str, object]:
        return {
            "format": REQUEST_FORMAT,
            "room": self.room,
            "contract": self.contract.text,
            "inputs": [item.to_dict() for item in self.inputs],
            "parameters": dict(self.parameters),
            "trigger": self.trigger.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class ResultRef:
    """A sealed output, named by the digest of its manifest."""

    name: str
    manifest: Digest

    @classmethod
    def parse(cls, raw: object, where: str) -> "ResultRef":
        """Accept a reference."""
        f = Fields(raw, where)
        found = cls(f.take("name", name), f.take("manifest", Digest.parse))
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"name": self.name, "manifest": self.manifest.text}


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job ended: completed without a reason, refused or failed with one."""

    status: str
    reason: str | None  # an error code (docs/spec/errors.md), never free text

    @classmethod
    def parse(cls, raw: object, where: str) -> "Ending":
        """Accept a status with the reason it needs."""
        f = Fields(raw, where)
        ending = cls(
            f.take("status", one_of("completed", "failed", "refused")),
            f.take("reason", optional(_reason)),
        )
        f.end()
        if (ending.reason is None) != (ending.status == "completed"):
            raise Malformed(f"{where}.reason", "null for a completed job, a code for others")
        return ending

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"status": self.status, "reason": self.reason}


@dataclass(frozen=True, slots=True)
class Outcome:
    """The one message that every job ends in."""

    room: str
    job: Digest
    contract: Digest
    ending: Ending
    finished: datetime
    receipt: Digest | None  # of the receipt's statement; a job refused before it began has none
    results: tuple[ResultRef, ...]

    @classmethod
    def parse(cls, data: bytes, where: str) -> "Outcome":
        """Accept the canonical bytes of an outcome."""
        f = Fields(parse_canonical(data, where, LARGEST), where)
        f.take("format", exactly(OUTCOME_FORMAT))
        outcome = cls(
            f.take("room", name),
            f.take("job", Digest.parse),
            f.take("contract", Digest.parse),
            f.take("ending", Ending.parse),
            f.take("finished", instant),
            f.take("receipt", optional(Digest.parse)),
            f.take("results", list_of(ResultRef.parse, 0, _MOST_RESULTS)),
        )
        f.end()
        completed = outcome.ending.status == "completed"
        if completed != bool(outcome.results) or (completed and outcome.receipt is None):
            raise Malformed(where, "results and a receipt exactly for a completed job")
        unique([item.name for item in outcome.results], f"{where}.results")
        return outcome

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        return canonical(
            {
                "format": OUTCOME_FORMAT,
                "room": self.room,
                "job": self.job.text,
                "contract": self.contract.text,
                "ending": self.ending.to_dict(),
                "finished": instant_text(self.finished),
                "receipt": self.receipt.text if self.receipt else None,
                "results": [item.to_dict() for item in self.results],
            },
            "outcome",
        )
