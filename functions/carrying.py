"""Carry out what was decided and written down: record jobs, put them on the queue, tell.

1. Write the record of each job, unless it is there.
2. Put each on the queue, which takes the same job once.
3. Tell, and note each job in the room's timeline.
4. Take off the list what was done.

Where files arrive one after the other, 4 is put off for a second, so that the next decision takes
off the list what was done before it; and what comes meanwhile is told and noted (3) together, then.

What another function wrote down a moment ago is left to it. What stays on the list for longer was
not carried out by whoever should have, and is done again: no step harms when it is repeated.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import batched

from cleanroom.errors import CleanroomError, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from functions import names
from functions.events import Event
from functions.ledger import Ledger
from functions.owned import Owned
from functions.papers import Agreement
from functions.refusals import Refusal
from functions.remembering import Memory
from functions.state import Open, State
from functions.telling import Queue, Topic

STUCK = timedelta(seconds=30)
_TRIES = 20
_MEMORY = 20_000
_AT_ONCE = 32
_LATER = 1.0  # seconds


@dataclass(frozen=True, slots=True)
class Written:
    """What is remembered of a contract, and what was before."""

    blob: str
    before: State
    state: State


@dataclass
class Done:
    """What was carried out and is still on a contract's list."""

    jobs: set[Digest] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def names(self) -> set[str]:
        """Name it all."""
        return {job.hex for job in self.jobs} | self.told


@dataclass
class Rest:
    """What is still to be told of jobs that are on the queue, and of what led to them."""

    jobs: dict[Digest, str] = field(default_factory=dict)  # and their places in the timeline
    events: list[Event] = field(default_factory=list)

    def names(self) -> set[str]:
        """Name it all."""
        return {job.hex for job in self.jobs} | {event.id for event in self.events}


