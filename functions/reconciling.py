"""Reconcile a room: look at what lies there, decide, write down, carry out (docs/spec/control.md).

1. Read the room's contracts and approvals; tell of each document that is refused, once.
2. For each contract that is not over: see which versions of its datasets are there.
3. Decide, by a pure function, which runs are due.
4. Write the decision down by compare-and-set; who loses begins again at 2.
5. Carry it out: write each job's record, put it on the queue, tell.
6. Take off the list what was carried out.

Whatever stops this between two writes, the next look goes on: what is on the list and was not
carried out is so then.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from cleanroom.errors import PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import LARGEST as LARGEST_JOB
from cleanroom.job import JobRequest
from cleanroom.parameters import check_values
from functions import deciding, names, papers
from functions.accounts import Accounts
from functions.carrying import Carrier, Written
from functions.deciding import Asked, Ready
from functions.events import Event
from functions.lanes import Lanes
from functions.names import Blob
from functions.papers import Agreement
from functions.remembering import Memory
from functions.rooms import Reader, Room
from functions.scanning import Places, Scanner, Seen, places
from functions.state import LARGEST, State, Watch
from functions.storing import Found, Listed

_TRIES = 20
_MEMORY = 1024
_MOST_FILES = 200  # that events name; beyond, the location is listed


@dataclass(frozen=True, slots=True)
class Wish:
    """Why a room is looked at."""

    files: tuple[tuple[Blob, Listed], ...] = ()
    asked: Asked | None = None
    thorough: bool = False
    trace: str | None = None

    def joined(self, other: "Wish") -> "Wish":
        """Say two wishes as one."""
        files = tuple(dict.fromkeys((*self.files, *other.files)))
        many = len(files) > _MOST_FILES
        return Wish(
            () if many else files,
            None,
            self.thorough or other.thorough or many,
            self.trace or other.trace,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a look."""

    room: Room
    jobs: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Runs:
    """What was decided: what to remember, and the jobs that are to be carried out."""

    state: State
    jobs: tuple[JobRequest, ...]


