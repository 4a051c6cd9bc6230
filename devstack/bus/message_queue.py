"""A queue, a subscription, or the dead-letter queue of one: deliveries, locks, settlement.

- A message is delivered in the order of its number; one that is given back takes its old place.
- A lock belongs to whoever knows its token, not to a connection: only time or a settlement ends it.
- Whatever fails too often, or expires where that is wanted, goes to the dead-letter queue.
"""

import itertools
import struct
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from heapq import heappop, heappush
from secrets import token_bytes

from devstack.bus import encoding as e
from devstack.bus import refusals
from devstack.bus.entities import QueueOptions, SubscriptionOptions
from devstack.bus.entity import Entity, Shared
from devstack.bus.message import Message, State
from devstack.bus.properties import with_properties
from devstack.bus.refusals import Refusal

type Options = QueueOptions | SubscriptionOptions

DEAD_LETTERS = "/$DeadLetterQueue"
UNDELIVERABLE = "/$Transfer/$DeadLetterQueue"
_NO_LIMIT = (1 << 63) - 1
_MOST_HOPS = 4
_PREFIX = token_bytes(8)
_counter = itertools.count(1)  # so that no two locks of a process have one token
_U64 = struct.Struct(">Q").pack


class Action(Enum):
    """What a receiver may do with a message it holds."""

    COMPLETE = "complete"
    ABANDON = "abandon"
    RELEASE = "release"
    DEFER = "defer"
    DEAD_LETTER = "dead-letter"


@dataclass(frozen=True, slots=True)
class Settlement:
    """A receiver's decision; `changes` are application properties to set."""

    action: Action
    changes: Mapping[str, bytes] = field(default_factory=dict)


COMPLETE = Settlement(Action.COMPLETE)


@dataclass(slots=True, eq=False)
class Consumer:
    """A receiver as a queue sees it."""

    deletes: bool = False
    """Whether a message is gone when it is delivered."""
    credit: int = 0
    blocked: bool = False
    """Whether nothing can be sent to it now."""

    def ready(self) -> bool:
        """Say whether it takes a message."""
        return self.credit > 0 and not self.blocked

    def transfer(self, message: Message) -> None:
        """Send it a message."""

    def detach(self, refusal: Refusal) -> None:
        """Tell it that it gets nothing any more."""


