"""What every lane uses: the store, the edges, the time, chance, and how fast the stack lives."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from devstack.eventgrid.containers import Containers
from devstack.eventgrid.courier import Courier
from devstack.eventgrid.schedule import Pace
from devstack.eventgrid.store import Store


@dataclass(frozen=True, slots=True)
class Means:
    """Shared by all lanes; `settled` is set whenever something has ended."""

    store: Store
    courier: Courier
    containers: Containers
    clock: Callable[[], datetime]
    speed: float
    chance: Callable[[], float]
    settled: asyncio.Event

    def now(self) -> float:
        """Tell the time in seconds."""
        return self.clock().timestamp()

    def pace(self) -> Pace:
        """Draw the jitter of one wait."""
        return Pace(self.speed, self.chance())
