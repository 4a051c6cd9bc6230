"""Values of the filter language, and how they are compared, as C# would have it.

- Nothing (`None`) is "unknown": what is compared or calculated with it is unknown too.
- Numbers compare with numbers, text with text (by code, as C#'s ordinal), times with times.
  Anything else is unknown, not an error.
- Whole numbers are signed 64 bits: what does not fit is unknown, and so is a division by zero.
"""

import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

type Value = str | int | float | bool | bytes | Decimal | datetime | UUID | None
type Truth = bool | None

LARGEST = (1 << 63) - 1
_ORDERED = (str, datetime)
_SIGNS: Mapping[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "<>": operator.ne,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_EQUALITIES = ("=", "<>", "!=")
COMPARISONS = tuple(_SIGNS)
_LONGEST_TEXT = 1 << 15  # characters that joining may make: the service's limit of a property


@dataclass(frozen=True, slots=True)
class MessageView:
    """What filters see of a message.

    `system` has lower-case keys without `sys.` (messageid, label, enqueuedtimeutc); `user` has the
    application's properties. Names are compared without regard to case.
    """

    system: Mapping[str, Value]
    user: Mapping[str, Value]

    def key(self, name: str) -> str | None:
        """Find how the application spelled a property's name."""
        if name in self.user:
            return name
        lower = name.lower()
        return next((key for key in self.user if key.lower() == lower), None)

    def property(self, name: str) -> Value:
        """Return a property of the application, or nothing."""
        key = self.key(name)
        return None if key is None else self.user[key]

    def with_user(self, name: str, value: Value) -> Self:
        """Return a copy in which a property of the application has this value."""
        return type(self)(self.system, {**self.user, self.key(name) or name: value})


def equal(left: Value, right: Value) -> bool:
    """Say whether two values are known to be the same."""
    return compare("=", left, right) is True


def compare(sign: str, left: Value, right: Value) -> Truth:
    """Compare two values; unknown where they have no order or are of different kinds."""
    if not (_is_number(left) and _is_number(right)):
        if left is None or type(left) is not type(right):
            return None
        if sign not in _EQUALITIES and not isinstance(left, _ORDERED):
            return None
    try:
        return bool(_SIGNS[sign](left, right))
    except (ArithmeticError, TypeError):  # a decimal that is no number, a time without a zone
        return None


def calculate(sign: str, left: Value, right: Value) -> Value:
    """Calculate; text can be joined, with other text and with numbers."""
    if left is None or right is None:
        return None
    if sign == "+" and (isinstance(left, str) or isinstance(right, str)):
        joined = text(left) + text(right)
        return joined if len(joined) <= _LONGEST_TEXT else None
    if isinstance(left, bool) or isinstance(right, bool):
        return None
    if isinstance(left, int) and isinstance(right, int):
        return _whole(sign, left, right)
    if isinstance(left, int | float | Decimal) and isinstance(right, int | float | Decimal):
        return _real(sign, left, right)
    return None


def negate(value: Value) -> Value:
    """Change the sign of a number."""
    return calculate("-", 0, value) if isinstance(value, int) else calculate("*", -1.0, value)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def text(value: Value) -> str:
    """Spell a value as .NET does where text is wanted."""
    if isinstance(value, bool):
        return "True" if value else "False"
    return str(value)


def _whole(sign: str, left: int, right: int) -> int | None:
    if sign in "/%" and right == 0:
        return None
    if sign in "/%":  # towards zero, and the rest has the sign of the left, unlike Python's
        quotient = abs(left) // abs(right) * (1 if (left < 0) == (right < 0) else -1)
        found = quotient if sign == "/" else left - quotient * right
    else:
        found = {"+": operator.add, "-": operator.sub, "*": operator.mul}[sign](left, right)
    return found if -LARGEST - 1 <= found <= LARGEST else None


def _real(sign: str, left: float | Decimal, right: float | Decimal) -> float | None:
    calculated: Callable[[float, float], float] = {
        "+": operator.add,
        "-": operator.sub,
        "*": operator.mul,
        "/": operator.truediv,
        "%": math.fmod,
    }[sign]
    try:
        return calculated(float(left), float(right))
    except (ArithmeticError, ValueError):
        return None


def converted(value: Value, existing: Value) -> Value:
    """Keep the kind that a property had where the new value can be of that kind."""
    if isinstance(existing, str) and value is not None:
        return text(value)
    if isinstance(existing, float) and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value
