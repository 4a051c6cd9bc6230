"""What happened in a room between two looks at it: pure, so that a timeline can be tried out.

A look is what the control plane said at one moment. The first look tells all that there is; each
later one what is new. Times are those that the control plane gives, where it gives any.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from cleanroom.ids import Digest
from party.views import Agreement, Job, Room

SHORT = 12
"""Hexadecimal digits by which a job is shown to people."""
_DECIDED = {"approve": "approved", "revoke": "revoked its approval of"}
_WHY = {
    "missing": "is not there",
    "below_minimum": "is there, but only older than the contract takes",
    "too_long_ago": "is there, but sealed too long ago for the contract",
    "being_listed": "is being looked for",
}


@dataclass(frozen=True, slots=True)
class Look:
    """A room at one moment: its contracts, and its latest jobs by when they were due."""

    room: Room
    jobs: tuple[Job, ...] = ()


@dataclass(frozen=True, slots=True)
class Happening:
    """One thing that happened; `at` is not known for all."""

    what: str
    text: str
    at: datetime | None = None
    more: Mapping[str, object] = field(default_factory=dict)


def happened(before: Look | None, after: Look) -> list[Happening]:
    """Tell what is new in a look, in the order in which it happened as far as that is known."""
    found: list[Happening] = []
    known = {one.contract: one for one in before.room.agreements} if before else {}
    for one in after.room.agreements:
        found += _of_contract(known.get(one.contract), one)
    told = {job.job: job for job in before.jobs} if before else {}
    for job in after.jobs:
        found += _of_job(told.get(job.job), job)
    return found


def _of_contract(before: Agreement | None, after: Agreement) -> Iterator[Happening]:
    name = f"contract {after.sequence}"
    more = {"contract": after.contract.text}
    if before is None:
        yield Happening("proposed", f"{name} is proposed: {after.contract.words}", None, more)
    said = {(word.party, word.issued, word.decision) for word in before.words} if before else set()
    for word in sorted(after.words, key=lambda one: one.issued):
        if (word.party, word.issued, word.decision) not in said:
            text = f"{word.party} {_DECIDED.get(word.decision, word.decision)} {name}"
            yield Happening(word.decision, text, word.issued, {**more, "party": word.party})
    waited = {each.dataset for each in before.waiting} if before else set()
    waits = {each.dataset for each in after.waiting}
    for alias in sorted(waited - waits):
        yield Happening("arrived", f"data {alias} is there", None, {**more, "dataset": alias})
    if after.status != (before.status if before else None):
        if after.status == "in_force":
            yield Happening("in_force", f"{name} is in force: all have approved", None, more)
        elif after.status == "over":
            yield Happening("over", f"{name} is over", None, more)
    for each in after.waiting:
        if each.dataset not in waited or before is None:
            text = f"data {each.dataset} {_WHY.get(each.why, each.why)}"
            yield Happening("waiting", text, None, {**more, "dataset": each.dataset})


def _of_job(before: Job | None, after: Job) -> Iterator[Happening]:
    name = f"job {short(after.job)}"
    more = {"job": after.job.text}
    told = {what for what, _ in before.timeline} if before else set()
    for what, at in after.timeline:
        if what in told or what == "ended":
            continue
        why = f" ({after.trigger})" if what == "recorded" else ""
        yield Happening(what, f"{name} {_STEPS.get(what, what)}{why}", at, more)
    if after.outcome is not None and (before is None or before.outcome is None):
        outcome = after.outcome
        ended = {**more, "reason": outcome.reason, "results": list(outcome.results)}
        yield Happening(outcome.status, f"{name} {ending(after)}", outcome.finished, ended)


_STEPS = {"recorded": "is due", "queued": "is queued"}


def ending(job: Job) -> str:
    """Say how a job ended."""
    outcome = job.outcome
    if outcome is None:
        return "has not ended"
    if outcome.status == "completed":
        return f"completed: {', '.join(outcome.results)}"
    was = "was refused" if outcome.status == "refused" else "failed"
    return f"{was}: {outcome.reason}"


def short(job: Digest) -> str:
    """Name a job for people."""
    return job.hex[:SHORT]
