"""What leaves is the contract's shape in one spelling, and everything else is refused or gone."""

import math
from typing import Any

import duckdb
import pyarrow as pa  # type: ignore[import-untyped]  # has no types
import pytest

from cleanroom.errors import PolicyRefused
from cleanroom.schema import Column
from runner.gate.entry import gated
from runner.gate.task import Decision, Task


def columns(**types: str) -> tuple[Column, ...]:
    return tuple(Column(n, t.removesuffix("?"), t.endswith("?")) for n, t in types.items())


def task(form: str = "csv", most: int = 100, minimums: tuple[int, ...] = (), **types: str) -> Task:
    return Task(columns(**types), most, form, minimums)


def leaves(table: pa.Table, asked: Task) -> bytes:
    return gated(table, asked)[1]


WANTED = task(name="text", n="int64?", most=2)
SHAPES: dict[str, Any] = {
    "a column too few": {"name": ["x"]},
    "a column too many": {"name": ["x"], "n": [1], "more": [1]},
    "another name": {"name": ["x"], "N": [1]},
    "another order": {"n": [1], "name": ["x"]},
    "another type": {"name": ["x"], "n": [1.0]},
    "a narrower type": {"name": ["x"], "n": pa.array([1], pa.int32())},
    "a nested type": {"name": [["x"]], "n": [1]},
    "an empty cell": {"name": [None], "n": [1]},
    "too many rows": {"name": ["x", "y", "z"], "n": [1, 2, 3]},
}


@pytest.mark.parametrize("cells", SHAPES.values(), ids=SHAPES.keys())
def test_another_shape_is_refused(cells: dict[str, Any]) -> None:
    with pytest.raises(PolicyRefused) as caught:
        gated(pa.table(cells), WANTED)

    assert "more" not in str(caught.value).split()[-1]


def test_the_shape_itself_passes() -> None:
    decision, data = gated(pa.table({"name": ["x", "y"], "n": [1, None]}), WANTED)

    assert decision == Decision(passed=True, rows=2, withheld=0)
    assert data == b'"name","n"\n"x",1\n"y",\n'


EVERY = {
    "boolean": ("true", "true"),
    "int8": ("1::TINYINT", "1"),
    "int16": ("1::SMALLINT", "1"),
    "int32": ("1::INTEGER", "1"),
    "int64": ("1::BIGINT", "1"),
    "int128": ("170141183460469231731687303715::HUGEINT", "170141183460469231731687303715"),
    "uint8": ("1::UTINYINT", "1"),
    "uint16": ("1::USMALLINT", "1"),
    "uint32": ("1::UINTEGER", "1"),
    "uint64": ("18446744073709551615::UBIGINT", "18446744073709551615"),
    "float32": ("0.1::FLOAT", "0.1"),
    "float64": ("0.1::DOUBLE", "0.1"),
    "decimal(12,2)": ("12.5::DECIMAL(12,2)", "12.50"),
    "decimal(38,0)": ("7::DECIMAL(38,0)", "7"),
    "text": ("'a \"b\"\nc'", '"a ""b""\nc"'),
    "binary": (r"'\x00\xFF'::BLOB", '"00ff"'),
    "date": ("DATE '2026-01-02'", "2026-01-02"),
    "time": ("TIME '03:04:05.5'", "03:04:05.500000"),
    "timestamp": ("TIMESTAMP '2026-01-02 03:04:05'", "2026-01-02 03:04:05.000000"),
    "timestamptz": (
        "TIMESTAMPTZ '2026-01-02 05:04:05+02'",
        "2026-01-02 03:04:05.000000Z",
    ),
    "uuid": (
        "'00000000-0000-0000-0000-00000000002a'::UUID",
        '"00000000-0000-0000-0000-00000000002a"',
    ),
}


@pytest.mark.parametrize(("kind", "spelled"), EVERY.items(), ids=EVERY.keys())
def test_every_type_comes_from_the_engine_and_leaves_as_csv(
    kind: str, spelled: tuple[str, str]
) -> None:
    expression, text = spelled
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        table = db.execute(f"SELECT {expression} AS x").to_arrow_table()

    assert leaves(table, task(x=kind)).decode() == f'"x"\n{text}\n'


@pytest.mark.parametrize(("kind", "spelled"), EVERY.items(), ids=EVERY.keys())
def test_every_type_leaves_as_parquet(kind: str, spelled: tuple[str, str], tmp_path: Any) -> None:
    path = tmp_path / "result.parquet"
    with duckdb.connect() as db:
        db.execute("SET TimeZone = 'UTC'")
        table = db.execute(f"SELECT {spelled[0]} AS x").to_arrow_table()
        path.write_bytes(leaves(table, task("parquet", x=kind)))
        same = db.read_parquet(str(path)).select(f"x::text = ({spelled[0]})::text").fetchall()

    assert same == [(True,)]


def test_text_is_no_uuid() -> None:
    with pytest.raises(PolicyRefused):
        gated(pa.table({"x": ["00000000-0000-0000-0000-00000000002A"]}), task(x="uuid"))


