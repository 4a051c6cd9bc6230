"""Which messages a subscription's rule takes: SQL, correlation, all, none.

- A filter never fails on a message: what cannot be compared does not match.
- Rules without an action give one copy together, however many match; each matching rule with an
  action gives a copy of its own, named in the property `RuleName`.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, Self

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, kind, text
from devstack.bus.sql import Action, Condition
from devstack.bus.sql_values import MessageView, Value, equal

__all__ = [
    "KINDS",
    "CorrelationFilter",
    "FalseFilter",
    "Filter",
    "MessageView",
    "SqlFilter",
    "TrueFilter",
    "Value",
    "copies",
]

_LONGEST_VALUE = 1024
_SYSTEM = {
    name.lower(): name
    for name in (
        "ContentType",
        "CorrelationId",
        "Label",
        "MessageId",
        "ReplyTo",
        "ReplyToSessionId",
        "SessionId",
        "To",
    )
}
"""What a correlation filter may ask of a message itself, by its key in a view."""

_value = text(_LONGEST_VALUE, shortest=0)


@dataclass(frozen=True, slots=True)
class TrueFilter:
    """Takes every message."""

    def matches(self, _: MessageView) -> bool:
        """Say yes."""
        return True

    def to_dict(self) -> dict[str, object]:
        """Spell the filter's part of a rule's properties."""
        return {"FilterType": "True"}


@dataclass(frozen=True, slots=True)
class FalseFilter:
    """Takes no message."""

    def matches(self, _: MessageView) -> bool:
        """Say no."""
        return False

    def to_dict(self) -> dict[str, object]:
        """Spell the filter's part of a rule's properties."""
        return {"FilterType": "False"}


@dataclass(frozen=True, slots=True)
class SqlFilter:
    """Takes the messages for which a condition holds: false and unknown are both no."""

    condition: Condition

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read the condition's text."""
        return cls(Condition.parse(raw, where))

    def matches(self, message: MessageView) -> bool:
        """Say whether the condition holds."""
        return self.condition.holds(message) is True

    def to_dict(self) -> dict[str, object]:
        """Spell the filter's part of a rule's properties."""
        return {"FilterType": "Sql", "SqlFilter": {"SqlExpression": self.condition.text}}


@dataclass(frozen=True, slots=True)
class CorrelationFilter:
    """Takes the messages that have all these properties with exactly these values.

    `system` has keys as a view has them (lower case); `user` those of the application.
    """

    system: tuple[tuple[str, str], ...]
    user: tuple[tuple[str, Value], ...] = ()

    @classmethod
    def of(cls, system: Mapping[str, str], user: Mapping[str, Value], where: str) -> Self:
        """Build the filter; at least one property must be asked for."""
        if not system and not user:
            raise Malformed(where, "at least one property to compare")
        unknown = sorted(set(system) - set(_SYSTEM))
        if unknown:
            raise Malformed(where, "no other field", repr(unknown[0]))
        return cls(tuple(sorted(system.items())), tuple(sorted(user.items())))

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an emulator's `CorrelationFilter`; fields that are null or empty ask nothing."""
        if not isinstance(raw, Mapping):
            raise Malformed(where, "an object with named fields", kind(raw))
        f = Fields({**dict.fromkeys(_SYSTEM.values()), "Properties": {}, **raw}, where)
        asked = {key: f.take(name, _asked) for key, name in _SYSTEM.items()}
        user = f.take("Properties", _properties)
        f.end()
        return cls.of({key: value for key, value in asked.items() if value}, user, where)

    def matches(self, message: MessageView) -> bool:
        """Say whether every property is there and equal."""
        return all(equal(message.system.get(key), value) for key, value in self.system) and all(
            equal(message.property(key), value) for key, value in self.user
        )

    def to_dict(self) -> dict[str, object]:
        """Spell the filter's part of a rule's properties."""
        asked: dict[str, object] = {_SYSTEM[key]: value for key, value in self.system}
        if self.user:
            asked["Properties"] = dict(self.user)
        return {"FilterType": "Correlation", "CorrelationFilter": asked}


type Filter = TrueFilter | FalseFilter | SqlFilter | CorrelationFilter


class _Rule(Protocol):
    """What `copies` needs of a rule."""

    @property
    def name(self) -> str: ...
    @property
    def filter(self) -> Filter: ...
    @property
    def action(self) -> Action | None: ...


def copies(rules: Iterable[_Rule], message: MessageView) -> list[MessageView]:
    """Return what a subscription gets of a message; an unchanged copy is `message` itself."""
    matching = [rule for rule in rules if rule.filter.matches(message)]
    plain = [message] if any(rule.action is None for rule in matching) else []
    return plain + [
        rule.action.applied(message).with_user("RuleName", rule.name)
        for rule in matching
        if rule.action is not None
    ]


def _sql(f: Fields, _: str) -> Filter:
    return f.take("SqlFilter", _sql_filter)


def _sql_filter(raw: object, where: str) -> SqlFilter:
    f = Fields(raw, where)
    found = f.take("SqlExpression", SqlFilter.parse)
    f.end()
    return found


def _correlation(f: Fields, _: str) -> Filter:
    return f.take("CorrelationFilter", CorrelationFilter.parse)


def _true(_: Fields, __: str) -> Filter:
    return TrueFilter()


def _false(_: Fields, __: str) -> Filter:
    return FalseFilter()


KINDS: Mapping[str, Callable[[Fields, str], Filter]] = {
    "Correlation": _correlation,
    "Sql": _sql,
    "True": _true,
    "False": _false,
}
"""How a rule's `FilterType` is read; the emulator has the first two."""


def _asked(raw: object, where: str) -> str | None:
    return None if raw is None else _value(raw, where)


def _properties(raw: object, where: str) -> dict[str, Value]:
    if not isinstance(raw, Mapping):
        raise Malformed(where, "an object with named fields", kind(raw))
    for name, value in raw.items():
        if not isinstance(value, str | int | float | bool):
            raise Malformed(f"{where}.{name}", "text, a number, true or false", kind(value))
    return dict(raw)
