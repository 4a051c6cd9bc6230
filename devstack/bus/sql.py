"""Service Bus's filter language: conditions of rules, and actions that change a copy.

    predicate  := and { OR and };  and := not { AND not };  not := { NOT } test
    test       := EXISTS ( property ) | property IS [NOT] NULL
                | sum ( = | <> | != | < | <= | > | >= ) sum
                | sum [NOT] IN ( sum { , sum } ) | sum [NOT] LIKE sum [ESCAPE sum] | ( predicate )
    sum        := term { + | - term };  term := factor { * | / | % factor }
    factor     := { + | - } ( number | 'text' | TRUE | FALSE | NULL | property | ( sum )
                | newid() | property(sum) | p(sum) )
    property   := [ sys. | user. ] name
    action     := { SET property = sum [;] | REMOVE property [;] }

- Refused where the text is read: what the grammar does not have (BETWEEN, parameters, functions of
  one's own), and system properties that no message has.
- Reading a message never fails (devstack/bus/sql_values.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self

from cleanroom.errors import Malformed
from devstack.bus import sql_values
from devstack.bus.sql_nodes import Expression, Predicate, Property, SystemProperty
from devstack.bus.sql_reader import Reader
from devstack.bus.sql_tokens import tokens
from devstack.bus.sql_values import MessageView, Truth

_MOST_STATEMENTS = 32  # of an action: the service's limit


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition that was read; equal if its text is."""

    text: str
    predicate: Predicate = field(compare=False, repr=False)

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read a condition's text."""
        text, found = tokens(raw, where)
        reader = Reader(found, where)
        predicate = reader.predicate()
        reader.end()
        return cls(text, predicate)

    def holds(self, message: MessageView) -> Truth:
        """Say true, false, or nothing for unknown."""
        return self.predicate.holds(message)


@dataclass(frozen=True, slots=True)
class Action:
    """An action that was read: statements, one after the other; equal if its text is."""

    text: str
    statements: Sequence[tuple[Property, Expression | None]] = field(compare=False, repr=False)

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Read an action's text."""
        text, found = tokens(raw, where)
        reader = Reader(found, where)
        statements = [reader.statement()]
        while not reader.at_end():
            statements.append(reader.statement())
        if len(statements) > _MOST_STATEMENTS:
            raise Malformed(where, f"at most {_MOST_STATEMENTS} statements", f"{len(statements)}")
        return cls(text, statements)

    def applied(self, message: MessageView) -> MessageView:
        """Return the message as the action leaves it."""
        for target, expression in self.statements:
            message = _changed(message, target, expression)
        return message


def _changed(message: MessageView, target: Property, value: Expression | None) -> MessageView:
    """Set one property, or remove it."""
    if isinstance(target, SystemProperty):
        system = {key: old for key, old in message.system.items() if key != target.key}
        new = None if value is None else value.value(message)
        return MessageView(
            system if new is None else {**system, target.key: sql_values.text(new)}, message.user
        )
    if value is None:
        key = message.key(target.name)
        user = {name: old for name, old in message.user.items() if name != key}
        return MessageView(message.system, user)
    new = sql_values.converted(value.value(message), message.property(target.name))
    return message.with_user(target.name, new)
