"""Entities: made, changed, found by address, removed; topics and what their rules take."""

import pytest

from devstack.bus import encoding as e
from devstack.bus.config import parse_config
from devstack.bus.entities import QueueOptions, Rule, SubscriptionOptions, TopicOptions
from devstack.bus.message import GROUP_ID, parse
from devstack.bus.message_queue import MessageQueue
from devstack.bus.namespace import Namespace, Node, bare
from devstack.bus.properties import view
from devstack.bus.refusals import Refusal
from tests.unit.devstack.bus.engine import (
    NOW,
    QUOTA,
    Receiver,
    a_namespace,
    a_queue,
    a_session_queue,
    a_topic,
    dead_letters,
    later,
    message,
    raw,
    receiving,
)


def condition(found: object) -> str:
    assert isinstance(found, Refusal)
    return found.condition


def bodies(namespace: Namespace, name: str) -> list[bytes]:
    found = namespace.subscription("topic", name)
    assert not isinstance(found, Refusal)
    return receiving(namespace, found[1].queue, deletes=True).bodies


def rule(namespace: Namespace, name: str, properties: dict[str, object], *, only: bool) -> None:
    found = namespace.subscription("topic", "one")
    assert not isinstance(found, Refusal)
    if only:
        found[1].rules.clear()
    found[1].rules[name] = Rule.parse(name, properties, "rule")


def sql(text: str, action: str | None = None) -> dict[str, object]:
    act = {} if action is None else {"Action": {"SqlExpression": action}}
    return {"FilterType": "Sql", "SqlFilter": {"SqlExpression": text}, **act}


def with_properties(**values: bytes) -> bytes:
    pairs = [part for name, value in values.items() for part in (e.text(name), value)]
    return e.described(0x74, e.map_of(pairs)) + raw()


# --- addresses

FOUND = {
    "a queue": ("queue", "queue", False),
    "in another case": ("QUEUE", "queue", False),
    "with slashes around": ("/queue/", "queue", False),
    "with scheme and host": ("amqps://host:5671/queue", "queue", False),
    "with a question": ("amqp://host/queue?x=1", "queue", False),
    "its management": ("queue/$management", "queue", True),
    "its dead letters": ("queue/$DeadLetterQueue", "queue/$deadletterqueue", False),
    "their management": ("q/a/$deadletterqueue/$management", "q/a/$deadletterqueue", True),
    "what it could not forward": (
        "queue/$Transfer/$DeadLetterQueue",
        "queue/$transfer/$deadletterqueue",
        False,
    ),
    "a topic": ("topic", "topic", False),
    "a subscription": ("topic/Subscriptions/One", "topic/subscriptions/one", False),
    "its dead letters too": (
        "topic/subscriptions/one/$DeadLetterQueue",
        "topic/subscriptions/one/$deadletterqueue",
        False,
    ),
}


@pytest.fixture
def namespace() -> Namespace:
    namespace = a_namespace()
    a_queue(namespace)
    a_queue(namespace, "q/a")
    a_topic(namespace, "one", "two")
    return namespace


@pytest.mark.parametrize(("address", "path", "management"), FOUND.values(), ids=FOUND)
def test_an_address_leads_to_an_entity(
    namespace: Namespace, address: str, path: str, management: bool
) -> None:
    node = namespace.resolve(address)

    assert isinstance(node, Node)
    assert (node.entity.path.lower(), node.path, node.management) == (path, path, management)


@pytest.mark.parametrize(
    "address",
    ["", "missing", "topic/$DeadLetterQueue", "topic/Subscriptions/x", "x/Subscriptions/one"],
)
def test_an_address_that_leads_nowhere_is_refused(namespace: Namespace, address: str) -> None:
    assert condition(namespace.resolve(address)) == "amqp:not-found"


def test_scheme_and_host_are_no_part_of_a_path() -> None:
    assert [bare(one) for one in ("sb://h/a/b", "sb://h", "a/b/")] == ["a/b", "", "a/b"]


# --- making, changing, removing


def test_what_exists_keeps_its_messages_when_it_is_made_again(namespace: Namespace) -> None:
    queue = namespace.queues["queue"]
    queue.send([message()], NOW)

    again = a_queue(namespace, "QUEUE", max_delivery_count=3)

    assert again is queue
    assert (len(queue.messages), queue.options.max_delivery_count) == (1, 3)


