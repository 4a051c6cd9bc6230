import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from devstack.bus.sql import Action, Condition
from devstack.bus.sql_nodes import like
from devstack.bus.sql_values import MessageView, Truth, Value

ID = UUID("00000000-0000-0000-0000-000000000007")
NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
MESSAGE = MessageView(
    {
        "label": "order",
        "messageid": "m-1",
        "to": None,
        "enqueuedtimeutc": NOON,
        "sequencenumber": 9,
    },
    {
        "colour": "red",
        "Count": 3,
        "price": 2.5,
        "exact": Decimal("2.5"),
        "paid": True,
        "empty": None,
        "blob": b"\x01",
        "later": NOON.replace(hour=13),
        "naive": NOON.replace(tzinfo=None),
        "id": ID,
        "same": ID,
        "no number": Decimal("sNaN"),
        "it's": "quoted",
        "a]b": 1,
        'a"b': 2,
        "größe": 5,
        "pattern": "r%",
        "long": "x" * 20_000,
    },
)

CONDITIONS: list[tuple[str, Truth]] = [
    ("colour = 'red'", True),
    ("Colour = 'red'", True),
    ("colour = 'Red'", False),
    ("colour <> 'blue'", True),
    ("colour != 'red'", False),
    ("colour < 'sad' and colour >= 'red'", True),
    ("user.colour = 'red'", True),
    ("USER.colour='red'", True),
    ("sys.Label = 'order'", True),
    ("sys.LABEL = 'order'", True),
    ("sys.Subject = 'order'", True),
    ("sys.SequenceNumber > 8", True),
    ("sys.EnqueuedTimeUtc < later", True),
    ("sys.EnqueuedTimeUtc < naive", None),
    ("[colour] = 'red'", True),
    ("\"colour\" = 'red'", True),
    ("\"it's\" = 'quoted'", True),
    ("[a]]b] = 1", True),
    ('"a""b" = 2', True),
    ("größe = 5", True),
    ("colour = 'it''s'", False),
    ("count = 3", True),
    ("count = 3.0", True),
    ("price = exact", True),
    ("price > 2.08", True),
    ("price < .25e1", False),
    ("price = 25E-1", True),
    ("count > -1", True),
    ("- -count = 3", True),
    ("+count = 3", True),
    ("-price < 0", True),
    ("-colour = 'red'", None),
    ("count + 1 = 4", True),
    ("count - 1 - 1 = 1", True),
    ("count + 2 * 2 = 7", True),
    ("(count + 2) * 2 = 10", True),
    ("count / 2 = 1", True),
    ("-count / 2 = -1", True),
    ("count / -2 = -1", True),
    ("-count % 2 = -1", True),
    ("count % -2 = 1", True),
    ("price * 2 = 5", True),
    ("exact / 2 = 1.25", True),
    ("price % 2 = 0.5", True),
    ("count / 0 = 1", None),
    ("count % 0 = 1", None),
    ("price / 0 = 1", None),
    ("[no number] = 1", None),
    ("[no number] * 2 = 1", None),
    ("9223372036854775807 + 1 > 0", None),
    ("1e308 * 10 > 0", True),
    ("colour + '!' = 'red!'", True),
    ("colour + count = 'red3'", True),
    ("colour + paid = 'redTrue'", True),
    ("colour - 'r' = 'ed'", None),
    ("paid + 1 = 2", None),
    ("id + 1 = 2", None),
    ("long + long = 'x'", None),
    ("missing + 1 = 2", None),
    ("paid = TRUE", True),
    ("paid = false", False),
    ("paid = 1", None),
    ("paid > FALSE", None),
    ("colour = 3", None),
    ("id = same", True),
    ("id > same", None),
    ("blob = blob", True),
    ("newid() = newid()", False),
    ("missing = 1", None),
    ("missing <> 1", None),
    ("sys.To = 'x'", None),
    ("colour = NULL", None),
    ("NOT colour = 'red'", False),
    ("NOT NOT colour = 'red'", True),
    ("NOT missing = 1", None),
    ("missing IS NULL", True),
    ("empty IS NULL", True),
    ("empty IS NOT NULL", False),
    ("colour is not null", True),
    ("sys.To IS NULL", True),
    ("sys.Label IS NULL", False),
    ("EXISTS(colour)", True),
    ("EXISTS (empty)", True),
    ("EXISTS(missing)", False),
    ("exists(sys.To)", False),
    ("NOT EXISTS(sys.Label)", False),
    ("colour IN ('blue', 'red')", True),
    ("colour IN('blue')", False),
    ("colour NOT IN ('blue', missing)", True),
    ("count IN (1 + 2)", True),
    ("missing IN (1)", None),
    ("missing NOT IN (1)", None),
    ("colour LIKE 'r%'", True),
    ("colour LIKE '%e%'", True),
    ("colour LIKE '_ed'", True),
    ("colour LIKE 're'", False),
    ("colour LIKE 'red_%'", False),
    ("colour LIKE 'R%'", False),
    ("colour LIKE 'r.d'", False),
    ("colour NOT LIKE '%b%'", True),
    ("colour LIKE pattern", True),
    ("pattern LIKE 'r!%' ESCAPE '!'", True),
    ("colour LIKE 'r!%' ESCAPE '!'", False),
    ("pattern LIKE '_\\%' escape '\\'", True),
    ("count LIKE '3'", None),
    ("missing LIKE '%'", None),
    ("colour LIKE '%' ESCAPE missing", None),
    ("colour LIKE 'r%' ESCAPE colour", None),
    ("colour = 'red' AND count = 3 AND paid = TRUE", True),
    ("colour = 'red' AND count = 4", False),
    ("colour = 'red' AND missing = 1", None),
    ("missing = 1 AND colour = 'blue'", False),
    ("colour = 'red' OR missing = 1", True),
    ("missing = 1 OR colour = 'red'", True),
    ("missing = 1 OR colour = 'blue'", None),
    ("colour = 'blue' OR count = 4", False),
    ("colour = 'blue' AND count = 3 OR paid = TRUE", True),
    ("colour = 'blue' AND (count = 3 OR paid = TRUE)", False),
    ("NOT (colour = 'blue' OR count = 4)", True),
    ("((colour = 'red'))", True),
    ("(((count))) = (3)", True),
    ("property('col' + 'our') = 'red'", True),
    ("p('missing') = 1", None),
    ("p(count) = 1", None),
    ("1=1", True),
    ("  1 = 1\t\n", True),
]


