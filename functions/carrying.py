"""Carry out what was decided and written down: record jobs, put them on the queue, tell.

1. Write the record of each job, unless it is there.
2. Put each on the queue, which takes the same job once.
3. Note each in the room's timeline.
4. Tell.
5. Take off the list what was done.

What another function wrote down a moment ago is left to it. What stays on the list for longer was
not carried out by whoever should have, and is done again: no step harms when it is repeated.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cleanroom.errors import Unavailable
from cleanroom.ids import Digest
from cleanroom.job import JobRequest
from functions import names
from functions.events import Event
from functions.papers import Agreement
from functions.refusals import Refusal
from functions.remembering import Memory
from functions.state import LARGEST, Open, State
from functions.storing import Container
from functions.telling import Queue, Topic

STUCK = timedelta(seconds=30)
_TRIES = 20
_MEMORY = 20_000
_END_OF_TIME = 10**10


@dataclass(frozen=True, slots=True)
class Written:
    """What is remembered of a contract, and what was before."""

    blob: str
    etag: str | None
    before: State
    state: State


class Carrier:
    """Writes records, sends jobs, tells of events."""

    def __init__(self, rooms: Container, control: Container, queue: Queue, topic: Topic) -> None:
        self._rooms = rooms
        self._control = control
        self._queue = queue
        self._topic = topic
        self._refused: Memory[bool] = Memory(_MEMORY)
        self._owed: set[str] = set()  # what this process began and could not finish

    async def refuse(
        self, room: str, refusals: Sequence[Refusal], now: datetime, trace: str | None
    ) -> None:
        """Tell of documents that are refused, each once; then note that it was told."""
        for one in refusals:
            if self._refused.get(one.id):
                continue
            note = names.refused(room, one.id)
            if await self._control.look(note) is None:
                data = {"document": one.document, "reason": one.reason.value}
                kind = "document.refused" if one.document.startswith(names.ROOMS) else None
                event = Event(kind or "dataset.refused", room, one.document, now, data, trace)
                await self._topic.tell([event])
                await self._control.create(note, b"")
            self._refused.put(one.id, value=True)

    async def carry_out(
        self,
        one: Agreement,
        written: Written,
        mine: Sequence[JobRequest],
        now: datetime,
        trace: str | None,
    ) -> None:
        """Do what is on the list and is ours to do."""
        state, old = written.state, written.before
        fresh = {job.id for job in mine}
        jobs = [
            each
            for each in state.open
            if each.request and (each.job in fresh or self._is_owed(each.job.hex, each.since, now))
        ]
        known = {event.id for event in old.untold}
        events = [
            event
            for event in state.untold
            if event.id not in known or self._is_owed(event.id, event.time, now)
        ]
        if not jobs and not events:
            return
        names_of_all = {each.job.hex for each in jobs} | {event.id for event in events}
        self._owed |= names_of_all
        await self._send(one, jobs, now, trace)  # 1, 2, 3
        await self._topic.tell(events)  # 4
        queued = frozenset(each.job for each in jobs)
        await self._settle(written, queued, frozenset(event.id for event in events))  # 5
        self._owed -= names_of_all

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
        await asyncio.gather(*(self._control.create(_moment(room, each), b"") for each in jobs))

    async def _settle(
        self, written: Written, queued: frozenset[Digest], told: frozenset[str]
    ) -> None:
        state, etag = written.state, written.etag
        for _ in range(_TRIES):
            data = state.settled(queued, told).to_bytes()
            if etag and await self._control.replace(written.blob, data, etag):
                return
            found = await self._control.read(written.blob, LARGEST)
            if found is None:
                return
            state, etag = State.parse(found.data, written.blob), found.etag
        raise Unavailable(f"{written.blob}: others change it all the time")


def _moment(room: str, one: Open) -> str:
    """Name a job's place in the timeline: names sort as text, so the newest has the least."""
    before_the_end = _END_OF_TIME - int(one.since.timestamp())
    return f"{names.timeline(room)}{before_the_end:011d}-{one.job.hex}"
