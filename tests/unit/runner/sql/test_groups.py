"""A program says how large its groups are, by one more column each, or is refused."""

from collections.abc import Iterator

import duckdb
import pytest

from cleanroom.errors import PolicyRefused
from cleanroom.rules import ListRule, ReviewedRule, Threshold, rule
from runner.sql import groups, statement
from runner.sql.groups import Demand
from tests.builders import aggregation_rule

BOTH = (Demand("a", "id", 3), Demand("b", "who", 2))
TABLES = """
    CREATE TABLE a AS SELECT i AS id, i % 4 AS x, i AS y FROM range(10) t(i);
    CREATE TABLE b AS SELECT i AS who, i AS id, i % 2 AS z FROM range(6) t(i)
"""


@pytest.fixture(scope="module")
def duck() -> Iterator[duckdb.DuckDBPyConnection]:
    with statement.parser() as connection:
        yield connection


COUNTED = {
    "SELECT x, sum(y) FROM a GROUP BY x ORDER BY x": [3, 3, 2, 2],
    "SELECT sum(y) FROM a": [10],
    "SELECT x, count(*) AS n FROM a GROUP BY ALL ORDER BY 1": [3, 3, 2, 2],
    "SELECT x, sum(y) -- FROM b\nFROM a AS t WHERE y < 8 GROUP BY x ORDER BY x": [2, 2, 2, 2],
    "SELECT x, extract(year FROM DATE '2026-01-01') FROM a GROUP BY x ORDER BY x": [3, 3, 2, 2],
    "SELECT x IS DISTINCT FROM 1 AS d, sum(y) FROM a GROUP BY d ORDER BY d": [3, 7],
    "SELECT x, (SELECT max(z) FROM b) FROM a GROUP BY x ORDER BY x": [3, 3, 2, 2],
    "WITH c AS (SELECT z, id FROM b) SELECT z, sum(y) FROM c JOIN a USING (id) GROUP BY z"
    " ORDER BY z": [3, 3],
    'SELECT x, sum(y) FROM a JOIN b AS "o\'d" USING (id) GROUP BY x HAVING sum(y) > 0'
    " ORDER BY x LIMIT 2": [2, 2],
}


@pytest.mark.parametrize(("program", "sizes"), COUNTED.items(), ids=COUNTED.keys())
def test_each_row_says_how_many_identities_stand_behind_it(
    duck: duckdb.DuckDBPyConnection, program: str, sizes: list[int]
) -> None:
    counting = groups.counting(duck, program, BOTH[:1])

    with duckdb.connect() as db:
        db.execute(TABLES)
        plain, counted = db.execute(program).fetchall(), db.execute(counting).fetchall()
    assert [row[-1] for row in counted] == sizes
    assert [row[:-1] for row in counted] == plain


def test_every_demand_has_its_column_in_order(duck: duckdb.DuckDBPyConnection) -> None:
    program = "SELECT z, sum(y) FROM a LEFT JOIN b ON a.id = b.id GROUP BY z ORDER BY z"

    with duckdb.connect() as db:
        db.execute(TABLES)
        found = db.execute(groups.counting(duck, program, BOTH)).fetchall()

    assert [row[-2:] for row in found] == [(3, 3), (3, 3), (4, 0)]


REFUSED = {
    "rows": "SELECT x FROM a",
    "rows beside an aggregate of other data": "SELECT x, (SELECT sum(z) FROM b) FROM a",
    "distinct rows": "SELECT DISTINCT x, sum(y) FROM a GROUP BY x",
    "a union": "SELECT sum(y) FROM a UNION ALL SELECT sum(z) FROM b",
    "the data in a subquery": "SELECT sum(y) FROM (SELECT y FROM a) c",
    "the data in a named query": "WITH c AS (SELECT y FROM a) SELECT sum(y) FROM c",
    "the data twice": "SELECT sum(a.y) FROM a JOIN a AS c ON a.id = c.id",
    "the data in a condition too": "SELECT sum(y) FROM a WHERE y > (SELECT avg(y) FROM a)",
    "the data only in a condition": "SELECT sum(z) FROM b WHERE id IN (SELECT id FROM a)",
    "the data on a side that is not shown": "SELECT sum(z) FROM b SEMI JOIN a USING (id)",
    "a window over other groups": "SELECT x, sum(sum(y)) OVER () FROM a GROUP BY x",
    "none of the data": "SELECT sum(z) FROM b",
    "FROM first": "FROM a SELECT sum(y)",
    "a comma too many": "SELECT x, sum(y), FROM a GROUP BY x",
}


@pytest.mark.parametrize("program", REFUSED.values(), ids=REFUSED.keys())
def test_a_program_that_cannot_say_is_refused(
    duck: duckdb.DuckDBPyConnection, program: str
) -> None:
    with pytest.raises(PolicyRefused):
        groups.counting(duck, program, BOTH[:1])


def test_without_a_demand_a_program_stays_as_it_is(duck: duckdb.DuckDBPyConnection) -> None:
    assert groups.counting(duck, "SELECT x FROM a", ()) == "SELECT x FROM a"


def test_what_a_program_becomes_passes_its_checks(duck: duckdb.DuckDBPyConnection) -> None:
    counting = groups.counting(duck, "SELECT x, sum(y) FROM a GROUP BY x", BOTH[:1])

    assert statement.check(duck, counting, frozenset({"a"}), frozenset()) == frozenset()


def test_the_strictest_of_all_rules_is_demanded() -> None:
    strict = ReviewedRule((), Threshold("customer", 20), ("north",))
    other = ReviewedRule((), Threshold("household", 5), ("north",))
    free = ReviewedRule((), None, ("north",))
    rules = [
        ("a", rule(aggregation_rule(), "rule")),
        ("a", strict),
        ("a", other),
        ("a", free),
        ("b", ListRule(("customer",), ("customer",), ("north",))),
    ]

    assert groups.demands(rules) == (Demand("a", "customer", 20), Demand("a", "household", 5))
