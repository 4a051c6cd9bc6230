"""A policy in a sentence: everything that it demands is in it, and "or" cannot be read as "and"."""

from typing import Any

import pytest
from hypothesis import given

from cleanroom.release.explaining import explain
from cleanroom.release.policy import AllOf, Condition, Leaf, ReleasePolicy
from tests.builders import DIGEST, HEX
from tests.tokens import ISSUER
from tests.unit.cleanroom.release.policies import OTHER_ISSUER, POLICIES, parsed, policy
from tests.unit.cleanroom.release.test_generation import ACI, CVM, made

START = f"The key is released only to a machine of which {ISSUER} attests that it "


def test_a_containers_policy_in_words() -> None:
    assert explain(made(ACI)) == (
        f"{START}is a genuine AMD SEV-SNP guest, was started as an Azure confidential container, "
        "cannot be debugged by its host, cannot be moved to another machine, attests from its most "
        f"privileged level, runs the container policy {HEX}, works for contract {DIGEST}, has boot "
        "loader of security version 4 or later, has trusted execution environment of security "
        "version 0 or later, has SEV-SNP firmware of security version 24 or later and has "
        "microcode of security version 219 or later."
    )


def test_a_machines_policy_in_words() -> None:
    assert explain(made(CVM, svns=False)) == (
        f"{START}is an Azure virtual machine, is a genuine AMD SEV-SNP guest, was started as an "
        "Azure confidential VM, cannot be debugged by its host, cannot be moved to another "
        f"machine, attests from its most privileged level and works for contract {DIGEST}."
    )


def test_clauses_are_alternatives() -> None:
    found = [
        {"authority": at, "allOf": [{"claim": "a", "exists": True}]}
        for at in (ISSUER, OTHER_ISSUER)
    ]

    assert explain(parsed({"version": "1.0.0", "anyOf": found})) == (
        f"{START}has a claim 'a'; or of which {OTHER_ISSUER} attests that it has a claim 'a'."
    )


@pytest.mark.parametrize(
    ("leaf", "said"),
    [
        pytest.param(
            {"claim": "a", "equals": "x, or not"},
            "has a claim 'a' that is 'x, or not'",
            id="equals",
        ),
        pytest.param(
            {"claim": "a", "notEquals": "x"},
            "has a claim 'a' that is there and is not 'x'",
            id="not",
        ),
        pytest.param({"claim": "a", "less": 4}, "has a claim 'a' that is less than '4'", id="less"),
        pytest.param(
            {"claim": "a", "lessOrEquals": 4}, "has a claim 'a' that is at most '4'", id="at most"
        ),
        pytest.param(
            {"claim": "a", "greater": 4}, "has a claim 'a' that is more than '4'", id="more"
        ),
        pytest.param(
            {"claim": "a", "greaterOrEquals": 4},
            "has a claim 'a' that is at least '4'",
            id="at least",
        ),
        pytest.param({"claim": "a", "exists": "false"}, "has no claim 'a'", id="absent"),
        pytest.param(
            {"claim": "x-ms-sevsnpvm-is-debuggable", "equals": "true"},
            "has a claim 'x-ms-sevsnpvm-is-debuggable' that is 'true'",
            id="the opposite",
        ),
        pytest.param(
            {"claim": "x-ms-sevsnpvm-is-debuggable", "notEquals": "false"},
            "has a claim 'x-ms-sevsnpvm-is-debuggable' that is there and is not 'false'",
            id="the opposite, otherwise",
        ),
        pytest.param(
            {"claim": "x-ms-sevsnpvm-hostdata", "equals": "anything"},
            "has a claim 'x-ms-sevsnpvm-hostdata' that is 'anything'",
            id="host data of another shape",
        ),
        pytest.param(
            {"claim": "x-ms-runtime.cleanroom-contract", "equals": "any contract"},
            "has a claim 'x-ms-runtime.cleanroom-contract' that is 'any contract'",
            id="contract of another shape",
        ),
        pytest.param(
            {"claim": "x-ms-isolation-tee.x-ms-runtime.user-data", "equals": "00" * 64},
            f"has a claim 'x-ms-isolation-tee.x-ms-runtime.user-data' that is '{'00' * 64}'",
            id="user data of no contract",
        ),
        pytest.param(
            {"claim": "x-ms-isolation-tee.x-ms-runtime.user-data", "equals": "x"},
            "has a claim 'x-ms-isolation-tee.x-ms-runtime.user-data' that is 'x'",
            id="user data of another shape",
        ),
        pytest.param(
            {"claim": "x-ms-runtime.client-payload.cleanroom-contract", "equals": DIGEST},
            f"has a claim 'x-ms-runtime.client-payload.cleanroom-contract' that is '{DIGEST}'",
            id="a contract that is only asserted",
        ),
        pytest.param(
            {"claim": "x-ms-isolation-tee.x-ms-attestation-type", "equals": "azurevm"},
            "has a claim 'x-ms-isolation-tee.x-ms-attestation-type' that is 'azurevm'",
            id="a machine in a machine",
        ),
    ],
)
def test_what_is_not_known_is_quoted(leaf: Any, said: str) -> None:
    assert explain(policy(leaf)) == f"{START}{said}."


A, B, C = ({"claim": name, "exists": True} for name in "abc")


@pytest.mark.parametrize(
    ("made_of", "said"),
    [
        pytest.param(policy(A, B), "{} and {}", id="and"),
        pytest.param(policy(A, B, C, kind="anyOf"), "{}, {} or {}", id="or"),
        pytest.param(policy(A, {"anyOf": [B, C]}), "{} and ({} or {})", id="or in and"),
        pytest.param(
            policy(A, {"allOf": [B, C]}, kind="anyOf"), "{} or ({} and {})", id="and in or"
        ),
        pytest.param(
            policy(A, {"anyOf": [{"allOf": [B, C]}]}, kind="anyOf"),
            "{} or ({} and {})",
            id="and in one in or",
        ),
        pytest.param(policy({"anyOf": [A, B]}), "{} or {}", id="or alone"),
    ],
)
def test_and_and_or_cannot_be_taken_for_each_other(made_of: ReleasePolicy, said: str) -> None:
    assert explain(made_of) == START + said.format(*(f"has a claim '{n}'" for n in "abc")) + "."


def leaves(condition: Condition) -> list[Leaf]:
    if isinstance(condition, Leaf):
        return [condition]
    return [leaf for part in condition.parts for leaf in leaves(part)]


@given(POLICIES)
def test_nothing_is_left_out(random: ReleasePolicy) -> None:
    said = explain(random)

    for clause in random.clauses:
        assert clause.authority in said
        for leaf in leaves(clause.condition):
            alone = explain(ReleasePolicy(((type(clause))(clause.authority, AllOf((leaf,))),)))
            assert alone.rpartition("attests that it ")[2].removesuffix(".") in said
