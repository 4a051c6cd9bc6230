"""What must be true of the deployments, whatever else they are (infra/README.md).

Each rule is a query over the parsed templates that says what breaks it.
"""

from collections.abc import Callable, Iterator

from tests.infra.bicep import Choice, Expression, Resource, Value, both, strings
from tests.infra.tree import OPERATOR, PARTY, Tree

ROLES = {
    "08bbd89e-9f13-488c-ac41-acfcb10c90ab": "Key Vault Crypto Service Release User",
    "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3": "Storage Table Data Contributor",
    "14b46e9e-c2b7-41b4-b07b-48a6ebf60603": "Key Vault Crypto Officer",
    "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1": "Storage Blob Data Reader",
    "3913510d-42f4-4e42-8a64-420c390055eb": "Monitoring Metrics Publisher",
    "4d97b98b-1d4f-4787-a291-c67834d212e7": "Network Contributor",
    "4f6d3b9b-027b-4f4c-9142-0e5a2a2247e0": "Azure Service Bus Data Receiver",
    "69a216fc-b8fb-44d8-bc22-1f3c2cd27a39": "Azure Service Bus Data Sender",
    "7f951dda-4ed3-4680-a7ca-43fe172d538d": "AcrPull",
    "974c5e8b-45b9-4653-ba55-5f855dd0fb88": "Storage Queue Data Contributor",
    "b7e6dc6d-f1e8-4753-8033-0f276bb0955b": "Storage Blob Data Owner",
    "ba92f5b4-2d11-453d-a403-e96b0029c9fe": "Storage Blob Data Contributor",
    "d5a91429-5739-47e2-a06b-3470a27159e7": "EventGrid Data Sender",
    "db58b8e5-c6ad-4a2a-8342-4190687cbf4a": "Storage Blob Delegator",
}
"""Every role that anybody is given; there is no Owner, Contributor or User Access Administrator."""

_ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
_ROLE_PREFIX = "Microsoft.Authorization/roleDefinitions/"
_PARTYS_OWN = ("Microsoft.KeyVault/", "Microsoft.Attestation/")
_TELLING = ("listKeys", "listSecrets", "connectionString=", "listConnectionStrings", "AccountKey=")
_HIDDEN = ("DisableLocalAuth", "disableLocalAuth")
_SITE_SETTINGS_OF_OTHER_PLANS = (
    *("FUNCTIONS_WORKER_RUNTIME", "FUNCTIONS_EXTENSION_VERSION", "WEBSITE_RUN_FROM_PACKAGE"),
    *("WEBSITE_CONTENTAZUREFILECONNECTIONSTRING", "WEBSITE_CONTENTSHARE", "linuxFxVersion"),
)
_MACHINES = ("Microsoft.Compute/virtualMachines", "Microsoft.Compute/virtualMachineScaleSets")

type Rule = Callable[[Tree], Iterator[str]]


def role_of(resource: Resource) -> str:
    """Name the role that an assignment gives; `?` if it is in a list."""
    given = resource.properties["roleDefinitionId"]
    return given.removeprefix(_ROLE_PREFIX) if isinstance(given, str) else "?"


def get(value: Value, path: str) -> Value:
    """Follow a path of names; an expression where it leads nowhere is None."""
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value


def operator_touches_nothing_of_a_party(tree: Tree) -> Iterator[str]:
    for file, resource in tree.resources(OPERATOR):
        if resource.kind.startswith(_PARTYS_OWN):
            yield f"{file}: {resource.name} is a party's to make"


def party_makes_nothing_of_the_operators(tree: Tree) -> Iterator[str]:
    kinds = (
        "Microsoft.Web/",
        "Microsoft.ServiceBus/",
        "Microsoft.EventGrid/",
        "Microsoft.Compute/",
    )
    for file, resource in tree.resources(PARTY):
        if resource.kind.startswith(kinds):
            yield f"{file}: {resource.name} is the operator's to make"


def roles_are_of_the_list(tree: Tree) -> Iterator[str]:
    for name in (OPERATOR, PARTY):
        for file, resource in tree.resources(name, _ASSIGNMENT):
            template, role = tree.templates[file], role_of(resource)
            given = template.value(template.variables["roles"]) if role == "?" else role
            for each in strings(given):
                if each not in ROLES:
                    yield f"{file}: {resource.name} gives role {each}, which is not of the list"


