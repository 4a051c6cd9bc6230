"""Names in Bicep files: what is used is declared, what modules take is what they are given."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tree_sitter import Node

from tests.infra.bicep import Template, broken, children, literal, text
from tests.infra.tree import Tree

FUNCTIONS = frozenset(
    {
        *("array", "base64", "concat", "contains", "empty", "environment", "format", "guid"),
        *("join", "length", "loadJsonContent", "loadTextContent", "max", "min", "range"),
        *("replace", "resourceGroup", "resourceId", "split", "string", "subscription"),
        *("subscriptionResourceId", "substring", "take", "tenant", "toLower", "union"),
        *("uniqueString", "utcNow"),
        *("description", "minLength", "maxLength", "minValue", "maxValue", "allowed", "metadata"),
        *("secure",),
    }
)
"""What our files call; a longer list would only hide a misspelled name."""
_OUTPUT = re.compile(r"(\w+)\.outputs\.(\w+)")
_SKIPPED = ("type", "primitive_type", "comment", "diagnostic_comment")


@dataclass(frozen=True)
class _Scope:
    template: Template
    tree: Tree
    used: set[str]

    @property
    def declared(self) -> set[str]:
        template = self.template
        return {
            *template.parameters,
            *template.variables,
            *template.resources,
            *template.modules,
        }


def problems(template: Template, tree: Tree) -> list[str]:
    """Say everything that is wrong with a file's names; `load`ed files are looked for."""
    scope = _Scope(template, tree, set())
    found = [f"{_at(node)} syntax" for node in broken(template.root)]
    found += list(_walk(template.root, scope, frozenset()))
    found += list(_modules(template, tree))
    for name in [*template.parameters, *template.variables]:
        if name not in scope.used:
            found.append(f"{name} is not used")
    return found


def _walk(node: Node, scope: _Scope, local: frozenset[str]) -> Iterator[str]:
    if node.type in _SKIPPED:
        return
    if node.type == "identifier":
        yield from _name(node, scope, local)
    elif node.type == "call_expression":
        yield from _call(node, scope, local)
    elif node.type == "member_expression":
        yield from _walk(children(node)[0], scope, local)
        yield from _output(node, scope)
    else:
        inner = local | _loop_names(node)
        for each in _parts(node):
            yield from _walk(each, scope, inner)


def _loop_names(node: Node) -> frozenset[str]:
    if node.type != "for_statement":
        return frozenset()
    first = children(node)[0]
    named = children(first) if first.type == "for_loop_parameters" else [first]
    return frozenset(map(text, named))


def _parts(node: Node) -> list[Node]:
    """Give what a node is made of, without the names that it gives to things itself."""
    parts = node.named_children
    if node.type == "for_statement" or node.type.endswith("_declaration"):
        return children(node)[1:]
    if node.type == "object_property" and parts[0].type == "identifier":
        return parts[1:]
    return parts


def _name(node: Node, scope: _Scope, local: frozenset[str]) -> Iterator[str]:
    name = text(node)
    scope.used.add(name)
    if name not in local and name not in scope.declared:
        yield f"{_at(node)} {name} is not declared"


def _call(node: Node, scope: _Scope, local: frozenset[str]) -> Iterator[str]:
    called, arguments = children(node)
    name = text(called)
    if called.type != "identifier":
        yield from _walk(called, scope, local)
    elif name not in FUNCTIONS:
        yield f"{_at(node)} {name}() is no function that we use"
    elif name.startswith("load"):
        path = literal(children(arguments)[0])
        if path is None or not (scope.template.path.parent / path).is_file():
            yield f"{_at(node)} there is no file {path}"
    for each in children(arguments):
        yield from _walk(each, scope, local)


def _output(node: Node, scope: _Scope) -> Iterator[str]:
    found = _OUTPUT.fullmatch(text(node))
    module = scope.template.modules.get(found[1]) if found else None
    if found is None or module is None:
        return
    used = scope.tree.used(scope.template, module)
    if used is not None and found[2] not in used.outputs:
        yield f"{_at(node)} module {found[1]} has no output {found[2]}"


def _modules(template: Template, tree: Tree) -> Iterator[str]:
    for module in template.modules.values():
        used = tree.used(template, module)
        if used is None:  # a registry's module would be one, too: it could not be checked
            yield f"module {module.name}: there is no file {module.path}"
            continue
        wanted = used.parameters
        for name in module.params.keys() - wanted.keys():
            yield f"module {module.name} takes no {name}"
        for name, parameter in wanted.items():
            if parameter.default is None and name not in module.params:
                yield f"module {module.name} lacks {name}"


def _at(node: Node) -> str:
    return f"line {node.start_point.row + 1}:"
