"""Policies that are called equal are met by the same tokens."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation.token import TokenClaims
from cleanroom.release.evaluation import unmet
from cleanroom.release.meaning import equal
from cleanroom.release.policy import AllOf, AnyOf, Clause, Condition, Leaf, ReleasePolicy
from tests.tokens import ISSUED, ISSUER
from tests.unit.cleanroom.release.policies import CLAIMS, OTHER_ISSUER, POLICIES, parsed, policy

A, B, C = ({"claim": name, "equals": "x"} for name in "abc")


def clauses(*made: tuple[str, str, list[Any]]) -> ReleasePolicy:
    found = [{"authority": authority, kind: parts} for authority, kind, parts in made]
    return parsed({"version": "1.0.0", "anyOf": found})


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(policy(A, B), policy(B, A), id="order"),
        pytest.param(policy(A, A, B), policy(A, B, B), id="repetition"),
        pytest.param(policy(A, {"allOf": [B, C]}), policy(A, B, C), id="all in all"),
        pytest.param(
            policy(A, {"anyOf": [B, C]}, kind="anyOf"),
            policy(A, B, C, kind="anyOf"),
            id="any in any",
        ),
        pytest.param(policy(A, {"anyOf": [B]}), policy(A, B), id="any of one"),
        pytest.param(policy(A), policy(A, kind="anyOf"), id="one alone"),
        pytest.param(
            policy(A, {"anyOf": [{"allOf": [B, C]}]}),
            policy(A, B, C),
            id="all in any of one in all",
        ),
        pytest.param(
            policy({"claim": "a", "equals": True}),
            policy({"claim": "a", "equals": "true"}),
            id="true and text",
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A])), clauses((f"{ISSUER}/", "allOf", [A])), id="slash"
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A]), (ISSUER, "allOf", [B])),
            clauses((ISSUER, "anyOf", [B, A])),
            id="clauses of one authority",
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A]), (OTHER_ISSUER, "allOf", [B])),
            clauses((OTHER_ISSUER, "allOf", [B]), (ISSUER, "allOf", [A])),
            id="order of authorities",
        ),
    ],
)
def test_another_spelling_means_the_same(one: ReleasePolicy, other: ReleasePolicy) -> None:
    assert equal(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(policy(A), policy(B), id="another claim"),
        pytest.param(policy(A, B), policy(A), id="a demand less"),
        pytest.param(policy(A, B), policy(A, B, kind="anyOf"), id="any for all"),
        pytest.param(
            policy(A, {"anyOf": [B, C]}),
            policy(A, {"anyOf": [B, C]}, kind="anyOf"),
            id="any outside",
        ),
        pytest.param(policy(A), policy({"claim": "a", "notEquals": "x"}), id="another operator"),
        pytest.param(policy(A), policy({"claim": "a", "equals": "X"}), id="another case"),
        pytest.param(
            policy({"claim": "a", "equals": 1}),
            policy({"claim": "a", "equals": True}),
            id="one and true",
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A])),
            clauses((OTHER_ISSUER, "allOf", [A])),
            id="another authority",
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A])),
            clauses((ISSUER, "allOf", [A]), (OTHER_ISSUER, "allOf", [A])),
            id="one authority more",
        ),
        pytest.param(
            clauses((ISSUER, "allOf", [A]), (ISSUER, "allOf", [B])), policy(A, B), id="two clauses"
        ),
        pytest.param(
            policy(A, {"allOf": [A, B]}, kind="anyOf"), policy(A), id="equal, but only by logic"
        ),
    ],
)
def test_what_is_not_known_to_be_equal_is_not_equal(
    one: ReleasePolicy, other: ReleasePolicy
) -> None:
    assert not equal(one, other)
    assert not equal(other, one)


def respelled(condition: Condition, chance: random.Random) -> Condition:
    """Write a condition otherwise: shuffled, repeated, wrapped and nested."""
    if isinstance(condition, Leaf):
        return AnyOf((condition,)) if chance.random() < 0.3 else condition
    kind = type(condition)
    parts = [respelled(part, chance) for part in condition.parts]
    parts += chance.choices(parts, k=chance.randrange(2))
    chance.shuffle(parts)
    if chance.random() < 0.5:
        cut = chance.randrange(len(parts))
        parts = [kind(tuple(parts[: cut + 1])), *parts[cut + 1 :]]
    return kind(tuple(parts))


def respelled_policy(made: ReleasePolicy, chance: random.Random) -> ReleasePolicy:
    found = [
        Clause(each.authority, AllOf((respelled(each.condition, chance),))) for each in made.clauses
    ]
    chance.shuffle(found)
    return ReleasePolicy((*found, found[0]))


@given(POLICIES, st.randoms(use_true_random=False))
def test_any_other_spelling_means_the_same(made: ReleasePolicy, chance: random.Random) -> None:
    assert equal(made, respelled_policy(made, chance))


def met(made: ReleasePolicy, claims: dict[str, Any]) -> bool:
    return unmet(made, TokenClaims(ISSUER, ISSUED, ISSUED + 1, claims)) == ()


@given(POLICIES, st.randoms(use_true_random=False), CLAIMS)
@settings(max_examples=300)
def test_another_spelling_is_met_by_the_same_claims(
    made: ReleasePolicy, chance: random.Random, claims: dict[str, Any]
) -> None:
    assert met(made, claims) == met(respelled_policy(made, chance), claims)


@given(POLICIES, POLICIES, CLAIMS)
@settings(max_examples=300)
def test_policies_that_differ_on_any_claims_are_never_equal(
    one: ReleasePolicy, other: ReleasePolicy, claims: dict[str, Any]
) -> None:
    assert not equal(one, other) or met(one, claims) == met(other, claims)


def small(depth: int) -> st.SearchStrategy[Condition]:
    """Give conditions of very few leaves, so that two random ones are often equal."""
    leaf = st.sampled_from([Leaf("b", "equals", "x"), Leaf("b", "equals", "1")])
    if not depth:
        return leaf
    parts = st.lists(small(depth - 1), min_size=1, max_size=2).map(tuple)
    return st.builds(AllOf, parts) | st.builds(AnyOf, parts)


@given(small(2), small(2), st.sampled_from(["x", "1", "y"]))
@settings(max_examples=300)
def test_small_policies_that_are_equal_agree(one: Any, other: Any, found: str) -> None:
    first, second = (ReleasePolicy((Clause(ISSUER, each),)) for each in (one, other))

    assert not equal(first, second) or met(first, {"b": found}) == met(second, {"b": found})
