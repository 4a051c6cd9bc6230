"""Whether an operator's deployment is what infra/main.bicep says, compared with what there is.

Portals, scripts and good intentions change deployments. What is compared is what the rest relies
on: queues that notice doubles, events that reach functions, keys of accounts that are off, and
grants that are there, and no wider.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from party.cloud.arm import Deployed, Document
from party.findings import Finding, same

_PROVISION = "azd provision"
_BUS = "Microsoft.ServiceBus/namespaces"
_ACCOUNT = "Microsoft.Storage/storageAccounts"
_GRID = "Microsoft.EventGrid"
_RECEIVER = "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0"
_SENDER = "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39"
_READER = "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
_CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
_DELEGATOR = "db58b8e5-c6ad-4a2a-8342-4190687cbf4a"
_PUBLISHER = "d5a91429-5739-47e2-a06b-3470a27159e7"
_ANEW = "this cannot be changed: delete it while no job is under way, then azd provision"

ENTITIES: Mapping[tuple[str, str], Mapping[str, object]] = {
    (f"{_BUS}/queues", "jobs"): {
        "requiresDuplicateDetection": True,
        "duplicateDetectionHistoryTimeWindow": "PT1H",
        "requiresSession": False,
        "lockDuration": "PT5M",
        "maxDeliveryCount": 10,
        "deadLetteringOnMessageExpiration": True,
        "defaultMessageTimeToLive": "P14D",
    },
    (f"{_BUS}/topics", "outcomes"): {
        "requiresDuplicateDetection": True,
        "duplicateDetectionHistoryTimeWindow": "PT1H",
        "defaultMessageTimeToLive": "P14D",
    },
    (f"{_BUS}/topics/subscriptions", "functions"): {
        "requiresSession": False,
        "lockDuration": "PT1M",
        "maxDeliveryCount": 10,
        "deadLetteringOnMessageExpiration": True,
        "defaultMessageTimeToLive": "P14D",
    },
}
"""Settings of the bus on which exactly one outcome for each job rests."""
_FIXED = {"requiresDuplicateDetection", "requiresSession"}
CONTAINERS = ("rooms", "control", "datasets", "results", "dead-letters")
ACCOUNTS: Mapping[str, object] = {
    "allowSharedKeyAccess": False,
    "allowBlobPublicAccess": False,
    "allowCrossTenantReplication": False,
    "isLocalUserEnabled": False,
    "minimumTlsVersion": "TLS1_2",
    "supportsHttpsTrafficOnly": True,
}
LOCAL_KEYS = (_BUS, f"{_GRID}/topics")
EVENTS = {
    f"{_GRID}/systemTopics/eventSubscriptions": "blob_created",
    f"{_GRID}/topics/eventSubscriptions": "party_event",
}
LEFT_OUT = (
    *("/blobServices/default/containers/control/", "/blobServices/default/containers/results/"),
    *("/outcome.json", "/receipt.json", "/request.json"),
)
"""Subjects that must not wake the control plane: it writes them itself."""
GRANTS: Mapping[str, frozenset[tuple[str, str]]] = {
    "runner": frozenset(
        {
            (_CONTRIBUTOR, "containers/rooms"),
            (_CONTRIBUTOR, "containers/results"),
            (_READER, "containers/datasets"),
            (_RECEIVER, "queues/jobs"),
            (_SENDER, "topics/outcomes"),
        }
    ),
    "functions": frozenset(
        {
            (_CONTRIBUTOR, "containers/rooms"),
            (_CONTRIBUTOR, "containers/control"),
            (_READER, "containers/datasets"),
            (_READER, "containers/results"),
            (_RECEIVER, "queues/jobs"),
            (_RECEIVER, "subscriptions/functions"),
            (_SENDER, "queues/jobs"),
        }
    ),
}
"""Who has which role where, by the last two parts of the scope."""
ELSEWHERE = {
    "functions": {
        "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",  # on the account of the host
        "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
        "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
        "3913510d-42f4-4e42-8a64-420c390055eb",
        _PUBLISHER,
        _DELEGATOR,
    },
    "runner": {"7f951dda-4ed3-4680-a7ca-43fe172d538d"},  # its image
}
"""Roles that are theirs on what parties and runners do not use."""
_DROP = "containers/datasets-"


def examine(found: Deployed) -> Iterator[Finding]:
    """Compare everything."""
    yield from _bus(found)
    yield from _storage(found)
    yield from _events(found)
    for who in GRANTS:
        yield from _grants(found, who)


def _bus(found: Deployed) -> Iterator[Finding]:
    for (kind, name), wanted in ENTITIES.items():
        one = _named(found, kind, name)
        what = f"bus: {name}"
        if one is None:
            yield Finding(what, "is not there", _PROVISION)
            continue
        for key, value in wanted.items():
            mend = _ANEW if key in _FIXED else _PROVISION
            yield same(f"{what}, {key}", _properties(one).get(key), value, mend)
    for kind in LOCAL_KEYS:
        for name, one in found.of(kind):
            off = _properties(one).get("disableLocalAuth")
            yield same(f"{_last(name)}: keys instead of identities", off is True, True, _PROVISION)


def _storage(found: Deployed) -> Iterator[Finding]:
    for name, one in found.of(_ACCOUNT):
        for key, value in ACCOUNTS.items():
            yield same(f"{_last(name)}: {key}", _properties(one).get(key), value, _PROVISION)
    for container in CONTAINERS:
        held = _named(found, f"{_ACCOUNT}/blobServices/containers", container)
        yield Finding(f"container {container}", *(() if held else ("is not there", _PROVISION)))
        if held and container == "rooms":
            kept = _properties(held).get("immutableStorageWithVersioning") or {}
            mend = "a container cannot get it later: move its blobs into a new one"
            yield same("container rooms: versions stay", kept.get("enabled"), True, mend)


def _events(found: Deployed) -> Iterator[Finding]:
    mend = "azd env set CLEANROOM_FUNCTIONS_DEPLOYED true && azd provision"
    for kind, function in EVENTS.items():
        what = f"events: {function}"
        one = _named(found, kind, "functions")
        if one is None:
            yield Finding(what, "no subscription leads there", mend)
            continue
        properties = _properties(one)
        destination = (properties.get("destination") or {}).get("properties") or {}
        target = str(destination.get("resourceId", "")).rpartition("/functions/")[2]
        yield same(f"{what}, destination", target, function, mend)
        state = properties.get("provisioningState")
        yield same(
            f"{what}, state", state, "Succeeded", "az eventgrid ... update, or azd provision"
        )
        lost = properties.get("deadLetterWithResourceIdentity")
        yield Finding(f"{what}, dead letters", *(() if lost else ("go nowhere", _PROVISION)))
        if function == "blob_created":
            missing = sorted(set(LEFT_OUT) - _texts(properties.get("filter")))
            yield same(f"{what}, what is left out", missing, [], _PROVISION)


def _grants(found: Deployed, who: str) -> Iterator[Finding]:
    """Compare an identity's roles: each that it needs, and none that it does not."""
    principal = _principal(found, who)
    if principal is None:
        yield Finding(f"identity of the {who}", "is not there", _PROVISION)
        return
    given = {
        (_role(each), _scope(each))
        for each in found.assignments
        if _properties(each).get("principalId") == principal
    }
    tails = {(role, _tail(scope)) for role, scope in given}
    drops = {(_READER, tail) for _, tail in tails if tail.startswith(_DROP)}
    for role, tail in sorted(GRANTS[who]):
        there = (role, tail) in tails
        yield Finding(
            f"{who}: role {role} on {tail}", *(() if there else ("is not given", _PROVISION))
        )
    for role, scope in sorted(given):
        if (role, _tail(scope)) in GRANTS[who] | drops or _is_elsewhere(found, who, role, scope):
            continue
        mend = f"az role assignment delete --assignee {principal} --role {role} --scope {scope}"
        yield Finding(f"{who}: role {role} on {scope}", "is more than it needs", mend)


