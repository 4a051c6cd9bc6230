"""Reads the filter language: tokens in, nodes out, one look ahead.

Chains of operators become one node each and parentheses are counted, so nothing that a text can say
makes the reader, or what it returns, deep.
"""

from collections.abc import Callable, Sequence

from cleanroom.errors import Malformed
from devstack.bus import sql_nodes as nodes
from devstack.bus.sql_nodes import Expression, Predicate, Property, SystemProperty, UserProperty
from devstack.bus.sql_tokens import Token
from devstack.bus.sql_values import COMPARISONS

SYSTEM = {
    name.lower(): name
    for name in [
        "ContentType",
        "CorrelationId",
        "DeadLetterSource",
        "DeliveryCount",
        "EnqueuedSequenceNumber",
        "EnqueuedTimeUtc",
        "ExpiresAtUtc",
        "Label",
        "MessageId",
        "PartitionKey",
        "ReplyTo",
        "ReplyToSessionId",
        "ScheduledEnqueueTimeUtc",
        "SequenceNumber",
        "SessionId",
        "Size",
        "State",
        "TimeToLive",
        "To",
        "ViaPartitionKey",
    ]
}
"""The properties that a message itself has, by their keys in a view."""
SETTABLE = frozenset(
    [
        "contenttype",
        "correlationid",
        "label",
        "messageid",
        "replyto",
        "replytosessionid",
        "sessionid",
        "to",
    ]
)
"""Those that an action may change: text, all of them."""

_ALIASES = {"subject": "label"}  # the name that the newer SDKs have for it
_DEEPEST = 32  # parentheses within parentheses

type _Node = Predicate | Expression


