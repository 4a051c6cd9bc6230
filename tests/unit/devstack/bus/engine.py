"""Messages, receivers and namespaces for tests of the bus's engine."""

from dataclasses import dataclass, field

from devstack.bus import encoding as e
from devstack.bus.entities import QueueOptions, SubscriptionOptions, TopicOptions
from devstack.bus.message import Message, parse
from devstack.bus.message_queue import MessageQueue
from devstack.bus.namespace import Namespace
from devstack.bus.refusals import Refusal
from devstack.bus.session_queue import SessionConsumer, SessionQueue
from devstack.bus.topic import Topic

QUOTA = 1 << 20
NOW = 1_700_000_000_000
LOCK = QueueOptions().lock_duration_ms


def raw(
    body: bytes = b"body",
    number: str | None = "id",
    session: str | None = None,
    ttl: int | None = None,
    due: int | None = None,
) -> bytes:
    """Write a message as a client does."""
    fields = [e.NULL] * 13
    fields[0] = e.NULL if number is None else e.text(number)
    fields[10] = e.NULL if session is None else e.text(session)
    sections = [e.described(0x73, e.list_of(fields)), e.described(0x75, e.binary(body))]
    if due is not None:
        pairs = [e.symbol("x-opt-scheduled-enqueue-time"), e.timestamp(due)]
        sections.insert(0, e.described(0x72, e.map_of(pairs)))
    if ttl is not None:
        sections.insert(0, e.described(0x70, e.list_of([e.NULL, e.NULL, e.uint(ttl)])))
    return b"".join(sections)


def message(
    body: bytes = b"body",
    number: str | None = "id",
    session: str | None = None,
    ttl: int | None = None,
    due: int | None = None,
) -> Message:
    """Read a message as the bus does."""
    return parse(raw(body, number, session, ttl, due), lambda: "made")


@dataclass(slots=True, eq=False)
class Receiver(SessionConsumer):
    """A receiver that keeps what it gets."""

    got: list[Message] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    def transfer(self, message: Message) -> None:
        self.got.append(message)

    def accepted(self) -> None:
        self.told.append("accepted")

    def detach(self, refusal: Refusal) -> None:
        self.told.append(refusal.condition)

    @property
    def token(self) -> bytes:
        """The lock of the last message."""
        token = self.got[-1].token
        assert token is not None
        return token

    @property
    def bodies(self) -> list[bytes]:
        """What was in the messages, without what is around it."""
        return [one.tail.rpartition(b"\x00\x53\x75\xa0")[2][1:] for one in self.got]


def a_namespace() -> Namespace:
    return Namespace(QUOTA)


def a_queue(namespace: Namespace, name: str = "queue", **options: object) -> MessageQueue:
    assert namespace.put_queue(name, QueueOptions(**options)) is None  # type: ignore[arg-type]  # as named
    return namespace.queues[name.lower()]


def a_session_queue(namespace: Namespace) -> SessionQueue:
    queue = a_queue(namespace, requires_session=True, max_delivery_count=2)
    assert isinstance(queue, SessionQueue)
    return queue


def a_topic(namespace: Namespace, *subscriptions: str, **options: object) -> Topic:
    assert namespace.put_topic("topic", TopicOptions(**options)) is None  # type: ignore[arg-type]  # as named
    for name in subscriptions:
        assert namespace.put_subscription("topic", name, SubscriptionOptions()) is None
    return namespace.topics["topic"]


def receiving(
    namespace: Namespace, queue: MessageQueue, credit: int = 100, *, deletes: bool = False
) -> Receiver:
    """Receive from a queue all that there is."""
    receiver = Receiver(credit=credit, deletes=deletes)
    queue.consumers.append(receiver)
    namespace.shared.ready[queue] = None
    namespace.deliver(NOW)
    return receiver


def later(namespace: Namespace, now: int) -> None:
    """Let time pass."""
    namespace.wake(now)
    namespace.deliver(now)


def dead_letters(queue: MessageQueue) -> list[Message]:
    assert queue.dead_letters is not None
    return list(queue.dead_letters.messages.values())