def _is_elsewhere(found: Deployed, who: str, role: str, scope: str) -> bool:
    """Tell whether a role is for one resource, and one that is neither room, queue nor topic."""
    if role not in ELSEWHERE[who] or "/providers/" not in scope:
        return False
    rooms = _named(found, f"{_ACCOUNT}/blobServices/containers", "rooms")
    shared = [name for name, _ in found.of(_BUS)]
    if rooms is not None and role != _DELEGATOR:
        shared.append(str(rooms["id"]).partition("/blobServices/")[0])
    return not any(scope.lower().startswith(f"{each}/".lower()) or scope == each for each in shared)


def _principal(found: Deployed, who: str) -> str | None:
    kind = "Microsoft.ManagedIdentity/userAssignedIdentities"
    for name, one in found.of(kind):
        if name.endswith(f"-{who}"):
            return str(_properties(one).get("principalId"))
    return None


def _named(found: Deployed, kind: str, name: str) -> Document | None:
    for identifier, one in found.of(kind):
        if _last(identifier) == name:
            return one
    return None


def _properties(one: Document) -> Mapping[str, Any]:
    properties = one.get("properties")
    return properties if isinstance(properties, dict) else {}


def _role(assignment: Document) -> str:
    return _last(str(_properties(assignment).get("roleDefinitionId", "")))


def _scope(assignment: Document) -> str:
    return str(_properties(assignment).get("scope", ""))


def _last(identifier: str) -> str:
    return identifier.rpartition("/")[2]


def _tail(scope: str) -> str:
    return "/".join(scope.split("/")[-2:])


def _texts(value: object) -> set[str]:
    """Collect every text in a document."""
    if isinstance(value, str):
        return {value}
    if isinstance(value, dict):
        value = list(value.values())
    return {text for each in value for text in _texts(each)} if isinstance(value, list) else set()
