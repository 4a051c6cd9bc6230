"""Which events a subscription wants, by the documented rules of Event Grid.

- Filters are a conjunction, the values of one filter a disjunction.
- Text is compared without regard to case; values of another type than the operator's are ignored.
- What an event lacks matches only the operators that the documentation says it matches.
"""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import cast

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, boolean, kind, list_of, one_of, text
from devstack.eventgrid.events import Event
from devstack.eventgrid.given import Given
from devstack.eventgrid.keys import MISSING, look_up

MOST_FILTERS = 25
MOST_VALUES = 25
"""Filter values of one subscription, all filters together."""

type Value = str | float | bool | tuple[float, float]
type Test = Callable[[object, Value], bool]

_key = text(512)
_text_value = text(512, shortest=0)
_MOST_TYPES = 1000
_ALL = "All"


@dataclass(frozen=True, slots=True)
class Operator:
    """How one operator reads its values, compares, and what it says of what is not there."""

    parse: Callable[[object, str], Value]
    holds: Test
    negated: bool = False
    single: bool = False
    if_missing: bool = False


def _number(raw: object, where: str) -> float:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        raise Malformed(where, "a number", kind(raw))
    return raw


def _range(raw: object, where: str) -> tuple[float, float]:
    low, high = list_of(_number, 2, 2)(raw, where)
    return low, high


def _of_numbers(test: Callable[[float, float], bool]) -> Test:
    def holds(found: object, value: Value) -> bool:
        number = isinstance(found, int | float) and not isinstance(found, bool)
        return number and test(cast("float", found), cast("float", value))

    return holds


def _within(found: object, value: Value) -> bool:
    low, high = cast("tuple[float, float]", value)
    number = isinstance(found, int | float) and not isinstance(found, bool)
    return number and low <= cast("float", found) <= high


def _of_text(test: Callable[[str, str], bool]) -> Test:
    def holds(found: object, value: Value) -> bool:
        return isinstance(found, str) and test(found.lower(), str(value).lower())

    return holds


def _same_truth(found: object, value: Value) -> bool:
    return isinstance(found, bool) and found is value


_equal = _of_numbers(operator.eq)
_contains = _of_text(operator.contains)
_begins = _of_text(str.startswith)
_ends = _of_text(str.endswith)
_same_text = _of_text(operator.eq)

OPERATORS: Mapping[str, Operator] = {
    "NumberIn": Operator(_number, _equal),
    "NumberNotIn": Operator(_number, _equal, negated=True, if_missing=True),
    "NumberLessThan": Operator(_number, _of_numbers(operator.lt), single=True),
    "NumberLessThanOrEquals": Operator(_number, _of_numbers(operator.le), single=True),
    "NumberGreaterThan": Operator(_number, _of_numbers(operator.gt), single=True),
    "NumberGreaterThanOrEquals": Operator(_number, _of_numbers(operator.ge), single=True),
    "NumberInRange": Operator(_range, _within),
    # The documentation is silent on this one: as NumberNotIn.
    "NumberNotInRange": Operator(_range, _within, negated=True, if_missing=True),
    "BoolEquals": Operator(boolean, _same_truth, single=True),
    "StringContains": Operator(_text_value, _contains),
    "StringNotContains": Operator(_text_value, _contains, negated=True),
    "StringBeginsWith": Operator(_text_value, _begins),
    "StringNotBeginsWith": Operator(_text_value, _begins, negated=True),
    "StringEndsWith": Operator(_text_value, _ends),
    "StringNotEndsWith": Operator(_text_value, _ends, negated=True),
    "StringIn": Operator(_text_value, _same_text),
    "StringNotIn": Operator(_text_value, _same_text, negated=True, if_missing=True),
}
IS_NULL = "IsNullOrUndefined"
IS_NOT_NULL = "IsNotNull"


@dataclass(frozen=True, slots=True)
class AdvancedFilter:
    """One question about one key."""

    operator: str
    key: str
    values: tuple[Value, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "AdvancedFilter":
        """Read one of ARM's advanced filters."""
        f = Fields(raw, where)
        name = f.take("operatorType", one_of(*OPERATORS, IS_NULL, IS_NOT_NULL))
        key = f.take("key", _key)
        values: tuple[Value, ...] = ()
        if name in OPERATORS:
            rule = OPERATORS[name]
            values = (
                (f.take("value", rule.parse),)
                if rule.single
                else f.take("values", list_of(rule.parse, 1, MOST_VALUES))
            )
        f.end()
        return cls(name, key, values)

    def matches(self, event: Event, *, on_arrays: bool) -> bool:
        """Say whether the event answers this question as wanted."""
        found = look_up(event, self.key)
        if self.operator in (IS_NULL, IS_NOT_NULL):
            return (found is MISSING) == (self.operator == IS_NULL)
        rule = OPERATORS[self.operator]
        if found is MISSING or (isinstance(found, list) and not on_arrays):
            return rule.if_missing
        candidates = found if isinstance(found, list) else [self._comparable(found)]
        held = any(rule.holds(one, value) for one in candidates for value in self.values)
        return held != rule.negated

    def _comparable(self, found: object) -> object:
        # The documentation compares the number of an extension attribute with text.
        attribute = "." not in self.key and isinstance(found, int) and not isinstance(found, bool)
        return str(found) if attribute and self.operator.startswith("String") else found


@dataclass(frozen=True, slots=True)
class EventFilter:
    """All that a subscription asks of an event."""

    types: frozenset[str] = frozenset()
    begins: str = ""
    ends: str = ""
    case_sensitive: bool = False
    on_arrays: bool = False
    advanced: tuple[AdvancedFilter, ...] = ()

    @classmethod
    def parse(cls, raw: object, where: str) -> "EventFilter":
        """Read ARM's `filter`."""
        f = Given(raw, where)
        types = f.get("includedEventTypes", list_of(_key, 0, _MOST_TYPES), ())
        parsed = cls(
            frozenset() if _ALL in types else frozenset(types),
            f.get("subjectBeginsWith", _text_value, ""),
            f.get("subjectEndsWith", _text_value, ""),
            f.get("isSubjectCaseSensitive", boolean, False),
            f.get("enableAdvancedFilteringOnArrays", boolean, False),
            f.get("advancedFilters", list_of(AdvancedFilter.parse, 0, MOST_FILTERS), ()),
        )
        f.end()
        values = sum(len(one.values) for one in parsed.advanced)
        if values > MOST_VALUES:
            raise Malformed(where, f"at most {MOST_VALUES} values in all filters", f"{values}")
        return parsed

    def matches(self, event: Event) -> bool:
        """Say whether the subscription wants the event."""
        return (
            (not self.types or event.type in self.types)
            and self._folded(event.subject).startswith(self._folded(self.begins))
            and self._folded(event.subject).endswith(self._folded(self.ends))
            and all(one.matches(event, on_arrays=self.on_arrays) for one in self.advanced)
        )

    def _folded(self, subject: str) -> str:
        return subject if self.case_sensitive else subject.lower()
