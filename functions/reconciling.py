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
from weakref import WeakValueDictionary

from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.parameters import check_values
from functions import names, papers
from functions.accounts import Accounts
from functions.carrying import Carrier, Written
from functions.choosing import Chooser, Runs
from functions.deciding import Asked
from functions.events import Event
from functions.lanes import Lanes
from functions.ledger import Known, Ledger
from functions.names import Blob
from functions.papers import Agreement
from functions.refusals import Declined, Reason, Refusal, Why
from functions.remembering import Memory
from functions.rooms import Reader, Room
from functions.scanning import Places, Scanner, places
from functions.state import MOST_UNTOLD, State, Watch
from functions.storing import Listed

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
    papers: bool = True  # whether they may have changed

    @property
    def quick(self) -> bool:
        """Tell whether it is only about files that have arrived."""
        return not (self.papers or self.thorough)

    def joined(self, other: "Wish") -> "Wish":
        """Say two wishes as one."""
        files = tuple(dict.fromkeys((*self.files, *other.files)))
        many = len(files) > _MOST_FILES
        return Wish(
            () if many else files,
            None,
            self.thorough or other.thorough or many,
            self.trace or other.trace,
            self.papers or other.papers,
        )


@dataclass(frozen=True, slots=True)
class Report:
    """What came of a look."""

    room: Room
    jobs: tuple[Digest, ...]


@dataclass(frozen=True, slots=True)
class Ahead:
    """What was read while the room was: states of contracts, and files (name and version)."""

    states: Mapping[Digest, Known]
    read: frozenset[tuple[str, str]]


