"""`cleanroom doctor vault`: who could have a key, or change who has it."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from party import guarded
from party.cloud.arm import Deployed
from party.findings import Finding
from tests.infra import azure
from tests.infra.azure import GROUP, object_id
from tests.infra.tree import PARTY, tree

RUNNER, OURS, STRANGER = object_id("runner"), object_id("administrator"), object_id("stranger")
KEY = "/providers/Microsoft.KeyVault/vaults/vault-name/keys/room-fraud"
OWNER = "8e3af657-a8ff-443c-a75c-2fe8c4bcb635"


def there() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    found = copy.deepcopy(azure.deployed(tree(), PARTY))
    return dict(found.resources), [dict(each) for each in found.assignments]


def wrong(resources: dict[str, Any], assignments: list[dict[str, Any]]) -> list[Finding]:
    found = guarded.examine(Deployed(resources, tuple(assignments)), RUNNER, [OURS])
    return [each for each in found if each.wrong is not None]


def given(who: str, role: str, scope: str) -> dict[str, Any]:
    return {"properties": {"principalId": who, "roleDefinitionId": f"/{role}", "scope": scope}}


def test_what_the_template_makes_is_well() -> None:
    assert wrong(*there()) == []


CHANGES: dict[str, tuple[Callable[[Any], object], str]] = {
    "access policies": (lambda p: p.update(enableRbacAuthorization=False), "enableRbac"),
    "a vault that can be purged": (lambda p: p.pop("enablePurgeProtection"), "enablePurge"),
    "no HSM": (lambda p: p.update(sku={"name": "standard"}), "sku"),
    "open to all": (lambda p: p.update(networkAcls={"defaultAction": "Allow"}), "let in"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_setting_that_differs_is_found(name: str) -> None:
    change, what = CHANGES[name]
    resources, assignments = there()
    (vault,) = (each for each in resources.values() if each["type"] == guarded.VAULT)

    change(vault["properties"])

    (found,) = wrong(resources, assignments)
    assert what in found.what


def test_no_vault_is_found() -> None:
    _, assignments = there()

    assert [each.what for each in wrong({}, assignments)] == ["vault"]


def test_a_runner_that_gets_no_key_is_found() -> None:
    resources, assignments = there()
    left = [each for each in assignments if each["properties"]["principalId"] != RUNNER]

    (found,) = wrong(resources, left)

    assert found.wrong == "nobody may have one released to it"


@pytest.mark.parametrize(
    ("who", "scope", "said"),
    [
        pytest.param(STRANGER, KEY, f"{STRANGER} may, too", id="somebody else"),
        pytest.param(RUNNER, KEY.rpartition("/keys/")[0], "is for more than a room", id="all keys"),
        pytest.param(RUNNER, GROUP, "is for more than a room", id="the group"),
    ],
)
def test_a_release_too_many_is_found(who: str, scope: str, said: str) -> None:
    resources, assignments = there()

    (found,) = wrong(resources, [*assignments, given(who, guarded.RELEASE, scope)])

    assert found.wrong == said
    assert found.mend.startswith("az role assignment delete")


@pytest.mark.parametrize("role", guarded.POWERFUL)
def test_whoever_could_change_a_policy_is_found(role: str) -> None:
    resources, assignments = there()
    above = "/subscriptions/00000000-0000-4000-8000-00000000aaaa"

    (found,) = wrong(resources, [*assignments, given(STRANGER, role, above)])

    assert found.what == f"{guarded.POWERFUL[role]} on {above}"
    assert f"--assignee {STRANGER}" in found.mend


def test_an_administrator_who_was_named_is_none(  # as Azure spells ids in capitals, too
) -> None:
    resources, assignments = there()

    assert wrong(resources, [*assignments, given(OURS.upper(), OWNER, GROUP)]) == []