# --- one spelling


def test_rows_leave_in_one_order_however_they_came() -> None:
    asked = task(name="text?", n="int64?")
    one = pa.table({"name": ["b", None, "a", "a"], "n": [1, 2, None, 3]})
    other = one.take([2, 1, 3, 0])

    assert leaves(one, asked) == leaves(other, asked)
    assert leaves(one, asked) == b'"name","n"\n"a",3\n"a",\n"b",1\n,2\n'


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_metadata_and_chunks_do_not_leave(form: str) -> None:
    asked = task(form, n="int64")
    plain = pa.table({"n": [1, 2]})
    marked = pa.concat_tables([plain.slice(0, 1), plain.slice(1)]).replace_schema_metadata(
        {"secret": "marker"}
    )

    assert leaves(marked, asked) == leaves(plain, asked)
    assert b"marker" not in leaves(marked, asked)


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_the_metadata_of_a_column_does_not_leave(form: str) -> None:
    field = pa.field("n", pa.int64(), metadata={"secret": "marker"})
    marked = pa.table([pa.array([1])], schema=pa.schema([field]))

    assert leaves(marked, task(form, n="int64")) == leaves(
        pa.table({"n": [1]}), task(form, n="int64")
    )


ABOUT_THE_SAME = [
    pytest.param(0.1 + 0.2, 0.3, id="last digits"),
    pytest.param(-0.0, 0.0, id="sign of zero"),
    pytest.param(math.nan, -math.nan, id="sign of nothing"),
    pytest.param(1e300 * (1 + 1e-15), 1e300, id="last digits of a large number"),
]


@pytest.mark.parametrize(("one", "other"), ABOUT_THE_SAME)
@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_about_the_same_fraction_has_one_spelling(form: str, one: float, other: float) -> None:
    asked = task(form, x="float64")

    assert leaves(pa.table({"x": [one]}), asked) == leaves(pa.table({"x": [other]}), asked)


def test_fractions_that_differ_stay_different() -> None:
    found = leaves(pa.table({"x": [1.00000000001, 1.0, None, math.inf]}), task(x="float64?"))

    assert found == b'"x"\n1\n1.00000000001\ninf\n\n'


# --- spreadsheets


FORMULAS = ["=1+1", "+1", "-1", "@x", "\t=1", "\r=1", "\n=1", " =1", "|cmd", "%0", "\uff1d1", "'=1"]


@pytest.mark.parametrize("cell", FORMULAS)
def test_a_formula_leaves_as_text(cell: str) -> None:
    found = leaves(pa.table({"x": [cell]}), task(x="text"))

    assert found.decode() == f'"x"\n"\'{cell}"\n'


@pytest.mark.parametrize("cell", ["a=1", "1-1", "it's", "'quoted'", "", "ünï"])
def test_other_text_leaves_as_it_is(cell: str) -> None:
    found = leaves(pa.table({"x": [cell]}), task(x="text"))

    assert found.decode() == f'"x"\n"{cell}"\n'


def test_a_column_named_like_a_formula_is_harmless() -> None:
    found = leaves(
        pa.table({"=1+1": [1]}), Task((Column("=1+1", "int64", nullable=False),), 1, "csv", ())
    )

    assert found == b'"\'=1+1"\n1\n'


def test_negative_numbers_are_no_formulas() -> None:
    assert leaves(pa.table({"x": [-1]}), task(x="int64")) == b'"x"\n-1\n'


def test_parquet_keeps_text_as_it_is(tmp_path: Any) -> None:
    path = tmp_path / "result.parquet"
    path.write_bytes(leaves(pa.table({"x": ["=1+1"]}), task("parquet", x="text")))

    with duckdb.connect() as db:
        assert db.read_parquet(str(path)).fetchall() == [("=1+1",)]


# --- small groups


def test_rows_of_small_groups_are_withheld() -> None:
    table = pa.table({"x": ["a", "b", "c"], "size a": [10, 9, 50], "size b": [20, 20, 19]})

    decision, data = gated(table, task(x="text", minimums=(10, 20)))

    assert decision == Decision(passed=True, rows=1, withheld=2)
    assert data == b'"x"\n"a"\n'


def test_a_group_of_unknown_size_is_too_small() -> None:
    table = pa.table({"x": ["a"], "size": pa.array([None], pa.int64())})

    assert gated(table, task(x="text", minimums=(2,)))[0].withheld == 1


def test_rows_that_are_withheld_do_not_count() -> None:
    table = pa.table({"x": ["a", "b"], "size": [10, 1]})

    assert gated(table, task(x="text", most=1, minimums=(2,)))[0].passed


def test_a_result_that_does_not_say_its_groups_is_refused() -> None:
    with pytest.raises(PolicyRefused):
        gated(pa.table({"x": ["a"]}), task(x="text", minimums=(2,)))


def test_no_rows_are_a_result() -> None:
    table = pa.table({"x": pa.array([], pa.string())})

    assert leaves(table, task(x="text")) == b'"x"\n'
    assert leaves(table, task("parquet", x="text")).startswith(b"PAR1")