class Reconciler:
    """Looks at rooms."""

    def __init__(
        self,
        accounts: Accounts,
        carrier: Carrier,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._control = accounts.own(names.CONTROL)
        self._reader = Reader(accounts.own(names.ROOMS))
        self._scanner = Scanner()
        self._current: Memory[list[Agreement]] = Memory(_MEMORY)
        self._carrier = carrier
        self._clock = clock
        self._lanes: Lanes[Wish, Report] = Lanes(self._look, Wish.joined)

    async def reconcile(self, room: str, wish: Wish | None = None) -> Report:
        """Look at a room; those who ask at the same time are answered together."""
        return await self._lanes.run(room, wish or Wish())

    async def read(self, room: str) -> Room:
        """Read a room without deciding anything."""
        return await self._reader.read(room)

    async def ask(self, room: str, asked: Asked, trace: str | None = None) -> Digest:
        """Start a run that somebody asks for, and return its job; asking again is the same job."""
        now = self._clock()
        found = await self._reader.read(room)
        running = papers.in_force(found.agreements, now)
        one = next((each for each in running if each.digest == asked.contract), None)
        if one is None:
            raise PolicyRefused(f"contract {asked.contract} is not in force in room {room!r}")
        if not one.contract.triggers.on_request:
            raise PolicyRefused(f"contract {asked.contract} does not run on request")
        check_values(one.contract.program.parameters, asked.parameters, "parameters")
        return (await self._contract(one, Wish(asked=asked, trace=trace), now, running=True))[0]

    async def _look(self, name: str, wish: Wish) -> Report:
        now = self._clock()
        room, ahead = await asyncio.gather(self._reader.read(name), self._ahead(name, wish))  # 1
        await self._carrier.refuse(name, room.refusals, now, wish.trace)
        standing = papers.in_force(room.agreements, now)
        current = papers.current(room.agreements, standing, now)
        self._current.put(name, current)
        jobs: list[Digest] = []
        for one in current:
            running = any(one is each for each in standing)
            known = ahead.get(one.digest)
            jobs += await self._contract(one, wish, now, running=running, known=known)
        return Report(room, tuple(jobs))

    async def _ahead(self, name: str, wish: Wish) -> Mapping[Digest, Found]:
        """Read, while the room is being read, what its contracts of last time will need.

        What is read too early is only slower: a change since makes the writing fail (4).
        """
        current = self._current.get(name) or []
        states, _ = await asyncio.gather(
            asyncio.gather(
                *(self._control.read(names.state(name, one.digest), LARGEST) for one in current)
            ),
            asyncio.gather(*(self._peek(one, wish) for one in current)),
        )
        found = zip(current, states, strict=True)
        return {one.digest: state for one, state in found if state is not None}

    async def _peek(self, one: Agreement, wish: Wish) -> None:
        """Read files that an event names: the scanner remembers them."""
        if wish.files:
            where = places(one.contract, self._accounts)
            watches = dict.fromkeys(where, Watch())
            await self._scanner.arrived(one.digest, watches, where, wish.files)

    async def _contract(
        self,
        one: Agreement,
        wish: Wish,
        now: datetime,
        *,
        running: bool,
        known: Found | None = None,
    ) -> list[Digest]:
        """Decide and carry out for one contract (2 to 6), and name the jobs that are new."""
        where = places(one.contract, self._accounts)
        blob = names.state(one.contract.room, one.digest)
        for _ in range(_TRIES):
            before, etag = await self._remembered(one, blob, where, known)
            known = None
            seen = await self._seen(one, before.watches, where, wish, now)  # 2
            after = replace(before, watches=seen.watches)
            runs = (
                await self._due(one, after, where, wish, now) if running else Runs(after, ())
            )  # 3
            state = telling_of(one, before, runs, now, wish.trace, new=etag is None)
            if state != before:
                etag = await self._control.replace(blob, state.to_bytes(), etag)  # 4
                if etag is None:
                    continue
            await self._carrier.refuse(one.contract.room, seen.refusals, now, wish.trace)
            await self._carrier.carry_out(  # 5, 6
                one, Written(blob, etag, before, state), runs.jobs, now, wish.trace
            )
            return [job.id for job in runs.jobs]
        raise Unavailable(f"room {one.contract.room}: others change it all the time")

    async def _remembered(
        self, one: Agreement, blob: str, where: Places, known: Found | None
    ) -> tuple[State, str | None]:
        """Recall a contract; what leads events to its room is written before it is remembered."""
        found = known or await self._control.read(blob, LARGEST)
        if found is not None:
            return State.parse(found.data, blob), found.etag
        room, contract = one.contract.room, one.contract
        index = {names.watcher(place.location, room) for place in where.values()}
        index |= {names.rooms_of(party.name) + room for party in contract.parties}
        if contract.triggers.schedule:
            index.add(names.scheduled() + room)
        await asyncio.gather(*(self._control.create(name, b"") for name in sorted(index)))
        return State.new(dict(where)), None

    async def _seen(
        self,
        one: Agreement,
        watches: Mapping[str, Watch],
        where: Places,
        wish: Wish,
        now: datetime,
    ) -> Seen:
        """See which versions of a contract's datasets are there."""
        seen = await self._scanner.arrived(one.digest, watches, where, wish.files)
        for alias in where:
            if wish.thorough or not seen.watches[alias].listed:
                found = await self._scanner.listed(one.digest, seen.watches, where, alias, now)
                seen = Seen(found.watches, seen.refusals + found.refusals)
        return seen

    async def _due(
        self, one: Agreement, state: State, where: Places, wish: Wish, now: datetime
    ) -> Runs:
        """Name the runs that are due, and count them, as far as the limit allows."""
        ready = deciding.ready(one.contract, state.watches, now)
        wanted: list[JobRequest] = []
        if ready:
            wanted = deciding.due(one.contract, one.digest, state, ready, one.complete_since, now)
        if wish.asked:
            wanted = [await self._asked_for(one, state, ready, wish.asked, now)]
        if not wanted:
            return Runs(state, ())
        gone = await self._gone(ready, where, wish) if ready else set()
        if gone:  # the newest version was taken away: see what is left, and decide again
            watches = {a: Watch() if a in gone else w for a, w in state.watches.items()}
            seen = await self._seen(one, watches, where, Wish(), now)
            return await self._due(one, replace(state, watches=seen.watches), where, wish, now)
        runs: list[JobRequest] = []
        for run in wanted:
            if run.id in state.jobs:
                runs.append(run)
            elif deciding.allowed(state, one.contract, now):
                state = deciding.admitted(state, run, one.contract, now)
                runs.append(run)
            elif wish.asked:
                raise PolicyRefused(deciding.over(one.contract))
        return Runs(state, tuple(runs))

    async def _asked_for(
        self, one: Agreement, state: State, ready: Ready | None, asked: Asked, now: datetime
    ) -> JobRequest:
        """Say which job a request is: the first time decides."""
        blob = names.asked(one.contract.room, asked.id)
        if ready is not None:
            job = deciding.asked_for(one.contract, ready, asked)
            if await self._control.create(blob, job.to_bytes()):
                return job
        found = await self._control.read(blob, LARGEST_JOB)
        if found is None:
            waits = deciding.waiting(one.contract, state.watches, now)
            said = ", ".join(f"{alias} is {wait}" for alias, wait in sorted(waits.items()))
            raise PolicyRefused(f"not all data is there: {said}")
        job = JobRequest.parse(found.data, blob)
        if (job.contract, dict(job.parameters)) != (asked.contract, dict(asked.parameters)):
            raise PolicyRefused(f"request {asked.id} was made with other values")
        return job

    async def _gone(self, ready: Ready, where: Places, wish: Wish) -> set[str]:
        """Name the datasets whose newest version is not there any more."""
        here = {(file.name, file.etag) for _, file in wish.files}  # read a moment ago
        aliases = [
            alias for alias, one in ready.versions.items() if (one.blob, one.etag) not in here
        ]
        found = await asyncio.gather(
            *(where[alias].container.look(ready.versions[alias].blob) for alias in aliases)
        )
        return {
            alias
            for alias, file in zip(aliases, found, strict=True)
            if file is None or file.etag != ready.versions[alias].etag
        }


def telling_of(
    one: Agreement, before: State, runs: Runs, now: datetime, trace: str | None, *, new: bool
) -> State:
    """Put on the list what is to be told of all that is new since before."""

    def event(kind: str, subject: str, **data: str) -> Event:
        contract = {"contract": one.digest.text}
        return Event(kind, one.contract.room, subject, now, contract | data, trace)

    state, contract = runs.state, f"contracts/{one.digest.hex}"
    events = [event("contract.proposed", contract)] if new else []
    words = dict(state.words)
    for word in one.words:
        statement = Digest.of(word.to_bytes())
        if words.get(word.party) != statement:
            words[word.party] = statement
            kind = "contract.approved" if word.decision == "approve" else "contract.revoked"
            events.append(event(kind, contract, party=word.party, statement=statement.text))
    for alias, watch in state.watches.items():
        head = watch.head
        if head and head != before.watches[alias].head:
            events.append(
                event(
                    "dataset.arrived",
                    f"datasets/{alias}",
                    manifest=head.manifest.text,
                    version=str(head.number),
                )
            )
    events += [
        event("job.queued", f"jobs/{run.id.hex}", job=run.id.text, trigger=run.trigger.kind)
        for run in runs.jobs
        if run.id not in before.jobs
    ]
    return replace(state, words=words, untold=(*state.untold, *events))
