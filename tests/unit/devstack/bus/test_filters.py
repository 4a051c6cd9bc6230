import pytest

from cleanroom.errors import Malformed
from devstack.bus.entities import Rule
from devstack.bus.filters import (
    CorrelationFilter,
    FalseFilter,
    Filter,
    MessageView,
    SqlFilter,
    TrueFilter,
    Value,
    copies,
)
from devstack.bus.sql import Action

MESSAGE = MessageView(
    {"correlationid": "high", "label": "red", "to": None},
    {"colour": "Red", "size": 10, "new": True},
)


def sql(text: str) -> SqlFilter:
    return SqlFilter.parse(text, "filter")


def correlation(user: dict[str, Value], **system: str) -> CorrelationFilter:
    return CorrelationFilter.of(system, user, "filter")


MATCHES: dict[str, tuple[Filter, bool]] = {
    "everything": (TrueFilter(), True),
    "nothing": (FalseFilter(), False),
    "SQL that holds": (sql("colour = 'Red' AND size = 10"), True),
    "SQL that does not": (sql("colour = 'red'"), False),
    "SQL of which nothing is known": (sql("missing = 1"), False),
    "a system property": (correlation({}, correlationid="high"), True),
    "two system properties": (correlation({}, correlationid="high", label="red"), True),
    "two, and one is another": (correlation({}, correlationid="high", label="blue"), False),
    "a system property in another case": (correlation({}, label="Red"), False),
    "a system property that is missing": (correlation({}, to="x"), False),
    "a user property": (correlation({"colour": "Red"}), True),
    "a user property's name in another case": (correlation({"Colour": "Red"}), True),
    "a number": (correlation({"size": 10}), True),
    "the same number with a point": (correlation({"size": 10.0}), True),
    "a number as text": (correlation({"size": "10"}), False),
    "true": (correlation({"new": True}), True),
    "one for true": (correlation({"new": 1}), False),
    "both kinds": (correlation({"size": 10}, label="red"), True),
    "a user property that is missing": (correlation({"missing": "x"}), False),
}


@pytest.mark.parametrize(("chosen", "expected"), MATCHES.values(), ids=MATCHES)
def test_a_filter_takes_what_it_describes(chosen: Filter, expected: bool) -> None:
    assert chosen.matches(MESSAGE) is expected


@pytest.mark.parametrize(("chosen", "_"), MATCHES.values(), ids=MATCHES)
def test_a_filter_is_read_as_it_was_written(chosen: Filter, _: bool) -> None:
    rule = Rule("r", chosen)

    assert Rule.parse("r", rule.to_dict(), "rule") == rule


def test_rules_without_an_action_give_one_copy_together() -> None:
    rules = [Rule("a", TrueFilter()), Rule("b", sql("size = 10")), Rule("c", FalseFilter())]

    found = copies(rules, MESSAGE)

    assert len(found) == 1
    assert found[0] is MESSAGE


def test_each_rule_with_an_action_gives_a_copy_of_its_own() -> None:
    rules = [
        Rule("half", sql("size > 1"), Action.parse("SET size = size / 2", "action")),
        Rule("all", TrueFilter()),
        Rule("bare", TrueFilter(), Action.parse("REMOVE colour", "action")),
        Rule("none", FalseFilter(), Action.parse("REMOVE colour", "action")),
    ]

    found = copies(rules, MESSAGE)

    assert [copy.user for copy in found] == [
        MESSAGE.user,
        {"colour": "Red", "size": 5, "new": True, "RuleName": "half"},
        {"size": 10, "new": True, "RuleName": "bare"},
    ]


def test_no_rule_that_matches_gives_no_copy() -> None:
    assert copies([Rule("a", FalseFilter())], MESSAGE) == []


def test_a_correlation_filter_must_ask_for_something() -> None:
    with pytest.raises(Malformed, match="at least one property"):
        CorrelationFilter.of({}, {}, "filter")


def test_a_correlation_filter_knows_eight_system_properties() -> None:
    with pytest.raises(Malformed, match="no other field, got 'sequencenumber'"):
        CorrelationFilter.of({"sequencenumber": "1"}, {}, "filter")


REFUSED: dict[str, tuple[object, str]] = {
    "a list": ([], "named fields"),
    "a field of another's": ({"Subject": "x"}, "no other field, got 'Subject'"),
    "a number for text": ({"Label": 1}, "filter.Label: expected text"),
    "nothing to compare": ({"Label": "", "To": None}, "at least one property"),
    "properties that are a list": ({"Properties": []}, "filter.Properties: expected an object"),
    "a property that is a list": ({"Properties": {"a": []}}, "filter.Properties.a: expected text"),
}


@pytest.mark.parametrize(("raw", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_a_correlation_filter_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        CorrelationFilter.parse(raw, "filter")

    assert message in str(refused.value)


def test_empty_fields_of_a_correlation_filter_ask_nothing() -> None:
    found = CorrelationFilter.parse({"Label": "red", "To": "", "MessageId": None}, "filter")

    assert found == correlation({}, label="red")