class Reader:
    """Reads tokens from left to right; one look ahead."""

    def __init__(self, found: list[Token], where: str) -> None:
        self._tokens = found
        self._where = where
        self._at = 0
        self._depth = 0

    def predicate(self) -> Predicate:
        """Read what must be true or false."""
        return self._predicate(self._or())

    def statement(self) -> tuple[Property, Expression | None]:
        """Read one statement of an action."""
        word = self._taken("SET", "REMOVE")
        if word is None:
            raise self._unexpected("SET or REMOVE")
        target = self._property()
        if isinstance(target, SystemProperty) and target.key not in SETTABLE:
            raise Malformed(self._where, "a property that an action may set", SYSTEM[target.key])
        value = None
        if word == "SET":
            self._need("=")
            value = self._expression(self._sum())
        self._taken(";")
        return target, value

    def at_end(self) -> bool:
        """Say whether all is read."""
        return self._at == len(self._tokens) - 1

    def end(self) -> None:
        """Refuse what is left over."""
        if not self.at_end():
            raise self._unexpected("AND, OR or the end")

    def _or(self) -> _Node:
        return self._chain("OR", self._and, nodes.Any)

    def _and(self) -> _Node:
        return self._chain("AND", self._not, nodes.All)

    def _chain(
        self,
        word: str,
        read: Callable[[], _Node],
        join: Callable[[Sequence[Predicate]], Predicate],
    ) -> _Node:
        first = read()
        if self._sign() != word:
            return first
        operands = [self._predicate(first)]
        while self._taken(word):
            operands.append(self._predicate(read()))
        return join(operands)

    def _not(self) -> _Node:
        count = 0
        while self._taken("NOT"):
            count += 1
        found = self._test()
        if not count:
            return found
        found = self._predicate(found)
        return nodes.Not(found) if count % 2 else found

    def _test(self) -> _Node:
        if self._taken("EXISTS"):
            self._need("(")
            operand = self._property()
            self._need(")")
            return nodes.Exists(operand)
        left = self._sum()
        sign = self._taken(*COMPARISONS)
        if sign:
            return nodes.Comparison(sign, self._expression(left), self._expression(self._sum()))
        if self._taken("IS"):
            return self._is_null(left)
        return self._in_or_like(left)

    def _is_null(self, left: _Node) -> Predicate:
        reverse = self._taken("NOT")
        self._need("NULL")
        if not isinstance(left, SystemProperty | UserProperty):
            raise Malformed(self._where, "a property before IS NULL")
        return nodes.Not(nodes.IsNull(left)) if reverse else nodes.IsNull(left)

    def _in_or_like(self, left: _Node) -> _Node:
        reverse = self._taken("NOT")
        word = self._taken("IN", "LIKE")
        if word is None:
            if reverse:
                raise self._unexpected("IN or LIKE")
            return left
        operand = self._expression(left)
        found: Predicate = self._in(operand) if word == "IN" else self._like(operand)
        return nodes.Not(found) if reverse else found

    def _in(self, operand: Expression) -> Predicate:
        self._need("(")
        items = [self._expression(self._sum())]
        while self._taken(","):
            items.append(self._expression(self._sum()))
        self._need(")")
        return nodes.In(operand, items)

    def _like(self, operand: Expression) -> Predicate:
        pattern = self._expression(self._sum())
        escape: Expression = nodes.Constant("")
        if self._taken("ESCAPE"):
            escape = self._expression(self._sum())
            if isinstance(escape, nodes.Constant) and (
                not isinstance(escape.constant, str) or len(escape.constant) != 1
            ):
                raise Malformed(self._where, "one character after ESCAPE")
        return nodes.Like(operand, pattern, escape)

    def _sum(self) -> _Node:
        return self._arithmetic(("+", "-"), self._term)

    def _term(self) -> _Node:
        return self._arithmetic(("*", "/", "%"), self._factor)

    def _arithmetic(self, signs: Sequence[str], read: Callable[[], _Node]) -> _Node:
        first = read()
        rest = []
        while sign := self._taken(*signs):
            rest.append((sign, self._expression(read())))
        return nodes.Arithmetic(self._expression(first), rest) if rest else first

    def _factor(self) -> _Node:
        signs = ""
        while sign := self._taken("+", "-"):
            signs += sign
        if not signs:
            return self._primary()
        found = self._expression(self._primary())
        return nodes.Negated(found) if signs.count("-") % 2 else found

    def _primary(self) -> _Node:
        if self._taken("("):
            return self._parenthesized()
        word = self._taken("TRUE", "FALSE", "NULL")
        if word:
            return nodes.Constant({"TRUE": True, "FALSE": False, "NULL": None}[word])
        token = self._tokens[self._at]
        if token.is_name and self._tokens[self._at + 1].sign == "(":
            return self._function()
        if not token.sign and not token.is_name:
            self._at += 1
            return nodes.Constant(token.value)
        return self._property()

    def _parenthesized(self) -> _Node:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise Malformed(self._where, f"at most {_DEEPEST} parentheses within each other")
        found = self._or()
        self._need(")")
        self._depth -= 1
        return found

    def _function(self) -> Expression:
        name = str(self._tokens[self._at].value).lower()
        if name not in {"newid", "property", "p"}:
            raise Malformed(self._where, "no function but newid() and property(name)", repr(name))
        self._at += 2
        if name == "newid":
            self._need(")")
            return nodes.NewId()
        return nodes.NamedProperty(self._expression(self._parenthesized()))

    def _property(self) -> Property:
        scope = self._taken("SYS", "USER")
        if scope:
            self._need(".")
        token = self._tokens[self._at]
        if not token.is_name:
            raise self._unexpected("a value or a property")
        self._at += 1
        name = str(token.value)
        return self._system(name) if scope == "SYS" else UserProperty(name)

    def _system(self, name: str) -> SystemProperty:
        key = _ALIASES.get(name.lower(), name.lower())
        if key not in SYSTEM:
            raise Malformed(self._where, "a system property such as sys.Label", f"sys.{name}")
        return SystemProperty(key)

    def _predicate(self, node: _Node) -> Predicate:
        if not isinstance(node, nodes.PREDICATES):
            raise self._unexpected("a comparison")
        return node

    def _expression(self, node: _Node) -> Expression:
        if isinstance(node, nodes.PREDICATES):
            raise self._unexpected("a value, not a comparison,")
        return node

    def _sign(self) -> str:
        return self._tokens[self._at].sign

    def _taken(self, *signs: str) -> str | None:
        sign = self._sign()
        if sign not in signs:
            return None
        self._at += 1
        return sign

    def _need(self, sign: str) -> None:
        if not self._taken(sign):
            raise self._unexpected(repr(sign))

    def _unexpected(self, expected: str) -> Malformed:
        token = self._tokens[self._at]
        got = token.sign or repr(token.value)
        place = "" if self.at_end() else f" at character {token.at + 1}"
        return Malformed(self._where, f"{expected}{place}", got[:40])
