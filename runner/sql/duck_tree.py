"""A program as DuckDB itself parses it: every node is on a list, or the program is refused.

The tree is the engine's own, so nothing can be one thing to the check and another to the engine.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb

from runner.sql.refusal import Wall, refused
from runner.sql.vocabulary import AGGREGATES, FUNCTIONS, NOT_COLUMNS, ORDERED, TYPES

type Node = dict[str, Any]  # of JSON whose shape DuckDB decides
type _Place = tuple[Any, frozenset[str], int]  # a value, the tables it may name, its depth

_DEEPEST = 500  # levels of JSON, about three for each of SQL
_SELECT = duckdb.StatementType.SELECT
_EXPRESSIONS = frozenset(
    {
        *("BETWEEN", "CASE", "CAST", "COLUMN_REF", "COMPARISON", "CONJUNCTION", "CONSTANT"),
        *("FUNCTION", "OPERATOR", "PARAMETER", "STAR", "SUBQUERY", "WINDOW"),
    }
)
_OPERATORS = frozenset(
    {
        *("COMPARE_IN", "COMPARE_NOT_IN", "GROUPING_FUNCTION", "OPERATOR_COALESCE"),
        *("OPERATOR_IS_NOT_NULL", "OPERATOR_IS_NULL", "OPERATOR_NOT"),
    }
)
_OTHERS = frozenset(
    {
        *("ASCENDING", "BASE_TABLE", "DECIMAL_TYPE_INFO", "DESCENDING", "DISTINCT_MODIFIER"),
        *("EMPTY", "EXPRESSION_LIST", "JOIN", "LIMIT_MODIFIER", "ORDER_DEFAULT"),
        *("ORDER_MODIFIER", "SELECT_NODE", "SET_OPERATION_NODE", "SUBQUERY"),
    }
)
_JOINS = frozenset({"ASOF", "CROSS", "NATURAL", "REGULAR"})
_WHOLE_FRAMES = frozenset({"UNBOUNDED_PRECEDING", "UNBOUNDED_FOLLOWING", "CURRENT_ROW_RANGE"})


@dataclass(slots=True)
class Found:
    """What a program names, each time that it does."""

    tables: list[str] = field(default_factory=list)
    parameters: list[str] = field(default_factory=list)


def parsed(connection: duckdb.DuckDBPyConnection, program: str) -> Node:
    """Have DuckDB parse exactly one SELECT."""
    try:
        statements = connection.extract_statements(program)
        if [statement.type for statement in statements] != [_SELECT]:
            raise refused(Wall.SELECT)
        answer = connection.execute("SELECT json_serialize_sql(?)", [program]).fetchone()
        tree: Node = json.loads(answer[0]) if answer else {"error": True}
    except (duckdb.OutOfMemoryException, RecursionError):
        raise refused(Wall.SIZE) from None
    except duckdb.Error:
        raise refused(Wall.SELECT) from None
    if tree["error"] or len(tree["statements"]) != 1:
        raise refused(Wall.SELECT)
    statement: Node = tree["statements"][0]
    return statement


def check(statement: Node, inputs: frozenset[str]) -> Found:
    """Refuse what is not on the lists; return what was named."""
    found = Found()
    left: list[_Place] = [(statement, inputs, 0)]
    while left:  # a list instead of calls: how deep a program nests is its author's choice
        value, known, depth = left.pop()
        if depth > _DEEPEST:
            raise refused(Wall.SIZE)
        if isinstance(value, list):
            left += [(item, known, depth + 1) for item in value]
        elif isinstance(value, dict):
            for name, query in _named_queries(value):
                if name in inputs:  # one name for two things
                    raise refused(Wall.TABLES, name)
                left.append((query, known, depth + 1))  # it knows the ones before it
                known |= {name}
            _check_node(value, known, found)
            left += [(item, known, depth + 1) for key, item in value.items() if key != "cte_map"]
    return found


def _named_queries(node: Node) -> Iterator[tuple[str, Node]]:
    for entry in node.get("cte_map", {"map": []})["map"]:
        if entry["value"]["key_targets"]:  # a recursion of another kind
            raise refused(Wall.RECURSION)
        yield entry["key"].lower(), entry["value"]["query"]


def _check_node(node: Node, known: frozenset[str], found: Found) -> None:
    if node.get("sample") is not None:
        raise refused(Wall.ORDER)
    if "class" in node:
        _check_expression(node, found)
    elif isinstance(kind := node.get("type"), str):
        _check_other(kind, node, known, found)
    for name in ("cast_type", "type"):
        if isinstance(kind := node.get(name), dict) and kind["id"] not in TYPES:
            raise refused(Wall.TYPES, kind["id"])


def _check_expression(node: Node, found: Found) -> None:
    match node["class"]:
        case kind if kind not in _EXPRESSIONS:
            raise refused(Wall.CONSTRUCTS, kind)
        case "FUNCTION":
            _check_function(node)
        case "WINDOW":
            _check_window(node)
        case "OPERATOR" if node["type"] not in _OPERATORS:
            raise refused(Wall.CONSTRUCTS, node["type"])
        case "COLUMN_REF" if node["column_names"][-1].lower() in NOT_COLUMNS:
            raise refused(Wall.COLUMNS, node["column_names"][-1])
        case "STAR" if node["columns"] or node["expr"] is not None:
            raise refused(Wall.CONSTRUCTS, "COLUMNS")
        case "PARAMETER":
            found.parameters.append(node["identifier"])
        case _:
            pass


def _check_function(node: Node) -> None:
    # `main` is where the parser itself looks for some, such as LIKE with an ESCAPE
    if node["catalog"] or node["schema"] not in ("", "main"):
        raise refused(Wall.FUNCTIONS, f"{node['schema']}.{node['function_name']}")
    if node["function_name"].lower() not in FUNCTIONS:
        raise refused(Wall.FUNCTIONS, node["function_name"])
    if any(child["class"] == "STAR" for child in node["children"]):  # of columns by a pattern
        raise refused(Wall.CONSTRUCTS, "STAR")


def _check_window(node: Node) -> None:
    name = node["function_name"].lower()
    if node["catalog"] or node["schema"] or name not in AGGREGATES | ORDERED:
        raise refused(Wall.FUNCTIONS, name)
    whole = {node["start"], node["end"]} <= _WHOLE_FRAMES and name in AGGREGATES
    if not node["orders"] and not whole:
        raise refused(Wall.ORDER, name)


def _check_other(kind: str, node: Node, known: frozenset[str], found: Found) -> None:
    match kind:
        case "RECURSIVE_CTE_NODE":
            raise refused(Wall.RECURSION)
        case "TABLE_FUNCTION":
            raise refused(Wall.FUNCTIONS, node["function"]["function_name"])
        case "SHOW_REF":
            raise refused(Wall.SELECT)
        case "LIMIT_PERCENT_MODIFIER":
            raise refused(Wall.ORDER)
        case _ if kind not in _OTHERS:
            raise refused(Wall.CONSTRUCTS, kind)
        case "BASE_TABLE":
            _check_table(node, known)
            found.tables.append(node["table_name"].lower())
        case "JOIN" if node["ref_type"] not in _JOINS:
            raise refused(Wall.ORDER, node["ref_type"])
        case "SELECT_NODE" | "SET_OPERATION_NODE":
            _check_modifiers(node)
        case _:
            pass


def _check_table(node: Node, known: frozenset[str]) -> None:
    name = node["table_name"]
    if node["schema_name"] or node["catalog_name"] or name.lower() not in known:
        raise refused(Wall.TABLES, name)
    if node["at_clause"] is not None:
        raise refused(Wall.CONSTRUCTS)


def _check_modifiers(node: Node) -> None:
    kinds = {modifier["type"] for modifier in node["modifiers"]}
    chosen = any(modifier.get("distinct_on_targets") for modifier in node["modifiers"])
    if (chosen or "LIMIT_MODIFIER" in kinds) and "ORDER_MODIFIER" not in kinds:
        raise refused(Wall.ORDER)