def test_sessions_are_for_ever(namespace: Namespace) -> None:
    refused = namespace.put_queue("queue", QueueOptions(requires_session=True))
    other = namespace.put_subscription("topic", "one", SubscriptionOptions(requires_session=True))

    assert (condition(refused), condition(other)) == ("amqp:not-allowed", "amqp:not-allowed")


def test_a_name_is_of_one_kind(namespace: Namespace) -> None:
    taken = "com.microsoft:entity-already-exists"

    assert condition(namespace.put_topic("queue", TopicOptions())) == taken
    assert condition(namespace.put_queue("topic", QueueOptions())) == taken


def test_a_subscription_needs_its_topic(namespace: Namespace) -> None:
    refused = namespace.put_subscription("missing", "one", SubscriptionOptions())

    assert condition(refused) == "amqp:not-found"


def test_what_is_removed_lets_go_of_its_receivers(namespace: Namespace) -> None:
    queue = namespace.queues["queue"]
    receiver = receiving(namespace, queue)

    assert namespace.delete_queue("Queue") is None

    assert receiver.told == ["amqp:not-found"]
    assert condition(namespace.resolve("queue")) == "amqp:not-found"
    assert namespace.shared.journal.purged == [queue.number, queue.number + 1, queue.number + 2]


def test_a_topic_goes_with_its_subscriptions(namespace: Namespace) -> None:
    assert namespace.delete_topic("TOPIC") is None

    assert condition(namespace.resolve("topic/subscriptions/one")) == "amqp:not-found"
    assert len(namespace.shared.journal.purged) == 7


def test_what_is_not_there_cannot_be_removed(namespace: Namespace) -> None:
    found = (
        namespace.delete_queue("x"),
        namespace.delete_topic("x"),
        namespace.delete_subscription("topic", "x"),
    )

    assert {condition(one) for one in found} == {"amqp:not-found"}


def test_what_is_removed_wakes_up_no_more(namespace: Namespace) -> None:
    queue = namespace.queues["queue"]
    queue.send([message(due=NOW + 1)], NOW)
    namespace.deliver(NOW)

    namespace.delete_queue("queue")
    later(namespace, NOW + 1)

    assert namespace.due() is None


def test_alarms_ring_for_the_first_of_all(namespace: Namespace) -> None:
    queue = namespace.queues["queue"]
    for due in (NOW + 50, NOW + 5, NOW + 50):
        queue.send([message(due=due)], NOW)
        namespace.deliver(NOW)

    first = namespace.due()
    later(namespace, NOW + 5)
    later(namespace, NOW + 50)

    assert first == NOW + 5
    assert len(receiving(namespace, queue).got) == 3


CONFIG = b"""{"UserConfig": {"Namespaces": [{"Name": "n",
  "Queues": [{"Name": "queue"}],
  "Topics": [{"Name": "t", "Subscriptions": [
    {"Name": "s", "Rules": [{"Name": "r", "Properties": {"FilterType": "False"}}]}]}]}]}}"""


def test_a_configuration_is_made() -> None:
    namespace = a_namespace()

    assert namespace.apply(parse_config(CONFIG)) is None

    found = namespace.subscription("T", "S")
    assert not isinstance(found, Refusal)
    assert list(found[1].rules) == ["r"]
    assert "queue" in namespace.queues


def test_a_configuration_that_cannot_be_made_says_why() -> None:
    namespace = a_namespace()
    a_session_queue(namespace)

    assert condition(namespace.apply(parse_config(CONFIG))) == "amqp:not-allowed"


# --- topics


def test_every_subscription_gets_a_copy(namespace: Namespace) -> None:
    numbers = namespace.topics["topic"].send([message(b"m")], NOW)

    assert numbers == [1]
    assert (bodies(namespace, "one"), bodies(namespace, "two")) == ([b"m"], [b"m"])


def test_a_topic_holds_what_is_scheduled(namespace: Namespace) -> None:
    topic = namespace.topics["topic"]
    topic.send([message(b"m", due=NOW + 5)], NOW)
    namespace.deliver(NOW)

    before = (topic.scheduled_count, bodies(namespace, "one"))
    later(namespace, NOW + 5)

    assert before == (1, [])
    assert (topic.messages, bodies(namespace, "two")) == ({}, [b"m"])


def test_a_topic_drops_duplicates_before_it_copies(namespace: Namespace) -> None:
    topic = a_topic(namespace, duplicate_window_ms=100)

    topic.send([message(b"1"), message(b"2")], NOW)

    assert bodies(namespace, "one") == [b"1"]


