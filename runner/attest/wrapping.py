"""The keys that a container's vaults wrap to: each for one contract, and for a short while.

- To find the primes of one is the most expensive step of a small job, so jobs share it, a few.
- A key of one contract opens nothing that was released for another.
- When its time is over, or so many jobs have had it, it is let go, whether or not anybody asks
  again. A job that has it by then keeps it until the job ends.

What a job proves is its own nevertheless, and so is what it asks of vaults (docs/adr/0050).
"""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.ids import Digest

LASTS = 60.0  # seconds
JOBS = 100
_MOST_CONTRACTS = 64
_BITS = 2048  # enough for what passes in a minute (docs/adr/0033)
_EXPONENT = 65537

type Later = Callable[[float, Callable[[], None]], None]


def wrapping_key() -> rsa.RSAPrivateKey:
    """Make a key that a vault wraps to; it takes some 40 ms, so a runner makes one ahead."""
    return rsa.generate_private_key(_EXPONENT, _BITS)


def for_one_job(_contract: Digest) -> rsa.RSAPrivateKey:
    """Make one that nobody else is given, where there are too few jobs to share."""
    return wrapping_key()


@dataclass(slots=True)
class _Held[K]:
    key: K
    until: float
    left: int  # jobs that may still have it


def _by_timer(seconds: float, act: Callable[[], None]) -> None:
    timer = threading.Timer(seconds, act)
    timer.daemon = True
    timer.start()


class WrappingKeys[K]:
    """Gives each job its contract's key; any thread may ask."""

    def __init__(
        self,
        make: Callable[[], K],
        clock: Callable[[], float] = time.monotonic,
        later: Later = _by_timer,
    ) -> None:
        self._make = make
        self._clock = clock
        self._later = later
        self._lock = threading.Lock()
        self._held: dict[Digest, _Held[K]] = {}
        self._watched = False

    def of(self, contract: Digest) -> K:
        """Give a job of this contract its key: the one that is there, or a new one."""
        with self._lock:
            self._let_go()
            held = self._held.get(contract)
            if held is None:
                held = self._held[contract] = self._new()
            held.left -= 1
            if not held.left:
                del self._held[contract]
            return held.key

    def _new(self) -> _Held[K]:
        if len(self._held) >= _MOST_CONTRACTS:
            del self._held[next(iter(self._held))]  # the oldest
        held = _Held(self._make(), self._clock() + LASTS, JOBS)
        self._watch(LASTS)
        return held

    def _watch(self, seconds: float) -> None:
        if not self._watched:
            self._later(seconds, self._look)
            self._watched = True

    def _look(self) -> None:
        """Let go of what is over, and look again when the next one is."""
        with self._lock:
            self._watched = False
            self._let_go()
            if self._held:
                self._watch(min(held.until for held in self._held.values()) - self._clock())

    def _let_go(self) -> None:
        now = self._clock()
        for contract in [name for name, held in self._held.items() if held.until <= now]:
            del self._held[contract]