def assignments_are_exact(tree: Tree) -> Iterator[str]:
    for name in (OPERATOR, PARTY):
        for file, resource in tree.resources(name, _ASSIGNMENT):
            if "principalType" not in resource.properties:
                yield f"{file}: {resource.name} lacks a principalType"
            if "scope" not in resource.body:
                yield f"{file}: {resource.name} is for a whole resource group"
            named = resource.body.get("name")
            if not isinstance(named, Expression) or not named.text.startswith("guid("):
                yield f"{file}: {resource.name} has no name that stays the same"


def _scopes(tree: Tree, name: str, who: str, role: str) -> set[str]:
    """Say to what somebody has a role, by the resources' names in the files."""
    found = set()
    for _, resource in tree.resources(name, _ASSIGNMENT):
        principal = resource.properties["principalId"]
        scope = resource.body.get("scope")
        given = ROLES.get(role_of(resource))
        if isinstance(principal, Expression) and principal.text == who and given == role:
            found.add(scope.text if isinstance(scope, Expression) else "resource group")
    return found


def grants_are_the_narrowest(tree: Tree) -> Iterator[str]:
    wanted = [
        (OPERATOR, "functionsPrincipalId", "Storage Blob Data Contributor", {"rooms", "control"}),
        (
            *(OPERATOR, "functionsPrincipalId", "Storage Blob Data Reader"),
            {"datasets", "results", "drops[i]"},
        ),
        (OPERATOR, "functionsPrincipalId", "Azure Service Bus Data Sender", {"jobs"}),
        (
            *(OPERATOR, "functionsPrincipalId", "Azure Service Bus Data Receiver"),
            {"jobs", "toFunctions"},
        ),
        (OPERATOR, "functionsPrincipalId", "EventGrid Data Sender", {"cleanroom"}),
        (OPERATOR, "runnerPrincipalId", "Storage Blob Data Contributor", {"rooms", "results"}),
        (OPERATOR, "runnerPrincipalId", "Storage Blob Data Reader", {"datasets", "drops[i]"}),
        (OPERATOR, "runnerPrincipalId", "Azure Service Bus Data Receiver", {"jobs"}),
        (OPERATOR, "runnerPrincipalId", "Azure Service Bus Data Sender", {"outcomes"}),
        (OPERATOR, "party.principalId", "Storage Blob Data Contributor", {"drops[i]"}),
        (OPERATOR, "party.principalId", "Storage Blob Data Reader", {"rooms", "results"}),
        (OPERATOR, "party.principalId", "Azure Service Bus Data Receiver", {"toParties[i]"}),
        (OPERATOR, "party.principalId", "EventGrid Data Sender", {"inbox"}),
        (PARTY, "runnerPrincipalId", "Key Vault Crypto Service Release User", {"roomKeys[i]"}),
        (PARTY, "administratorPrincipalId", "Key Vault Crypto Officer", {"vault"}),
    ]
    for name, who, role, scopes in wanted:
        found = _scopes(tree, name, who, role)
        if found != scopes:
            yield f"{name}: {who} is {role} on {sorted(found)} and not on {sorted(scopes)}"


def only_the_release_role_is_the_runners(tree: Tree) -> Iterator[str]:
    for who in ("runnerPrincipalId", "functionsPrincipalId"):
        for file, resource in tree.resources(PARTY, _ASSIGNMENT):
            principal = resource.properties["principalId"]
            role = ROLES.get(role_of(resource), "?")
            if isinstance(principal, Expression) and principal.text == who:
                allowed = {"runnerPrincipalId": ["Key Vault Crypto Service Release User"]}
                if role not in allowed.get(who, []):
                    yield f"{file}: {resource.name} gives {who} the role {role}"


def nobody_is_told_a_secret(tree: Tree) -> Iterator[str]:
    for file, template in tree.templates.items():
        source = (template.root.text or b"").decode()
        for word in _TELLING:
            if word in source:
                yield f"{file} holds {word}"


