"""Resource bodies against Azure's own types, as Bicep's compiler would check them.

The types come from Microsoft's index (schemas/azure.json, made by snapshot.py); what that index
lacks is written by hand (schemas/by-hand.json). A type that is in neither is an error: nothing goes
unchecked. An expression is taken to have the right type; that is the compiler's to know.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from tests.infra.bicep import Choice, Expression, Resource, Value, both

SCHEMAS = Path(__file__).parent / "schemas"
_EVERYWHERE = ("parent", "scope", "dependsOn")
_SIMPLE = {"string": str, "int": int, "bool": bool}
_OPEN = ("any", "object", "*")

type Types = Mapping[str, Any]


@cache
def known() -> Types:
    """Give every resource type that we know: its version, its body, the types in it."""
    found: dict[str, Any] = {}
    for name in ("azure.json", "by-hand.json"):
        found |= json.loads((SCHEMAS / name).read_text())["types"]
    return found


@dataclass
class Checker:
    """Checks one body, and remembers which types it came by."""

    types: Types
    visited: set[str] = field(default_factory=set)

    def check(self, value: Value, kind: str, where: str) -> Iterator[str]:
        for each in both(value):
            yield from self._check(each, kind, where)

    def _check(self, value: Value, kind: str, where: str) -> Iterator[str]:
        if isinstance(value, Expression | Choice) or value is None or kind in _OPEN:
            return
        if isinstance(value, list):
            yield from self._list(value, kind, where)
        elif isinstance(value, dict):
            yield from self._object(value, kind, where)
        elif not _fits(value, kind):
            yield f"{where}: {value!r} is no {kind}"

    def _list(self, value: list[Value], kind: str, where: str) -> Iterator[str]:
        if not kind.endswith("[]"):
            yield f"{where}: a list is no {kind}"
            return
        for i, each in enumerate(value):
            yield from self.check(each, kind.removesuffix("[]"), f"{where}[{i}]")

    def _object(self, value: dict[str, Value], kind: str, where: str) -> Iterator[str]:
        if kind in _SIMPLE or kind.endswith("[]") or "|" in kind:
            yield f"{where}: an object is no {kind}"
            return
        self.visited.add(kind)
        if kind not in self.types:
            yield f"{where}: {kind} is not in the snapshot; make it again"
            return
        shape = self.types[kind]
        props: dict[str, list[str]] = shape["props"]
        if "by" in shape:
            case = value.get(shape["by"])
            if not isinstance(case, str):
                case = next((each for each in both(case) if isinstance(each, str)), None)
            if case not in shape["cases"]:
                yield f"{where}.{shape['by']}: {case!r} is none of {sorted(shape['cases'])}"
                return
            props = props | shape["cases"][case]
        yield from self._members(value, shape.get("rest"), props, where)

    def _members(
        self, value: dict[str, Value], rest: str | None, props: Mapping[str, Any], where: str
    ) -> Iterator[str]:
        for name, each in value.items():
            if name in props:
                kind, flags = props[name]
                if "ReadOnly" in flags:
                    yield f"{where}.{name}: is read-only"
                yield from self.check(each, kind, f"{where}.{name}")
            elif rest is not None:
                yield from self.check(each, rest, f"{where}.{name}")
            else:
                yield f"{where}.{name}: no such property"
        for name, (_, flags) in props.items():
            if "Required" in flags and name not in value:
                yield f"{where}.{name}: is missing"


def _fits(value: str | int, kind: str) -> bool:
    if kind in _SIMPLE:
        return type(value) is _SIMPLE[kind]
    choices = [each.strip() for each in kind.split("|")]
    if any(choice in _SIMPLE and type(value) is _SIMPLE[choice] for choice in choices):
        return True
    return isinstance(value, str) and value in choices


def problems(resource: Resource, types: Types | None = None) -> list[str]:
    """Say what is wrong with a resource's body, its type and its version."""
    if resource.existing:
        return []
    everything = known() if types is None else types
    found = everything.get(resource.kind)
    if found is None:
        return [f"{resource.name}: {resource.kind} is no type that we can check"]
    wrong = []
    if resource.version != found["version"]:
        wrong.append(f"{resource.name}: {resource.version} is not checked; {found['version']} is")
    body = {name: value for name, value in resource.body.items() if name not in _EVERYWHERE}
    checker = Checker(found["types"])
    return wrong + list(checker.check(body, found["body"], resource.name))
