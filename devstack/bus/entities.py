"""What queues, topics, subscriptions and rules are made of, in the emulator's words.

- `parse` reads a `Properties` object of the emulator's config.json: what is missing has the
  service's default, what is unknown is refused, limits are the service's.
- `parse(to_dict(x)) == x`.
- A lock may be shorter than the service has it, so that a test need not wait for one, and a window
  for duplicates as short as the emulator has it (5 s; the service: 20 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, boolean, integer, kind, matching, one_of
from devstack.bus import durations, filters
from devstack.bus.durations import DAY, MINUTE, SECOND
from devstack.bus.sql import Action

LONGEST_LOCK = 5 * MINUTE
LARGEST_DELIVERY_COUNT = 2000
DEFAULT_RULE = "$Default"

_INNER = r"[A-Za-z0-9._-]"
_ENDED = r"(?=[A-Za-z0-9])(?:{inner}{{0,{most}}}[A-Za-z0-9])"
entity_name: Parser[str] = matching(
    _ENDED.format(inner=r"[A-Za-z0-9._/-]", most=259),
    "1 to 260 letters, digits, '.', '-', '_' and '/', with a letter or digit at both ends",
)
subscription_name: Parser[str] = matching(
    _ENDED.format(inner=_INNER, most=49),
    "1 to 50 letters, digits, '.', '-' and '_', with a letter or digit at both ends",
)
rule_name: Parser[str] = matching(
    rf"\$?{_INNER}{{1,49}}", "1 to 50 letters, digits, '.', '-' and '_'"
)

_lock = durations.within(1, LONGEST_LOCK)
_count = integer(1, LARGEST_DELIVERY_COUNT)
_window = durations.within(5 * SECOND, 7 * DAY)

_TOPIC_DEFAULTS: Mapping[str, object] = {
    "DefaultMessageTimeToLive": durations.FOREVER,
    "DuplicateDetectionHistoryTimeWindow": "PT10M",
    "RequiresDuplicateDetection": False,
}
_SUBSCRIPTION_DEFAULTS: Mapping[str, object] = {
    "DeadLetteringOnMessageExpiration": False,
    "DefaultMessageTimeToLive": durations.FOREVER,
    "ForwardDeadLetteredMessagesTo": "",
    "ForwardTo": "",
    "LockDuration": "PT1M",
    "MaxDeliveryCount": 10,
    "RequiresSession": False,
}


@dataclass(frozen=True, slots=True)
class SubscriptionOptions:
    """How a subscription treats its messages; times in milliseconds, nothing means for ever."""

    lock_duration_ms: int = MINUTE
    max_delivery_count: int = 10
    requires_session: bool = False
    dead_letter_on_expiration: bool = False
    default_ttl_ms: int | None = None
    forward_to: str | None = None
    forward_dead_letters_to: str | None = None

    @classmethod
    def parse(cls, properties: object, where: str) -> Self:
        """Read a subscription's `Properties`."""
        f = Fields(_with(_SUBSCRIPTION_DEFAULTS, properties, where), where)
        options = cls(**_receiving(f, where))
        f.end()
        return options

    def to_dict(self) -> dict[str, object]:
        """Spell the options as `parse` reads them."""
        return _receiving_dict(self)


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """How a queue treats its messages; `duplicate_window_ms` is nothing without detection."""

    lock_duration_ms: int = MINUTE
    max_delivery_count: int = 10
    requires_session: bool = False
    dead_letter_on_expiration: bool = False
    default_ttl_ms: int | None = None
    duplicate_window_ms: int | None = None
    forward_to: str | None = None
    forward_dead_letters_to: str | None = None

    @classmethod
    def parse(cls, properties: object, where: str) -> Self:
        """Read a queue's `Properties`."""
        f = Fields(_with({**_SUBSCRIPTION_DEFAULTS, **_TOPIC_DEFAULTS}, properties, where), where)
        options = cls(duplicate_window_ms=_duplicates(f), **_receiving(f, where))
        f.end()
        return options

    def to_dict(self) -> dict[str, object]:
        """Spell the options as `parse` reads them."""
        return _receiving_dict(self) | _duplicates_dict(self.duplicate_window_ms)