class MessageQueue(Entity):
    """A queue whose messages go to whoever has credit."""

    def __init__(self, number: int, path: str, options: Options, shared: Shared) -> None:
        super().__init__(number, path, shared)
        self.consumers: deque[Consumer] = deque()
        self.dead_letters: MessageQueue | None = None
        self.undeliverable: MessageQueue | None = None
        self.locked: dict[bytes, Message] = {}
        self._ready: list[int] = []
        self._locks: deque[tuple[int, bytes]] = deque()
        self._expiring: list[tuple[int, int]] = []
        self.configure(options)

    def configure(self, options: Options) -> None:
        """Take other options; what is in the queue keeps what it has."""
        self.options = options
        if isinstance(options, QueueOptions):
            self.duplicate_window = options.duplicate_window_ms

    def check(self, _message: Message) -> Refusal | None:
        """Take everything."""
        return None

    # --- what comes

    def activate(self, message: Message, now: int) -> None:
        """Hold a message that was sent or became due, or forward it."""
        limit = self.options.default_ttl_ms
        if limit is not None and (message.ttl is None or message.ttl > limit):
            message.ttl = limit
        if message.ttl is not None:
            message.expires_at = message.enqueued_at + message.ttl
        if self.options.forward_to and self._forwarded(message, self.options.forward_to, now):
            return
        self.keep(message)
        self.resume(message, now)

    def resume(self, message: Message, _now: int) -> None:
        """Make a message deliverable, unless it is deferred."""
        if message.expires_at is not None:
            heappush(self._expiring, (message.expires_at, message.sequence))
        if message.state is State.DEFERRED:
            message.deferred = True
            self.shared.ready[self] = None
        else:
            self.offer(message)

    def offer(self, message: Message) -> None:
        """Put a message among those to deliver."""
        message.state, message.token = State.ACTIVE, None
        heappush(self._ready, message.sequence)
        self.shared.ready[self] = None

    def _forwarded(self, message: Message, target: str, now: int) -> bool:
        """Send a message on; what cannot be sent on is kept for whoever cares."""
        copy = message.copy()
        copy.hops += 1
        refusal = (
            Refusal("com.microsoft:hop-count", "The message was forwarded more than 4 times.")
            if copy.hops > _MOST_HOPS
            else self.shared.forward(target, copy, now)
        )
        if refusal and self.undeliverable:
            reasons = _reasons("ForwardingFailed", refusal.description)
            message.tail = with_properties(message.tail, reasons)
            message.expires_at = None
            self.undeliverable.receive(message)
        return True

    def receive(self, message: Message) -> None:
        """Hold a message that another entity gives up, with the number it has."""
        message.state, message.deferred, message.expires_at = State.ACTIVE, False, None
        self.keep(message)
        self.offer(message)

    # --- what goes

    def deliver(self, now: int) -> None:
        """Hand messages out in turn, as long as there are takers."""
        idle = 0
        consumers = self.consumers
        while idle < len(consumers):
            consumer = consumers[0]
            consumers.rotate(-1)
            if not consumer.ready():
                idle += 1
                continue
            message = self.take(self._ready, now)
            if message is None:
                return
            idle = 0
            self.hand_out(consumer, message, now + self.options.lock_duration_ms)

    def hand_out(self, consumer: Consumer, message: Message, until: int) -> None:
        """Send a message to a receiver."""
        consumer.credit -= 1
        if consumer.deletes:
            self.drop(message)
        else:
            self.lock(message, until)
        consumer.transfer(message)

    def take(self, ready: list[int], now: int) -> Message | None:
        """Take the first message off a heap that can be delivered."""
        while ready:
            message = self.messages.get(heappop(ready))
            if message is None or message.state is not State.ACTIVE:
                continue
            if message.expires_at is not None and message.expires_at <= now:
                self._expire(message, now)
                continue
            return message
        return None

    def lock(self, message: Message, until: int) -> None:
        """Give a message to one receiver for a time."""
        token = _PREFIX + _U64(next(_counter))
        message.state, message.token, message.locked_until = State.LOCKED, token, until
        self.locked[token] = message
        self.watch(until, token)

    def watch(self, until: int, token: bytes) -> None:
        """Look at a lock when it runs out."""
        late = bool(self._locks) and until < self._locks[-1][0]
        self._locks.append((until, token))
        if late:  # the locks before it were for longer: the options changed
            self._locks = deque(sorted(self._locks))

    def held(self, token: bytes, now: int) -> Message | None:
        """Find a message by its lock, if the lock still holds."""
        message = self.locked.get(token)
        return message if message is not None and message.locked_until > now else None

    def renew(self, tokens: Sequence[bytes], now: int) -> list[int] | Refusal:
        """Prolong locks, all or none; return until when."""
        messages = [self.held(token, now) for token in tokens]
        if None in messages:
            return refusals.MESSAGE_LOCK_LOST
        until = now + self.options.lock_duration_ms
        for token, message in zip(tokens, messages, strict=True):
            if message is not None:
                message.locked_until = until
            self.watch(until, token)
        return [until] * len(tokens)

    # --- what receivers decide

    def settle(self, token: bytes, settlement: Settlement, now: int) -> Refusal | None:
        """Do what a receiver decided about a message it holds."""
        message = self.held(token, now)
        if message is None:
            return refusals.MESSAGE_LOCK_LOST
        self.unlock(token, message)
        if settlement.action is Action.COMPLETE:
            self.drop(message)
            return None
        if settlement.changes:
            self.size -= message.size
            message.tail = with_properties(message.tail, settlement.changes)
            self.size += message.size
            self.shared.journal.write(self.number, message)
        _SETTLE[settlement.action](self, message, now)
        return None

    def unlock(self, token: bytes, _message: Message) -> None:
        """Forget a lock, and what is over at the head of the list of locks."""
        self.locked.pop(token, None)
        while self._locks and self._locks[0][1] not in self.locked:
            self._locks.popleft()

    def give_back(self, message: Message, now: int) -> None:
        """Make a message available again without counting."""
        message.state, message.token = State.ACTIVE, None
        if message.expires_at is not None and message.expires_at <= now:
            self._expire(message, now)
        elif message.deferred:
            message.state = State.DEFERRED
        else:
            self.offer(message)

    def fail(self, message: Message, now: int) -> None:
        """Count a failed delivery; too many end in the dead-letter queue."""
        message.delivery_count += 1
        self.shared.journal.move(self.number, message)
        most = self.options.max_delivery_count if self.dead_letters else _NO_LIMIT
        if message.delivery_count >= most:
            description = f"Message could not be consumed after {most} delivery attempts."
            self.bury(message, now, _reasons("MaxDeliveryCountExceeded", description))
        else:
            self.give_back(message, now)

    def defer(self, message: Message, _now: int) -> None:
        """Set a message aside, for whoever asks for its number."""
        message.state, message.deferred, message.token = State.DEFERRED, True, None
        self.shared.journal.move(self.number, message)

    def bury(self, message: Message, now: int, reasons: Mapping[str, bytes] | None = None) -> None:
        """Move a message to the dead-letter queue; in there it stays where it is."""
        message.token = None
        if self.dead_letters is None:
            self.offer(message)
            return
        self.drop(message)
        message.tail = with_properties(message.tail, reasons or {})
        target = self.options.forward_dead_letters_to
        if target is None or self.shared.forward(target, message.buried_in(self.path), now):
            self.dead_letters.receive(message)

    def take_deferred(
        self, numbers: Sequence[int], session: str | None, now: int, *, deletes: bool
    ) -> list[Message] | Refusal:
        """Hand out deferred messages by their numbers, all or none."""
        found = [self.messages.get(number) for number in numbers]
        chosen = [
            m
            for m in found
            if m is not None and m.state is State.DEFERRED and session in {None, m.session}
        ]
        if len(chosen) < len(found) or len(set(numbers)) < len(found):
            return refusals.MESSAGE_NOT_FOUND
        for message in chosen:
            if deletes:
                self.drop(message)
            else:
                self.lock(message, now + self.options.lock_duration_ms)
        self.shared.ready[self] = None
        return chosen

    @property
    def active_count(self) -> int:
        """Count what is or will be delivered: also what is locked."""
        return len(self.messages) - self.deferred_count - self.scheduled_count

    @property
    def deferred_count(self) -> int:
        """Count the deferred messages."""
        return sum(message.deferred for message in self.messages.values())

    # --- what time does

    def advance(self, now: int) -> None:
        """Do what is due: scheduled messages, locks that ran out, messages that expired."""
        super().advance(now)
        while self._locks and self._locks[0][0] <= now:
            until, token = self._locks.popleft()
            message = self.locked.get(token)
            if message is not None and message.locked_until <= until:
                self.unlock(token, message)
                self.fail(message, now)
        while self._expiring and self._expiring[0][0] <= now:
            _, number = heappop(self._expiring)
            message = self.messages.get(number)
            if message and message.expires_at and message.state is not State.LOCKED:
                self._expire(message, now)

    def _expire(self, message: Message, now: int) -> None:
        if self.options.dead_letter_on_expiration and self.dead_letters:
            description = "The message expired and was dead lettered."
            self.bury(message, now, _reasons("TTLExpiredException", description))
        else:
            self.drop(message)

    def due(self) -> int | None:
        """Say when something will be due."""
        heads = [super().due()]
        heads += [self._locks[0][0] if self._locks else None]
        heads += [self._expiring[0][0] if self._expiring else None]
        return min((head for head in heads if head is not None), default=None)


def _reasons(reason: str, description: str) -> dict[str, bytes]:
    return {
        "DeadLetterReason": e.text(reason),
        "DeadLetterErrorDescription": e.text(description),
    }


_SETTLE: Mapping[Action, Callable[[MessageQueue, Message, int], None]] = {
    Action.ABANDON: lambda queue, message, now: queue.fail(message, now),
    Action.RELEASE: lambda queue, message, now: queue.give_back(message, now),
    Action.DEFER: lambda queue, message, now: queue.defer(message, now),
    Action.DEAD_LETTER: lambda queue, message, now: queue.bury(message, now),
}
