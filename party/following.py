"""Looking at rooms: how they stand, what they wait for, and what happens in them as it happens."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cleanroom import ids
from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused, Unavailable
from party import timeline, views
from party.errors import option
from party.online import Online
from party.timeline import Happening, Look

MOST_JOBS = 20
"""Jobs of a room that are looked at: the latest."""
_BREATH = 0.5  # seconds between two looks


@dataclass(frozen=True, slots=True)
class Stop:
    """When to stop following: never, if nothing is said."""

    jobs: int | None = None
    patience: timedelta | None = None


def look(online: Online, room: str, before: Look | None = None) -> Look:
    """Look at a room and its latest jobs; what has ended is not asked for again."""
    option(ids.name, room, "ROOM")
    api, seen = online.api, {}
    if before is not None:
        seen = {job.job: job for job in before.jobs if job.outcome is not None}
    found = api.room(room)
    lines = api.jobs(room, MOST_JOBS)
    jobs = [seen.get(line.job) or api.job(room, line.job) for line in reversed(lines)]
    return Look(found, tuple(jobs))


def follow(
    online: Online, room: str, stop: Stop, clock: Callable[[], datetime]
) -> Iterator[Happening]:
    """Tell what happens until enough jobs have ended, or patience has.

    A job counts however long ago it ended, so that whoever looks late does not wait for ever.
    """
    end = clock() + stop.patience if stop.patience else None
    before = None
    while True:
        after = look(online, room, before) if before is None else _again(online, room, before)
        for one in timeline.happened(before, after):
            yield one if before is None or one.at else replace(one, at=clock())
        before = after
        ended = [job for job in after.jobs if job.outcome is not None]
        if stop.jobs is not None and len(ended) >= stop.jobs:
            return _conclude(ended[-1])
        if end is not None and clock() >= end:
            raise Unavailable(f"room {room!r}: patience has ended, and what was waited for is not")
        time.sleep(_BREATH)


def _again(online: Online, room: str, before: Look) -> Look:
    """Look once more; what does not answer now may do so at the next look."""
    try:
        return look(online, room, before)
    except Unavailable:
        return before


def _conclude(job: views.Job) -> None:
    """End as the last job ended."""
    assert job.outcome is not None  # noqa: S101  # it has ended
    if job.outcome.status != "completed":
        raise PolicyRefused(f"job {timeline.short(job.job)} {timeline.ending(job)}").with_hint(
            "what its reason means: docs/spec/errors.md"
        )


def needs(one: views.Agreement, contract: Contract | None, party: str) -> list[str]:
    """Say what a contract waits for, and what this party can do about it."""
    said = []
    if one.status == "over":
        return ["nothing: it is over"]
    room = contract.room if contract else "ROOM"
    for name in one.missing:
        mine = f"; it is for you: cleanroom approve {room}" if name == party else ""
        said.append(f"the approval of {name}{mine}")
    owners = {each.alias: each for each in contract.datasets} if contract else {}
    for waiting in one.waiting:
        dataset = owners.get(waiting.dataset)
        whose = f" of {dataset.owner}" if dataset else ""
        mine = (
            f"; it is for you: cleanroom drop FILE {room} --dataset {dataset.dataset}"
            if dataset and dataset.owner == party
            else ""
        )
        said.append(f"data {waiting.dataset}{whose}{mine}")
    if not said and one.runs.made >= one.runs.allowed:
        return ["the next period: its runs are used up"]
    return said or ["nothing: it runs when new data arrives, or as its triggers say"]
