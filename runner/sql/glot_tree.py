"""A program as a second parser reads it, which shares no code with the engine.

It refuses by itself what is on no list, so that one parser's mistake is not enough.
"""

from dataclasses import dataclass

from sqlglot import errors, exp, parse

from runner.sql.refusal import Wall, refused
from runner.sql.vocabulary import FUNCTIONS, ORDERED

_QUERIES = (exp.Select, exp.SetOperation, exp.Subquery)
_CLASSES = frozenset(
    {
        # queries and their parts
        *(exp.Select, exp.Subquery, exp.Union, exp.Except, exp.Intersect, exp.With, exp.CTE),
        *(exp.From, exp.Join, exp.Lateral, exp.Table, exp.TableAlias, exp.Values, exp.Where),
        *(exp.Group, exp.GroupingSets, exp.Cube, exp.Rollup, exp.Having, exp.Qualify, exp.Order),
        *(exp.Ordered, exp.Limit, exp.Offset, exp.Distinct, exp.Star, exp.Alias, exp.Filter),
        *(exp.Window, exp.WindowSpec, exp.WithinGroup, exp.IgnoreNulls),
        # values and names
        *(exp.Boolean, exp.Column, exp.DataType, exp.DataTypeParam, exp.Identifier, exp.Interval),
        *(exp.IntervalSpan, exp.Literal, exp.Null, exp.Parameter, exp.Placeholder, exp.RawString),
        *(exp.Tuple, exp.Var, exp.Cast, exp.TryCast),
        # operators
        *(exp.Add, exp.And, exp.BitwiseAnd, exp.BitwiseLeftShift, exp.BitwiseNot, exp.BitwiseOr),
        *(exp.BitwiseRightShift, exp.BitwiseXor, exp.Div, exp.DPipe, exp.EQ, exp.Escape, exp.GT),
        *(exp.GTE, exp.ILike, exp.IntDiv, exp.Is, exp.Like, exp.LT, exp.LTE, exp.Mod, exp.Mul),
        *(exp.Neg, exp.NEQ, exp.Not, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Or, exp.Paren, exp.Pow),
        *(exp.RegexpFullMatch, exp.RegexpLike, exp.SimilarTo, exp.Sub, exp.AtTimeZone),
        # predicates
        *(exp.All, exp.Any, exp.Between, exp.Exists, exp.In),
        # functions that it calls by no name of DuckDB's
        *(exp.Case, exp.Coalesce, exp.DateBin, exp.DateFromParts, exp.Extract, exp.Grouping),
        *(exp.If, exp.PercentileCont, exp.PercentileDisc, exp.SHA2, exp.StrPosition),
        *(exp.StrToTime, exp.TimestampFromParts, exp.TimestampTrunc, exp.TimeToStr),
        *(exp.TimeToUnix,),
    }
)
_NAMES = FUNCTIONS | ORDERED


@dataclass(frozen=True, slots=True)
class Named:
    """What a program names, in any order."""

    tables: list[str]
    parameters: list[str]


def read(program: str) -> Named:
    """Parse exactly one query, and refuse what is not on the lists."""
    try:
        trees = parse(program, dialect="duckdb")
    except (errors.SqlglotError, RecursionError):
        raise refused(Wall.AGREEMENT) from None
    found = [tree for tree in trees if tree is not None]
    if len(found) != 1 or not isinstance(found[0], _QUERIES):
        raise refused(Wall.SELECT)
    nodes = list(found[0].walk())
    for node in nodes:
        _check(node)
    return Named(
        [node.name.lower() for node in nodes if isinstance(node, exp.Table)],
        [node.name for node in nodes if isinstance(node, exp.Parameter | exp.Placeholder)],
    )


def _check(node: exp.Expr) -> None:
    if isinstance(node, exp.With) and node.recursive:
        raise refused(Wall.RECURSION)
    if type(node) in _CLASSES:
        return
    if not isinstance(node, exp.Func):
        raise refused(Wall.CONSTRUCTS, type(node).__name__)
    names = [node.name] if isinstance(node, exp.Anonymous) else node.sql_names()
    if not _NAMES.intersection(name.lower() for name in names):
        raise refused(Wall.FUNCTIONS, names[0])
