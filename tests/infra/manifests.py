"""The manifests of the cluster, and whether they are what Kubernetes takes."""

import json
from collections.abc import Mapping
from typing import Any

import jsonschema_rs
import yaml

from tests.infra.shapes import SCHEMAS
from tests.infra.tree import INFRA

_TEXT = {"type": "string"}
_WHOLE = {"type": "integer", "minimum": 0}
_COUNTS = ("minReplicaCount", "maxReplicaCount", "pollingInterval", "cooldownPeriod")
_QUEUE = ("namespace", "queueName", "messageCount", "activationMessageCount")
_KEDA: Mapping[str, Any] = {
    "keda.sh/v1alpha1 TriggerAuthentication": {
        "podIdentity": {
            "type": "object",
            "additionalProperties": False,
            "required": ["provider", "identityId"],
            "properties": {
                "provider": {"const": "azure-workload"},
                "identityId": {"type": "string"},
            },
        }
    },
    "keda.sh/v1alpha1 ScaledObject": {
        "scaleTargetRef": {
            "type": "object",
            "additionalProperties": False,
            "required": ["name"],
            "properties": {"name": {"type": "string"}},
        },
        **dict.fromkeys(_COUNTS, _WHOLE),
        "triggers": {
            "type": "array",
            "items": {
                "type": "object",
                "additionalProperties": False,
                "required": ["type", "metadata", "authenticationRef"],
                "properties": {
                    "type": {"const": "azure-servicebus"},
                    "metadata": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["namespace", "queueName", "messageCount"],
                        "properties": dict.fromkeys(_QUEUE, _TEXT),
                    },
                    "authenticationRef": {
                        "type": "object",
                        "additionalProperties": False,
                        "required": ["name"],
                        "properties": {"name": {"type": "string"}},
                    },
                },
            },
        },
    },
}
"""What we use of KEDA's kinds, by its reference; Kubernetes knows nothing of them."""


def documents() -> list[dict[str, Any]]:
    """Read all manifests, in the order in which they are applied."""
    folder = INFRA / "k8s"
    names = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [each for name in names for each in yaml.safe_load_all((folder / name).read_text())]


def one(kind: str, found: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """Return the only manifest of a kind."""
    (document,) = (each for each in found or documents() if each["kind"] == kind)
    return document


def problems(document: Mapping[str, Any]) -> list[str]:
    """Say what Kubernetes would not take."""
    name = f"{document.get('apiVersion')} {document.get('kind')}"
    known = json.loads((SCHEMAS / "kubernetes.json").read_text())
    if name in known["kinds"]:
        schema = known["kinds"][name] | {"$defs": known["$defs"]}
    elif name in _KEDA:
        spec = {"type": "object", "additionalProperties": False, "properties": _KEDA[name]}
        schema = {"type": "object", "required": ["spec"], "properties": {"spec": spec}}
    else:
        return [f"{name} is no kind that we can check"]
    check = jsonschema_rs.Draft202012Validator(schema)
    return [
        f"{name} {error.instance_path}: {error.message}" for error in check.iter_errors(document)
    ]
