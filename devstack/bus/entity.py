"""What queues and topics have in common: numbers, duplicates, scheduled messages, peeking.

- Sequence numbers only rise, also after a kill: the journal is told of a block of numbers before
  the first of them is given away.
- A message that repeats an id within the window is accepted, and dropped.
- All times are milliseconds, and come in as arguments.
"""

import itertools
from abc import ABC, abstractmethod
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from devstack.bus import refusals
from devstack.bus.journal import Journal
from devstack.bus.message import MESSAGE_ID, Message, State
from devstack.bus.refusals import Refusal

BLOCK = 1024  # numbers that a kill may cost
QUOTA = 1 << 30  # bytes in an entity, as the smallest that the service offers
_LARGEST_PAGE = 900_000  # bytes that one answer to a peek holds, about
_TIDY = 64


@dataclass(slots=True, eq=False)
class Shared:
    """What the entities of one namespace share."""

    journal: Journal = field(default_factory=Journal)
    ready: dict["Entity", None] = field(default_factory=dict)
    """Entities that have something to deliver or a new time to wake up at."""
    forward: Callable[[str, Message, int], Refusal | None] = lambda path, _m, _n: (
        refusals.not_found(path)
    )
    quota: int = QUOTA


class Entity(ABC):
    """An address that messages are sent to."""

    def __init__(self, number: int, path: str, shared: Shared) -> None:
        self.number, self.path, self.shared = number, path, shared
        self.duplicate_window: int | None = None
        self.messages: dict[int, Message] = {}
        self.size = 0
        self.alarm: int | None = None
        self.last = self.reserved = 0
        self._order: list[int] = []
        self._scheduled: list[tuple[int, int]] = []
        self._seen: dict[str, int] = {}
        self._seen_order: deque[tuple[int, str]] = deque()

    @abstractmethod
    def activate(self, message: Message, now: int) -> None:
        """Make a message that is due available to whoever should get it."""

    @abstractmethod
    def check(self, message: Message) -> Refusal | None:
        """Say why a message cannot be taken."""

    # --- what is sent

    def send(self, messages: Sequence[Message], now: int) -> list[int] | Refusal:
        """Take all messages or none; return their sequence numbers."""
        if self.size >= self.shared.quota:
            return refusals.full(self.path)
        for message in messages:
            refusal = self.check(message)
            if refusal:
                return refusal
        return [self._take(message, now) for message in messages]

    def _take(self, message: Message, now: int) -> int:
        if self.duplicate_window is not None and self._is_duplicate(message, now):
            return 0
        message.sequence = self.next_number()
        if not message.enqueued_sequence:
            message.enqueued_sequence = message.sequence
        if message.scheduled_for is not None and message.scheduled_for > now:
            message.state = State.SCHEDULED
            message.enqueued_at = message.scheduled_for
            heappush(self._scheduled, (message.scheduled_for, message.sequence))
            self.keep(message)
            self.shared.ready[self] = None
        else:
            message.enqueued_at = now
            self.activate(message, now)
        return message.sequence

    def next_number(self) -> int:
        """Give the next sequence number away."""
        self.last += 1
        if self.last > self.reserved:
            self.reserved = self.last + BLOCK
            self.shared.journal.sequences[self.number] = self.reserved
        return self.last

    def _is_duplicate(self, message: Message, now: int) -> bool:
        self._forget(now)
        name = str(message.property(MESSAGE_ID))
        if name in self._seen:
            return True
        self.remember(name, now)
        self.shared.journal.seen.append((self.number, name, now))
        return False

    def remember(self, name: str, seen: int) -> None:
        """Know a message's id as one that came."""
        self._seen[name] = seen
        self._seen_order.append((seen, name))

    def _forget(self, now: int) -> None:
        oldest = now - (self.duplicate_window or 0)
        while self._seen_order and self._seen_order[0][0] <= oldest:
            _, name = self._seen_order.popleft()
            del self._seen[name]
            self.shared.journal.forgotten.append((self.number, name))

    # --- what is held

    def keep(self, message: Message, *, new: bool = True) -> None:
        """Hold a message, durably if it is new."""
        number = message.sequence
        self.messages[number] = message
        self.size += message.size
        if not self._order or number > self._order[-1]:
            self._order.append(number)
        elif self._order[at := bisect_left(self._order, number)] != number:
            self._order.insert(at, number)
        if new:
            self.shared.journal.write(self.number, message)

    def drop(self, message: Message) -> None:
        """Hold a message no more."""
        del self.messages[message.sequence]
        self.size -= message.size
        self.shared.journal.remove(self.number, message)
        if len(self._order) > 2 * len(self.messages) + _TIDY:
            self._order = sorted(self.messages)

    def restore(self, message: Message, now: int) -> None:
        """Hold a message that the store had."""
        self.last = max(self.last, message.sequence)
        self.shared.ready[self] = None
        self.keep(message, new=False)
        if message.state is State.SCHEDULED:
            heappush(self._scheduled, (message.enqueued_at, message.sequence))
        else:
            self.resume(message, now)

    @abstractmethod
    def resume(self, message: Message, now: int) -> None:
        """Put a message that the store had, and that was active or deferred, into its place."""

    # --- what is scheduled

    def cancel(self, numbers: Sequence[int]) -> Refusal | None:
        """Take back scheduled messages, all or none."""
        found = [self.messages.get(number) for number in numbers]
        chosen = [m for m in found if m is not None and m.state is State.SCHEDULED]
        if len(chosen) < len(found) or len(set(numbers)) < len(found):
            return refusals.MESSAGE_NOT_FOUND
        for message in chosen:
            self.drop(message)
        return None

    def advance(self, now: int) -> None:
        """Do what is due."""
        while self._scheduled and self._scheduled[0][0] <= now:
            _, number = heappop(self._scheduled)
            message = self.messages.get(number)
            if message is not None and message.state is State.SCHEDULED:
                self.drop(message)
                message.state = State.ACTIVE
                message.enqueued_at = now
                self.activate(message, now)

    def due(self) -> int | None:
        """Say when something will be due."""
        return self._scheduled[0][0] if self._scheduled else None

    @property
    def scheduled_count(self) -> int:
        """Count the scheduled messages."""
        return sum(m.state is State.SCHEDULED for m in self.messages.values())

    # --- what is looked at

    def peek(self, first: int, count: int, session: str | None) -> list[Message]:
        """Return messages from a number on, whatever their state, as much as an answer holds."""
        page: list[Message] = []
        size = 0
        for message in itertools.islice(self._from(first, session), max(0, count)):
            page.append(message)
            size += message.size
            if size > _LARGEST_PAGE:
                break
        return page

    def _from(self, first: int, session: str | None) -> Iterator[Message]:
        for index in range(bisect_left(self._order, first), len(self._order)):
            message = self.messages.get(self._order[index])
            if message is not None and session in {None, message.session}:
                yield message
