"""Release policies: what a vault demands of a token before it hands a key over.

The grammar is Azure Key Vault's (docs/spec/release-policy.md §3). Strict where the vault's reader
may be lenient: a policy that two readers could read differently is refused.
"""

import json
import re
from dataclasses import dataclass

from cleanroom.attestation.token import issuer
from cleanroom.canonical import LARGEST_INTEGER, parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, integer, kind, list_of, matching, one_of
from cleanroom.jose import json_object

LARGEST = 1 << 16
VERSION = "1.0.0"
_VERSIONS = (VERSION, "0.2")
_DEEPEST = 8  # levels of anyOf and allOf below an authority
_MOST = 512  # conditions in all

TEXT = ("equals", "notEquals")
NUMERIC = ("less", "lessOrEquals", "greater", "greaterOrEquals")
OPERATORS = (*TEXT, *NUMERIC, "exists")

# Visible ASCII only: nothing that a person reading a policy could not see, or see turned around.
_value = matching(r"[ -~]{0,1024}", "at most 1024 visible ASCII characters")
_claim = matching(
    r"(?=.{1,256}\Z)[!-\-/-~]+(\.[!-\-/-~]+){0,7}", "1 to 8 visible ASCII names with dots between"
)
_number_text = re.compile(r"0|-?[1-9][0-9]{0,15}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Leaf:
    """One question about one claim; the value is kept as text, `true` and `4` too."""

    claim: str
    operator: str
    value: str

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_condition` reads it."""
        if self.operator in NUMERIC:
            return {"claim": self.claim, self.operator: int(self.value)}
        return {"claim": self.claim, self.operator: self.value}


@dataclass(frozen=True, slots=True)
class AllOf:
    """Holds when every part holds."""

    parts: tuple["Condition", ...]

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_condition` reads it."""
        return {"allOf": [part.to_dict() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """Holds when at least one part holds."""

    parts: tuple["Condition", ...]

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_condition` reads it."""
        return {"anyOf": [part.to_dict() for part in self.parts]}


type Condition = Leaf | AllOf | AnyOf


@dataclass(frozen=True, slots=True)
class Clause:
    """What a token of one authority must claim."""

    authority: str
    condition: AllOf | AnyOf

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_clause` reads it."""
        return {"authority": self.authority} | self.condition.to_dict()


@dataclass(frozen=True, slots=True)
class ReleasePolicy:
    """Holds when at least one clause holds."""

    clauses: tuple[Clause, ...]

    @classmethod
    def parse(cls, data: bytes, where: str) -> "ReleasePolicy":
        """Accept a policy of bounded size and depth."""
        f = Fields(parse_json(data, where, LARGEST), where)
        f.take("version", one_of(*_VERSIONS))
        policy = cls(f.take("anyOf", list_of(_clause, 1, _MOST)))
        f.end()
        count = sum(_count(clause.condition) for clause in policy.clauses)
        if count > _MOST:
            raise Malformed(where, f"at most {_MOST} conditions", f"{count}")
        return policy

    def to_bytes(self) -> bytes:
        """Spell it as a vault gives it back: version, then authorities with their conditions."""
        value = {"version": VERSION, "anyOf": [clause.to_dict() for clause in self.clauses]}
        return json.dumps(value, separators=(",", ":")).encode("ascii")


def _clause(raw: object, where: str) -> Clause:
    fields = json_object(raw, where)
    authority = Fields(fields, where).take("authority", issuer)
    rest = {name: value for name, value in fields.items() if name != "authority"}
    condition = _condition(rest, where, _DEEPEST)
    if isinstance(condition, Leaf):
        raise Malformed(where, "a field 'allOf' or 'anyOf'")
    return Clause(authority, condition)


def _condition(raw: object, where: str, depth: int) -> Condition:
    fields = json_object(raw, where)
    if not depth:
        raise Malformed(where, f"at most {_DEEPEST} levels of conditions")
    f = Fields(fields, where)
    found: Condition
    parts = list_of(lambda part, at: _condition(part, at, depth - 1), 1, _MOST)
    if "allOf" in fields:
        found = AllOf(f.take("allOf", parts))
    elif "anyOf" in fields:
        found = AnyOf(f.take("anyOf", parts))
    else:
        found = _leaf(f, fields.keys() & set(OPERATORS), where)
    f.end()
    return found


def _leaf(f: Fields, operators: set[str], where: str) -> Leaf:
    claim = f.take("claim", _claim)
    if len(operators) != 1:
        raise Malformed(where, "one operator of " + ", ".join(OPERATORS), f"{len(operators)}")
    (operator,) = operators
    if operator in TEXT:
        return Leaf(claim, operator, f.take(operator, _scalar))
    if operator in NUMERIC:
        return Leaf(claim, operator, f.take(operator, _number))
    return Leaf(claim, operator, one_of("true", "false")(f.take(operator, _scalar), where))


def _scalar(raw: object, where: str) -> str:
    found = scalar_text(raw)
    if found is None:
        raise Malformed(where, "text, a whole number, true or false", kind(raw))
    return _value(found, where)


def _number(raw: object, where: str) -> str:
    whole = int(raw) if isinstance(raw, str) and _number_text.fullmatch(raw) else raw
    return str(integer(-LARGEST_INTEGER)(whole, where))


def scalar_text(raw: object) -> str | None:
    """Give the text by which values compare: `true` and "true" are equal, and 0 and "0"."""
    if isinstance(raw, bool):
        return "true" if raw else "false"
    return str(raw) if isinstance(raw, str | int) else None


def _count(condition: Condition) -> int:
    return 1 if isinstance(condition, Leaf) else 1 + sum(map(_count, condition.parts))
