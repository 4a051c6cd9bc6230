"""Rules come of a closed vocabulary; what is not allowed is denied."""

import re
from typing import Any

import pytest

from cleanroom.errors import Malformed
from cleanroom.rules import (
    Aggregate,
    AggregationRule,
    ListRule,
    ReviewedRule,
    Rule,
    Threshold,
    check_columns,
    rule,
)
from tests.builders import aggregation_rule


def list_rule() -> Any:
    return {"kind": "list", "joins": ["customer"], "outputs": ["amount"], "readers": ["north"]}


def reviewed_rule() -> Any:
    return {
        "kind": "reviewed",
        "hidden": ["customer"],
        "threshold": {"identity": "customer", "minimum": 2},
        "readers": ["north"],
    }


AGGREGATION = AggregationRule(
    aggregates=(Aggregate("amount", ("sum",)),),
    joins=("customer",),
    join_required=True,
    dimensions=(),
    threshold=Threshold("customer", 10),
    readers=("north", "south"),
)
LIST = ListRule(("customer",), ("amount",), ("north",))
REVIEWED = ReviewedRule(("customer",), Threshold("customer", 2), ("north",))


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param(aggregation_rule(), AGGREGATION, id="aggregation"),
        pytest.param(list_rule(), LIST, id="list"),
        pytest.param(reviewed_rule(), REVIEWED, id="reviewed"),
        pytest.param(
            reviewed_rule() | {"hidden": [], "threshold": None},
            ReviewedRule((), None, ("north",)),
            id="reviewed, nothing hidden",
        ),
        pytest.param(
            aggregation_rule(
                aggregates=[
                    {"column": "amount", "functions": ["sum", "avg"]},
                    {"column": "Customer", "functions": ["count_distinct"]},
                ],
                joins=[],
                join_required=False,
                dimensions=["region", "Year"],
                threshold={"identity": "customer", "minimum": 100_000},
            ),
            AggregationRule(
                aggregates=(
                    Aggregate("amount", ("sum", "avg")),
                    Aggregate("Customer", ("count_distinct",)),
                ),
                joins=(),
                join_required=False,
                dimensions=("region", "Year"),
                threshold=Threshold("customer", 100_000),
                readers=("north", "south"),
            ),
            id="aggregation, everything else",
        ),
    ],
)
def test_a_rule_comes_back_from_its_value(value: Any, expected: Rule) -> None:
    found = rule(value, "x")

    assert found == expected
    assert found.to_dict() == value


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param([], "x: expected an object with named fields, got a list", id="list"),
        pytest.param(None, "x: expected an object with named fields, got nothing", id="null"),
        pytest.param({}, "x: expected a field 'kind'", id="no kind"),
        pytest.param(
            {"kind": "any"},
            "x.kind: expected 'aggregation' or 'list' or 'reviewed', got 'any'",
            id="another kind",
        ),
        pytest.param({"kind": True}, "x.kind: expected 'aggregation' or", id="true for a kind"),
        pytest.param(
            aggregation_rule(kind="list"), "x: expected a field 'outputs'", id="kind of another"
        ),
    ],
)
def test_what_is_of_no_known_kind_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        rule(raw, "x")


@pytest.mark.parametrize(
    ("value", "name"),
    [
        *(
            pytest.param(aggregation_rule(), name, id=f"aggregation without {name}")
            for name in (
                *("aggregates", "joins", "join_required", "dimensions", "threshold", "readers"),
            )
        ),
        *(
            pytest.param(list_rule(), name, id=f"list without {name}")
            for name in ("joins", "outputs", "readers")
        ),
        *(
            pytest.param(reviewed_rule(), name, id=f"reviewed without {name}")
            for name in ("hidden", "threshold", "readers")
        ),
    ],
)
def test_a_rule_with_a_field_left_out_is_refused(value: Any, name: str) -> None:
    left = {key: item for key, item in value.items() if key != name}

    with pytest.raises(Malformed, match=f"^x: expected a field '{name}'$"):
        rule(left, "x")