class Carrier:
    """Writes records, sends jobs, tells of events."""

    def __init__(
        self, rooms: Owned, control: Owned, ledger: Ledger, queue: Queue, topic: Topic
    ) -> None:
        self._rooms = rooms
        self._control = control
        self._ledger = ledger
        self._queue = queue
        self._topic = topic
        self._refused: Memory[bool] = Memory(_MEMORY)
        self._owed: set[str] = set()  # what this process began and could not finish
        self._done: dict[str, Done] = {}
        self._rest: dict[str, Rest] = {}
        self._flushing: dict[str, asyncio.Task[None]] = {}

    async def refuse(
        self, room: str, refusals: Sequence[Refusal], now: datetime, trace: str | None
    ) -> None:
        """Tell of documents that are refused, each once; then note that it was told."""
        new = [one for one in refusals if not self._refused.get((room, one.id))]
        for some in batched(new, _AT_ONCE, strict=False):
            notes = [names.refused(room, one.id) for one in some]
            known = await asyncio.gather(*(self._control.look(note) for note in notes))
            untold = [
                (note, one)
                for note, one, found in zip(notes, some, known, strict=True)
                if found is None
            ]
            await self._topic.tell([_refusal(room, one, now, trace) for _, one in untold])
            await asyncio.gather(*(self._control.create(note, b"") for note, _ in untold))
            for one in some:
                self._refused.put((room, one.id), value=True)

    async def carry_out(
        self,
        one: Agreement,
        written: Written,
        mine: Sequence[JobRequest],
        now: datetime,
        trace: str | None,
        *,
        later: bool = False,
    ) -> None:
        """Do what is on the list and is ours to do; take it off now, or a second later."""
        state, old = written.state, written.before
        fresh = {job.id for job in mine}
        done, rest = self._done.get(written.blob, Done()), self._rest.get(written.blob, Rest())
        before = done.names() | rest.names()
        jobs = [
            each
            for each in state.open
            if each.request
            and each.job.hex not in before
            and (each.job in fresh or self._is_owed(each.job.hex, each.sent, now))
        ]
        known = {event.id for event in old.untold}
        events = [
            event
            for event in state.untold
            if event.id not in before
            and (event.id not in known or self._is_owed(event.id, event.time, now))
        ]
        names_of_all = {each.job.hex for each in jobs} | {event.id for event in events}
        self._owed |= names_of_all
        await self._send(one, jobs, now, trace)  # 1, 2
        rest = self._rest.setdefault(written.blob, Rest())
        room = one.contract.room
        rest.jobs |= {each.job: names.moment(room, each.job, each.since) for each in jobs}
        rest.events += events
        self._owed -= names_of_all
        soon = later and written.blob in self._flushing and len(rest.jobs) < _AT_ONCE
        if not soon:
            await self._tell(written.blob)  # 3
        if later:
            self._flush_later(written.blob)
        else:
            await self.flush(written.blob)  # 4

    async def _tell(self, blob: str) -> None:
        """Tell, and note jobs in the timeline; what fails is owed."""
        rest = self._rest.pop(blob, Rest())
        try:
            await asyncio.gather(
                self._topic.tell(rest.events),
                *(self._control.create(place, b"") for place in rest.jobs.values()),
            )
        except BaseException:
            self._owed |= rest.names()
            raise
        self._note(blob, set(rest.jobs), {event.id for event in rest.events})

    def settled(self, blob: str, state: State) -> State:
        """Take off a list what was carried out."""
        done = self._done.get(blob)
        return state.settled(frozenset(done.jobs), frozenset(done.told)) if done else state

    async def flush(self, blob: str) -> None:
        """Tell what is still to be told, and take off a list what was carried out."""
        await self._tell(blob)
        done = self._done.pop(blob, None)
        if done is None or not done.names():
            return
        try:
            await self._settle(blob, frozenset(done.jobs), frozenset(done.told))
        except BaseException:
            self._note(blob, done.jobs, done.told)
            raise

    def _note(self, blob: str, jobs: set[Digest], told: set[str]) -> None:
        """Remember what was carried out; what was noted before may be on its way off the list."""
        done = self._done.setdefault(blob, Done())
        done.jobs |= jobs
        done.told |= told

    async def flush_all(self) -> None:
        """Tell all that is still to be told, and take off all lists what was carried out."""
        for task in self._flushing.values():
            task.cancel()
        self._flushing.clear()
        for blob in {**self._rest, **self._done}:
            await self.flush(blob)

    def _flush_later(self, blob: str) -> None:
        if blob not in self._flushing:
            self._flushing[blob] = asyncio.create_task(self._wait_and_flush(blob))

    async def _wait_and_flush(self, blob: str) -> None:
        try:
            more = True
            while more:
                await asyncio.sleep(_LATER)
                with suppress(CleanroomError):  # the next look or the sweep comes back to it
                    await self.flush(blob)
                more = blob in self._rest  # came meanwhile, and relies on us
        finally:
            if self._flushing.get(blob) is asyncio.current_task():
                del self._flushing[blob]

    def _is_owed(self, name: str, since: datetime, now: datetime) -> bool:
        return name in self._owed or now - since > STUCK

    async def _send(
        self, one: Agreement, jobs: Sequence[Open], now: datetime, trace: str | None
    ) -> None:
        requests = [each.request for each in jobs if each.request]
        if not requests:
            return
        room = one.contract.room
        await asyncio.gather(
            *(
                self._rooms.create(names.job(room, job.id, "request"), job.to_bytes())
                for job in requests
            )
        )
        await self._queue.send(requests, one.contract.limits.expires, now, trace)

    async def _settle(self, blob: str, queued: frozenset[Digest], told: frozenset[str]) -> None:
        found = self._ledger.lately(blob)
        for _ in range(_TRIES):
            found = found or await self._ledger.read(blob)
            if found is None:
                return
            after = found.state.settled(queued, told)
            if after == found.state or await self._ledger.write(blob, after, found.etag):
                return
            found = None
        raise Unavailable(f"{blob}: others change it all the time")


def _refusal(room: str, one: Refusal, now: datetime, trace: str | None) -> Event:
    kind = "document.refused" if one.document.startswith(f"{names.ROOMS}/") else "dataset.refused"
    data = {"document": one.document, "reason": one.reason.value}
    return Event(kind, room, one.document, now, data, trace)
