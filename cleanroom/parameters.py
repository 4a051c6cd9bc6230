"""Typed values that a program takes at run time: bound as values, never pasted as text.

Decimals and dates are text with one spelling, because canonical JSON has no exact fractions.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from cleanroom.canonical import LARGEST_INTEGER
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    Parser,
    any_of,
    boolean,
    integer,
    list_of,
    one_of,
    optional,
    shown,
    text,
    unique,
    visible,
)
from cleanroom.ids import alias

type Value = str | int | bool

TYPES = ("boolean", "date", "decimal", "integer", "text")
MOST_PARAMETERS = 64
LONGEST_TEXT = 1024
_MOST_CHOICES = 256
_DECIMAL = re.compile(r"(0|-?(0|[1-9][0-9]{0,17})\.[0-9]{0,17}[1-9]|-?[1-9][0-9]{0,17})", re.ASCII)


def decimal_text(raw: object, where: str) -> str:
    """Accept a decimal fraction as text: no exponent, no needless zeros, at most 18+18 digits."""
    if not isinstance(raw, str) or not _DECIMAL.fullmatch(raw):
        raise Malformed(where, "a decimal as text, such as '12.5'", shown(raw))
    return raw


def date_text(raw: object, where: str) -> str:
    """Accept a day, `2026-11-21`."""
    try:
        if isinstance(raw, str) and date.fromisoformat(raw).isoformat() == raw:
            return raw
    except ValueError:
        pass
    raise Malformed(where, "a day such as 2026-11-21", shown(raw))


_PARSERS: dict[str, Parser[Value]] = {
    "boolean": boolean,
    "date": date_text,
    "decimal": decimal_text,
    "integer": integer(-LARGEST_INTEGER),
    "text": text(LONGEST_TEXT, shortest=0),
}
_ORDERED = ("date", "decimal", "integer")


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a program may be asked with: ordered types have a range, text a closed set."""

    name: str
    type: str
    minimum: Value | None
    maximum: Value | None
    choices: tuple[str, ...] | None

    @classmethod
    def parse(cls, raw: object, where: str) -> "Parameter":
        """Accept a parameter whose limits fit its type."""
        f = Fields(raw, where)
        name, kind = f.take("name", alias), f.take("type", one_of(*TYPES))
        limit = optional(_PARSERS[kind]) if kind in _ORDERED else _nothing
        choices = optional(list_of(visible(LONGEST_TEXT), 1, _MOST_CHOICES))
        parameter = cls(
            name,
            kind,
            f.take("minimum", limit),
            f.take("maximum", limit),
            f.take("choices", choices if kind == "text" else _nothing),
        )
        f.end()
        parameter._check_range(where)
        return parameter

    def _check_range(self, where: str) -> None:
        if self.choices is not None:
            unique(self.choices, f"{where}.choices")
        if self.minimum is not None and self._above_maximum(self.minimum):
            raise Malformed(where, "a minimum that is not above the maximum")

    def check(self, raw: object, where: str) -> Value:
        """Accept a value of the type, within the limits."""
        value = _PARSERS[self.type](raw, where)
        if self._below_minimum(value):
            raise Malformed(where, f"at least {self.minimum}", shown(value))
        if self._above_maximum(value):
            raise Malformed(where, f"at most {self.maximum}", shown(value))
        if self.choices is not None and value not in self.choices:
            raise Malformed(where, any_of(self.choices), shown(value))
        return value

    def _below_minimum(self, value: Value) -> bool:
        return self.minimum is not None and _rank(self.type, value) < _rank(self.type, self.minimum)

    def _above_maximum(self, value: Value) -> bool:
        return self.maximum is not None and _rank(self.type, value) > _rank(self.type, self.maximum)

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "name": self.name,
            "type": self.type,
            "minimum": self.minimum,
            "maximum": self.maximum,
            "choices": None if self.choices is None else list(self.choices),
        }


def check_values(
    parameters: tuple[Parameter, ...], values: Mapping[str, object], where: str
) -> dict[str, Value]:
    """Accept exactly the values that a program's parameters ask for."""
    f = Fields(values, where)
    checked = {parameter.name: f.take(parameter.name, parameter.check) for parameter in parameters}
    f.end()
    return checked


def value(raw: object, where: str) -> Value:
    """Accept any value that some parameter could take; its contract says which one may."""
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, int):
        return _PARSERS["integer"](raw, where)
    return _PARSERS["text"](raw, where)


def values(raw: object, where: str) -> dict[str, Value]:
    """Accept a set of named values."""
    if not isinstance(raw, Mapping) or len(raw) > MOST_PARAMETERS:
        raise Malformed(where, f"an object of at most {MOST_PARAMETERS} values")
    return {alias(name, where): value(item, f"{where}.{name}") for name, item in raw.items()}


def _nothing(raw: object, where: str) -> None:
    if raw is not None:
        raise Malformed(where, "null for this type", shown(raw))


def _rank(kind: str, found: Value) -> Decimal:
    """Order values of one ordered type; a day orders as the number its digits make."""
    return Decimal(str(found).replace("-", "") if kind == "date" else found)
