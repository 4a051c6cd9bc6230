"""Whether a party's vault is guarded as infra/party/main.bicep says, compared with what there is.

The release policy decides which machine gets a key; these decide who can change the policy, and who
may ask at all. A role that was given further up, for the subscription, counts as well.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from party.cloud.arm import Deployed, Document
from party.findings import Finding, same

VAULT = "Microsoft.KeyVault/vaults"
RELEASE = "08bbd89e-9f13-488c-ac41-acfcb10c90ab"
POWERFUL: Mapping[str, str] = {
    "00482a5a-887f-4fb3-b363-3b7fe8e74483": "Key Vault Administrator",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "18d7d88d-d35e-4fb5-a5c3-7773c20a72d9": "User Access Administrator",
    "8b54135c-b56d-4d72-a534-26097cfdc8d8": "Key Vault Data Access Administrator",
    "8e3af657-a8ff-443c-a75c-2fe8c4bcb635": "Owner",
    "f58310d9-a9f6-439a-9e8d-f62e7b41a168": "Role Based Access Control Administrator",
}
"""Who has one of these can change a key's policy, or have the right to."""
SETTINGS: Mapping[str, object] = {
    "enableRbacAuthorization": True,
    "enableSoftDelete": True,
    "enablePurgeProtection": True,
    "enabledForTemplateDeployment": False,
}
_DEPLOY = "az deployment group create with infra/party/main.bicep"


def examine(found: Deployed, runner: str, administrators: Collection[str]) -> Iterator[Finding]:
    """Compare the vaults' settings, and who has which role on them."""
    vaults = list(found.of(VAULT))
    if not vaults:
        yield Finding("vault", "is not there", _DEPLOY)
    for name, vault in vaults:
        yield from _settings(name.rpartition("/")[2], _properties(vault))
    yield from _releases(found, runner)
    yield from _powers(found, {one.lower() for one in administrators})


def _settings(name: str, properties: Mapping[str, Any]) -> Iterator[Finding]:
    for key, value in SETTINGS.items():
        yield same(f"{name}: {key}", properties.get(key), value, _DEPLOY)
    sku = (properties.get("sku") or {}).get("name")
    yield same(f"{name}: sku", str(sku).lower(), "premium", "keys in a new vault: a sku stays")
    acls = properties.get("networkAcls") or {}
    yield same(f"{name}: who is let in by default", acls.get("defaultAction"), "Deny", _DEPLOY)


def _releases(found: Deployed, runner: str) -> Iterator[Finding]:
    """Look who may have a key released: the runner, and single keys of rooms."""
    given = [each for each in found.assignments if _role(each) == RELEASE]
    ours = [each for each in given if _principal(each) == runner.lower()]
    what = "release of keys to the runner"
    yield Finding(what, *(() if ours else ("nobody may have one released to it", _DEPLOY)))
    for each in given:
        scope = str(_properties(each).get("scope", ""))
        if each not in ours:
            yield Finding(
                f"release of {_last(scope)}", f"{_principal(each)} may, too", _delete(each)
            )
        elif not _last(scope).startswith("room-"):
            yield Finding(f"release of {_last(scope)}", "is for more than a room", _delete(each))


def _powers(found: Deployed, administrators: Collection[str]) -> Iterator[Finding]:
    for each in found.assignments:
        power = POWERFUL.get(_role(each))
        if power is not None and _principal(each) not in administrators:
            scope = str(_properties(each).get("scope", ""))
            yield Finding(
                f"{power} on {scope}",
                f"{_principal(each)} could change what keys are released for",
                _delete(each),
            )


def _delete(assignment: Document) -> str:
    properties = _properties(assignment)
    scope, role = properties.get("scope"), _role(assignment)
    return (
        f"az role assignment delete --assignee {_principal(assignment)} --role {role}"
        f" --scope {scope}, or name it with --administrator"
    )


def _properties(one: Document) -> Mapping[str, Any]:
    properties = one.get("properties")
    return properties if isinstance(properties, dict) else {}


def _role(assignment: Document) -> str:
    return _last(str(_properties(assignment).get("roleDefinitionId", ""))).lower()


def _principal(assignment: Document) -> str:
    return str(_properties(assignment).get("principalId", "")).lower()


def _last(identifier: str) -> str:
    return identifier.rpartition("/")[2]
