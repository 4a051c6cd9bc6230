"""The emulator's config.json: what a bus has when it starts.

- Read as Microsoft's emulator reads it, and strictly: what we cannot honour is refused by name.
- One addition: `AuthorizationRules` of a namespace, as Azure's templates have them, for shared
  access keys with fewer rights than the root's.
- `Logging` is where the emulator writes its log; ours is on stderr, whatever it says.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, kind, list_of, one_of, text
from devstack.bus.entities import (
    QueueOptions,
    Rule,
    SubscriptionOptions,
    TopicOptions,
    default_rule,
    entity_name,
    subscription_name,
)

LARGEST = 1 << 20
_MOST = 1000  # entities of a kind
_MOST_RULES = 1000
_TAKEN = ("RootManageSharedAccessKey", "control")  # keys are derived by name: these have another
_RIGHTS = ("Listen", "Manage", "Send")

_name = text(256)


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue to have."""

    name: str
    options: QueueOptions

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an entry of `Queues`."""
        f = Fields(_with(raw, where, Properties={}), where)
        queue = cls(f.take("Name", entity_name), f.take("Properties", QueueOptions.parse))
        f.end()
        return queue


@dataclass(frozen=True, slots=True)
class Subscription:
    """A subscription to have, with its rules; the default one if the file has none."""

    name: str
    options: SubscriptionOptions
    rules: tuple[Rule, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an entry of `Subscriptions`."""
        f = Fields(_with(raw, where, Properties={}, Rules=[]), where)
        subscription = cls(
            f.take("Name", subscription_name),
            f.take("Properties", SubscriptionOptions.parse),
            f.take("Rules", list_of(_rule, 0, _MOST_RULES)) or (default_rule(),),
        )
        f.end()
        _once([rule.name for rule in subscription.rules], f"{where}.Rules")
        return subscription


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic to have, with its subscriptions."""

    name: str
    options: TopicOptions
    subscriptions: tuple[Subscription, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an entry of `Topics`."""
        f = Fields(_with(raw, where, Properties={}, Subscriptions=[]), where)
        topic = cls(
            f.take("Name", entity_name),
            f.take("Properties", TopicOptions.parse),
            f.take("Subscriptions", list_of(Subscription.parse, 0, _MOST)),
        )
        f.end()
        _once([one.name for one in topic.subscriptions], f"{where}.Subscriptions")
        return topic


@dataclass(frozen=True, slots=True)
class AccessRule:
    """A shared access key by name, and what it is good for: Send, Listen, Manage."""

    name: str
    rights: frozenset[str]

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an entry of `AuthorizationRules`; who may manage may do all, as in Azure."""
        f = Fields(raw, where)
        name, rights = f.take("Name", _name), f.take("Properties", _rights)
        f.end()
        if "Manage" in rights and len(rights) < len(_RIGHTS):
            raise Malformed(f"{where}.Properties.Rights", "Send and Listen beside Manage")
        if name in _TAKEN:
            raise Malformed(f"{where}.Name", f"another name: {name} is there already")
        return cls(name, rights)


@dataclass(frozen=True, slots=True)
class Namespace:
    """All that a bus has when it starts."""

    name: str
    queues: tuple[Queue, ...] = ()
    topics: tuple[Topic, ...] = ()
    access: tuple[AccessRule, ...] = ()

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an entry of `Namespaces`, whole."""
        f = Fields(_with(raw, where, Queues=[], Topics=[], AuthorizationRules=[]), where)
        namespace = cls(
            f.take("Name", _name),
            f.take("Queues", list_of(Queue.parse, 0, _MOST)),
            f.take("Topics", list_of(Topic.parse, 0, _MOST)),
            f.take("AuthorizationRules", list_of(AccessRule.parse, 0, _MOST_RULES)),
        )
        f.end()
        _once([*_entities(namespace)], where)
        _once([one.name for one in namespace.access], f"{where}.AuthorizationRules")
        _check_forwarding(namespace, where)
        return namespace


def parse_config(raw: bytes) -> Namespace:
    """Read a config.json."""
    f = Fields(parse_json(raw, "config", LARGEST), "config")
    namespace = f.take("UserConfig", _user_config)
    f.end()
    return namespace


def _user_config(raw: object, where: str) -> Namespace:
    f = Fields(_with(raw, where, Logging={"Type": "File"}), where)
    (namespace,) = f.take("Namespaces", list_of(Namespace.parse, 1, 1))
    f.take("Logging", _logging)
    f.end()
    return namespace


def _logging(raw: object, where: str) -> None:
    f = Fields(raw, where)
    f.take("Type", one_of("File", "Console", "Console,File", "File,Console"))
    f.end()


def _rule(raw: object, where: str) -> Rule:
    f = Fields(raw, where)
    name, properties = f.take("Name", _name), f.take("Properties", _any)
    f.end()
    return Rule.parse(name, properties, f"{where}.Properties")


def _rights(raw: object, where: str) -> frozenset[str]:
    f = Fields(raw, where)
    rights = f.take("Rights", list_of(one_of(*_RIGHTS), 1, len(_RIGHTS)))
    f.end()
    return frozenset(rights)


def _any(raw: object, _: str) -> object:
    return raw


def _with(raw: object, where: str, **defaults: object) -> dict[str, object]:
    if not isinstance(raw, Mapping):
        raise Malformed(where, "an object with named fields", kind(raw))
    return {**defaults, **raw}


def _once(names: Sequence[str], where: str) -> None:
    """Refuse a name that stands twice, in whatever case: addresses have none."""
    seen: set[str] = set()
    for name in names:
        if name.lower() in seen:
            raise Malformed(where, "each name once", repr(name))
        seen.add(name.lower())


def _check_forwarding(namespace: Namespace, where: str) -> None:
    """Refuse to forward to what is not there, or round in a circle."""
    targets = {name.lower() for name in _entities(namespace)}
    arrows: dict[str, list[str]] = {}
    for source, options in _sources(namespace):
        for target in (options.forward_to, options.forward_dead_letters_to):
            if target is not None and target.lower() not in targets:
                raise Malformed(where, f"a queue or a topic {target!r} to forward to")
        if options.forward_to is not None:
            arrows.setdefault(source.lower(), []).append(options.forward_to.lower())
    for source, first in arrows.items():
        reached, ahead = set[str](), [*first]
        while ahead:
            target = ahead.pop()
            if target == source:
                raise Malformed(where, "no forwarding in a circle", repr(source))
            if target not in reached:
                reached.add(target)
                ahead += arrows.get(target, [])


def _entities(namespace: Namespace) -> list[str]:
    queues = [queue.name for queue in namespace.queues]
    return queues + [topic.name for topic in namespace.topics]


def _sources(namespace: Namespace) -> list[tuple[str, QueueOptions | SubscriptionOptions]]:
    """List who may forward, by the entity that messages come in at."""
    queues: list[tuple[str, QueueOptions | SubscriptionOptions]] = [
        (queue.name, queue.options) for queue in namespace.queues
    ]
    return queues + [
        (topic.name, one.options) for topic in namespace.topics for one in topic.subscriptions
    ]