def keys_of_accounts_are_off(tree: Tree) -> Iterator[str]:
    wanted: dict[str, dict[str, Value]] = {
        "Microsoft.Storage/storageAccounts": {
            "allowSharedKeyAccess": False,
            "defaultToOAuthAuthentication": True,
            "isLocalUserEnabled": False,
            "allowBlobPublicAccess": False,
            "allowCrossTenantReplication": False,
            "minimumTlsVersion": "TLS1_2",
            "supportsHttpsTrafficOnly": True,
        },
        "Microsoft.ServiceBus/namespaces": {"disableLocalAuth": True, "minimumTlsVersion": "1.2"},
        "Microsoft.EventGrid/topics": {"disableLocalAuth": True, "minimumTlsVersionAllowed": "1.2"},
        "Microsoft.Insights/components": {"DisableLocalAuth": True},
        "Microsoft.OperationalInsights/workspaces": {"features.disableLocalAuth": True},
        "Microsoft.ContainerRegistry/registries": {
            "adminUserEnabled": False,
            "anonymousPullEnabled": False,
        },
        "Microsoft.ContainerService/managedClusters": {
            "disableLocalAccounts": True,
            "enableRBAC": True,
            "apiServerAccessProfile.enablePrivateCluster": True,
            "apiServerAccessProfile.disableRunCommand": True,
            "securityProfile.workloadIdentity.enabled": True,
        },
        "Microsoft.Web/sites/basicPublishingCredentialsPolicies": {"allow": False},
        "Microsoft.Web/sites": {
            "httpsOnly": True,
            "siteConfig.minTlsVersion": "1.2",
            "siteConfig.ftpsState": "Disabled",
        },
        "Microsoft.KeyVault/vaults": {
            "sku.name": "premium",
            "enableRbacAuthorization": True,
            "enableSoftDelete": True,
            "enablePurgeProtection": True,
            "softDeleteRetentionInDays": 90,
            "networkAcls.bypass": "None",
            "networkAcls.defaultAction": "Deny",
        },
        "Microsoft.Storage/storageAccounts/blobServices/containers": {"publicAccess": "None"},
    }
    for name in (OPERATOR, PARTY):
        for file, resource in tree.resources(name, *wanted):
            for path, value in wanted[resource.kind].items():
                found = get(resource.properties, path)
                if found != value or type(found) is not type(value):
                    yield f"{file}: {resource.name}.{path} is {found!r} and not {value!r}"


def private_means_no_public_access(tree: Tree) -> Iterator[str]:
    """Accept `CONDITION ? 'Disabled' : 'Enabled'` by the switch, and nothing else but two doors."""
    doors = ("Microsoft.Web/sites", "Microsoft.EventGrid/topics", "Microsoft.Attestation/")
    for name in (OPERATOR, PARTY):
        for file, resource in tree.resources(name):
            found = resource.properties.get("publicNetworkAccess")
            if found is None or resource.kind.startswith(doors):
                continue
            switched = (
                isinstance(found, Choice)
                and found.condition in ("privateNetwork", "closed")
                and (found.yes, found.no) == ("Disabled", "Enabled")
            )
            if not switched:
                yield f"{file}: {resource.name} has public access {found!r}"


def machines_prove_and_let_nobody_in(tree: Tree) -> Iterator[str]:
    wanted: dict[str, Value] = {
        "securityProfile.securityType": "ConfidentialVM",
        "securityProfile.uefiSettings.secureBootEnabled": True,
        "securityProfile.uefiSettings.vTpmEnabled": True,
        "osProfile.allowExtensionOperations": False,
        "osProfile.linuxConfiguration.disablePasswordAuthentication": True,
        "osProfile.linuxConfiguration.provisionVMAgent": False,
        "diagnosticsProfile.bootDiagnostics.enabled": False,
    }
    for file, resource in tree.resources(OPERATOR):
        if "extensions" in resource.kind or "runCommands" in resource.kind:
            yield f"{file}: {resource.name} lets the operator into a machine"
        if resource.kind not in _MACHINES:
            continue
        profile = resource.properties.get("virtualMachineProfile", resource.properties)
        for path, value in wanted.items():
            if get(profile, path) != value:
                yield f"{file}: {resource.name}.{path} is not {value!r}"
        encrypted = get(profile, "storageProfile.osDisk.managedDisk.securityProfile")
        kinds = list(both(get(encrypted, "securityEncryptionType")))
        if kinds != ["VMGuestStateOnly", "DiskWithVMGuestState"]:
            yield f"{file}: {resource.name} does not encrypt its disk as it should: {kinds}"
        if "publicIPAddress" in str(resource.properties):
            yield f"{file}: {resource.name} has a public address"


def images_are_fixed(tree: Tree) -> Iterator[str]:
    for file, template in tree.templates.items():
        for found in (word for v in template.variables for word in _words(tree, file, v)):
            if found == "latest":
                yield f"{file}: 'latest' starts with other PCRs one day"


def _words(tree: Tree, file: str, variable: str) -> Iterator[str]:
    template = tree.templates[file]
    return strings(template.value(template.variables[variable]))


