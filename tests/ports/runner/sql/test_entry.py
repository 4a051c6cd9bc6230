"""From sealed inputs to the bytes of a result, as the two cells do it."""

import os

import pytest

from cleanroom.errors import CleanroomError, PolicyRefused
from runner.gate.task import Decision
from runner.gate.task import Task as GateTask
from runner.sql import entry, groups, statement
from runner.sql.groups import Demand
from runner.sql.task import Bound, Task
from tests.ports.runner.sql.cases import (
    BUDGET,
    Given,
    answer,
    columns,
    compute,
    csv,
    descriptors,
    gated,
    parquet,
    rows,
    table,
)
from tests.sealing import flipped

CUSTOMERS = Given(
    parquet("SELECT 'c' || i AS customer, i % 3 AS segment FROM range(3000) t(i) ORDER BY i"),
    table(customer="text", segment="int64"),
)
RESULT = GateTask(columns(segment="int64", customers="int64"), 100, "csv", ())
PROGRAM = """
    SELECT segment, count(DISTINCT customer) AS customers FROM a
    WHERE segment <> $not GROUP BY segment ORDER BY segment DESC
"""
ONE = Given(b"x\n1\n", csv(x="int64"))


def test_a_sealed_table_becomes_the_bytes_of_a_result() -> None:
    stream = compute(PROGRAM, {"a": CUSTOMERS}, Bound("not", "integer", 1))

    decision, data = gated(stream, RESULT)

    assert decision == Decision(passed=True, rows=2, withheld=0)
    assert data == b'"segment","customers"\n0,1000\n2,1000\n'


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_same_work_makes_the_same_bytes(form: str) -> None:
    large = Given(
        parquet("SELECT i % 97 AS x, sqrt(i) AS y FROM range(500000) t(i)"),
        table(x="int64", y="float64"),
    )
    task = GateTask(columns(x="int64", y="float64", n="int64"), 100, form, ())
    program = "SELECT x, avg(y) AS y, count(*) AS n FROM a GROUP BY x"

    made = {gated(compute(program, {"a": large}), task)[1] for _ in range(4)}

    assert len(made) == 1


def test_more_rows_than_the_contract_allows_are_refused_and_not_even_sent() -> None:
    stream = compute("SELECT segment, 1::BIGINT AS customers FROM a", {"a": CUSTOMERS}, rows=100)

    decision, data = gated(stream, RESULT)

    assert (decision.passed, data) == (False, b"")
    assert len(stream) < 10_000


def test_rows_of_small_groups_stay_behind() -> None:
    demands = (Demand("a", "customer", 1000),)
    program = "SELECT segment, count(DISTINCT customer) AS customers FROM a GROUP BY segment"
    few = Given(
        parquet("SELECT 'c' || i AS customer, (i > 990)::BIGINT AS segment FROM range(2000) t(i)"),
        table(customer="text", segment="int64"),
    )
    with statement.parser() as parser:
        counting = groups.counting(parser, program, demands)

    minimums = tuple(demand.minimum for demand in demands)
    task = GateTask(RESULT.columns, 100, "csv", minimums)
    decision, data = gated(compute(counting, {"a": few}), task)

    assert decision == Decision(passed=True, rows=1, withheld=1)
    assert data == b'"segment","customers"\n1,1009\n'


def test_a_warm_engine_answers_as_a_cold_one() -> None:
    entry.warm()

    assert rows("SELECT x FROM a", {"a": ONE}) == [(1,)]


# --- parameters


TYPED = [
    pytest.param(Bound("p", "boolean", value=True), "BOOLEAN", "true", id="boolean"),
    pytest.param(Bound("p", "integer", 7), "BIGINT", "7", id="small integer"),
    pytest.param(Bound("p", "integer", 2**53 - 1), "BIGINT", "9007199254740991", id="integer"),
    pytest.param(Bound("p", "decimal", "-12.5"), "DECIMAL(3,1)", "-12.5", id="decimal"),
    pytest.param(Bound("p", "date", "2026-11-21"), "DATE", "2026-11-21", id="date"),
    pytest.param(Bound("p", "text", "x"), "VARCHAR", "x", id="text"),
]


@pytest.mark.parametrize(("bound", "kind", "spelled"), TYPED)
def test_a_parameter_is_a_value_of_its_type(bound: Bound, kind: str, spelled: str) -> None:
    cast = f"SELECT $p::text AS x, $p = CAST('{spelled}' AS {kind}) AS same FROM a"  # noqa: S608

    assert rows(cast, {"a": ONE}, bound) == [(spelled, True)]


@pytest.mark.parametrize(
    "text",
    ["' OR 1=1 --", "'; DROP VIEW a; --", "$p", '"', "\\", "'/etc/passwd'", "a\nb", ""],
)
def test_a_text_is_never_part_of_the_program(text: str) -> None:
    assert rows("SELECT $p AS x FROM a", {"a": ONE}, Bound("p", "text", text)) == [(text,)]


def test_a_parameter_that_is_not_used_is_no_harm() -> None:
    assert rows("SELECT x FROM a", {"a": ONE}, Bound("p", "integer", 1)) == [(1,)]


# --- what the runner hands over


def test_a_task_is_read_as_it_was_written() -> None:
    files = {"a": (CUSTOMERS.sealed(), CUSTOMERS.content), "b": (ONE.sealed(), ONE.content)}
    with descriptors(files) as found:
        inputs = tuple(item for item, _ in found)
        task = Task(PROGRAM, (Bound("not", "integer", 1),), inputs, 10, BUDGET)

    assert Task.parse(task.to_bytes()).to_bytes() == task.to_bytes()


def test_a_program_is_checked_in_the_cell_too() -> None:
    with pytest.raises(PolicyRefused, match="functions"):
        compute("SELECT * FROM read_text('/etc/hostname')", {"a": ONE})


def test_a_file_that_was_changed_fails_whatever_the_program_does() -> None:
    sealed = CUSTOMERS.sealed()
    with descriptors({"a": (sealed, CUSTOMERS.content)}) as [(item, _)]:
        size = item.layout.body_size
        task = Task("SELECT customer FROM a", (), (item,), 10_000, BUDGET).to_bytes()
    with descriptors({"a": (sealed, CUSTOMERS.content)}) as [(_, fd)]:
        os.pwrite(fd, flipped(sealed, size // 2)[:size], 0)
        written: list[bytes] = []

        with pytest.raises(CleanroomError):
            entry.run(task, [fd], None, lambda data: written.append(bytes(data)))

    assert b"".join(written) == b""


def test_without_a_ring_a_file_of_the_ring_is_our_mistake() -> None:
    with descriptors({"a": (ONE.sealed(), ONE.content)}) as [(item, _)]:
        raw = Task("SELECT 1 AS x", (), (item,), 1, BUDGET).to_bytes()

    with pytest.raises(ValueError, match="ring"):
        entry.run(raw.replace(b'"descriptor"', b'"ring"'), [], None, lambda _: None)


def test_many_inputs_share_one_arena() -> None:
    inputs = {f"t{i}": Given(f"x\n{i}\n".encode(), csv(x="int64")) for i in range(20)}
    total = " + ".join(f"t{i}.x" for i in range(20))

    found = answer(f"SELECT {total} AS x FROM {', '.join(inputs)}", inputs)  # noqa: S608

    assert found.to_pylist() == [{"x": sum(range(20))}]