@pytest.mark.parametrize(("text", "expected"), CONDITIONS, ids=[text for text, _ in CONDITIONS])
def test_a_condition_is_true_false_or_unknown(text: str, expected: Truth) -> None:
    found = Condition.parse(text, "filter").holds(MESSAGE)

    assert found is expected


REFUSED = {
    "": "1 to 1024 characters",
    "   ": "1 to 1024 characters",
    "a = '" + "x" * 1024 + "'": "1 to 1024 characters",
    "colour": "expected a comparison",
    "TRUE": "expected a comparison",
    "colour = ": "expected a value or a property",
    "colour = 'red": "expected SQL, got",
    "colour = @colour": "expected SQL, got '@colour' at character 10",
    "colour == 'red'": "expected a value or a property at character 9",
    "a BETWEEN 1 AND 2": "got 'BETWEEN'",
    "a = 1 b": "expected AND, OR or the end at character 7",
    "a = 1 AND b": "expected a comparison",
    "NOT b": "expected a comparison",
    "(a = 1) = (b = 2)": "expected a value, not a comparison",
    "(a = 1) + 1 = 2": "expected a value, not a comparison",
    "-(a = 1) = 2": "expected a value, not a comparison",
    "(a = 1) IN (1)": "expected a value, not a comparison",
    "a IN ()": "expected a value or a property",
    "a IN (1": "expected ')'",
    "a NOT = 1": "expected IN or LIKE",
    "a IS 1": "expected 'NULL'",
    "1 IS NULL": "expected a property before IS NULL",
    "EXISTS('a')": "expected a value or a property",
    "EXISTS a": "expected '('",
    "a LIKE 'x' ESCAPE 'ab'": "expected one character after ESCAPE",
    "a LIKE 'x' ESCAPE 1": "expected one character after ESCAPE",
    "upper(a) = 'A'": "no function but newid() and property(name), got 'upper'",
    "newid(1) = 2": "expected ')'",
    "sys.Colour = 1": "a system property such as sys.Label, got sys.Colour",
    "user = 1": "expected '.'",
    "sys. = 1": "expected a value or a property",
    "a = 9223372036854775808": "whole numbers up to 9223372036854775807",
    "[] = 1": "expected SQL",
    "(" * 33 + "a = 1" + ")" * 33: "at most 32 parentheses",
    "p(" * 33 + "a" + ")" * 33 + " = 1": "at most 32 parentheses",
    "SET a = 1": "expected a value or a property",
}


