"""Makes schemas/azure.json again: Azure's types, from Microsoft's own index, as far as we use them.

    python -m tests.infra.snapshot /path/to/azmcp

`azmcp` is in the wheel of msmcp-azure (MIT licence; the notice is kept in the file), and has the
index of Bicep's compiler in it: no network, no account. Of each resource the types are kept that
our templates come by; the others would be most of the file.
"""

import json
import subprocess
import sys
from collections.abc import Iterable
from typing import Any

from tests.infra.bicep import Resource
from tests.infra.shapes import SCHEMAS, Checker
from tests.infra.tree import tree

NOTICE = (
    "From Microsoft's index of Bicep types as it is in msmcp-azure 3.0.0. MIT License, Copyright"
    " 2025 (c) Microsoft Corporation; the text is in schemas/LICENSE-msmcp-azure."
)
_DROPPED = ("apiVersion", "type", "id")
_ANSWER = "BicepSchemaResult"


def used() -> dict[str, list[Resource]]:
    """Collect what all templates make, by type."""
    found: dict[str, list[Resource]] = {}
    for template in tree().templates.values():
        for resource in template.resources.values():
            if not resource.existing:
                found.setdefault(resource.kind, []).append(resource)
    return dict(sorted(found.items()))


def compact(answer: Any) -> dict[str, Any]:
    """Turn the index's answer about one resource into names, types and flags."""
    items = answer["results"][_ANSWER]
    resource = next(item for item in items if item["$type"] == "Resource")
    types = {item["name"]: _shape(item) for item in items if item is not resource}
    body = resource["bodyType"]
    types["(body)"] = _shape(body)
    for name in _DROPPED:
        types["(body)"]["props"].pop(name, None)
    return {"version": resource["name"].partition("@")[2], "body": "(body)", "types": types}


def _shape(item: Any) -> dict[str, Any]:
    if "elements" in item or "discriminator" in item:
        return {
            "props": _props(item.get("baseProperties", [])),
            "by": item["discriminator"],
            "cases": dict(_case(item["discriminator"], each) for each in item["elements"]),
        }
    found: dict[str, Any] = {"props": _props(item.get("properties", []))}
    rest = item.get("additionalPropertiesType")
    return found | ({"rest": rest} if rest else {})


def _case(by: str, element: Any) -> tuple[str, dict[str, list[str]]]:
    props = _props(element["properties"])
    return props[by][0].strip("'"), props


def _props(items: Iterable[Any]) -> dict[str, list[str]]:
    return {item["name"]: [item["type"], item.get("flags") or ""] for item in items}


def trimmed(found: dict[str, Any], resources: Iterable[Resource]) -> dict[str, Any]:
    """Keep the types that these bodies come by."""
    checker = Checker(found["types"])
    for resource in resources:
        list(checker.check(resource.body, found["body"], resource.name))
    kept = {name: found["types"][name] for name in sorted(checker.visited & found["types"].keys())}
    return found | {"types": kept}


def made(azmcp: str, by_hand: Iterable[str]) -> dict[str, Any]:
    """Ask for each type that is not described by hand."""
    types = {}
    for kind, resources in used().items():
        if kind not in by_hand:
            asked = [azmcp, "bicepschema", "get", "--resource-type", kind]
            answer = json.loads(subprocess.run(asked, capture_output=True, check=True).stdout)
            types[kind] = trimmed(compact(answer), resources)
    return {"notice": NOTICE, "types": types}


def main(azmcp: str) -> None:
    by_hand = json.loads((SCHEMAS / "by-hand.json").read_text())["types"]
    text = json.dumps(made(azmcp, by_hand), indent=1, sort_keys=True)
    (SCHEMAS / "azure.json").write_text(text + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
