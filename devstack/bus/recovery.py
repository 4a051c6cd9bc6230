"""The bus as the store left it: entities, their numbers, what they knew, what they held."""

from collections.abc import Mapping
from typing import Any

from devstack.bus.entities import QueueOptions, Rule, SubscriptionOptions, TopicOptions
from devstack.bus.namespace import Namespace
from devstack.bus.session_queue import SessionQueue
from devstack.bus.store import Definition, Store


def recovered(store: Store, quota: int) -> Namespace:
    """Make the entities again that there were."""
    namespace = Namespace(quota)
    for definition in store.definitions():
        _define(namespace, definition)
    namespace.shared.journal.clear()  # nothing of this is new
    for number, last in store.sequences().items():
        if number in namespace.numbered:
            entity = namespace.numbered[number]
            entity.last = entity.reserved = last
    return namespace


def resume(namespace: Namespace, store: Store, now: int) -> None:
    """Fill the entities again."""
    for number, name, seen in store.duplicates():
        if number in namespace.numbered:
            namespace.numbered[number].remember(name, seen)
    for number, name, state, updated_at in store.sessions():
        queue = namespace.numbered.get(number)
        if isinstance(queue, SessionQueue):
            session = queue.session(name)
            session.state, session.updated_at = state, updated_at
    for number, message in store.messages():
        if number in namespace.numbered:
            namespace.numbered[number].restore(message, now)


def _define(namespace: Namespace, definition: Definition) -> None:
    """Make one entity; names are kinds and names in turn, and a queue's own may have slashes."""
    kind, _, name = definition.name.partition("/")
    content: Any = definition.content
    if kind == "queues":
        options = QueueOptions.parse(content, definition.name)
        namespace.put_queue(name, options, definition.number)
    elif "/subscriptions/" in name:
        topic, _, name = name.partition("/subscriptions/")
        rules = [_rule(entry, definition.name) for entry in content["Rules"]]
        namespace.put_subscription(
            topic,
            name,
            SubscriptionOptions.parse(content["Properties"], definition.name),
            {rule.name.lower(): rule for rule in rules},
            definition.number,
        )
    else:
        topic_options = TopicOptions.parse(content, definition.name)
        namespace.put_topic(name, topic_options, definition.number)


def _rule(entry: Mapping[str, object], where: str) -> Rule:
    return Rule.parse(entry["Name"], entry["Properties"], where)