@pytest.mark.parametrize(("text", "message"), REFUSED.items(), ids=[key[:30] for key in REFUSED])
def test_what_is_not_a_condition_is_refused(text: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        Condition.parse(text, "filter")

    assert message in str(refused.value)


def test_a_condition_must_be_text() -> None:
    with pytest.raises(Malformed, match="filter: expected text, got a number"):
        Condition.parse(1, "filter")


LONG = {
    "NOT": "NOT " * 250 + "a = 1",
    "AND": " AND ".join(["a=1"] * 120),
    "sum": "a" + "+1" * 500 + " = 1",
    "signs": "- " * 500 + "a = 1",
    "list": "a IN (" + ",".join("1" * 450) + ")",
    "parentheses": "(" * 32 + "a = 1" + ")" * 32,
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_no_text_makes_python_go_deep(text: str) -> None:
    found = Condition.parse(text, "filter").holds(MESSAGE)

    assert found is None


def test_like_takes_time_in_proportion_whatever_the_pattern() -> None:
    condition = Condition.parse(f"text LIKE '{'%a' * 300}%b'", "filter")

    found = condition.holds(MessageView({}, {"text": "a" * 30_000}))

    assert found is False


ACTIONS: dict[str, tuple[Mapping[str, Value], Mapping[str, Value]]] = {
    "SET n = n / 2": ({}, {"n": 5, "colour": "red"}),
    "SET n = 1.5": ({}, {"n": 1.5, "colour": "red"}),
    "SET fresh = 'x' + 'y'": ({}, {"n": 10, "colour": "red", "fresh": "xy"}),
    "SET COLOUR = 7": ({}, {"n": 10, "colour": "7"}),
    "SET [new name] = TRUE;": ({}, {"n": 10, "colour": "red", "new name": True}),
    "SET n = missing": ({}, {"n": None, "colour": "red"}),
    "SET n = n + 1 SET n = n * 2": ({}, {"n": 22, "colour": "red"}),
    "REMOVE colour": ({}, {"n": 10}),
    "REMOVE Colour; REMOVE n;": ({}, {}),
    "REMOVE missing": ({}, {"n": 10, "colour": "red"}),
    "SET sys.Label = 'late'": ({"label": "late"}, {"n": 10, "colour": "red"}),
    "SET sys.To = n": ({"to": "10"}, {"n": 10, "colour": "red"}),
    "SET sys.Label = NULL": ({"label": None}, {"n": 10, "colour": "red"}),
    "REMOVE sys.Label": ({"label": None}, {"n": 10, "colour": "red"}),
    "set quantity = n / 2; remove n;SET sys.CorrelationId = 'low';": (
        {"correlationid": "low"},
        {"colour": "red", "quantity": 5},
    ),
}


@pytest.mark.parametrize(("text", "expected"), ACTIONS.items(), ids=ACTIONS)
def test_an_action_changes_its_copy(
    text: str, expected: tuple[Mapping[str, Value], Mapping[str, Value]]
) -> None:
    message = MessageView({"label": "order"}, {"n": 10, "colour": "red"})

    found = Action.parse(text, "action").applied(message)

    assert {"label": "order", **expected[0]} == {"label": None, **found.system}
    assert found.user == expected[1]
    assert message == MessageView({"label": "order"}, {"n": 10, "colour": "red"})


def test_an_action_keeps_a_kind_that_can_be_kept() -> None:
    found = Action.parse("SET price = 2", "action").applied(MessageView({}, {"price": 1.5}))

    assert isinstance(found.user["price"], float)


def test_an_action_cannot_grow_a_message_without_bound() -> None:
    action = Action.parse("SET a = a + a; " * 32, "action")

    found = action.applied(MessageView({}, {"a": "x" * 1000}))

    assert found.user == {"a": None}


REFUSED_ACTIONS = {
    "": "1 to 1024 characters",
    "colour = 'red'": "expected SET or REMOVE",
    "SET colour 'red'": "expected '='",
    "SET colour = 1 = 2": "expected SET or REMOVE at character 16",
    "SET colour = (a = 2)": "expected a value, not a comparison",
    "SET 1 = 2": "expected a value or a property",
    "SET sys.SequenceNumber = 1": "a property that an action may set, got SequenceNumber",
    "SET sys.Nothing = 1": "a system property such as sys.Label",
    "REMOVE": "expected a value or a property",
    ";": "expected SET or REMOVE",
    "REMOVE a; " * 33: "at most 32 statements, got 33",
}


@pytest.mark.parametrize(
    ("text", "message"), REFUSED_ACTIONS.items(), ids=[key[:30] for key in REFUSED_ACTIONS]
)
def test_what_is_not_an_action_is_refused(text: str, message: str) -> None:
    with pytest.raises(Malformed) as refused:
        Action.parse(text, "action")

    assert message in str(refused.value)


@given(st.text("ab%_", max_size=8), st.text("ab%_", max_size=8))
def test_like_matches_as_a_regular_expression_would(text: str, pattern: str) -> None:
    same = re.escape(pattern).replace("%", ".*").replace("_", ".")

    assert like(text, pattern, "") is bool(re.fullmatch(same, text))


PIECES = st.sampled_from(
    [
        "(",
        ")",
        ",",
        ";",
        "=",
        "<>",
        "<",
        ">=",
        "+",
        "-",
        "*",
        "/",
        "%",
        "AND",
        "OR",
        "NOT",
        "IS",
        "NULL",
        "EXISTS",
        "IN",
        "LIKE",
        "ESCAPE",
        "TRUE",
        "FALSE",
        "SET",
        "REMOVE",
        "sys.",
        "user.",
        "sys.Label",
        "colour",
        "count",
        "[a]]b]",
        '"x"',
        "'it''s'",
        "'%'",
        "1",
        "2.5",
        "1e3",
        "p(",
        "newid()",
        "property(",
        "@",
        "'",
        "[",
    ]
)
TEXTS = st.lists(PIECES, max_size=40).map(" ".join) | st.text(max_size=80)


@given(TEXTS)
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    assert outcome(text) in {True, False, None, "refused"}


def outcome(text: str) -> Truth | str:
    try:
        return Condition.parse(text, "filter").holds(MESSAGE)
    except Malformed:
        return "refused"


@given(TEXTS)
def test_any_text_is_an_action_or_refused(text: str) -> None:
    assert isinstance(changed(text), MessageView)


def changed(text: str) -> MessageView:
    try:
        return Action.parse(text, "action").applied(MESSAGE)
    except Malformed:
        return MESSAGE
