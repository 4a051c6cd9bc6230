"""A policy is met by what a genuine token claims, and says which leaves were not."""

from typing import Any

import pytest

from cleanroom.attestation.token import TokenClaims
from cleanroom.errors import PolicyRefused
from cleanroom.release.evaluation import check, unmet
from tests.tokens import ISSUED, ISSUER
from tests.unit.cleanroom.release.policies import OTHER_ISSUER, parsed, policy, value

CLAIMS = {
    "text": "abc",
    "yes": True,
    "no": False,
    "zero": 0,
    "four": 4,
    "null": None,
    "list": ["abc"],
    "one": {"two": {"three": "deep"}},
    "dotted.name": "never",
}


def claimed(claims: dict[str, Any]) -> TokenClaims:
    return TokenClaims(ISSUER, ISSUED, ISSUED + 1, claims)


@pytest.mark.parametrize(
    ("claim", "operator", "value", "met"),
    [
        pytest.param("text", "equals", "abc", True, id="equal"),
        pytest.param("text", "equals", "ABC", False, id="another case"),
        pytest.param("text", "equals", "abc ", False, id="a space after"),
        pytest.param("yes", "equals", "true", True, id="true and text"),
        pytest.param("yes", "equals", True, True, id="true and true"),
        pytest.param("yes", "equals", 1, False, id="true and one"),
        pytest.param("no", "equals", "false", True, id="false and text"),
        pytest.param("no", "equals", "0", False, id="false and zero"),
        pytest.param("zero", "equals", "0", True, id="zero and text"),
        pytest.param("zero", "equals", 0, True, id="zero and zero"),
        pytest.param("zero", "equals", False, False, id="zero and false"),
        pytest.param("four", "equals", "4.0", False, id="another spelling"),
        pytest.param("one.two.three", "equals", "deep", True, id="nested"),
        pytest.param("one.two", "equals", "deep", False, id="an object"),
        pytest.param("list", "equals", "abc", False, id="a list"),
        pytest.param("list.0", "equals", "abc", False, id="into a list"),
        pytest.param("text.length", "equals", "3", False, id="into text"),
        pytest.param("dotted.name", "equals", "never", False, id="a name with a dot"),
        pytest.param("null", "equals", "", False, id="null and nothing"),
        pytest.param("absent", "equals", "", False, id="absent"),
        pytest.param("text", "notEquals", "x", True, id="not equal"),
        pytest.param("text", "notEquals", "abc", False, id="not equal, and it is"),
        pytest.param("absent", "notEquals", "x", False, id="not equal, absent"),
        pytest.param("null", "notEquals", "x", False, id="not equal, null"),
        pytest.param("one", "notEquals", "x", False, id="not equal, an object"),
        pytest.param("list", "notEquals", "x", False, id="not equal, a list"),
        pytest.param("four", "less", 5, True, id="less"),
        pytest.param("four", "less", 4, False, id="not less"),
        pytest.param("four", "lessOrEquals", 4, True, id="less or equal"),
        pytest.param("four", "lessOrEquals", 3, False, id="not less or equal"),
        pytest.param("four", "greater", 3, True, id="greater"),
        pytest.param("four", "greater", 4, False, id="not greater"),
        pytest.param("four", "greaterOrEquals", 4, True, id="greater or equal"),
        pytest.param("four", "greaterOrEquals", 5, False, id="not greater or equal"),
        pytest.param("four", "greaterOrEquals", "4", True, id="a number as text"),
        pytest.param("yes", "greaterOrEquals", 1, False, id="true is no number"),
        pytest.param("text", "greaterOrEquals", 0, False, id="text is no number"),
        pytest.param("absent", "less", 1, False, id="less, absent"),
        pytest.param("text", "exists", True, True, id="exists"),
        pytest.param("one", "exists", True, True, id="an object exists"),
        pytest.param("no", "exists", True, True, id="false exists"),
        pytest.param("absent", "exists", True, False, id="does not exist"),
        pytest.param("null", "exists", True, False, id="null does not exist"),
        pytest.param("absent", "exists", False, True, id="absent as demanded"),
        pytest.param("text", "exists", False, False, id="exists, against demand"),
    ],
)
def test_a_leaf_asks_one_question(claim: str, operator: str, value: object, met: bool) -> None:
    found = unmet(policy({"claim": claim, operator: value}), claimed(CLAIMS))

    assert (found == ()) == met


YES, ALSO = {"claim": "text", "equals": "abc"}, {"claim": "yes", "equals": "true"}
NO, NEITHER = {"claim": "text", "equals": "x"}, {"claim": "absent", "exists": True}
WHY_NO, WHY_NEITHER = (
    "text: expected equals x, got 'abc'",
    "absent: expected exists true, got nothing",
)


@pytest.mark.parametrize(
    ("made", "failed"),
    [
        pytest.param(policy(YES, ALSO), (), id="all"),
        pytest.param(policy(YES, NO), (WHY_NO,), id="all but one"),
        pytest.param(policy(NO, NEITHER), (WHY_NO, WHY_NEITHER), id="none of all"),
        pytest.param(policy(NO, YES, kind="anyOf"), (), id="one of any"),
        pytest.param(policy(NO, NEITHER, kind="anyOf"), (WHY_NO, WHY_NEITHER), id="none of any"),
        pytest.param(policy(YES, {"anyOf": [NO, ALSO]}), (), id="any in all"),
        pytest.param(policy(YES, {"anyOf": [NO]}), (WHY_NO,), id="any in all fails"),
        pytest.param(policy(NO, {"allOf": [YES, ALSO]}, kind="anyOf"), (), id="all in any"),
        pytest.param(
            policy(NO, {"allOf": [YES, NEITHER]}, kind="anyOf"),
            (WHY_NO, WHY_NEITHER),
            id="all in any fails",
        ),
    ],
)
def test_leaves_are_joined_as_written(made: Any, failed: tuple[str, ...]) -> None:
    assert unmet(made, claimed(CLAIMS)) == failed


def clauses(*authorities: str) -> Any:
    found = [{"authority": at, "allOf": [YES]} for at in authorities]
    return parsed({"version": "1.0.0", "anyOf": found})


def test_only_the_named_authority_is_believed() -> None:
    found = unmet(clauses(OTHER_ISSUER), claimed(CLAIMS))

    assert found == (f"issuer: expected {OTHER_ISSUER}, got {ISSUER}",)


@pytest.mark.parametrize("authority", [ISSUER, f"{ISSUER}/"])
def test_any_one_of_the_authorities_will_do(authority: str) -> None:
    assert unmet(clauses(OTHER_ISSUER, authority), claimed(CLAIMS)) == ()


def test_a_refusal_names_every_leaf_that_failed() -> None:
    message = f"^release policy: {WHY_NO}; {WHY_NEITHER}$"

    with pytest.raises(PolicyRefused, match=message):
        check(policy(YES, NO, NEITHER), claimed(CLAIMS))


def test_a_refusal_names_no_more_leaves_than_fit_a_message() -> None:
    leaves = [{"claim": f"{'c' * 250}{i}", "equals": "x" * 1024} for i in range(8)]

    with pytest.raises(PolicyRefused) as caught:
        check(policy(*leaves), claimed(CLAIMS))

    assert str(caught.value).endswith(
        f"{'c' * 250}4: expected equals {'x' * 1024}, got nothing; and 3 more"
    )
    assert len(str(caught.value)) < 7000


def test_nothing_is_refused_that_is_met() -> None:
    assert unmet(parsed(value(YES)), claimed(CLAIMS)) == ()

    check(policy(YES), claimed(CLAIMS))
