"""What Azure would say of a deployment of our templates: as far as `cleanroom doctor` asks."""

import re
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from party.cloud.arm import Deployed
from tests.infra.agreement import text_of
from tests.infra.bicep import Choice, Expression, Resource, Value
from tests.infra.tree import OPERATOR, Tree

SUBSCRIPTION = "00000000-0000-4000-8000-00000000aaaa"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-test"
_ROLES = "Microsoft.Authorization/roleAssignments"
_NAMES = {"${prefix}-": "id-", "${name}": "name"}
_PRINCIPALS = {
    "administratorPrincipalId": "administrator",
    "functionsPrincipalId": "functions",
    "runnerPrincipalId": "runner",
}


def object_id(who: str) -> str:
    """Give somebody an object id."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, who))


@dataclass(frozen=True)
class _File:
    """One template, deployed."""

    name: str
    tree: Tree

    @property
    def resources(self) -> dict[str, Resource]:
        return self.tree.templates[self.name].resources

    def id(self, resource: Resource) -> str:
        """Give the id of a resource, below its parents."""
        own = text_of(resource.body["name"]).replace("${prefix}", "id")
        kinds = resource.kind.split("/")
        parent = resource.body.get("parent")
        if isinstance(parent, Expression):
            above = self.resources[parent.text.partition("[")[0]]
            return f"{self.id(above)}/{kinds[-1]}/{own}"
        file = self.name.rpartition("/")[2].removesuffix(".bicep")
        name = own if re.fullmatch(r"[a-z0-9-]+", own) and own != "name" else f"{file}-{own}"
        return f"{GROUP}/providers/{resource.kind}/{name}"


def plain(value: Value) -> Any:
    """Spell a value as JSON; of a condition, what it is with private endpoints."""
    match value:
        case Expression():
            return value.text
        case Choice():
            return plain(value.yes)
        case list():
            return [plain(each) for each in value]
        case dict():
            return {name: plain(each) for name, each in value.items()}
        case _:
            return value


def deployed(tree: Tree, whose: str = OPERATOR) -> Deployed:
    """Deploy somebody's templates, with one party, one room, and events that arrive."""
    found: dict[str, Any] = {}
    assignments = []
    for name in tree.deployed(whose):
        file = _File(name, tree)
        for resource in file.resources.values():
            if resource.kind == _ROLES:
                assignments += list(_assignments(file, resource))
            elif not resource.existing:
                found[file.id(resource)] = _document(file, resource)
    return Deployed(found, tuple(assignments))


def _document(file: _File, resource: Resource) -> dict[str, Any]:
    identifier = file.id(resource)
    properties = plain(dict(resource.properties))
    if resource.kind.endswith("userAssignedIdentities"):
        properties = {"principalId": object_id(identifier.rpartition("-")[2])}
    if resource.kind.endswith("eventSubscriptions"):
        properties["provisioningState"] = "Succeeded"
        target = properties["destination"]["properties"]
        target["resourceId"] = target["resourceId"].strip("'")
    return {"id": identifier, "type": resource.kind, "properties": properties}


def _assignments(file: _File, resource: Resource) -> Iterator[dict[str, Any]]:
    principal = plain(resource.properties["principalId"])
    scope = resource.body["scope"]
    assert isinstance(scope, Expression)
    target = file.id(file.resources[scope.text.partition("[")[0]])
    given = plain(resource.properties["roleDefinitionId"])
    template = file.tree.templates[file.name]
    roles = (
        plain(template.value(template.variables["roles"]))
        if given.startswith("subscriptionResourceId")
        else [given]
    )
    for role in roles:
        yield {
            "type": _ROLES,
            "properties": {
                "principalId": object_id(_PRINCIPALS.get(principal, principal)),
                "roleDefinitionId": f"/{role}",
                "scope": target,
            },
        }
