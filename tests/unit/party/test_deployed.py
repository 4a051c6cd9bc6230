"""`cleanroom doctor operator`: what differs from the templates is found, and how to mend it."""

import copy
import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from cleanroom.errors import Malformed
from party import deployed
from party.cloud.arm import Arm, Deployed
from party.findings import Finding
from tests.infra import azure
from tests.infra.azure import GROUP, object_id
from tests.infra.tree import tree

BASE = "https://management.azure.com"
type Change = Callable[[dict[str, Any], list[dict[str, Any]]], object]


def there() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """What Azure has of the templates, to be changed."""
    found = copy.deepcopy(azure.deployed(tree()))
    return dict(found.resources), [dict(each) for each in found.assignments]


def wrong(resources: Mapping[str, Any], assignments: list[dict[str, Any]]) -> list[Finding]:
    found = deployed.examine(Deployed(resources, tuple(assignments)))
    return [each for each in found if each.wrong is not None]


def of(resources: dict[str, Any], end: str) -> Any:
    """Find the properties of the resource whose id ends so."""
    (found,) = (each for name, each in resources.items() if name.endswith(end))
    return found["properties"]


def test_what_the_templates_make_is_well() -> None:
    assert wrong(*there()) == []


CHANGES: dict[str, tuple[Change, str, str]] = {
    "no duplicate detection": (
        lambda r, _: of(r, "queues/jobs").update(requiresDuplicateDetection=False),
        "bus: jobs, requiresDuplicateDetection",
        "cannot be changed",
    ),
    "a short lock": (
        lambda r, _: of(r, "queues/jobs").update(lockDuration="PT30S"),
        "bus: jobs, lockDuration",
        "azd provision",
    ),
    "no subscription of the functions": (
        lambda r, _: r.pop(next(n for n in r if n.endswith("outcomes/subscriptions/functions"))),
        "bus: functions",
        "azd provision",
    ),
    "keys of the bus": (
        lambda r, _: of(r, "namespaces/servicebus-name").update(disableLocalAuth=False),
        "servicebus-name: keys instead of identities",
        "azd provision",
    ),
    "keys of the account": (
        lambda r, _: of(r, "storageAccounts/storage-name").update(allowSharedKeyAccess=True),
        "storage-name: allowSharedKeyAccess",
        "azd provision",
    ),
    "a container gone": (
        lambda r, _: r.pop(next(n for n in r if n.endswith("containers/control"))),
        "container control",
        "azd provision",
    ),
    "versions that can go": (
        lambda r, _: of(r, "containers/rooms").pop("immutableStorageWithVersioning"),
        "container rooms: versions stay",
        "a new one",
    ),
    "no way for events": (
        lambda r, _: r.pop(next(n for n in r if "systemTopics" in n and n.endswith("functions"))),
        "events: blob_created",
        "CLEANROOM_FUNCTIONS_DEPLOYED",
    ),
    "events to elsewhere": (
        lambda r, _: of(r, "partiesTopicName/eventSubscriptions/functions")["destination"].update(
            properties={"resourceId": "/sites/app/functions/other"}
        ),
        "events: party_event, destination",
        "CLEANROOM_FUNCTIONS_DEPLOYED",
    ),
    "a subscription that failed": (
        lambda r, _: of(r, "partiesTopicName/eventSubscriptions/functions").update(
            provisioningState="Failed"
        ),
        "events: party_event, state",
        "az eventgrid",
    ),
    "no dead letters": (
        lambda r, _: of(r, "systemTopicName/eventSubscriptions/functions").pop(
            "deadLetterWithResourceIdentity"
        ),
        "events: blob_created, dead letters",
        "azd provision",
    ),
    "a control plane that wakes itself": (
        lambda r, _: of(r, "systemTopicName/eventSubscriptions/functions").update(filter={}),
        "events: blob_created, what is left out",
        "azd provision",
    ),
    "no identity": (
        lambda r, _: r.pop(next(n for n in r if n.endswith("/id-runner"))),
        "identity of the runner",
        "azd provision",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_what_differs_is_found(name: str) -> None:
    change, what, mend = CHANGES[name]
    resources, assignments = there()

    change(resources, assignments)

    assert [(each.what, mend in each.mend) for each in wrong(resources, assignments)] == [
        (what, True)
    ]


@pytest.mark.parametrize("who", ["runner", "functions"])
def test_each_grant_that_is_missed_is_found(who: str) -> None:
    needed = deployed.GRANTS[who]
    for role, tail in needed:
        resources, assignments = there()
        kept = [
            each
            for each in assignments
            if not (
                each["properties"]["principalId"] == object_id(who)
                and each["properties"]["roleDefinitionId"].endswith(role)
                and each["properties"]["scope"].endswith(tail)
            )
        ]
        assert len(kept) < len(assignments)

        assert [each.what for each in wrong(resources, kept)] == [f"{who}: role {role} on {tail}"]


OWNER = "b7e6dc6d-f1e8-4753-8033-0f276bb0955b"


@pytest.mark.parametrize(
    ("who", "role", "scope"),
    [
        pytest.param("runner", OWNER, "containers/rooms", id="owner of a container"),
        pytest.param("functions", OWNER, "storageAccounts/storage-name", id="owner of all data"),
        pytest.param(
            *("runner", "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39", "queues/jobs"), id="own jobs"
        ),
        pytest.param(
            *("functions", "ba92f5b4-2d11-453d-a403-e96b0029c9fe", "containers/results"),
            id="results",
        ),
    ],
)
def test_a_grant_that_is_too_wide_is_found(who: str, role: str, scope: str) -> None:
    resources, assignments = there()
    (target,) = (name for name in resources if name.endswith(scope))
    given = {"principalId": object_id(who), "roleDefinitionId": f"/{role}", "scope": target}

    found = wrong(resources, [*assignments, {"properties": given}])

    assert [each.wrong for each in found] == ["is more than it needs"]
    assert found[0].mend.startswith("az role assignment delete")


def test_a_role_in_the_whole_group_is_found() -> None:
    resources, assignments = there()
    given = {"principalId": object_id("functions"), "roleDefinitionId": f"/{OWNER}", "scope": GROUP}

    (found,) = wrong(resources, [*assignments, {"properties": given}])

    assert found.wrong == "is more than it needs"


# --- what Azure Resource Manager is asked


def answering(found: Deployed, asked: list[str]) -> Callable[[str, str], bytes]:
    """Answer as Azure Resource Manager does, one resource a page."""

    def get(url: str, token: str) -> bytes:
        assert token == "token"  # noqa: S105  # of nobody
        asked.append(url)
        path, _, query = url.removeprefix(BASE).partition("?")
        page = int(query.partition("page=")[2] or 0)
        if path in found.resources:
            return json.dumps(found.resources[path]).encode()
        if path == f"{GROUP}/resources":
            tops = [n for n in found.resources if len(n.removeprefix(GROUP).split("/")) == 5]
            value: list[Any] = [{"id": n, "type": found.resources[n]["type"]} for n in tops]
        elif path.endswith("/roleAssignments"):
            value = list(found.assignments)
        else:
            depth = len(path.split("/"))
            value = [
                each
                for name, each in found.resources.items()
                if name.startswith(f"{path}/") and len(name.split("/")) == depth + 1
            ]
        more = {"nextLink": f"{BASE}{path}?page={page + 1}"} if page + 1 < len(value) else {}
        return json.dumps({"value": value[page : page + 1], **more}).encode()

    return get


def test_all_that_is_compared_is_asked_for() -> None:
    found = azure.deployed(tree())
    moved = {
        name.replace("/subscriptions-", "/events-"): each for name, each in found.resources.items()
    }
    there = Deployed(moved, found.assignments)
    asked: list[str] = []

    read = Arm(BASE, lambda: "token", answering(there, asked)).deployed(GROUP)

    assert [each for each in deployed.examine(read) if each.wrong is not None] == []
    assert len(read.assignments) == len(found.assignments)
    assert all(url.startswith(f"{BASE}{GROUP}/") for url in asked)


@pytest.mark.parametrize(
    "link", ["https://example.com/next", "http://management.azure.com/next", "//example.com"]
)
def test_the_token_goes_to_no_other_address(link: str) -> None:
    def get(_url: str, _token: str) -> bytes:
        return json.dumps({"value": [], "nextLink": link}).encode()

    with pytest.raises(Malformed, match="nextLink"):
        Arm(BASE, lambda: "token", get).deployed(GROUP)


@pytest.mark.parametrize("answer", [b"[]", b'{"value":[1]}'])
def test_an_odd_answer_is_refused(answer: bytes) -> None:
    with pytest.raises(Malformed):
        Arm(BASE, lambda: "token", lambda _url, _token: answer).deployed(GROUP)