def keys_do_what_they_must_and_no_more(tree: Tree) -> Iterator[str]:
    wanted: dict[str, dict[str, Value]] = {
        "roomKeys": {
            "kty": "RSA-HSM",
            "keySize": 3072,
            "keyOps": ["unwrapKey", "wrapKey"],
            "attributes.exportable": True,
            "release_policy.contentType": "application/json; charset=utf-8",
        },
        "reader": {
            "kty": "RSA-HSM",
            "keySize": 3072,
            "keyOps": ["unwrapKey", "wrapKey"],
            "attributes.exportable": False,
        },
        "signing": {
            "kty": "EC-HSM",
            "curveName": "P-256",
            "keyOps": ["sign", "verify"],
            "attributes.exportable": False,
        },
    }
    kind = "Microsoft.KeyVault/vaults/keys"
    keys = {resource.name: resource for _, resource in tree.resources(PARTY, kind)}
    if keys.keys() != wanted.keys():
        yield f"party: the keys are {sorted(keys)}"
        return
    for name, properties in wanted.items():
        for path, value in properties.items():
            if get(keys[name].properties, path) != value:
                yield f"party: {name}.{path} is not {value!r}"
    policy = get(keys["roomKeys"].properties, "release_policy.data")
    if not (isinstance(policy, Expression) and policy.text == "room.releasePolicy"):
        yield "party: the policy is not the one that was generated"
    for name in ("reader", "signing"):
        if "release_policy" in keys[name].properties:
            yield f"party: the {name} key can be released"


def receipts_are_kept(tree: Tree) -> Iterator[str]:
    made = tree.templates["modules/storage.bicep"].resources
    if get(made["rooms"].properties, "immutableStorageWithVersioning.enabled") is not True:
        yield "storage: versions in rooms can be taken away"
    parent = made["kept"].body["parent"] if "kept" in made else None
    if not isinstance(parent, Expression) or parent.text != "rooms":
        yield "storage: nothing says for how long versions in rooms are kept"
    if made["blobs"].properties.get("isVersioningEnabled") is not True:
        yield "storage: there are no versions"


def events_are_not_lost(tree: Tree) -> Iterator[str]:
    kinds = ("systemTopics/eventSubscriptions", "topics/eventSubscriptions")
    for file, each in tree.resources(OPERATOR, *(f"Microsoft.EventGrid/{kind}" for kind in kinds)):
        kept = get(
            each.properties, "deadLetterWithResourceIdentity.deadLetterDestination.properties"
        )
        if get(kept, "blobContainerName") != "dead-letters":
            yield f"{file}: {each.name} drops what it cannot deliver"
        if each.properties.get("eventDeliverySchema") != "CloudEventSchemaV1_0":
            yield f"{file}: {each.name} does not deliver CloudEvents"
        if get(each.properties, "destination.properties.maxEventsPerBatch") != 1:
            yield f"{file}: {each.name} makes all of a batch come again"


def functions_run_on_flex(tree: Tree) -> Iterator[str]:
    for file, resource in tree.resources(OPERATOR, "Microsoft.Web/sites"):
        if get(resource.properties, "functionAppConfig.runtime.version") != "3.13":
            yield f"{file}: {resource.name} is not on Python 3.13"
    source = (tree.templates["modules/functions.bicep"].root.text or b"").decode()
    for word in _SITE_SETTINGS_OF_OTHER_PLANS:
        if word in source:
            yield f"modules/functions.bicep: {word} is refused on Flex Consumption"


def containers_are_pinned(tree: Tree) -> Iterator[str]:
    for file, group in tree.resources(OPERATOR, "Microsoft.ContainerInstance/containerGroups"):
        policy = get(group.properties, "confidentialComputeProperties.ccePolicy")
        if group.properties.get("sku") != "Confidential" or policy is None:
            yield f"{file}: {group.name} is not confidential"
        if "ipAddress" in group.properties:
            yield f"{file}: {group.name} has an address of its own"
        containers = group.properties["containers"]
        assert isinstance(containers, list)
        for each in containers:
            context = get(each, "properties.securityContext")
            wanted = {"privileged": False, "allowPrivilegeEscalation": False, "runAsUser": 65532}
            for path, value in wanted.items():
                if get(context, path) != value:
                    yield f"{file}: {group.name}: {path} is not {value!r}"


RULES: tuple[Rule, ...] = (
    operator_touches_nothing_of_a_party,
    party_makes_nothing_of_the_operators,
    roles_are_of_the_list,
    assignments_are_exact,
    grants_are_the_narrowest,
    only_the_release_role_is_the_runners,
    nobody_is_told_a_secret,
    keys_of_accounts_are_off,
    private_means_no_public_access,
    machines_prove_and_let_nobody_in,
    images_are_fixed,
    keys_do_what_they_must_and_no_more,
    receipts_are_kept,
    events_are_not_lost,
    functions_run_on_flex,
    containers_are_pinned,
)