class Reconciler:
    """Looks at rooms."""

    def __init__(
        self,
        accounts: Accounts,
        carrier: Carrier,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self._accounts = accounts
        self._control = accounts.own(names.CONTROL)
        self._rooms = accounts.own(names.ROOMS)
        self._reader = Reader(self._rooms)
        self._scanner = Scanner()
        self._chooser = Chooser(self._rooms, self._control, self._scanner)
        self._current: Memory[list[Agreement]] = Memory(_MEMORY)
        self._carrier = carrier
        self._ledger = ledger
        self._clock = clock
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._lanes: Lanes[Wish, Report] = Lanes(self._look, Wish.joined)

    async def reconcile(self, room: str, wish: Wish | None = None) -> Report:
        """Look at a room; those who ask at the same time are answered together."""
        return await self._lanes.run(room, wish or Wish())

    async def settle(self) -> None:
        """Take off all lists what was carried out, and put it off no longer."""
        await self._carrier.flush_all()

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
            message = f"contract {asked.contract} is not in force in room {room!r}"
            raise Declined(Why.NOT_IN_FORCE, message)
        if not one.contract.triggers.on_request:
            message = f"contract {asked.contract} does not run on request"
            raise Declined(Why.NOT_ON_REQUEST, message)
        check_values(one.contract.program.parameters, asked.parameters, "parameters")
        runs = await self._contract(one, Wish(asked=asked, trace=trace), now, running=True)
        if runs.asked is None:
            raise RuntimeError("a run that was asked for is a run or an error")
        return runs.asked

    async def _look(self, name: str, wish: Wish) -> Report:
        """Look at every contract of a room; one that cannot be looked at keeps no other back."""
        now = self._clock()
        room, ahead = await asyncio.gather(self._papers(name, wish), self._ahead(name, wish))  # 1
        standing = papers.in_force(room.agreements, now)
        current = papers.current(room.agreements, standing, now)
        self._current.put(name, current)
        jobs: list[Digest] = []
        refusals = list(room.refusals)
        failed: CleanroomError | None = None
        for one in current:
            if not self._may_be_asked(one):
                refusals.append(_misplaced(one))
                continue
            running = any(one is each for each in standing)
            try:
                runs = await self._contract(one, wish, now, running=running, ahead=ahead)
                jobs += [job.id for job in runs.jobs]
            except CleanroomError as error:
                failed = failed or error
        await self._carrier.refuse(name, refusals, now, wish.trace)
        if failed:
            raise failed
        return Report(room, tuple(jobs))

    async def _papers(self, name: str, wish: Wish) -> Room:
        """Read a room; for a file that has arrived, papers of a moment ago will do."""
        return (None if wish.papers else self._reader.lately(name)) or await self._reader.read(name)

    def _may_be_asked(self, one: Agreement) -> bool:
        try:
            places(one.contract, self._accounts)
        except PolicyRefused:
            return False
        return True

    async def _ahead(self, name: str, wish: Wish) -> Ahead:
        """Read, while the room is being read, what its contracts of last time will need.

        What is read too early is only slower: a change since makes the writing fail (4).
        """
        current = [one for one in self._current.get(name) or [] if self._may_be_asked(one)]
        states, read = await asyncio.gather(
            asyncio.gather(*(self._early(one) for one in current)),
            asyncio.gather(*(self._peek(one, wish) for one in current)),
        )
        found = zip(current, states, strict=True)
        return Ahead(
            {one.digest: state for one, state in found if state is not None},
            frozenset[tuple[str, str]]().union(*read),
        )

    async def _early(self, one: Agreement) -> Known | None:
        """Read what is remembered of a contract; what is wrong with it shows when it is used."""
        blob = names.state(one.contract.room, one.digest)
        try:
            return self._ledger.lately(blob) or await self._ledger.read(blob)
        except CleanroomError:
            return None

    async def _peek(self, one: Agreement, wish: Wish) -> frozenset[tuple[str, str]]:
        """Read files that an event names: the scanner remembers them."""
        if not wish.files:
            return frozenset()
        where = places(one.contract, self._accounts)
        watches = dict.fromkeys(where, Watch())
        try:
            return (await self._scanner.arrived(one.digest, watches, where, wish.files)).read
        except CleanroomError:
            return frozenset()

    async def _contract(
        self,
        one: Agreement,
        wish: Wish,
        now: datetime,
        *,
        running: bool,
        ahead: Ahead | None = None,
    ) -> Runs:
        """Decide and carry out for one contract (2 to 6), and name the jobs that are new."""
        where = places(one.contract, self._accounts)
        blob = names.state(one.contract.room, one.digest)
        known = ahead.states.get(one.digest) if ahead else None
        async with self._turns.setdefault(blob, asyncio.Lock()):
            for _ in range(_TRIES):
                known = known or await self._ledger.read(blob)
                if known is None:
                    await self._index(one, where)
                before = known.state if known else State.new(dict(where))
                if len(before.untold) >= MOST_UNTOLD:
                    await self._catch_up(one, Written(blob, before, before), now)
                    known = None
                    continue
                seen = await self._scanner.seen(  # 2
                    one.digest, before.watches, where, now, wish.files, thorough=wish.thorough
                )
                runs = Runs(replace(before, watches=seen.watches), (), seen.refusals)
                if running:  # 3
                    read = seen.read | (ahead.read if ahead else frozenset())
                    fresh = any(
                        watch.newest > before.watches[alias].newest
                        for alias, watch in seen.watches.items()
                    )
                    runs = await self._chooser.choose(
                        *(one, runs, where, now, read, wish.asked), quick=wish.quick, fresh=fresh
                    )
                state = telling_of(one, before, runs, now, wish.trace, new=known is None)
                if state != before:
                    state = self._carrier.settled(blob, state)
                    etag = known.etag if known else None
                    known = await self._ledger.write(blob, state, etag)  # 4
                    if known is None:
                        continue
                written = Written(blob, before, state)
                await self._carrier.carry_out(  # 5, 6
                    one, written, runs.jobs, now, wish.trace, later=wish.quick
                )
                await self._carrier.refuse(one.contract.room, runs.refusals, now, wish.trace)
                return runs
        raise Unavailable(f"room {one.contract.room}: others change it all the time")

    async def _catch_up(self, one: Agreement, written: Written, now: datetime) -> None:
        """Decide no more before others can be told of what was decided."""
        await self._carrier.carry_out(one, written, (), now, None)
        found = await self._ledger.read(written.blob)
        if found and len(found.state.untold) >= MOST_UNTOLD:
            raise Unavailable(f"room {one.contract.room}: others are not told of it")

    async def _index(self, one: Agreement, where: Places) -> None:
        """Note what leads events to a room, before anything is remembered of its contract."""
        room, contract = one.contract.room, one.contract
        index = {names.watcher(place.location, room) for place in where.values()}
        index |= {names.rooms_of(party.name) + room for party in contract.parties}
        if contract.triggers.schedule:
            index.add(names.scheduled() + room)
        await asyncio.gather(*(self._control.create(name, b"") for name in sorted(index)))


def _misplaced(one: Agreement) -> Refusal:
    document = f"{names.ROOMS}/{names.contract(one.contract.room, one.digest)}"
    return Refusal(document, one.digest.hex, Reason.LOCATION)


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
