"""What a condition is made of, and what each part says of a message.

- An expression has a value; a predicate is true, false or unknown (`None`), as SQL's.
- Long chains are one node with many parts, so that no depth of Python's stack depends on a text.
"""

import re
import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from devstack.bus import sql_values
from devstack.bus.sql_values import MessageView, Truth, Value


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that stands in the text."""

    constant: Value

    def value(self, _: MessageView) -> Value:
        """Return it."""
        return self.constant


@dataclass(frozen=True, slots=True)
class SystemProperty:
    """A property that the message itself has, by its key in a view."""

    key: str

    def value(self, message: MessageView) -> Value:
        """Return what the message has, or nothing."""
        return message.system.get(self.key)

    def exists(self, message: MessageView) -> bool:
        """Say whether the message has it."""
        return message.system.get(self.key) is not None


@dataclass(frozen=True, slots=True)
class UserProperty:
    """A property that the application gave to the message."""

    name: str

    def value(self, message: MessageView) -> Value:
        """Return what the message has, or nothing."""
        return message.property(self.name)

    def exists(self, message: MessageView) -> bool:
        """Say whether the message has it; it may still be null."""
        return message.key(self.name) is not None


@dataclass(frozen=True, slots=True)
class NamedProperty:
    """`property(name)`: a property of the application whose name is calculated."""

    name: "Expression"

    def value(self, message: MessageView) -> Value:
        """Return what the message has, or nothing."""
        name = self.name.value(message)
        return message.property(name) if isinstance(name, str) else None


@dataclass(frozen=True, slots=True)
class NewId:
    """`newid()`: a new identifier each time."""

    def value(self, _: MessageView) -> Value:
        """Make one."""
        return uuid.uuid4()


@dataclass(frozen=True, slots=True)
class Negated:
    """A number with its sign changed."""

    operand: "Expression"

    def value(self, message: MessageView) -> Value:
        """Calculate."""
        return sql_values.negate(self.operand.value(message))


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """A chain of operators that bind alike, from left to right."""

    first: "Expression"
    rest: Sequence[tuple[str, "Expression"]]

    def value(self, message: MessageView) -> Value:
        """Calculate."""
        found = self.first.value(message)
        for sign, operand in self.rest:
            found = sql_values.calculate(sign, found, operand.value(message))
        return found


type Property = SystemProperty | UserProperty
type Expression = (
    Constant | SystemProperty | UserProperty | NamedProperty | NewId | Negated | Arithmetic
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two values beside each other."""

    sign: str
    left: Expression
    right: Expression

    def holds(self, message: MessageView) -> Truth:
        """Compare."""
        return sql_values.compare(self.sign, self.left.value(message), self.right.value(message))


@dataclass(frozen=True, slots=True)
class IsNull:
    """Whether a property is missing or null: never unknown."""

    operand: Property

    def holds(self, message: MessageView) -> Truth:
        """Look."""
        return self.operand.value(message) is None


@dataclass(frozen=True, slots=True)
class Exists:
    """Whether a property is there: never unknown."""

    operand: Property

    def holds(self, message: MessageView) -> Truth:
        """Look."""
        return self.operand.exists(message)


@dataclass(frozen=True, slots=True)
class In:
    """Whether a value is one of several; unknown only if the value is."""

    operand: Expression
    items: Sequence[Expression]

    def holds(self, message: MessageView) -> Truth:
        """Compare with each."""
        value = self.operand.value(message)
        if value is None:
            return None
        return any(sql_values.equal(value, item.value(message)) for item in self.items)


@dataclass(frozen=True, slots=True)
class Like:
    """Whether a text is of a shape: `%` is any text, `_` any character."""

    operand: Expression
    pattern: Expression
    escape: Expression

    def holds(self, message: MessageView) -> Truth:
        """Match; unknown unless both are text and the escape is one character."""
        text, pattern = self.operand.value(message), self.pattern.value(message)
        escape = self.escape.value(message)
        if not isinstance(text, str) or not isinstance(pattern, str):
            return None
        if not isinstance(escape, str) or len(escape) > 1:
            return None
        return like(text, pattern, escape)


@dataclass(frozen=True, slots=True)
class Not:
    """The reverse; unknown stays unknown."""

    operand: "Predicate"

    def holds(self, message: MessageView) -> Truth:
        """Turn it round."""
        found = self.operand.holds(message)
        return None if found is None else not found


@dataclass(frozen=True, slots=True)
class All:
    """AND: false if one is, else unknown if one is."""

    operands: Sequence["Predicate"]

    def holds(self, message: MessageView) -> Truth:
        """Look until one is false."""
        unknown = False
        for operand in self.operands:
            found = operand.holds(message)
            if found is False:
                return False
            unknown |= found is None
        return None if unknown else True


@dataclass(frozen=True, slots=True)
class Any:
    """OR: true if one is, else unknown if one is."""

    operands: Sequence["Predicate"]

    def holds(self, message: MessageView) -> Truth:
        """Look until one is true."""
        unknown = False
        for operand in self.operands:
            found = operand.holds(message)
            if found is True:
                return True
            unknown |= found is None
        return None if unknown else False


type Predicate = Comparison | IsNull | Exists | In | Like | Not | All | Any
PREDICATES = (Comparison, IsNull, Exists, In, Like, Not, All, Any)


def like(text: str, pattern: str, escape: str) -> bool:
    """Match a text as LIKE does, in time that grows with its length only.

    The pieces between `%` are found one after the other, each as far left as it can be: that finds
    a match if there is one, without ever going back.
    """
    pieces = _pieces(pattern, escape)
    first, *middle = [re.compile("".join(piece), re.DOTALL) for piece in pieces]
    if not middle:
        return first.fullmatch(text) is not None
    *middle, last = middle
    found = first.match(text)
    for piece in middle:
        found = found and piece.search(text, found.end())
    start = len(text) - len(pieces[-1])
    return found is not None and start >= found.end() and last.match(text, start) is not None


def _pieces(pattern: str, escape: str) -> list[list[str]]:
    """Cut a pattern at each `%`, into a regular expression for each letter that it matches."""
    pieces: list[list[str]] = [[]]
    escaped = False
    for character in pattern:
        if character == escape and not escaped:
            escaped = True
            continue
        if character == "%" and not escaped:
            pieces.append([])
        else:
            wild = character == "_" and not escaped
            pieces[-1].append("." if wild else re.escape(character))
        escaped = False
    return pieces
