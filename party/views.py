"""What the control plane says of rooms and jobs: typed, tolerant of fields that it may add.

It is the operator's word: good for looking on, never for deciding what to trust.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cleanroom.fields import Parser, instant, instant_text, integer, list_of, matching, optional
from cleanroom.ids import Digest, alias, name
from cleanroom.jose import json_object

_MOST = 1000
_word = matching(r"[a-z][a-z_]{0,62}", "a code of lower-case letters and underscores")
_count = integer(0)


class _Told:
    """Takes the fields that are known out of an answer, and leaves the others."""

    def __init__(self, raw: object, where: str) -> None:
        self._fields = json_object(raw, where)
        self._where = where

    def take[T](self, field: str, parse: Parser[T]) -> T:
        return parse(self._fields.get(field), f"{self._where}.{field}")


@dataclass(frozen=True, slots=True)
class Word:
    """A party's latest word on a contract."""

    party: str
    decision: str
    issued: datetime
    expires: datetime

    @classmethod
    def parse(cls, raw: object, where: str) -> "Word":
        """Read a word."""
        told = _Told(raw, where)
        return cls(
            told.take("party", name),
            told.take("decision", _word),
            told.take("issued", instant),
            told.take("expires", instant),
        )


@dataclass(frozen=True, slots=True)
class Waiting:
    """A dataset that is not there yet, and why."""

    dataset: str
    why: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "Waiting":
        """Read it."""
        told = _Told(raw, where)
        return cls(told.take("dataset", alias), told.take("why", _word))


@dataclass(frozen=True, slots=True)
class Runs:
    """How often a contract may run in a period, and how often it did."""

    period: str
    allowed: int
    made: int

    @classmethod
    def parse(cls, raw: object, where: str) -> "Runs":
        """Read it."""
        told = _Told(raw, where)
        return cls(
            told.take("period", _word), told.take("allowed", _count), told.take("made", _count)
        )


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract in a room: who said what, and what it waits for."""

    contract: Digest
    sequence: int
    status: str
    expires: datetime
    parties: tuple[str, ...]
    words: tuple[Word, ...]
    missing: tuple[str, ...]
    waiting: tuple[Waiting, ...]
    runs: Runs

    @classmethod
    def parse(cls, raw: object, where: str) -> "Agreement":
        """Read it."""
        told = _Told(raw, where)
        return cls(
            told.take("contract", Digest.parse),
            told.take("sequence", _count),
            told.take("status", _word),
            told.take("expires", instant),
            told.take("parties", list_of(name, 0, _MOST)),
            told.take("words", list_of(Word.parse, 0, _MOST)),
            told.take("missing", list_of(name, 0, _MOST)),
            told.take("waiting", list_of(Waiting.parse, 0, _MOST)),
            told.take("runs", Runs.parse),
        )


@dataclass(frozen=True, slots=True)
class Room:
    """A room: its contracts by their sequence, the latest last."""

    name: str
    agreements: tuple[Agreement, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "Room":
        """Read it."""
        told = _Told(raw, where)
        found = told.take("contracts", list_of(Agreement.parse, 0, _MOST))
        return cls(told.take("room", name), tuple(sorted(found, key=lambda one: one.sequence)))

    @property
    def latest(self) -> Agreement | None:
        """The contract that was proposed last, of those that are not over, if there is one."""
        current = [one for one in self.agreements if one.status != "over"] or self.agreements
        return current[-1] if current else None


@dataclass(frozen=True, slots=True)
class Line:
    """A job in a list of many."""

    job: Digest
    due: datetime
    status: str
    finished: datetime | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Line":
        """Read it."""
        told = _Told(raw, where)
        return cls(
            told.take("job", Digest.parse),
            told.take("due", instant),
            told.take("status", _word),
            told.take("finished", optional(instant)),
        )

    @property
    def ended(self) -> bool:
        """Tell whether it runs no more."""
        return self.finished is not None


@dataclass(frozen=True, slots=True)
class Ended:
    """How a job ended."""

    status: str
    reason: str | None
    finished: datetime
    results: tuple[str, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "Ended":
        """Read it."""
        told = _Told(raw, where)
        return cls(
            told.take("status", _word),
            told.take("reason", optional(_word)),
            told.take("finished", instant),
            told.take("results", list_of(_output, 0, _MOST)),
        )


@dataclass(frozen=True, slots=True)
class Job:
    """A job: what it runs, when what happened, how it ended."""

    job: Digest
    contract: Digest
    trigger: str
    timeline: tuple[tuple[str, datetime], ...]
    outcome: Ended | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Job":
        """Read it."""
        told = _Told(raw, where)
        return cls(
            told.take("job", Digest.parse),
            told.take("contract", Digest.parse),
            told.take("trigger", _trigger),
            told.take("timeline", list_of(_step, 0, _MOST)),
            told.take("outcome", optional(Ended.parse)),
        )


def rooms(raw: object, where: str) -> tuple[str, ...]:
    """Read a page of rooms' names."""
    return list_of(name, 0, _MOST)(raw, where)


def lines(raw: object, where: str) -> tuple[Line, ...]:
    """Read a page of jobs."""
    return list_of(Line.parse, 0, _MOST)(raw, where)


def named(raw: object, field: str, where: str) -> object:
    """Take one field of an answer."""
    return json_object(raw, where).get(field)


def _output(raw: object, where: str) -> str:
    return _Told(raw, where).take("name", name)


def _trigger(raw: object, where: str) -> str:
    return _Told(raw, where).take("kind", _word)


def _step(raw: object, where: str) -> tuple[str, datetime]:
    told = _Told(raw, where)
    return told.take("what", _word), told.take("at", instant)


def as_json(room: Room) -> Mapping[str, object]:
    """Give a room for programs."""
    return {
        "room": room.name,
        "contracts": [
            {
                "contract": one.contract.text,
                "sequence": one.sequence,
                "status": one.status,
                "expires": instant_text(one.expires),
                "parties": list(one.parties),
                "missing": list(one.missing),
                "waiting": [{"dataset": each.dataset, "why": each.why} for each in one.waiting],
                "runs": {
                    "made": one.runs.made,
                    "allowed": one.runs.allowed,
                    "period": one.runs.period,
                },
            }
            for one in room.agreements
        ],
    }
