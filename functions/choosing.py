"""Choose the runs that are due, from what was seen, and from what is still there.

1. Decide which runs are due (deciding.py).
2. A run names files; one that was taken away meanwhile is forgotten, and the rest seen anew.
3. The same run is made once: what is under way or has ended is not made again, nor counted.
4. As many as the contract's limit allows.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from cleanroom.errors import Malformed, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import LARGEST as LARGEST_JOB
from cleanroom.job import JobRequest
from functions import deciding, names
from functions.arrivals import Version
from functions.deciding import Asked, Ready
from functions.owned import Owned
from functions.papers import Agreement
from functions.refusals import Declined, Refusal, Why
from functions.remembering import Lately
from functions.scanning import Place, Places, Scanner
from functions.state import State

_TRIES = 20
_MEMORY = 4096
_LARGEST_REQUEST = 192 * 1024  # a message of 256 KB has a header, too


@dataclass(frozen=True, slots=True)
class Runs:
    """What was decided: what to remember, and the jobs that are to be carried out."""

    state: State
    jobs: tuple[JobRequest, ...]
    refusals: tuple[Refusal, ...] = ()
    asked: Digest | None = None  # the job that was asked for, even if it has ended


class Chooser:
    """Chooses runs; what somebody asked for is noted, so that asking again is the same run."""

    def __init__(self, rooms: Owned, control: Owned, scanner: Scanner) -> None:
        self._rooms = rooms
        self._control = control
        self._scanner = scanner
        self._there: Lately[bool] = Lately(_MEMORY)

    async def choose(
        self,
        one: Agreement,
        runs: Runs,
        where: Places,
        now: datetime,
        read: frozenset[tuple[str, str]],
        asked: Asked | None,
        *,
        quick: bool = False,
        fresh: bool = False,
    ) -> Runs:
        """Name the runs that are due, and count them, as far as the limit allows.

        If it is to be quick, a file that was there a moment ago is taken to be. With a version
        that is fresh, as no head was before it, no run can have been made.
        """
        for _ in range(_TRIES):
            state = runs.state
            ready = deciding.ready(one.contract, state.watches, now)
            wanted: list[JobRequest] = []
            if ready:
                since = one.complete_since
                wanted = deciding.due(one.contract, one.digest, state, ready, since, now)
            matters = ready if wanted or asked else None
            gone, ended = await asyncio.gather(
                self._gone(matters, where, read, quick=quick),
                self._ended(() if fresh else wanted),
            )
            if not gone:
                if asked:
                    wanted = [await self._asked_for(one, state, ready, asked, now)]
                    ended = await self._ended(wanted)
                return _admitted(one, runs, wanted, ended, now, is_asked=asked is not None)
            # The newest version was taken away: see what is left, and decide again.
            watches = {a: w.again() if a in gone else w for a, w in state.watches.items()}
            seen = await self._scanner.seen(one.digest, watches, where, now)
            runs = Runs(replace(state, watches=seen.watches), (), runs.refusals + seen.refusals)
            read, fresh = seen.read, False
        raise Unavailable(f"room {one.contract.room}: files change all the time")

    async def _ended(self, runs: Sequence[JobRequest]) -> frozenset[Digest]:
        """Name the runs that were made before, and have ended."""
        blobs = [names.job(run.room, run.id, "outcome") for run in runs]
        found = await asyncio.gather(*(self._rooms.look(blob) for blob in blobs))
        return frozenset(run.id for run, file in zip(runs, found, strict=True) if file is not None)

    async def _asked_for(
        self, one: Agreement, state: State, ready: Ready | None, asked: Asked, now: datetime
    ) -> JobRequest:
        """Say which job a request is: the first time decides."""
        blob = names.asked(one.contract.room, asked.id)
        if ready is not None:
            job = deciding.asked_for(one.contract, ready, asked)
            if (size := len(job.to_bytes())) > _LARGEST_REQUEST:
                raise Malformed(
                    "parameters", f"a job of at most {_LARGEST_REQUEST} bytes", f"{size}"
                )
            if await self._control.create(blob, job.to_bytes()):
                return job
        found = await self._control.read(blob, LARGEST_JOB)
        if found is None:
            waits = deciding.waiting(one.contract, state.watches, now)
            said = ", ".join(f"{alias} is {wait}" for alias, wait in sorted(waits.items()))
            raise Declined(Why.INPUTS_WAITING, f"not all data is there: {said}")
        job = JobRequest.parse(found.data, blob)
        if (job.contract, dict(job.parameters)) != (asked.contract, dict(asked.parameters)):
            message = f"request {asked.id} was made with other values"
            raise Declined(Why.REQUEST_DIFFERS, message)
        return job

    async def _gone(
        self,
        ready: Ready | None,
        where: Places,
        read: frozenset[tuple[str, str]],
        *,
        quick: bool,
    ) -> set[str]:
        """Name the datasets whose newest version is not there any more."""
        versions = ready.versions if ready else {}
        aliases = [
            alias
            for alias, one in versions.items()
            if (one.blob, one.etag) not in read
            and not (quick and self._there.get((one.blob, one.etag)))
        ]
        there = await asyncio.gather(
            *(_is_there(where[alias], versions[alias]) for alias in aliases)
        )
        for alias, found in zip(aliases, there, strict=True):
            if found:
                self._there.put((versions[alias].blob, versions[alias].etag), value=True)
        return {alias for alias, found in zip(aliases, there, strict=True) if not found}


async def _is_there(place: Place, version: Version) -> bool:
    try:
        found = await place.container.look(version.blob)
    except Unavailable:
        if place.container.ours:
            raise
        return False
    return found is not None and found.etag == version.etag


def _admitted(
    one: Agreement,
    runs: Runs,
    wanted: Sequence[JobRequest],
    ended: frozenset[Digest],
    now: datetime,
    *,
    is_asked: bool,
) -> Runs:
    """Admit runs that are not under way and have not ended; the same run is made once."""
    state, jobs = runs.state, list[JobRequest]()
    for run in wanted:
        if run.id in ended or run.id in state.jobs:
            state = deciding.was_made(state, run)
            jobs += [] if run.id in ended else [run]
        elif not deciding.allowed(state, one.contract, now):
            if is_asked:
                raise Declined(Why.LIMIT_REACHED, deciding.over(one.contract))
        elif not state.full:
            state = deciding.admitted(state, run, one.contract, now)
            jobs.append(run)
        elif is_asked:
            raise Unavailable(f"room {run.room}: too many jobs are under way")
    answer = wanted[0].id if is_asked else None
    return Runs(state, tuple(jobs), runs.refusals, answer)
