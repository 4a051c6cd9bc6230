"""A release policy is read strictly, and written as a vault writes it."""

import json
import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed
from cleanroom.release.policy import LARGEST, OPERATORS, AllOf, AnyOf, Clause, Leaf, ReleasePolicy
from tests.tokens import ISSUER
from tests.unit.cleanroom.release.policies import POLICIES, parsed, policy, value

LEAF = {"claim": "a", "equals": "x"}


def test_a_policy_says_what_it_says() -> None:
    raw = {
        "version": "1.0.0",
        "anyOf": [
            {"authority": f"{ISSUER}/", "allOf": [{"claim": "x-ms-a.b", "equals": "v"}]},
            {
                "authority": "https://attest.example",
                "anyOf": [
                    {"allOf": [{"claim": "n", "greater": 4}, {"claim": "m", "exists": True}]},
                    {"anyOf": [{"claim": "k", "notEquals": False}]},
                ],
            },
        ],
    }

    assert parsed(raw) == ReleasePolicy(
        (
            Clause(ISSUER, AllOf((Leaf("x-ms-a.b", "equals", "v"),))),
            Clause(
                "https://attest.example",
                AnyOf(
                    (
                        AllOf((Leaf("n", "greater", "4"), Leaf("m", "exists", "true"))),
                        AnyOf((Leaf("k", "notEquals", "false"),)),
                    )
                ),
            ),
        )
    )


def test_a_policy_is_written_as_a_vault_writes_it() -> None:
    written = policy(
        {"equals": False, "claim": "a"}, {"greaterOrEquals": "4", "claim": "b"}, kind="allOf"
    ).to_bytes()

    assert written == (
        b'{"version":"1.0.0","anyOf":[{"authority":"' + ISSUER.encode() + b'","allOf":'
        b'[{"claim":"a","equals":"false"},{"claim":"b","greaterOrEquals":4}]}]}'
    )


@given(POLICIES)
def test_a_policy_comes_back_as_it_went(made: ReleasePolicy) -> None:
    assert ReleasePolicy.parse(made.to_bytes(), "x") == made


def test_the_older_version_is_read_and_not_written() -> None:
    found = parsed(value(LEAF) | {"version": "0.2"})

    assert json.loads(found.to_bytes())["version"] == "1.0.0"


@pytest.mark.parametrize(
    ("spelled", "text"),
    [
        pytest.param(True, "true", id="true"),
        pytest.param(False, "false", id="false"),
        pytest.param(0, "0", id="number"),
        pytest.param("True", "True", id="text"),
        pytest.param("", "", id="empty"),
    ],
)
def test_a_value_is_kept_as_text(spelled: object, text: str) -> None:
    assert policy({"claim": "a", "equals": spelled}) == policy({"claim": "a", "equals": text})


def nested(levels: int) -> Any:
    return LEAF if not levels else {"allOf": [nested(levels - 1)]}