def test_the_shortest_life_counts(namespace: Namespace) -> None:
    topic = a_topic(namespace, default_ttl_ms=10)
    options = SubscriptionOptions(default_ttl_ms=5)
    namespace.put_subscription("topic", "one", options)

    topic.send([message(), message(ttl=3)], NOW)

    one, two = (topic.subscriptions[name].queue.messages for name in ("one", "two"))
    assert [m.ttl for m in one.values()] == [5, 3]
    assert [m.ttl for m in two.values()] == [10, 3]


def test_a_full_subscription_stops_the_topic(namespace: Namespace) -> None:
    topic = namespace.topics["topic"]
    topic.send([message(b"x" * QUOTA)], NOW)

    assert condition(topic.send([message()], NOW)) == "amqp:resource-limit-exceeded"


def test_what_has_no_session_goes_to_the_dead_letters_of_who_needs_one(
    namespace: Namespace,
) -> None:
    options = SubscriptionOptions(requires_session=True)
    namespace.put_subscription("topic", "sessions", options)
    topic = namespace.topics["topic"]

    topic.send([message()], NOW)

    (dead,) = dead_letters(topic.subscriptions["sessions"].queue)
    assert view(dead).user["DeadLetterReason"] == "amqp:not-allowed"


def test_rules_choose_by_properties(namespace: Namespace) -> None:
    rule(namespace, "high", sql("priority > 5"), only=True)
    topic = namespace.topics["topic"]

    for priority in (1, 9):
        topic.send([parse(with_properties(priority=e.int32(priority)), str)], NOW)

    assert len(bodies(namespace, "one")) == 1
    assert len(bodies(namespace, "two")) == 2


def test_no_rule_takes_nothing(namespace: Namespace) -> None:
    rule(namespace, "x", sql("1=1"), only=True)
    namespace.topics["topic"].subscriptions["one"].rules.clear()

    namespace.topics["topic"].send([message()], NOW)

    assert bodies(namespace, "one") == []


def test_an_action_changes_its_copy_and_no_other(namespace: Namespace) -> None:
    rule(
        namespace,
        "x",
        sql("1=1", "SET colour = 'red'; REMOVE size; SET sys.label = 'l'"),
        only=True,
    )
    topic = namespace.topics["topic"]
    before = parse(with_properties(size=b"\x54\x07", kept=e.ubyte(3)), str)

    topic.send([before], NOW)

    one, two = (view(topic.subscriptions[name].queue.messages[1]) for name in ("one", "two"))
    assert one.user == {"kept": 3, "colour": "red", "RuleName": "x"}
    assert (one.system["label"], one.system["messageid"]) == ("l", "id")
    assert two.user == {"size": 7, "kept": 3}
    tail = topic.subscriptions["one"].queue.messages[1].tail
    assert e.text("kept") + e.ubyte(3) in tail


def test_a_changed_copy_keeps_its_other_properties(namespace: Namespace) -> None:
    rule(namespace, "x", sql("1=1", "SET sys.label = 'l'"), only=True)
    fields = [e.NULL] * 13
    fields[0], fields[6], fields[GROUP_ID], fields[11] = (
        e.uuid(bytes(16)),
        e.symbol("text/plain"),
        e.text("s"),
        e.uint(300),
    )
    sent = e.described(0x73, e.list_of(fields)) + e.described(0x75, e.binary(b"body"))
    topic = namespace.topics["topic"]

    topic.send([parse(sent, str)], NOW)

    fields[3] = e.text("l")
    expected = e.described(0x73, e.list_of(fields))
    assert topic.subscriptions["one"].queue.messages[1].tail.startswith(expected)


def test_a_view_shows_dates_and_hides_what_filters_do_not_know() -> None:
    data = with_properties(when=e.timestamp(0), what=e.list_of([e.TRUE]))

    seen = view(parse(data, str)).user

    assert str(seen["when"]) == "1970-01-01 00:00:00+00:00"
    assert seen["what"] is None


def test_a_subscription_can_forward(namespace: Namespace) -> None:
    options = SubscriptionOptions(forward_to="queue")
    namespace.put_subscription("topic", "on", options)

    namespace.topics["topic"].send([message(b"m")], NOW)

    assert receiving(namespace, namespace.queues["queue"]).bodies == [b"m"]


def test_nobody_sends_to_inner_queues_by_mistake(namespace: Namespace) -> None:
    queue = namespace.queues["queue"]
    dead = queue.dead_letters

    assert isinstance(dead, MessageQueue)
    assert (dead.dead_letters, dead.undeliverable) == (None, None)
    assert Receiver().ready() is False
