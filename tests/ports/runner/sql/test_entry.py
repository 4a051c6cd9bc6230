"""From sealed inputs to the bytes of a result, as the two cells do it."""

from runner.gate.task import Decision
from runner.gate.task import Task as GateTask
from runner.sql.task import Bound
from tests.ports.runner.sql.cases import Given, columns, compute, gated, parquet, table

CUSTOMERS = Given(
    parquet("SELECT 'c' || i AS customer, i % 3 AS segment FROM range(3000) t(i) ORDER BY i"),
    table(customer="text", segment="int64"),
)
RESULT = GateTask(columns(segment="int64", customers="int64"), 100, "csv", ())
PROGRAM = """
    SELECT segment, count(DISTINCT customer) AS customers FROM a
    WHERE segment <> $not GROUP BY segment ORDER BY segment DESC
"""


def test_a_sealed_table_becomes_the_bytes_of_a_result() -> None:
    stream = compute(PROGRAM, {"a": CUSTOMERS}, Bound("not", "integer", 1))

    decision, data = gated(stream, RESULT)

    assert decision == Decision(passed=True, rows=2, withheld=0)
    assert data == b'"segment","customers"\n0,1000\n2,1000\n'