def clause(**changes: Any) -> dict[str, Any]:
    return {"version": "1.0.0", "anyOf": [{"authority": ISSUER, "allOf": [LEAF]} | changes]}


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param([], "x: expected an object", id="a list"),
        pytest.param(
            {"anyOf": value(LEAF)["anyOf"]}, "x: expected a field 'version'", id="no version"
        ),
        pytest.param({"version": "1.0.0"}, "x: expected a field 'anyOf'", id="no authorities"),
        pytest.param(
            value(LEAF) | {"version": "1.0"}, "x.version: expected '1.0.0' or", id="version"
        ),
        pytest.param(value(LEAF) | {"anyOf": []}, "x.anyOf: expected 1 to 512 entries", id="empty"),
        pytest.param(
            value(LEAF) | {"allOf": []}, "x: expected no other field, got 'allOf'", id="more"
        ),
        pytest.param(value(LEAF) | {"anyOf": [1]}, "x.anyOf[0]: expected an object", id="a number"),
        pytest.param(
            {"version": "1.0.0", "anyOf": [{"allOf": [LEAF]}]},
            "x.anyOf[0]: expected a field 'authority'",
            id="no authority",
        ),
        pytest.param(
            clause(authority="http://a.example"),
            "x.anyOf[0].authority: expected an https URL",
            id="authority without https",
        ),
        pytest.param(
            clause(authority=f"{ISSUER}//"),
            "x.anyOf[0].authority: expected an https URL",
            id="authority with two slashes",
        ),
        pytest.param(
            {"version": "1.0.0", "anyOf": [{"authority": ISSUER} | LEAF]},
            "x.anyOf[0]: expected a field 'allOf' or 'anyOf'",
            id="a leaf beside the authority",
        ),
        pytest.param(
            clause(anyOf=[LEAF]),
            "x.anyOf[0]: expected no other field, got 'anyOf'",
            id="both of two kinds",
        ),
        pytest.param(
            clause(**LEAF), "x.anyOf[0]: expected no other field, got 'claim'", id="mixed"
        ),
        pytest.param(
            clause(allOf=[]), "x.anyOf[0].allOf: expected 1 to 512 entries", id="all of none"
        ),
        pytest.param(value({}), "x.anyOf[0].allOf[0]: expected a field 'claim'", id="no claim"),
        pytest.param(
            value({"claim": "a"}),
            "x.anyOf[0].allOf[0]: expected one operator of equals, notEquals",
            id="no operator",
        ),
        pytest.param(
            value({"claim": "a", "equals": "x", "exists": True}),
            "x.anyOf[0].allOf[0]: expected one operator of",
            id="two operators",
        ),
        pytest.param(
            value({"claim": "a", "like": "*"}),
            "x.anyOf[0].allOf[0]: expected one operator of",
            id="unknown operator",
        ),
        pytest.param(
            value({"claim": "a", "Equals": "x"}),
            "x.anyOf[0].allOf[0]: expected one operator of",
            id="operator in another case",
        ),
        pytest.param(
            value(LEAF | {"like": "*"}),
            "x.anyOf[0].allOf[0]: expected no other field, got 'like'",
            id="unknown field",
        ),
        pytest.param(
            value({"claim": "a", "equals": None}),
            "x.anyOf[0].allOf[0].equals: expected text, a whole number, true or false, got nothing",
            id="null",
        ),
        pytest.param(
            value({"claim": "a", "equals": ["x"]}),
            "x.anyOf[0].allOf[0].equals: expected text, a",
            id="a list to compare",
        ),
        pytest.param(
            value({"claim": "a", "equals": "\u202ex"}),
            "x.anyOf[0].allOf[0].equals: expected at most 1024 visible ASCII",
            id="turned around",
        ),
        pytest.param(
            value({"claim": "a", "equals": "x" * 1025}),
            "x.anyOf[0].allOf[0].equals: expected at most 1024 visible ASCII",
            id="long value",
        ),
        pytest.param(
            value({"claim": "a", "less": True}),
            "x.anyOf[0].allOf[0].less: expected a whole number",
            id="less than true",
        ),
        pytest.param(
            value({"claim": "a", "less": "04"}),
            "x.anyOf[0].allOf[0].less: expected a whole number",
            id="number with a zero before",
        ),
        pytest.param(
            value({"claim": "a", "less": "9" * 16}),
            "x.anyOf[0].allOf[0].less: expected a whole number",
            id="number too large",
        ),
        pytest.param(
            value({"claim": "a", "less": 1.5}), "x: expected integers only", id="a fraction"
        ),
        pytest.param(
            value({"claim": "a", "exists": "yes"}),
            "x.anyOf[0].allOf[0]: expected 'true' or 'false', got 'yes'",
            id="exists, perhaps",
        ),
        pytest.param(
            value(nested(8)), f"x.anyOf[0]{'.allOf[0]' * 8}: expected at most 8 levels", id="deep"
        ),
        pytest.param(
            value(*[LEAF] * 512), "x: expected at most 512 conditions, got 513", id="many"
        ),
    ],
)
def test_a_policy_with_one_thing_wrong_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        parsed(raw)


def test_a_policy_may_be_as_large_as_the_limits() -> None:
    many, deep = policy(*[LEAF] * 511), policy(nested(6))

    assert len(many.clauses[0].condition.parts) == 511
    assert deep.to_bytes().count(b"allOf") == 7


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param("", id="empty"),
        pytest.param(".a", id="dot first"),
        pytest.param("a.", id="dot last"),
        pytest.param("a..b", id="two dots"),
        pytest.param("a b", id="a space"),
        pytest.param("a" * 257, id="long"),
        pytest.param(".".join("a" * 9), id="nine names"),
        pytest.param("\u00e9", id="not ASCII"),
        pytest.param("a\n", id="line feed after"),
        pytest.param(1, id="a number"),
    ],
)
def test_a_claim_is_a_path_of_names(claim: object) -> None:
    with pytest.raises(Malformed, match=r"^x.anyOf\[0\].allOf\[0\].claim: expected 1 to 8 visible"):
        policy({"claim": claim, "equals": "x"})


def test_a_policy_has_a_bounded_size() -> None:
    with pytest.raises(Malformed, match=f"^x: expected at most {LARGEST} bytes"):
        ReleasePolicy.parse(b" " * (LARGEST + 1), "x")


def test_a_field_that_stands_twice_is_refused() -> None:
    twice = json.dumps(value(LEAF)).replace('"equals"', '"equals":"y","equals"').encode()

    with pytest.raises(Malformed, match=r"^x: expected each field once$"):
        ReleasePolicy.parse(twice, "x")


FIELDS = st.sampled_from(["version", "anyOf", "allOf", "authority", "claim", *OPERATORS])
SHAPES: st.SearchStrategy[Any] = st.recursive(
    st.sampled_from([None, True, 0, -1, "", "a", "1.0.0", ISSUER]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=4),
    max_leaves=12,
)


@given(st.binary() | SHAPES.map(lambda shape: json.dumps(shape).encode()))
def test_any_bytes_are_a_policy_or_refused(data: bytes) -> None:
    with suppress(CleanroomError):
        ReleasePolicy.parse(data, "x")


@given(SHAPES)
def test_any_condition_is_read_or_refused(shape: Any) -> None:
    with suppress(CleanroomError):
        found = policy(shape)
        assert ReleasePolicy.parse(found.to_bytes(), "x") == found
