"""Bicep files as values: what is written out is a value, what only Azure knows stays an expression.

Names of variables are followed: `securityRules: concat(some, others)` is a list
of rules. Of a condition both sides are kept, of a loop the body.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import tree_sitter_bicep
from tree_sitter import Language, Node, Parser

_PARSER = Parser(Language(tree_sitter_bicep.language()))
_COMMENTS = ("comment", "diagnostic_comment")
_DECLARATIONS = {
    "parameter_declaration",
    "variable_declaration",
    "resource_declaration",
    "module_declaration",
    "output_declaration",
}

type Value = str | int | bool | Expression | Choice | list[Value] | dict[str, Value] | None


@dataclass(frozen=True, slots=True)
class Expression:
    """What only a deployment can work out, as it is written."""

    text: str
    node: Node = field(compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class Choice:
    """One or the other, by a condition."""

    condition: str
    yes: Value
    no: Value


@dataclass(frozen=True, slots=True)
class Parameter:
    """What a file wants to be told."""

    name: str
    kind: str
    default: Node | None
    allowed: Value


@dataclass(frozen=True, slots=True)
class Resource:
    """What a file makes, or, if it exists, only refers to."""

    name: str
    kind: str
    version: str
    existing: bool
    condition: str | None
    loop: str | None
    body: dict[str, Value]

    @property
    def properties(self) -> dict[str, Value]:
        found = self.body.get("properties", {})
        assert isinstance(found, dict), self.name
        return found


@dataclass(frozen=True, slots=True)
class Module:
    """Another file that a file uses."""

    name: str
    path: str
    condition: str | None
    body: dict[str, Value]

    @property
    def params(self) -> dict[str, Value]:
        found = self.body.get("params", {})
        assert isinstance(found, dict), self.name
        return found


@dataclass(frozen=True)
class Template:
    """One file, parsed."""

    path: Path
    root: Node
    scope: str
    parameters: dict[str, Parameter]
    variables: dict[str, Node]
    resources: dict[str, Resource]
    modules: dict[str, Module]
    outputs: dict[str, Value]

    def value(self, node: Node) -> Value:
        return _Reader(self.variables).value(node)


def parse(source: bytes) -> Node:
    return _PARSER.parse(source).root_node


def broken(node: Node) -> Iterator[Node]:
    """Find what the grammar does not have."""
    if node.type == "ERROR" or node.is_missing:
        yield node
    for child in node.children:
        yield from broken(child)


def children(node: Node) -> list[Node]:
    return [child for child in node.named_children if child.type not in _COMMENTS]


def text(node: Node) -> str:
    return (node.text or b"").decode()


def named(node: Node) -> str:
    """Return the name that a declaration declares."""
    return text(next(child for child in children(node) if child.type == "identifier"))


def literal(node: Node) -> str | None:
    """Return a string without anything in it that is worked out."""
    if node.type != "string" or any(child.type == "interpolation" for child in node.children):
        return None
    found = "".join(text(child) for child in node.children[1:-1])
    return found.replace("\\n", "\n").replace("\\'", "'")


def load(path: Path, source: bytes | None = None) -> Template:
    """Read a file, or what a test would have it be."""
    root = parse(path.read_bytes() if source is None else source)
    found: dict[str, list[Node]] = {kind: [] for kind in _DECLARATIONS}
    scope, decorators = "resourceGroup", []
    allowed: dict[str, Node] = {}
    for child in children(root):
        if child.type == "target_scope_assignment":
            scope = literal(children(child)[-1]) or scope
        elif child.type == "decorators":
            decorators = children(child)
        elif child.type in found:
            found[child.type].append(child)
            for decorator in decorators:
                call = children(decorator)[0]
                if text(children(call)[0]) == "allowed":
                    allowed[named(child)] = children(children(call)[1])[0]
            decorators = []
    variables = {named(node): children(node)[-1] for node in found["variable_declaration"]}
    reader = _Reader(variables)
    return Template(
        path,
        root,
        scope,
        {
            named(node): reader.parameter(node, allowed.get(named(node)))
            for node in found["parameter_declaration"]
        },
        variables,
        {named(node): reader.resource(node) for node in found["resource_declaration"]},
        {named(node): reader.module(node) for node in found["module_declaration"]},
        {named(node): reader.value(children(node)[-1]) for node in found["output_declaration"]},
    )


@dataclass(frozen=True)
class _Reader:
    variables: Mapping[str, Node]

    def parameter(self, node: Node, allowed: Node | None) -> Parameter:
        parts = children(node)
        kind = next(part for part in parts if part.type == "type")
        rest = parts[parts.index(kind) + 1 :]
        choices = self.value(allowed) if allowed else None
        return Parameter(named(node), text(kind), rest[0] if rest else None, choices)

    def resource(self, node: Node) -> Resource:
        kind, _, version = (literal(children(node)[1]) or "").partition("@")
        existing = any(child.type == "existing" for child in node.children)
        condition, loop, body = self._body(children(node)[-1])
        return Resource(named(node), kind, version, existing, condition, loop, body)

    def module(self, node: Node) -> Module:
        condition, _, body = self._body(children(node)[-1])
        return Module(named(node), literal(children(node)[1]) or "", condition, body)

    def _body(self, node: Node) -> tuple[str | None, str | None, dict[str, Value]]:
        condition = loop = None
        if node.type == "if_statement":
            condition, node = text(children(node)[0])[1:-1], children(node)[1]
        elif node.type == "for_statement":
            loop, node = text(children(node)[-2]), children(node)[-1]
        found = self.value(node)
        assert isinstance(found, dict), text(node)[:80]
        return condition, loop, found

    def value(self, node: Node) -> Value:
        """Say what an expression comes to, as far as the file tells."""
        simple = _SIMPLE.get(node.type)
        if simple is not None:
            return simple(self, node)
        return Expression(text(node), node)

    def _string(self, node: Node) -> Value:
        found = literal(node)
        return Expression(text(node), node) if found is None else found

    def _identifier(self, node: Node) -> Value:
        variable = self.variables.get(text(node))
        return Expression(text(node), node) if variable is None else self.value(variable)

    def _object(self, node: Node) -> Value:
        found: dict[str, Value] = {}
        for each in children(node):
            key, content = children(each)
            name = literal(key) if key.type == "string" else text(key)
            found[text(key) if name is None else name] = self.value(content)
        return found

    def _array(self, node: Node) -> Value:
        if children(node) and children(node)[0].type == "for_statement":
            return self._loop(children(node)[0])
        return [self.value(each) for each in children(node)]

    def _loop(self, node: Node) -> Value:
        return [self.value(children(node)[-1])]

    def _ternary(self, node: Node) -> Value:
        condition, yes, no = children(node)
        return Choice(text(condition), self.value(yes), self.value(no))

    def _parenthesized(self, node: Node) -> Value:
        return self.value(children(node)[0])

    def _call(self, node: Node) -> Value:
        name, arguments = children(node)
        given = [self.value(each) for each in children(arguments)]
        if text(name) == "union" and all(isinstance(each, dict | Expression) for each in given):
            joined: dict[str, Value] = {}
            for each in given:
                joined |= each if isinstance(each, dict) else {}
            return joined
        if text(name) == "concat" and all(isinstance(each, list) for each in given):
            return [item for each in given if isinstance(each, list) for item in each]
        if text(name) == "subscriptionResourceId" and isinstance(given[-1], str):
            return "/".join(str(each) for each in given)
        return Expression(text(node), node)


_SIMPLE: Mapping[str, Callable[[_Reader, Node], Value]] = {
    "string": _Reader._string,
    "number": lambda _, node: int(text(node)),
    "boolean": lambda _, node: text(node) == "true",
    "null": lambda _, _node: None,
    "identifier": _Reader._identifier,
    "object": _Reader._object,
    "array": _Reader._array,
    "for_statement": _Reader._loop,
    "ternary_expression": _Reader._ternary,
    "parenthesized_expression": _Reader._parenthesized,
    "call_expression": _Reader._call,
}


def both(value: Value) -> Iterator[Value]:
    """Give what a value may be: itself, or either side of a condition."""
    if isinstance(value, Choice):
        yield from both(value.yes)
        yield from both(value.no)
    else:
        yield value


def strings(value: Value) -> Iterator[str]:
    """Give every string that is written out somewhere in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, Choice):
        yield from strings(value.yes)
        yield from strings(value.no)
    elif isinstance(value, list | dict):
        for each in value.values() if isinstance(value, dict) else value:
            yield from strings(each)