@pytest.mark.parametrize("value", [aggregation_rule(), list_rule(), reviewed_rule()])
def test_a_rule_with_an_unknown_field_is_refused(value: Any) -> None:
    with pytest.raises(Malformed, match=r"^x: expected no other field, got 'except'$"):
        rule(value | {"except": []}, "x")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"aggregates": []}, "x.aggregates: expected 1 to 2048 entries, got 0", id="no aggregate"
        ),
        pytest.param(
            {"aggregates": ["amount"]},
            "x.aggregates[0]: expected an object with named fields, got text",
            id="aggregate as text",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount"}]},
            "x.aggregates[0]: expected a field 'functions'",
            id="aggregate without functions",
        ),
        pytest.param(
            {"aggregates": [{"functions": ["sum"]}]},
            "x.aggregates[0]: expected a field 'column'",
            id="aggregate without column",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount", "functions": ["sum"], "as": "total"}]},
            "x.aggregates[0]: expected no other field, got 'as'",
            id="aggregate with more",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount", "functions": []}]},
            "x.aggregates[0].functions: expected 1 to 5 entries, got 0",
            id="no function",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount", "functions": ["max"]}]},
            "x.aggregates[0].functions[0]: expected 'avg' or 'count' or 'count_distinct' or 'sum'",
            id="function that shows single rows",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount", "functions": ["SUM"]}]},
            "x.aggregates[0].functions[0]: expected 'avg' or",
            id="function in upper case",
        ),
        pytest.param(
            {"aggregates": [{"column": "amount", "functions": ["sum", "avg", "sum"]}]},
            "x.aggregates[0].functions: expected each name once, got 'sum'",
            id="function twice",
        ),
        pytest.param(
            {"aggregates": [{"column": "a\u200b", "functions": ["sum"]}]},
            "x.aggregates[0].column: expected a column name without invisible",
            id="invisible column",
        ),
        pytest.param(
            {
                "aggregates": [
                    {"column": "amount", "functions": ["sum"]},
                    {"column": "AMOUNT", "functions": ["avg"]},
                ]
            },
            "x.aggregates: expected each column once (names compare without case), got 'AMOUNT'",
            id="aggregate twice",
        ),
        pytest.param({"joins": None}, "x.joins: expected a list, got nothing", id="null joins"),
        pytest.param(
            {"joins": ["a", "A"]},
            "x.joins: expected each column once (names compare without case), got 'A'",
            id="join twice",
        ),
        pytest.param(
            {"join_required": 1}, "x.join_required: expected true or false, got 1", id="1 for true"
        ),
        pytest.param(
            {"join_required": None},
            "x.join_required: expected true or false, got nothing",
            id="null for false",
        ),
        pytest.param(
            {"dimensions": ["a", "b", "A"]},
            "x.dimensions: expected each column once (names compare without case), got 'A'",
            id="dimension twice",
        ),
        pytest.param(
            {"dimensions": ["a", "\u202eb"]},
            "x.dimensions[1]: expected a column name without invisible",
            id="dimension that turns direction",
        ),
        pytest.param(
            {"threshold": None},
            "x.threshold: expected an object with named fields, got nothing",
            id="no threshold",
        ),
        pytest.param(
            {"threshold": {"identity": "customer"}},
            "x.threshold: expected a field 'minimum'",
            id="no minimum",
        ),
        pytest.param(
            {"threshold": {"minimum": 10}},
            "x.threshold: expected a field 'identity'",
            id="no identity",
        ),
        pytest.param(
            {"threshold": {"identity": "customer", "minimum": 10, "maximum": 20}},
            "x.threshold: expected no other field, got 'maximum'",
            id="threshold with more",
        ),
        *(
            pytest.param(
                {"threshold": {"identity": "customer", "minimum": minimum}},
                f"x.threshold.minimum: expected a whole number 2 to 100000, got {got}",
                id=f"minimum {got}",
            )
            for minimum, got in (
                *((1, "1"), (0, "0"), (-10, "-10"), (100_001, "100001")),
                *((True, "True"), (10.0, "float"), ("10", "'10'"), (None, "nothing")),
            )
        ),
        pytest.param(
            {"threshold": {"identity": "", "minimum": 10}},
            "x.threshold.identity: expected 1 to 128 characters, got 0",
            id="empty identity",
        ),
        pytest.param({"readers": []}, "x.readers: expected 1 to 64 entries, got 0", id="no reader"),
        pytest.param(
            {"readers": ["north"] * 65},
            "x.readers: expected 1 to 64 entries, got 65",
            id="too many readers",
        ),
        pytest.param(
            {"readers": ["north", "*"]}, "x.readers[1]: expected a name", id="everyone as reader"
        ),
        pytest.param(
            {"readers": ["north", "south", "north"]},
            "x.readers: expected each name once, got 'north'",
            id="reader twice",
        ),
    ],
)
def test_an_aggregation_rule_with_one_thing_wrong_is_refused(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        rule(aggregation_rule(**changes), "x")


@pytest.mark.parametrize(
    ("value", "changes", "message"),
    [
        pytest.param(
            list_rule(), {"joins": []}, "x.joins: expected 1 to 2048 entries, got 0", id="no join"
        ),
        pytest.param(
            list_rule(),
            {"outputs": []},
            "x.outputs: expected 1 to 2048 entries, got 0",
            id="no output",
        ),
        pytest.param(
            list_rule(),
            {"outputs": ["a", "A"]},
            "x.outputs: expected each column once (names compare without case), got 'A'",
            id="output twice",
        ),
        pytest.param(
            list_rule(),
            {"joins": ["a", "a"]},
            "x.joins: expected each column once (names compare without case), got 'a'",
            id="join twice",
        ),
        pytest.param(
            list_rule(), {"readers": "north"}, "x.readers: expected a list, got text", id="reader"
        ),
        pytest.param(
            reviewed_rule(),
            {"hidden": ["a", "A"]},
            "x.hidden: expected each column once (names compare without case), got 'A'",
            id="hidden twice",
        ),
        pytest.param(
            reviewed_rule(),
            {"hidden": None},
            "x.hidden: expected a list, got nothing",
            id="null for nothing hidden",
        ),
        pytest.param(
            reviewed_rule(),
            {"threshold": False},
            "x.threshold: expected an object with named fields, got true or false",
            id="false for no threshold",
        ),
        pytest.param(
            reviewed_rule(),
            {"threshold": {"identity": "customer", "minimum": 1}},
            "x.threshold.minimum: expected a whole number 2 to 100000, got 1",
            id="threshold of one",
        ),
        pytest.param(
            reviewed_rule(),
            {"readers": ["north", "north"]},
            "x.readers: expected each name once, got 'north'",
            id="reader twice",
        ),
    ],
)
def test_another_rule_with_one_thing_wrong_is_refused(
    value: Any, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        rule(value | changes, "x")


# --- columns of the dataset

KNOWN = frozenset(("customer", "amount", "Stra\u00dfe"))


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(aggregation_rule(), id="aggregation"),
        pytest.param(list_rule(), id="list"),
        pytest.param(reviewed_rule(), id="reviewed"),
        pytest.param(reviewed_rule() | {"threshold": None}, id="reviewed without threshold"),
        pytest.param(list_rule() | {"outputs": ["amount", "Stra\u00dfe"]}, id="another script"),
    ],
)
def test_a_rule_that_names_the_datasets_columns_is_let_through(value: Any) -> None:
    check_columns(rule(value, "x"), KNOWN, "x")


