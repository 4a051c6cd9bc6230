"""Carry out what was decided and written down: record jobs, put them on the queue, tell.

1. Write the record of each job, unless it is there.
2. Put each on the queue, which takes the same job once.
3. Tell, and note each job in the room's timeline.
4. Take off the list what was done.

Where files arrive one after the other, 4 is put off for a second, so that the next decision takes
off the list what was done before it.

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
        before = self._done.get(written.blob, Done()).names()
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
        places = [names.moment(one.contract.room, each.job, each.since) for each in jobs]
        await asyncio.gather(  # 3
            self._topic.tell(events), *(self._control.create(place, b"") for place in places)
        )
        self._note(written.blob, {each.job for each in jobs}, {event.id for event in events})
        self._owed -= names_of_all
        if later:
            self._flush_later(written.blob)
        else:
            await self.flush(written.blob)  # 4

    def settled(self, blob: str, state: State) -> State:
        """Take off a list what was carried out."""
        done = self._done.get(blob)
        return state.settled(frozenset(done.jobs), frozenset(done.told)) if done else state

    async def flush(self, blob: str) -> None:
        """Take off a list what was carried out."""
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
        """Take off all lists what was carried out."""
        for task in list(self._flushing.values()):
            task.cancel()
        for blob in list(self._done):
            await self.flush(blob)

    def _flush_later(self, blob: str) -> None:
        if blob not in self._flushing:
            task = asyncio.create_task(self._wait_and_flush(blob))
            self._flushing[blob] = task
            task.add_done_callback(lambda _: self._flushing.pop(blob, None))

    async def _wait_and_flush(self, blob: str) -> None:
        await asyncio.sleep(_LATER)
        with suppress(CleanroomError):  # the next look or the sweep comes back to it
            await self.flush(blob)

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
