"""All entities of the bus: found by address, made, changed and removed; what is due is done.

- Names and addresses are compared without regard to case.
- `put_...` makes or replaces, and says why it cannot; what an entity holds stays.
"""

from dataclasses import dataclass
from heapq import heappop, heappush

from devstack.bus import config, refusals
from devstack.bus.entities import (
    QueueOptions,
    Rule,
    SubscriptionOptions,
    TopicOptions,
    default_rule,
)
from devstack.bus.entity import Entity, Shared
from devstack.bus.message import Message
from devstack.bus.message_queue import DEAD_LETTERS, UNDELIVERABLE, MessageQueue, Options
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import SessionQueue
from devstack.bus.topic import Subscription, Topic

_MANAGEMENT = "/$management"
_SUBSCRIPTIONS = "/subscriptions/"
_NUMBERS_EACH = 3  # a queue, its dead-letter queue, and that of its transfers


@dataclass(frozen=True, slots=True)
class Node:
    """What an address leads to; `path` is the one that rights are given for."""

    entity: Entity
    path: str
    management: bool


class Namespace:
    """Queues and topics by their names in lower case."""

    def __init__(self, quota: int) -> None:
        self.shared = Shared(forward=self._forward, quota=quota)
        self.queues: dict[str, MessageQueue] = {}
        self.topics: dict[str, Topic] = {}
        self.numbered: dict[int, Entity] = {}
        self._next_number = _NUMBERS_EACH
        self._alarms: list[tuple[int, int]] = []  # when, and the entity's number

    # --- making and removing

    def apply(self, wanted: config.Namespace) -> Refusal | None:
        """Make all that a configuration names."""
        done = [self.put_queue(queue.name, queue.options) for queue in wanted.queues]
        for topic in wanted.topics:
            done.append(self.put_topic(topic.name, topic.options))
            for one in topic.subscriptions:
                rules = {rule.name.lower(): rule for rule in one.rules}
                done.append(self.put_subscription(topic.name, one.name, one.options, rules))
        return next(filter(None, done), None)

    def put_queue(
        self, name: str, options: QueueOptions, number: int | None = None
    ) -> Refusal | None:
        """Make a queue, or give it other options."""
        if name.lower() in self.topics:
            return refusals.taken(name)
        queue = self.queues.get(name.lower())
        if queue is None:
            queue = self._queue(number, name, options)
            self.queues[name.lower()] = queue
        elif refusal := _reconfigure(queue, options):
            return refusal
        self._define(f"queues/{queue.path}", queue, options.to_dict())
        return None

    def put_topic(
        self, name: str, options: TopicOptions, number: int | None = None
    ) -> Refusal | None:
        """Make a topic, or give it other options."""
        if name.lower() in self.queues:
            return refusals.taken(name)
        topic = self.topics.get(name.lower())
        if topic is None:
            topic = Topic(self._number(number), name, options, self.shared)
            self.numbered[topic.number] = topic
            self.topics[name.lower()] = topic
        topic.configure(options)
        self._define(f"topics/{topic.path}", topic, options.to_dict())
        return None

    def put_subscription(
        self,
        topic_name: str,
        name: str,
        options: SubscriptionOptions,
        rules: dict[str, Rule] | None = None,
        number: int | None = None,
    ) -> Refusal | None:
        """Make a subscription, or give it other options, and other rules if any are given."""
        topic = self.topics.get(topic_name.lower())
        if topic is None:
            return refusals.not_found(topic_name)
        one = topic.subscriptions.get(name.lower())
        if one is None:
            queue = self._queue(number, f"{topic.path}/Subscriptions/{name}", options)
            default = default_rule()
            one = Subscription(name, queue, {default.name.lower(): default})
            topic.subscriptions[name.lower()] = one
        elif refusal := _reconfigure(one.queue, options):
            return refusal
        one.rules = one.rules if rules is None else rules
        self.define_subscription(topic, one)
        return None

    def define_subscription(self, topic: Topic, one: Subscription) -> None:
        """Keep what a subscription is, durably."""
        rules = [{"Name": r.name, "Properties": r.to_dict()} for r in one.rules.values()]
        definition = {"Properties": one.queue.options.to_dict(), "Rules": rules}
        self._define(f"topics/{topic.path}/subscriptions/{one.name}", one.queue, definition)

    def subscription(self, topic: str, name: str) -> tuple[Topic, Subscription] | Refusal:
        """Find a subscription."""
        found = self.topics.get(topic.lower())
        one = found.subscriptions.get(name.lower()) if found else None
        if found is None or one is None:
            return refusals.not_found(f"{topic}/Subscriptions/{name}")
        return found, one

    def delete_queue(self, name: str) -> Refusal | None:
        """Remove a queue and all that it holds."""
        queue = self.queues.pop(name.lower(), None)
        if queue is None:
            return refusals.not_found(name)
        self._forget(f"queues/{queue.path}", queue)
        return None

    def delete_topic(self, name: str) -> Refusal | None:
        """Remove a topic and its subscriptions."""
        topic = self.topics.get(name.lower())
        if topic is None:
            return refusals.not_found(name)
        for one in list(topic.subscriptions.values()):
            self.delete_subscription(name, one.name)
        del self.topics[name.lower()]
        self._forget(f"topics/{topic.path}", topic)
        return None

    def delete_subscription(self, topic_name: str, name: str) -> Refusal | None:
        """Remove a subscription and all that it holds."""
        found = self.subscription(topic_name, name)
        if isinstance(found, Refusal):
            return found
        topic, one = found
        del topic.subscriptions[name.lower()]
        self._forget(f"topics/{topic.path}/subscriptions/{one.name}", one.queue)
        return None

    def _queue(self, number: int | None, path: str, options: Options) -> MessageQueue:
        number = self._number(number)
        kind = SessionQueue if options.requires_session else MessageQueue
        queue = kind(number, path, options, self.shared)
        inner = QueueOptions(lock_duration_ms=options.lock_duration_ms)
        queue.dead_letters = MessageQueue(number + 1, path + DEAD_LETTERS, inner, self.shared)
        queue.undeliverable = MessageQueue(number + 2, path + UNDELIVERABLE, inner, self.shared)
        for one in (queue, queue.dead_letters, queue.undeliverable):
            self.numbered[one.number] = one
        return queue

    def _number(self, number: int | None) -> int:
        chosen = self._next_number if number is None else number
        self._next_number = max(self._next_number, chosen + _NUMBERS_EACH)
        return chosen

    def _define(self, name: str, entity: Entity, definition: object) -> None:
        self.shared.journal.definitions[name] = (entity.number, definition)
        self.shared.ready[entity] = None

    def _forget(self, name: str, entity: Entity) -> None:
        self.shared.journal.definitions[name] = None
        gone = [entity]
        if isinstance(entity, MessageQueue):
            gone += [one for one in (entity.dead_letters, entity.undeliverable) if one]
        for one in gone:
            self.shared.journal.purged.append(one.number)
            self.shared.ready.pop(one, None)
            self.numbered.pop(one.number, None)
            if isinstance(one, MessageQueue):
                for consumer in list(one.consumers):
                    consumer.detach(refusals.not_found(entity.path))
                one.consumers.clear()

    # --- finding

    def resolve(self, address: str) -> Node | Refusal:
        """Find what an address leads to."""
        path = bare(address)
        low = path.lower()
        management = low.endswith(_MANAGEMENT)
        low = low.removesuffix(_MANAGEMENT)
        base = low.removesuffix(DEAD_LETTERS.lower()).removesuffix("/$transfer")
        entity = self._find(base)
        if isinstance(entity, MessageQueue) and base != low:
            transfers = low.endswith(UNDELIVERABLE.lower())
            entity = entity.undeliverable if transfers else entity.dead_letters
        elif base != low:
            entity = None
        if entity is None:
            return refusals.not_found(path)
        return Node(entity, low, management)

    def _find(self, low: str) -> Entity | None:
        if _SUBSCRIPTIONS in low:
            topic_name, _, name = low.partition(_SUBSCRIPTIONS)
            topic = self.topics.get(topic_name)
            one = topic.subscriptions.get(name) if topic else None
            return one.queue if one else None
        return self.queues.get(low) or self.topics.get(low)

    def _forward(self, path: str, message: Message, now: int) -> Refusal | None:
        target = self._find(path.lower())
        if target is None:
            return refusals.not_found(path)
        sent = target.send([message], now)
        return sent if isinstance(sent, Refusal) else None

    # --- what time does

    def wake(self, now: int) -> None:
        """Do what is due everywhere."""
        while self._alarms and self._alarms[0][0] <= now:
            entity = self.numbered.get(heappop(self._alarms)[1])
            if entity is not None:
                entity.alarm = None
                entity.advance(now)
                self.shared.ready[entity] = None

    def deliver(self, now: int) -> None:
        """Hand out what can be handed out, and note when to wake up."""
        ready = self.shared.ready
        while ready:
            entity, _ = ready.popitem()
            if isinstance(entity, MessageQueue):
                entity.deliver(now)
            due = entity.due()
            if due is not None and (entity.alarm is None or due < entity.alarm):
                entity.alarm = due
                heappush(self._alarms, (due, entity.number))

    def due(self) -> int | None:
        """Say when to wake up."""
        return self._alarms[0][0] if self._alarms else None


def bare(address: str) -> str:
    """Take scheme and host off an address."""
    _, scheme, rest = address.partition("://")
    path = rest.partition("/")[2] if scheme else address
    return path.partition("?")[0].strip("/")


def _reconfigure(queue: MessageQueue, options: Options) -> Refusal | None:
    if queue.options.requires_session != options.requires_session:
        return Refusal(
            "amqp:not-allowed", "RequiresSession cannot be changed once an entity exists.", 409
        )
    queue.configure(options)
    return None
