"""Whether the templates say what the code says: names of queues, containers, settings, events."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from cleanroom.errors import Malformed
from devstack.stack.environment import CONTAINERS, SHARED, own_container
from functions import intake, names, settings, telemetry
from party.cloud import vault
from runner.settings import PREFIX
from runner.settings import Settings as RunnerSettings
from tests.infra.bicep import Expression, Template, Value, strings
from tests.infra.rules import get
from tests.infra.tree import INFRA, OPERATOR, ROOT, Tree

_DEFAULTS = ROOT / "devstack" / "stack" / "defaults"
_OURS = re.compile(r"CLEANROOM_\w+")
_OF_BINDINGS = ("__credential", "__clientId")
_NOT_IN_AZURE = {"FUNCTIONS_WORKER_RUNTIME", "AzureWebJobsStorage", "OTEL_EXPORTER_OTLP_ENDPOINT"}
_PARTY, _ROOM = "north-bank", "fraud"


def text_of(value: Value) -> str:
    """Spell a name as a file has it, with a party's name for a party's name."""
    found = value.text.strip("'") if isinstance(value, Expression) else str(value)
    return found.replace("${party.name}", _PARTY).replace("${room.name}", _ROOM)


def _bodies(template: Template, kind: str) -> dict[str, dict[str, Value]]:
    return {
        text_of(resource.body["name"]): resource.properties
        for resource in template.resources.values()
        if resource.kind == kind and not resource.existing
    }


def containers(tree: Tree) -> Iterator[str]:
    kind = "Microsoft.Storage/storageAccounts/blobServices/containers"
    found = set(_bodies(tree.templates["modules/storage.bicep"], kind))
    wanted = {*CONTAINERS, own_container(_PARTY)}
    if found != wanted:
        yield f"containers: {sorted(found)} and not {sorted(wanted)}"
    for name in (names.ROOMS, names.CONTROL, names.RESULTS, names.DATASETS, *SHARED):
        if name not in found:
            yield f"containers: no {name}"


def _default_bus() -> Any:
    document = json.loads((_DEFAULTS / "bus.json").read_text())
    return document["UserConfig"]["Namespaces"][0]


def bus(tree: Tree) -> Iterator[str]:
    """Queue, topic and the functions' subscription are those that all tests run with."""
    template, wanted = tree.templates["modules/servicebus.bicep"], _default_bus()
    space = "Microsoft.ServiceBus/namespaces"
    (topic,) = wanted["Topics"]
    ours = [each for each in topic["Subscriptions"] if each["Name"] == "functions"]
    for kind, entities in (
        (f"{space}/queues", wanted["Queues"]),
        (f"{space}/topics", wanted["Topics"]),
        (f"{space}/topics/subscriptions", ours),
    ):
        found = _bodies(template, kind)
        for entity in entities:
            yield from _entity(found.get(entity["Name"]), entity)


def _entity(found: Mapping[str, Value] | None, entity: Mapping[str, Any]) -> Iterator[str]:
    name = entity["Name"]
    if found is None:
        yield f"bus: no {name}"
        return
    for key, value in entity["Properties"].items():
        given = found.get(key[0].lower() + key[1:])
        if value not in {"", given}:
            yield f"bus: {name}.{key} is {given!r} and not {value!r}"


def runner_names(tree: Tree) -> Iterator[str]:
    """What the runner takes without being told is what is there."""
    defaults = runner_settings(
        {
            "PLATFORM": "azure-cvm",
            "STORAGE_URL": "https://a.blob.core.windows.net",
            "SERVICEBUS": "a.servicebus.windows.net",
        }
    )
    template = tree.templates["modules/servicebus.bicep"]
    if defaults.queue not in _bodies(template, "Microsoft.ServiceBus/namespaces/queues"):
        yield f"bus: no queue {defaults.queue}"
    if defaults.topic not in _bodies(template, "Microsoft.ServiceBus/namespaces/topics"):
        yield f"bus: no topic {defaults.topic}"


def runner_settings(values: Mapping[str, str]) -> RunnerSettings:
    return RunnerSettings.parse({f"{PREFIX}{name}": value for name, value in values.items()})


def app_settings(tree: Tree) -> Iterator[str]:
    example = json.loads((ROOT / "local.settings.json.example").read_text())["Values"]
    given = get(dict(tree.templates[OPERATOR].modules["functions"].body), "params.settings")
    own = tree.templates["modules/functions.bicep"].resources["appSettings"].properties
    assert isinstance(given, dict)
    found = {*given, *own}
    for name in example.keys() - _NOT_IN_AZURE - found:
        yield f"settings: no {name}"
    for name in found:
        if _OURS.fullmatch(name) and name not in example and not name.endswith(_OF_BINDINGS):
            yield f"settings: nothing reads {name}"
    values = {name: str(example.get(name, "x")) for name in found if name in example}
    try:
        settings.parse(values | {"CLEANROOM_API_ISSUER": "https://login.example"})
    except Malformed as error:
        yield f"settings: {error}"