@dataclass(frozen=True, slots=True)
class TopicOptions:
    """How a topic treats what is sent to it."""

    default_ttl_ms: int | None = None
    duplicate_window_ms: int | None = None

    @classmethod
    def parse(cls, properties: object, where: str) -> Self:
        """Read a topic's `Properties`."""
        f = Fields(_with(_TOPIC_DEFAULTS, properties, where), where)
        options = cls(f.take("DefaultMessageTimeToLive", durations.lasting), _duplicates(f))
        f.end()
        return options

    def to_dict(self) -> dict[str, object]:
        """Spell the options as `parse` reads them."""
        return {
            "DefaultMessageTimeToLive": _ttl_text(self.default_ttl_ms),
            **_duplicates_dict(self.duplicate_window_ms),
        }


@dataclass(frozen=True, slots=True)
class Rule:
    """Which messages a subscription takes, and what it changes in them."""

    name: str
    filter: filters.Filter
    action: Action | None = None

    @classmethod
    def parse(cls, name: object, properties: object, where: str) -> Self:
        """Read a rule's name and its `Properties`."""
        if isinstance(properties, Mapping):
            properties = {"Action": None, **properties}
        f = Fields(properties, where)
        chosen = f.take("FilterType", one_of(*filters.KINDS))
        rule = cls(
            rule_name(name, f"{where}.Name"),
            filters.KINDS[chosen](f, where),
            f.take("Action", _action),
        )
        f.end()
        return rule

    def to_dict(self) -> dict[str, object]:
        """Spell the properties as `parse` reads them."""
        action = {"Action": {"SqlExpression": self.action.text}} if self.action else {}
        return self.filter.to_dict() | action


def default_rule() -> Rule:
    """Return the rule that a subscription has when nobody gave it one: it takes everything."""
    return Rule(DEFAULT_RULE, filters.TrueFilter())


def _action(raw: object, where: str) -> Action | None:
    """Read an action; the emulator's own file has empty ones."""
    if raw is None or raw == {}:
        return None
    f = Fields(raw, where)
    found = f.take("SqlExpression", Action.parse)
    f.end()
    return found


def _with(defaults: Mapping[str, object], properties: object, where: str) -> dict[str, object]:
    if not isinstance(properties, Mapping):
        raise Malformed(where, "an object with named fields", kind(properties))
    return {**defaults, **properties}


def _receiving(f: Fields, where: str) -> dict[str, Any]:
    """Take what queues and subscriptions have in common."""
    found: dict[str, Any] = {
        "lock_duration_ms": f.take("LockDuration", _lock),
        "max_delivery_count": f.take("MaxDeliveryCount", _count),
        "requires_session": f.take("RequiresSession", boolean),
        "dead_letter_on_expiration": f.take("DeadLetteringOnMessageExpiration", boolean),
        "default_ttl_ms": f.take("DefaultMessageTimeToLive", durations.lasting),
        "forward_to": f.take("ForwardTo", _target),
        "forward_dead_letters_to": f.take("ForwardDeadLetteredMessagesTo", _target),
    }
    if found["requires_session"] and found["forward_to"]:
        raise Malformed(f"{where}.ForwardTo", "no forwarding where sessions are required")
    return found


def _target(raw: object, where: str) -> str | None:
    return None if raw in {"", None} else entity_name(raw, where)


def _duplicates(f: Fields) -> int | None:
    window = f.take("DuplicateDetectionHistoryTimeWindow", _window)
    return window if f.take("RequiresDuplicateDetection", boolean) else None


def _receiving_dict(options: QueueOptions | SubscriptionOptions) -> dict[str, object]:
    return {
        "DeadLetteringOnMessageExpiration": options.dead_letter_on_expiration,
        "DefaultMessageTimeToLive": _ttl_text(options.default_ttl_ms),
        "ForwardDeadLetteredMessagesTo": options.forward_dead_letters_to or "",
        "ForwardTo": options.forward_to or "",
        "LockDuration": durations.spelled(options.lock_duration_ms),
        "MaxDeliveryCount": options.max_delivery_count,
        "RequiresSession": options.requires_session,
    }


def _duplicates_dict(window: int | None) -> dict[str, object]:
    if window is None:
        return {"RequiresDuplicateDetection": False}
    return {
        "DuplicateDetectionHistoryTimeWindow": durations.spelled(window),
        "RequiresDuplicateDetection": True,
    }


def _ttl_text(ttl: int | None) -> str:
    return durations.FOREVER if ttl is None else durations.spelled(ttl)
