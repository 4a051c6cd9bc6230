"""Have a program say how large the group behind each of its rows is.

A rule's threshold counts different identities behind a row. For each such dataset a program gets
one more column at the end, `count(DISTINCT identity)`, by which the gate withholds rows. It is put
into the text, before the outermost FROM, and then checked to be the only change that DuckDB sees.

Only programs of one shape can say it: one outermost SELECT with aggregates, which takes each such
dataset itself, once, and nowhere else. Others are refused: no key is asked for on a guess.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import duckdb
from sqlglot import errors
from sqlglot.dialects.duckdb import DuckDB
from sqlglot.tokenizer_core import TokenType

from cleanroom.rules import AggregationRule, ReviewedRule, Rule
from runner.sql import duck_tree
from runner.sql.duck_tree import Node
from runner.sql.refusal import Wall, refused
from runner.sql.tables import identifier
from runner.sql.vocabulary import AGGREGATES

_TABLE = "BASE_TABLE"
_HIDING = frozenset({"SEMI", "ANTI"})  # joins that do not show their right side
_PLACE = "query_location"  # which differs behind what was put in
_OPEN = frozenset({TokenType.L_PAREN, TokenType.L_BRACKET, TokenType.L_BRACE})
_SHUT = frozenset({TokenType.R_PAREN, TokenType.R_BRACKET, TokenType.R_BRACE})


@dataclass(frozen=True, slots=True)
class Demand:
    """How many different values of a dataset's column stand behind each row that leaves."""

    alias: str
    identity: str
    minimum: int


def demands(rules: Iterable[tuple[str, Rule]]) -> tuple[Demand, ...]:
    """Gather what the rules of all datasets demand; of one column the largest minimum."""
    found: dict[tuple[str, str], int] = {}
    for alias, rule in rules:
        if isinstance(rule, AggregationRule | ReviewedRule) and (limit := rule.threshold):
            at = alias, limit.identity
            found[at] = max(limit.minimum, found.get(at, 0))
    return tuple(Demand(*at, minimum) for at, minimum in sorted(found.items()))


def counting(duck: duckdb.DuckDBPyConnection, program: str, wanted: Sequence[Demand]) -> str:
    """Add a column for each demand, in this order; the program has passed its checks.

    A program so changed must not be cut to the contract's number of rows before the gate has
    withheld some.
    """
    if not wanted:
        return program
    before = duck_tree.parsed(duck, program)
    names = _names(before, [demand.alias for demand in wanted])
    counts = [
        f"count(DISTINCT {identifier(names[each.alias])}.{identifier(each.identity)})"
        for each in wanted
    ]
    at = _outermost_from(program)
    changed = f"{program[:at]}, {', '.join(counts)} {program[at:]}"
    _check_change(before, duck_tree.parsed(duck, changed), len(counts))
    return changed


def _names(statement: Node, aliases: Sequence[str]) -> Mapping[str, str]:
    """Find what the outermost SELECT calls each dataset, if it is of the one shape."""
    node = statement["node"]
    modifiers = {modifier["type"] for modifier in node["modifiers"]}
    if node["type"] != "SELECT_NODE" or "DISTINCT_MODIFIER" in modifiers:
        raise refused(Wall.GROUPS)
    own = list(_nodes(node["select_list"], into_queries=False))
    aggregates = any(part.get("function_name", "").lower() in AGGREGATES for part in own)
    if not node["group_expressions"] and not aggregates:
        raise refused(Wall.GROUPS)
    everything = list(_nodes(statement, into_queries=True))
    if any(part.get("class") == "WINDOW" for part in everything):  # it looks beyond its own row
        raise refused(Wall.GROUPS)
    taken = _taken(node["from_table"])
    used = [part["table_name"].lower() for part in everything if part.get("type") == _TABLE]
    names = {}
    for alias in aliases:
        found = [name for table, name in taken if table == alias]
        if len(found) != 1 or used.count(alias) != 1:
            raise refused(Wall.GROUPS, alias)
        names[alias] = found[0]
    return names


def _taken(table: Node) -> Sequence[tuple[str, str]]:
    """List the tables that are joined directly, each with what it is called."""
    if table["type"] == _TABLE:
        return [(table["table_name"].lower(), table["alias"] or table["table_name"])]
    if table["type"] != "JOIN":
        return []
    right = [] if table["join_type"] in _HIDING else _taken(table["right"])
    return [*_taken(table["left"]), *right]


def _nodes(value: object, *, into_queries: bool) -> Iterator[Node]:
    """Walk through a tree that was checked before, so that it is not too deep."""
    left = [value]
    while left:
        match left.pop():
            case dict() as node:
                yield node
                if into_queries or node.get("class") != "SUBQUERY":
                    left += node.values()
            case list() as items:
                left += items
            case _:
                pass


def _outermost_from(program: str) -> int:
    """Find the one FROM that stands in no brackets; `IS DISTINCT FROM` is none."""
    depth, before, places = 0, None, []
    try:
        found = DuckDB().tokenize(program)
    except errors.SqlglotError:
        raise refused(Wall.AGREEMENT) from None
    for token in found:
        depth += (token.token_type in _OPEN) - (token.token_type in _SHUT)
        is_from = token.token_type == TokenType.FROM
        if is_from and not depth and before != TokenType.DISTINCT:
            places.append(token.start)
        before = token.token_type
    if len(places) != 1:
        raise refused(Wall.GROUPS)
    return places[0]


def _check_change(before: Node, after: Node, added: int) -> None:
    """Make sure that nothing but the end of the outermost list of columns is new."""
    for node in _nodes([before, after], into_queries=True):
        node.pop(_PLACE, None)
    columns = after["node"]["select_list"]
    del columns[len(columns) - added :]
    if before != after:
        raise refused(Wall.AGREEMENT)
