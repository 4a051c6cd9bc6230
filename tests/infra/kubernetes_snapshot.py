"""Makes schemas/kubernetes.json again: Kubernetes' own schemas, as far as our manifests use them.

    python -m tests.infra.kubernetes_snapshot FOLDER

FOLDER is `kubernetes-json-schema/vX.Y.Z-local-strict` of the wheel kubernetes-validate
(Apache-2.0). A definition that no manifest comes by is dropped; what leads to it takes
anything.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.infra.manifests import documents
from tests.infra.shapes import SCHEMAS

NOTICE = (
    "From the OpenAPI description of Kubernetes (Apache-2.0), as it is in kubernetes-validate"
    " 1.37.0, shortened."
)
_REF = "#/$defs/"


def visited(value: Any, schema: Any, definitions: Any) -> Iterator[str]:
    """Name the definitions that checking a value comes by."""
    if "$ref" in schema:
        name = schema["$ref"].partition(_REF)[2]
        yield name
        yield from visited(value, definitions[name], definitions)
    for each in schema.get("oneOf", []):
        yield from visited(value, each, definitions)
    if isinstance(value, dict):
        for key, inner in value.items():
            rest = schema.get("additionalProperties")
            found = schema.get("properties", {}).get(key, rest if isinstance(rest, dict) else {})
            yield from visited(inner, found, definitions)
    elif isinstance(value, list):
        for inner in value:
            yield from visited(inner, schema.get("items", {}), definitions)


def shortened(schema: Any, kept: set[str]) -> Any:
    """Leave out what explains, and what leads to a dropped definition."""
    if isinstance(schema, list):
        return [shortened(each, kept) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if isinstance(ref := schema.get("$ref"), str):
        name = ref.partition(_REF)[2]
        return {"$ref": f"#/$defs/{name}"} if name in kept else {}
    dropped = ("description", "format", "$schema", "$id")
    return {
        key: shortened(value, kept)
        for key, value in schema.items()
        if key not in dropped or not isinstance(value, str)
    }


def made(folder: Path) -> dict[str, Any]:
    definitions = json.loads((folder / "_definitions.json").read_text())["$defs"]
    kinds, kept = {}, set()
    for document in documents():
        group, _, version = document["apiVersion"].rpartition("/")
        names = [document["kind"].lower(), *([group.partition(".")[0]] if group else []), version]
        path = folder / f"{'-'.join(names)}.json"
        if path.is_file():
            kinds[f"{document['apiVersion']} {document['kind']}"] = schema = json.loads(
                path.read_text()
            )
            kept |= set(visited(document, schema, definitions))
    return {
        "notice": NOTICE,
        "kinds": {name: shortened(kinds[name], kept) for name in sorted(kinds)},
        "$defs": {name: shortened(definitions[name], kept) for name in sorted(kept)},
    }


if __name__ == "__main__":
    text = json.dumps(made(Path(sys.argv[1])), indent=1, sort_keys=True)
    (SCHEMAS / "kubernetes.json").write_text(text + "\n")
