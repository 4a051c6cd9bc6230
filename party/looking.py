"""Rooms and results in words, and as JSON: what `status` and `results` print."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError
from cleanroom.fields import instant_text
from party import following, timeline, views
from party.online import Online

_STATUS = {"in_force": "in force", "awaiting_approval": "waits for approval", "over": "over"}


@dataclass(frozen=True, slots=True)
class Found:
    """What was found, for people and for programs."""

    headline: str
    rows: Sequence[tuple[str, object]]
    as_json: Mapping[str, object]


def rooms(online: Online) -> Found:
    """Tell of all rooms of the party, a line each."""
    found = [online.api.room(name) for name in online.api.rooms()]
    rows = [(room.name, _line(room)) for room in found]
    headline = f"{online.profile.name}: {len(found)} room{'' if len(found) == 1 else 's'}"
    if not found:
        rows = [("next", "cleanroom propose contract.yaml begins one")]
    return Found(headline, rows, {"rooms": [views.as_json(room) for room in found]})


def _line(room: views.Room) -> str:
    one = room.latest
    if one is None:
        return "no contract"
    waits = len(one.missing) + len(one.waiting)
    said = f"contract {one.sequence} {_STATUS.get(one.status, one.status)}"
    return said + (f", waits for {waits} more" if waits and one.status != "over" else "")


def room(online: Online, name: str) -> Found:
    """Tell of one room."""
    found = following.look(online, name)
    rows: list[tuple[str, object]] = []
    for one in found.room.agreements:
        rows += _agreement(one, _contract(online, name, one), online.profile.name)
    rows += [(f"job {timeline.short(job.job)}", _job(job)) for job in reversed(found.jobs)]
    jobs = [job_json(job) for job in reversed(found.jobs)]
    return Found(f"room {name}", rows, {**views.as_json(found.room), "jobs": jobs})


def results(online: Online, name: str) -> Found:
    """Name the jobs of a room that ended, the latest first."""
    found = [job for job in following.look(online, name).jobs if job.outcome is not None]
    found.reverse()
    rows: list[tuple[str, object]] = [(timeline.short(job.job), _job(job)) for job in found]
    done = next((job for job in found if job.outcome and job.outcome.results), None)
    if done is not None:
        rows.append(("next", f"cleanroom open {name}/{timeline.short(done.job)}"))
    elif not found:
        rows.append(("next", f"cleanroom status {name} says what it waits for"))
    count = sum(1 for job in found if job.outcome and job.outcome.status == "completed")
    headline = f"room {name}: {count} result{'' if count == 1 else 's'}"
    return Found(headline, rows, {"room": name, "jobs": [job_json(job) for job in found]})


def _contract(online: Online, room_name: str, one: views.Agreement) -> Contract | None:
    """Fetch a contract to tell whose data is missing; without it, less is told."""
    try:
        return online.of_room(room_name, one.contract)
    except CleanroomError:
        return None


def _agreement(
    one: views.Agreement, contract: Contract | None, party: str
) -> list[tuple[str, object]]:
    name = f"contract {one.sequence}"
    approved = [each for each in one.words if each.party not in one.missing]
    rows: list[tuple[str, object]] = [
        (name, f"{_STATUS.get(one.status, one.status)}, until {instant_text(one.expires)}"),
        ("  words", one.contract.words),
        ("  approved by", ", ".join(each.party for each in approved) or "nobody yet"),
        ("  waits for", "\n".join(following.needs(one, contract, party))),
        ("  runs", f"{one.runs.made} of {one.runs.allowed} ({one.runs.period})"),
    ]
    return rows


def _job(job: views.Job) -> str:
    at = job.outcome.finished if job.outcome else (job.timeline[0][1] if job.timeline else None)
    return f"{timeline.ending(job)}, {instant_text(at)}" if at else timeline.ending(job)


def job_json(job: views.Job) -> Mapping[str, object]:
    """Give a job for programs."""
    outcome = job.outcome
    return {
        "job": job.job.text,
        "contract": job.contract.text,
        "trigger": job.trigger,
        "timeline": [{"what": what, "at": instant_text(at)} for what, at in job.timeline],
        "status": outcome.status if outcome else "queued",
        "reason": outcome.reason if outcome else None,
        "results": list(outcome.results) if outcome else [],
    }
