"""A topic: what is sent to it goes to each of its subscriptions whose rules take it."""

from collections.abc import Iterator
from dataclasses import dataclass

from devstack.bus import encoding as e
from devstack.bus import filters, refusals
from devstack.bus.entities import Rule, TopicOptions
from devstack.bus.entity import Entity, Shared
from devstack.bus.filters import MessageView, TrueFilter
from devstack.bus.message import Message
from devstack.bus.message_queue import MessageQueue
from devstack.bus.properties import changed, view, with_properties
from devstack.bus.refusals import Refusal


@dataclass(slots=True, eq=False)
class Subscription:
    """A queue behind a topic, and the rules that fill it."""

    name: str
    queue: MessageQueue
    rules: dict[str, Rule]

    def takes_all(self) -> bool:
        """Say whether every message comes here, unchanged, and rules need not be asked."""
        return any(
            rule.action is None and isinstance(rule.filter, TrueFilter)
            for rule in self.rules.values()
        ) and all(rule.action is None for rule in self.rules.values())


class Topic(Entity):
    """Subscriptions by their names in lower case."""

    def __init__(self, number: int, path: str, options: TopicOptions, shared: Shared) -> None:
        super().__init__(number, path, shared)
        self.subscriptions: dict[str, Subscription] = {}
        self.configure(options)

    def configure(self, options: TopicOptions) -> None:
        """Take other options."""
        self.options = options
        self.duplicate_window = options.duplicate_window_ms

    def check(self, _message: Message) -> Refusal | None:
        """Take everything, unless a subscription is full."""
        full = [s for s in self.subscriptions.values() if s.queue.size >= self.shared.quota]
        return refusals.full(full[0].queue.path) if full else None

    def activate(self, message: Message, now: int) -> None:
        """Give every subscription its copies."""
        limit = self.options.default_ttl_ms
        if limit is not None and (message.ttl is None or message.ttl > limit):
            message.ttl = limit
        message.enqueued_sequence = message.sequence
        seen: MessageView | None = None
        for subscription in self.subscriptions.values():
            if subscription.takes_all():
                self._hand_on(subscription.queue, message.copy(), now)
                continue
            seen = seen or view(message)
            for copy in _copies(subscription, message, seen):
                self._hand_on(subscription.queue, copy, now)

    def resume(self, message: Message, now: int) -> None:
        """Hand on what was scheduled; a topic holds nothing else."""
        self.activate(message, now)

    def _hand_on(self, queue: MessageQueue, copy: Message, now: int) -> None:
        copy.scheduled_for = None
        refusal = queue.send([copy], now)
        if isinstance(refusal, Refusal) and queue.dead_letters:
            copy.sequence = queue.next_number()
            copy.enqueued_at = now
            copy.tail = with_properties(
                copy.tail,
                {
                    "DeadLetterReason": e.text(refusal.condition),
                    "DeadLetterErrorDescription": e.text(refusal.description),
                },
            )
            queue.dead_letters.receive(copy)


def _copies(subscription: Subscription, message: Message, seen: MessageView) -> Iterator[Message]:
    for found in filters.copies(subscription.rules.values(), seen):
        yield message.copy() if found is seen else changed(message, seen, found)
