"""What an owner allows to be done with a dataset: a closed vocabulary, deny by default.

Three kinds, after the analysis rules that clean rooms agree on:

- `aggregation`: only aggregates leave, each over at least `threshold.minimum` distinct identities.
- `list`: only named columns of rows that match another party's leave.
- `reviewed`: whatever the approved program computes, but never the hidden columns.

`readers` names the parties that may receive what comes of the dataset.
"""

from dataclasses import dataclass
from typing import Literal

from cleanroom.errors import Malformed
from cleanroom.fields import Fields, boolean, integer, list_of, one_of, optional, unique
from cleanroom.ids import name
from cleanroom.schema import MOST_COLUMNS, column_name, unique_columns

AGGREGATES = ("avg", "count", "count_distinct", "sum", "sum_distinct")
SMALLEST_GROUP = 2  # a group of one is a person
LARGEST_GROUP = 100_000
_MOST_READERS = 64

_names = list_of(column_name, 0, MOST_COLUMNS)
_some_names = list_of(column_name, 1, MOST_COLUMNS)
_readers = list_of(name, 1, _MOST_READERS)


@dataclass(frozen=True, slots=True)
class Threshold:
    """How many distinct values of the identity column stand behind each row that leaves."""

    identity: str
    minimum: int

    @classmethod
    def parse(cls, raw: object, where: str) -> "Threshold":
        """Accept a column and a number of at least two."""
        f = Fields(raw, where)
        threshold = cls(
            f.take("identity", column_name),
            f.take("minimum", integer(SMALLEST_GROUP, LARGEST_GROUP)),
        )
        f.end()
        return threshold

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"identity": self.identity, "minimum": self.minimum}


@dataclass(frozen=True, slots=True)
class Aggregate:
    """A column and the functions that may be applied to it."""

    column: str
    functions: tuple[str, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "Aggregate":
        """Accept a column and at least one function."""
        f = Fields(raw, where)
        aggregate = cls(
            f.take("column", column_name),
            f.take("functions", list_of(one_of(*AGGREGATES), 1, len(AGGREGATES))),
        )
        f.end()
        unique(aggregate.functions, f"{where}.functions")
        return aggregate

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"column": self.column, "functions": list(self.functions)}


@dataclass(frozen=True, slots=True)
class AggregationRule:
    """Only aggregates over groups that are large enough."""

    aggregates: tuple[Aggregate, ...]
    joins: tuple[str, ...]
    join_required: bool
    dimensions: tuple[str, ...]
    threshold: Threshold
    readers: tuple[str, ...]
    kind: Literal["aggregation"] = "aggregation"

    @classmethod
    def take(cls, f: Fields, where: str) -> "AggregationRule":
        """Take the fields of this kind."""
        found = cls(
            f.take("aggregates", list_of(Aggregate.parse, 1, MOST_COLUMNS)),
            f.take("joins", _names),
            f.take("join_required", boolean),
            f.take("dimensions", _names),
            f.take("threshold", Threshold.parse),
            f.take("readers", _readers),
        )
        if found.join_required and not found.joins:
            raise Malformed(f"{where}.joins", "at least one column, as a join is required")
        return found

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every list of columns the rule names, by the field that names it."""
        return (
            ("aggregates", tuple(aggregate.column for aggregate in self.aggregates)),
            ("joins", self.joins),
            ("dimensions", self.dimensions),
            ("threshold.identity", (self.threshold.identity,)),
        )

    def to_dict(self) -> dict[str, object]:
        """Spell it as `rule` reads it."""
        return {
            "kind": self.kind,
            "aggregates": [aggregate.to_dict() for aggregate in self.aggregates],
            "joins": list(self.joins),
            "join_required": self.join_required,
            "dimensions": list(self.dimensions),
            "threshold": self.threshold.to_dict(),
            "readers": list(self.readers),
        }


@dataclass(frozen=True, slots=True)
class ListRule:
    """Named columns of the rows that another party's data matches."""

    joins: tuple[str, ...]
    outputs: tuple[str, ...]
    readers: tuple[str, ...]
    kind: Literal["list"] = "list"

    @classmethod
    def take(cls, f: Fields) -> "ListRule":
        """Take the fields of this kind."""
        return cls(
            f.take("joins", _some_names),
            f.take("outputs", _some_names),
            f.take("readers", _readers),
        )

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every list of columns the rule names, by the field that names it."""
        return (("joins", self.joins), ("outputs", self.outputs))

    def to_dict(self) -> dict[str, object]:
        """Spell it as `rule` reads it."""
        return {
            "kind": self.kind,
            "joins": list(self.joins),
            "outputs": list(self.outputs),
            "readers": list(self.readers),
        }


@dataclass(frozen=True, slots=True)
class ReviewedRule:
    """Whatever the approved program computes, but for hidden columns and groups too small."""

    hidden: tuple[str, ...]
    threshold: Threshold | None
    readers: tuple[str, ...]
    kind: Literal["reviewed"] = "reviewed"

    @classmethod
    def take(cls, f: Fields) -> "ReviewedRule":
        """Take the fields of this kind."""
        return cls(
            f.take("hidden", _names),
            f.take("threshold", optional(Threshold.parse)),
            f.take("readers", _readers),
        )

    @property
    def columns(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """Every list of columns the rule names, by the field that names it."""
        identity = (self.threshold.identity,) if self.threshold else ()
        return (("hidden", self.hidden), ("threshold.identity", identity))

    def to_dict(self) -> dict[str, object]:
        """Spell it as `rule` reads it."""
        return {
            "kind": self.kind,
            "hidden": list(self.hidden),
            "threshold": self.threshold.to_dict() if self.threshold else None,
            "readers": list(self.readers),
        }


type Rule = AggregationRule | ListRule | ReviewedRule


def rule(raw: object, where: str) -> Rule:
    """Accept a rule of a known kind."""
    f = Fields(raw, where)
    found: Rule
    match f.take("kind", one_of("aggregation", "list", "reviewed")):
        case "aggregation":
            found = AggregationRule.take(f, where)
        case "list":
            found = ListRule.take(f)
        case _:
            found = ReviewedRule.take(f)
    f.end()
    for field, names in found.columns:
        unique_columns(list(names), f"{where}.{field}")
    unique(found.readers, f"{where}.readers")
    return found


def check_columns(found: Rule, known: frozenset[str], where: str) -> None:
    """Refuse a rule that names a column the dataset does not have, spelled just like that.

    Exactly, because engines disagree on which names differ only in case.
    """
    for field, names in found.columns:
        for column in names:
            if column not in known:
                raise Malformed(f"{where}.{field}", "a column of the dataset", repr(column))
