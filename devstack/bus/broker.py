"""The running bus: one thread, one tick at a time.

1. What peers sent in this turn of the loop is done, in memory.
2. Messages are handed to whoever has credit.
3. All that changed is committed, in one transaction.
4. Only then is anything written to a peer.
"""

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field

from devstack import clock
from devstack.bus.access import Access
from devstack.bus.namespace import Namespace
from devstack.bus.store import Store

log = logging.getLogger(__name__)


@dataclass(slots=True, eq=False)
class Broker:
    """The bus, once it has all it needs."""

    namespace: Namespace
    store: Store
    access: Access
    largest_message: int
    most_connections: int
    connections: dict[object, Callable[[], None]] = field(default_factory=dict)
    """All that is connected, with what cuts it."""
    failed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set when nothing can be made durable any more."""
    _touched: list[Callable[[], None]] = field(default_factory=list)
    _ticking: bool = False
    _alarm: asyncio.TimerHandle | None = None
    _alarm_at: int = 0

    def now(self) -> int:
        """Tell the time in milliseconds."""
        return int(clock.now().timestamp() * 1000)

    def touch(self, flush: Callable[[], None]) -> None:
        """Have something called at the end of the tick, when all is durable."""
        self._touched.append(flush)
        self.kick()

    def kick(self) -> None:
        """Have a tick soon."""
        if not self._ticking:
            self._ticking = True
            asyncio.get_running_loop().call_soon(self.tick)

    def tick(self) -> None:
        """Do what is due, hand out, commit, write."""
        if self.failed.is_set():
            return
        self._ticking = False
        now = self.now()
        self.namespace.wake(now)
        self.namespace.deliver(now)
        try:
            if self.namespace.shared.journal.has_any():
                self.store.commit(self.namespace.shared.journal)
        except sqlite3.Error:
            log.critical("bus: what was sent cannot be kept", exc_info=True)
            self._touched.clear()
            self.failed.set()
            return
        touched, self._touched = self._touched, []
        for flush in touched:
            flush()
        self._rearm(now)

    def _rearm(self, now: int) -> None:
        due = self.namespace.due()
        if due is None or (self._alarm is not None and self._alarm_at == due):
            return
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm_at = due
        seconds = max(0, due - now + 1) / 1000
        self._alarm = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        self.tick()

    def hang_up(self) -> None:
        """Cut all connections, and wake up no more."""
        if self._alarm is not None:
            self._alarm.cancel()
        for cut in list(self.connections.values()):
            cut()
