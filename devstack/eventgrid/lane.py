"""The way of events to one subscription: what is due, at most so many at once, until it is done.

1. What is due is read from the store, as much as one delivery may have.
2. What has expired is given up without a try.
3. The rest is tried once.
4. What arrived is forgotten; what may arrive later waits; what never will is a dead letter.
5. A dead letter is written, or waits for its container, or is dropped.

A process that dies between 3 and 4 delivers again: at least once.
"""

import asyncio
import heapq
import logging
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from devstack.eventgrid import dead_letters, schedule
from devstack.eventgrid.containers import Kept
from devstack.eventgrid.dead_letters import DeadLetter
from devstack.eventgrid.means import Means
from devstack.eventgrid.names import SYSTEM_TOPIC
from devstack.eventgrid.schedule import Delivered, GiveUp, Retry
from devstack.eventgrid.store import Pending
from devstack.eventgrid.subscriptions import Subscription

AT_ONCE = 32
"""Deliveries to one subscription that are under way together."""

_KILOBYTE = 1024
_LAST_MOMENT = 1.0  # seconds, so that a quick endpoint is not told twice

log = logging.getLogger("devstack.eventgrid")


class Lane:
    """The deliveries of one subscription; `subscription` may be replaced while it runs."""

    def __init__(self, number: int, subscription: Subscription, means: Means) -> None:
        self.subscription = subscription
        self._number = number
        self._means = means
        self._ready: deque[int] = deque()
        self._later: list[tuple[float, int]] = []
        self._woken = asyncio.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._under_way: set[asyncio.Task[None]] = set()
        self._loop = asyncio.create_task(self._run())

    @property
    def busy(self) -> bool:
        """Whether anything is due or under way."""
        return bool(self._ready or self._under_way)

    @property
    def waiting(self) -> bool:
        """Whether anything waits for its next try."""
        return bool(self._later)

    def add(self, seq: int, due: float | None = None) -> None:
        """Take an event on, due at once or later."""
        if due is None:
            self._ready.append(seq)
        else:
            heapq.heappush(self._later, (due, seq))
        self._woken.set()

    async def close(self) -> None:
        """Stop, when what is under way has had a moment; what is not settled stays in the store."""
        self._loop.cancel()
        if self._under_way:
            await asyncio.wait(self._under_way, timeout=_LAST_MOMENT)
        for task in self._under_way:
            task.cancel()
        await asyncio.gather(self._loop, *self._under_way, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self._due()
            await self._slots.acquire()
            batch = self._taken()  # 1
            task = asyncio.create_task(self._settle(batch))
            self._under_way.add(task)
            task.add_done_callback(partial(self._ended, batch))

    def _ended(self, batch: Sequence[Pending], task: asyncio.Task[None]) -> None:
        self._under_way.discard(task)
        self._slots.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            # A bug of ours; its text may hold a url with a key, so only its kind is told.
            log.error("%s: an attempt broke: %s", self.subscription.name, type(error).__name__)
            again = self._means.now() + self._means.pace().of(schedule.WAITS[0])
            for one in batch:
                self.add(one.seq, again)
        self._means.settled.set()

    async def _due(self) -> None:
        """Wait until something is due."""
        while True:
            self._woken.clear()
            now = self._means.now()
            while self._later and self._later[0][0] <= now:
                self._ready.append(heapq.heappop(self._later)[1])
            if self._ready:
                return
            wait = self._later[0][0] - now if self._later else None
            try:
                await asyncio.wait_for(self._woken.wait(), wait)
            except TimeoutError:
                continue

    def _taken(self) -> list[Pending]:
        most = self.subscription.batching
        taken: list[Pending] = []
        size = 0
        while self._ready and len(taken) < most.events:
            pending = self._means.store.pending(self._number, self._ready[0])
            size += pending.size if pending else 0
            if taken and size > most.kilobytes * _KILOBYTE:
                break
            self._ready.popleft()
            if pending is not None:
                taken.append(pending)
        return taken

    async def _settle(self, batch: Sequence[Pending]) -> None:
        now = self._means.now()
        live: list[Pending] = []
        for one in batch:
            over = schedule.expired(one.published, self.subscription.retry, self._means.pace(), now)
            if one.reason is not None:
                await self._bury(one)
            elif over is not None:
                await self._give_up(one, over)  # 2
            else:
                live.append(one)
        if live:
            await self._try(live)

    async def _try(self, batch: Sequence[Pending]) -> None:
        subscription = self.subscription
        outcome = await self._means.courier.deliver(subscription, batch)  # 3
        now = self._means.now()
        done: list[int] = []
        for one in batch:
            tried = replace(
                one,
                attempts=one.attempts + 1,
                outcome=outcome.name,
                status=outcome.status,
                attempted=now,
            )
            match schedule.decide(
                outcome,
                tried.attempts,
                subscription.retry,
                self._means.pace(),
                now=now,
                resource=subscription.resource,
            ):  # 4
                case Delivered():
                    done.append(one.seq)
                case Retry(at):
                    self._postpone(tried, at)
                case GiveUp() as verdict:
                    await self._give_up(tried, verdict)
        if done:
            self._means.store.settle(self._number, done)

    def _postpone(self, tried: Pending, at: float) -> None:
        self._means.store.postpone(self._number, tried, due=at)
        self.add(tried.seq, at)

    async def _give_up(self, tried: Pending, verdict: GiveUp) -> None:
        log.warning(
            "%s/%s: gave up an event after %d tries: %s, last %s",
            self.subscription.topic,
            self.subscription.name,
            tried.attempts,
            verdict.reason,
            tried.outcome or "none",
        )
        now = self._means.now()
        dead = replace(tried, reason=verdict.reason, given_up=now)
        self._means.store.postpone(self._number, dead, due=now)
        await self._bury(dead)

    async def _bury(self, dead: Pending) -> None:
        kept = await self._kept(dead)
        now = self._means.now()
        patience = self._means.pace().of(schedule.DEAD_LETTERS_PATIENCE)
        if kept is Kept.LATER and now - dead.given_up < patience:
            self._postpone(dead, now + self._means.pace().of(schedule.DEAD_LETTERS_WAIT))
        else:
            self._means.store.settle(self._number, [dead.seq])  # 5

    async def _kept(self, dead: Pending) -> Kept:
        subscription = self.subscription
        if subscription.dead_letters is None:
            return Kept.NOWHERE
        if _is_of_a_dead_letter(subscription, dead):
            log.warning(
                "%s/%s: dropped the event of a dead letter, whose own would be next",
                subscription.topic,
                subscription.name,
            )
            return Kept.NOWHERE
        name = dead_letters.blob_name(
            subscription.topic, subscription.name, self._means.clock(), str(uuid.uuid4())
        )
        return await self._means.containers.keep(
            subscription.dead_letters, name, [_letter(dead)], subscription.schema
        )


def _is_of_a_dead_letter(subscription: Subscription, dead: Pending) -> bool:
    """Tell whether an event is of a blob in the container that it would be kept in."""
    blobs = f"/blobServices/default/containers/{subscription.dead_letters}/blobs/"
    return subscription.topic == SYSTEM_TOPIC and dead.event.subject.startswith(blobs)


def _letter(dead: Pending) -> DeadLetter:
    return DeadLetter(
        dead.event,
        dead.reason or "",
        dead.attempts,
        dead.outcome,
        dead.status,
        dead.published,
        dead.attempted,
    )