def _destinations(tree: Tree) -> Iterator[tuple[str, str, dict[str, Value]]]:
    for resource in tree.templates["modules/subscriptions.bicep"].resources.values():
        if not resource.existing:
            target = text_of(get(resource.properties, "destination.properties.resourceId"))
            kind = text_of(get(resource.properties, "destination.endpointType"))
            yield resource.name, f"{kind} {target.rpartition('/')[2]}", resource.properties


def events(tree: Tree) -> Iterator[str]:
    """What leads to the functions leads there in the dev stack too, and the same is left out."""
    document = json.loads((_DEFAULTS / "eventgrid-functions.json").read_text())
    local = {each["name"]: each for each in document["topics"]}
    for (name, target, properties), topic in zip(
        _destinations(tree), ("storage", "parties"), strict=True
    ):
        (wanted,) = local[topic]["eventSubscriptions"]
        there = wanted["properties"]["destination"]
        function = there["properties"]["resourceId"].rpartition("/")[2]
        expected = f"{there['endpointType']} {function}"
        if target != expected:
            yield f"events: {name} leads to {target} and not {expected}"
        for each in wanted["properties"].get("filter", {}).get("advancedFilters", []):
            found = set(strings(get(properties, "filter.advancedFilters")))
            missing = {each["operatorType"], *each["values"]} - found
            if missing:
                yield f"events: {name} does not leave out {sorted(missing)}"
        types = set(strings(get(properties, "filter.includedEventTypes")))
        if types != {"Microsoft.Storage.BlobCreated" if topic == "storage" else intake.APPROVED}:
            yield f"events: {name} takes {sorted(types)}"


def functions_are_there(tree: Tree) -> Iterator[str]:
    source = (ROOT / "functions" / "triggers.py").read_text()
    for name, target, _ in _destinations(tree):
        function = target.partition(" ")[2]
        if f"async def {function}(" not in source:
            yield f"events: {name} leads to {function}, which is no function"


def service(tree: Tree) -> Iterator[str]:
    """What azd deploys, by which name, on which Python, asked where for its health."""
    document = yaml.safe_load((ROOT / "azure.yaml").read_text())
    app = tree.templates["modules/functions.bicep"].resources["app"]
    tagged = get(dict(app.body), "tags.azd-service-name")
    if [tagged] != list(document["services"]):
        yield f"azure.yaml: the service is not {tagged!r}"
    python = (ROOT / ".python-version").read_text().strip()
    if get(app.properties, "functionAppConfig.runtime.version") != python:
        yield f"functions: the app does not run on Python {python}"
    prefix = json.loads((ROOT / "host.json").read_text())["extensions"]["http"]["routePrefix"]
    path = get(app.properties, "siteConfig.healthCheckPath")
    route = str(path).removeprefix(f"/{prefix}/")
    if f'route("{route}"' not in (ROOT / "functions" / "health.py").read_text():
        yield f"functions: nothing answers at {path}"


def alerts(tree: Tree) -> Iterator[str]:
    """Alerts wait for words that the control plane says."""
    known = {word.value for word in telemetry.Word}
    for resource in tree.templates["modules/alerts.bicep"].resources.values():
        query = " ".join(strings(resource.properties.get("criteria", {})))
        for word in re.findall(r'startswith "([^"]+)"', query):
            if word not in known:
                yield f"alerts: nothing says {word!r}"


def scaling(tree: Tree) -> Iterator[str]:
    space = "Microsoft.ServiceBus/namespaces"
    queues = set(_bodies(tree.templates["modules/servicebus.bicep"], f"{space}/queues"))
    scaling = tree.templates["modules/runner-vmss.bicep"].resources["scaling"].properties
    (profile,) = _list(scaling["profiles"])
    for rule in _list(get(profile, "rules")):
        if not queues <= set(strings(rule)):
            yield f"scaling: not by the length of {sorted(queues)}"


def _list(value: Value) -> list[Value]:
    assert isinstance(value, list)
    return value


def parameters(tree: Tree) -> Iterator[str]:
    """The parameters' file has what the template wants, from what azd knows or can be told."""
    document = json.loads((INFRA / "main.parameters.json").read_text())["parameters"]
    wanted = tree.templates[OPERATOR].parameters
    for name in document.keys() - wanted.keys():
        yield f"main.parameters.json: the template takes no {name}"
    for name, parameter in wanted.items():
        if parameter.default is None and name not in document:
            yield f"main.parameters.json: no {name}"


def party_keys(tree: Tree) -> Iterator[str]:
    """What a party deploys is what `cleanroom init` would make."""
    kind = "Microsoft.KeyVault/vaults/keys"
    template = tree.templates["party/vault.bicep"]
    found = {
        text_of(each.body["name"]) for each in template.resources.values() if each.kind == kind
    }
    wanted = {vault.SIGNING, vault.READER, vault.room_key_name(_ROOM)}
    if found != wanted:
        yield f"party: the keys are {sorted(found)} and not {sorted(wanted)}"


AGREEMENTS = (
    *(containers, bus, runner_names, app_settings, events, functions_are_there),
    *(service, alerts, scaling, parameters, party_keys),
)
