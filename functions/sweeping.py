"""Set right, from time to time, what an event that was lost or a function that died left behind.

- Every room is looked at thoroughly: each location is listed for files that are new.
- A job that was recorded and not queued, or not told of, is on a list and is carried out.
- A job that was queued and has not ended for long is queued again: a runner that finished it says
  so again, and runs nothing.
- An outcome that was recorded and not told of is told of.

A room that fails keeps no other from being swept.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from cleanroom.errors import CleanroomError, Unavailable
from functions import names
from functions.accounts import Accounts
from functions.carrying import STUCK, Carrier, Written
from functions.ending import Endings
from functions.ledger import Known, Ledger
from functions.papers import Agreement
from functions.reconciling import Reconciler, Wish
from functions.state import Open

AT_ONCE = 4
_AGAIN = timedelta(minutes=10)
"""How much longer than its contract allows a job may be away."""
_MOST = 200  # jobs of one contract in one sweep
_PATIENCE = 60.0  # seconds that a room may keep others waiting; what it began goes on
_INTERNAL = "internal"


@dataclass(frozen=True, slots=True)
class Swept:
    """What a sweep found: rooms that could not be looked at, with the error's code."""

    rooms: int
    failed: tuple[tuple[str, str], ...]
    oldest: datetime | None  # since when the longest waiting job has been under way


class Sweeper:
    """Goes through all rooms."""

    def __init__(
        self,
        accounts: Accounts,
        reconciler: Reconciler,
        endings: Endings,
        carrier: Carrier,
        ledger: Ledger,
        clock: Callable[[], datetime],
    ) -> None:
        self._rooms = accounts.own(names.ROOMS)
        self._control = accounts.own(names.CONTROL)
        self._reconciler = reconciler
        self._endings = endings
        self._carrier = carrier
        self._ledger = ledger
        self._clock = clock

    async def sweep(self) -> Swept:
        """Look at every room thoroughly, and mend what is behind."""
        await self._reconciler.settle()
        return await self._all(self._rooms.folders(""), self.room)

    async def tick(self) -> Swept:
        """Look at the rooms that have a schedule."""
        return await self._all(self._scheduled(), self._tick)

    async def _tick(self, name: str) -> None:
        await self._reconciler.reconcile(name)

    async def room(self, name: str) -> datetime | None:
        """Look at one room thoroughly, mend what is behind, and say how far that is."""
        failed: CleanroomError | None = None
        found: list[datetime | None] = []
        try:
            await self._reconciler.reconcile(name, Wish(thorough=True))
        except CleanroomError as error:
            failed = error
        for one in (await self._reconciler.read(name)).agreements:
            try:
                found.append(await self._mend(one))
            except CleanroomError as error:
                failed = failed or error
        if failed:
            raise failed
        return min((moment for moment in found if moment), default=None)

    async def _scheduled(self) -> AsyncIterator[str]:
        async for file in self._control.listing(names.scheduled()):
            yield file.name.removeprefix(names.scheduled())

    async def _all(
        self, rooms: AsyncIterator[str], work: Callable[[str], Awaitable[datetime | None]]
    ) -> Swept:
        """Do work for every room, a few at once."""
        turns = asyncio.Semaphore(AT_ONCE)
        failed: list[tuple[str, str]] = []
        moments: list[datetime] = []
        count = 0

        async def one(room: str) -> None:
            try:
                async with asyncio.timeout(_PATIENCE):
                    moment = await work(room)
                if moment:
                    moments.append(moment)
            except CleanroomError as error:
                failed.append((room, error.code))
            except TimeoutError:
                failed.append((room, Unavailable.code))
            except Exception:  # noqa: BLE001  # a mistake of ours: others are swept all the same
                failed.append((room, _INTERNAL))
            finally:
                turns.release()

        async with asyncio.TaskGroup() as group:
            async for room in rooms:
                if names.room_in(f"{room}/") is None:
                    continue
                await turns.acquire()
                count += 1
                group.create_task(one(room))
        return Swept(count, tuple(failed), min(moments, default=None))

    async def _mend(self, one: Agreement) -> datetime | None:
        """Go on with the jobs of a contract that have not ended, and say since when."""
        blob = names.state(one.contract.room, one.digest)
        found: Known | None = await self._ledger.read(blob)
        if found is None:
            return None
        now, before = self._clock(), found.state
        late = [job for job in before.open if now - job.sent > STUCK][:_MOST]
        again = {job.job: job for job in [await self._late(one, job, now) for job in late] if job}
        state = replace(before, open=tuple(again.get(job.job, job) for job in before.open))
        if again:
            found = await self._ledger.write(blob, state, found.etag)
        if found is not None:  # else somebody else is at it
            mine = [job.request for job in again.values() if job.request]
            written = Written(blob, state, state)
            await self._carrier.carry_out(one, written, mine, now, None)
        return min((job.since for job in before.open), default=None)

    async def _late(self, one: Agreement, job: Open, now: datetime) -> Open | None:
        """Tell of a job that has ended; return it if it is to be queued again."""
        room = one.contract.room
        outcome = await self._endings.recorded(room, job.job)
        if outcome is not None:
            await self._endings.announce(outcome, None)
            return None
        away = timedelta(seconds=one.contract.limits.seconds) + _AGAIN
        if job.request or now - job.sent < away:
            return None
        request = await self._endings.request(room, job.job)
        return replace(job, sent=now, request=request) if request else None
