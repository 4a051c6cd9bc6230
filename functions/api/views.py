"""Documents as the API shows them: what anybody of a room may know, in JSON.

Digests are spelled in full, times in UTC to the second. What is not there is null.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cleanroom.approval import Approval, later
from cleanroom.fields import instant_text
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome
from functions import deciding, papers
from functions.api.links import Link
from functions.papers import Agreement
from functions.rooms import Room
from functions.state import State, Watch

IN_FORCE, AWAITING, OVER = "in_force", "awaiting_approval", "over"
QUEUED = "queued"


@dataclass(frozen=True, slots=True)
class Moments:
    """When a job was recorded, and when it was put on the queue."""

    recorded: datetime
    queued: datetime | None


def room(found: Room, states: Mapping[Digest, State], now: datetime) -> dict[str, object]:
    """Tell of a room."""
    standing = papers.in_force(found.agreements, now)
    running = {one.digest for one in standing}
    current = {one.digest for one in papers.current(found.agreements, standing, now)}

    def status(one: Agreement) -> str:
        if one.digest in running:
            return IN_FORCE
        return AWAITING if one.digest in current else OVER

    return {
        "room": found.name,
        "contracts": [
            _agreement(one, status(one), states.get(one.digest), now) for one in found.agreements
        ],
        "refused": [
            {"document": one.document, "reason": one.reason.value} for one in found.refusals
        ],
    }


def _agreement(
    one: Agreement, status: str, state: State | None, now: datetime
) -> dict[str, object]:
    contract = one.contract
    return {
        "contract": one.digest.text,
        "sequence": contract.sequence,
        "previous": contract.previous.text if contract.previous else None,
        "status": status,
        "expires": instant_text(contract.limits.expires),
        "parties": [party.name for party in contract.parties],
        "words": [_word(word) for word in _latest(one.words)],
        "missing": list(one.missing(now)),
        "waiting": [] if status == OVER else _waiting(one, state, now),
        "runs": _runs(one, state, now),
    }


def _latest(words: Iterable[Approval]) -> list[Approval]:
    found: dict[str, Approval] = {}
    for word in words:
        found[word.party] = later(found.get(word.party, word), word)
    return [found[party] for party in sorted(found)]


def _waiting(one: Agreement, state: State | None, now: datetime) -> list[dict[str, object]]:
    datasets = one.contract.datasets
    watches = state.watches if state else {each.alias: Watch() for each in datasets}
    waits = deciding.waiting(one.contract, watches, now)
    return [{"dataset": alias, "why": waits[alias].value} for alias in sorted(waits)]


def _runs(one: Agreement, state: State | None, now: datetime) -> dict[str, object]:
    limits = one.contract.limits
    period = deciding.period_of(limits.period, now)
    made = state.runs if state and state.period == period else 0
    return {"period": limits.period, "allowed": limits.runs, "made": made}


def _word(word: Approval) -> dict[str, object]:
    return {
        "party": word.party,
        "decision": word.decision,
        "issued": instant_text(word.issued),
        "expires": instant_text(word.expires),
    }


def word(taken: Approval) -> dict[str, object]:
    """Tell of a party's word on a contract."""
    return {"contract": taken.contract.text, **_word(taken)}


def line(digest: Digest, since: datetime, outcome: Outcome | None) -> dict[str, object]:
    """Tell of a job in a list of many."""
    return {
        "job": digest.text,
        "due": instant_text(since),
        "status": outcome.ending.status if outcome else QUEUED,
        "finished": instant_text(outcome.finished) if outcome else None,
    }


def job(request: JobRequest, moments: Moments, outcome: Outcome | None) -> dict[str, object]:
    """Tell of a job."""
    timeline = [("recorded", moments.recorded), ("queued", moments.queued)]
    timeline.append(("ended", outcome.finished if outcome else None))
    return {
        "job": request.id.text,
        "room": request.room,
        "contract": request.contract.text,
        "inputs": [each.to_dict() for each in request.inputs],
        "parameters": dict(request.parameters),
        "trigger": request.trigger.to_dict(),
        "timeline": [{"what": what, "at": instant_text(at)} for what, at in timeline if at],
        "outcome": _outcome(outcome) if outcome else None,
    }


def _outcome(outcome: Outcome) -> dict[str, object]:
    return {
        "status": outcome.ending.status,
        "reason": outcome.ending.reason,
        "finished": instant_text(outcome.finished),
        "receipt": outcome.receipt.text if outcome.receipt else None,
        "results": [each.to_dict() for each in outcome.results],
    }


def link(made: Link, manifest: Digest) -> dict[str, object]:
    """Tell where a sealed result may be read."""
    return {"url": made.url, "expires": instant_text(made.expires), "manifest": manifest.text}


def readiness(found: Mapping[str, bool]) -> dict[str, object]:
    """Tell which dependencies answer."""
    return {
        "status": "ready" if all(found.values()) else "not_ready",
        "dependencies": {
            name: "ready" if answers else "missing" for name, answers in found.items()
        },
    }