@pytest.mark.parametrize(
    ("value", "place"),
    [
        pytest.param(
            aggregation_rule(aggregates=[{"column": "other", "functions": ["sum"]}]),
            "aggregates",
            id="aggregate",
        ),
        pytest.param(aggregation_rule(joins=["customer", "other"]), "joins", id="join"),
        pytest.param(aggregation_rule(dimensions=["other"]), "dimensions", id="dimension"),
        pytest.param(
            aggregation_rule(threshold={"identity": "other", "minimum": 10}),
            "threshold.identity",
            id="identity",
        ),
        pytest.param(list_rule() | {"joins": ["other"]}, "joins", id="join of a list"),
        pytest.param(list_rule() | {"outputs": ["other"]}, "outputs", id="output of a list"),
        pytest.param(reviewed_rule() | {"hidden": ["other"]}, "hidden", id="hidden column"),
        pytest.param(
            reviewed_rule() | {"threshold": {"identity": "other", "minimum": 2}},
            "threshold.identity",
            id="identity of a review",
        ),
    ],
)
def test_a_rule_that_names_another_column_is_refused(value: Any, place: str) -> None:
    found = rule(value, "x")

    with pytest.raises(
        Malformed, match=f"^x.{re.escape(place)}: expected a column of the dataset, got 'other'$"
    ):
        check_columns(found, KNOWN, "x")


def test_a_column_is_named_in_the_datasets_own_spelling() -> None:
    found = rule(list_rule() | {"outputs": ["AMOUNT"]}, "x")

    with pytest.raises(Malformed, match=r"^x.outputs: expected a column of the dataset, got 'AM"):
        check_columns(found, KNOWN, "x")
