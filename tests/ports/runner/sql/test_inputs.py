"""What a party sealed is what the program reads: by the signed declaration, never by a guess."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cleanroom.errors import ProgramFailed
from party.tabular import DialectWish, describe
from tests.ports.runner.sql.cases import (
    DIALECT,
    Given,
    answer,
    columns,
    csv,
    jsonl,
    parquet,
    rows,
    table,
)

EVERY_TYPE = """
    SELECT true AS boolean, 1::TINYINT AS int8, 2::SMALLINT AS int16, 3::INTEGER AS int32,
        4::BIGINT AS int64, 5::UTINYINT AS uint8, 6::USMALLINT AS uint16, 7::UINTEGER AS uint32,
        8::UBIGINT AS uint64, 1.5::FLOAT AS float32, 2.5::DOUBLE AS float64, 'x' AS text,
        'y'::BLOB AS binary, DATE '2026-01-02' AS date, TIME '03:04:05' AS time,
        TIMESTAMP '2026-01-02 03:04:05' AS timestamp,
        TIMESTAMPTZ '2026-01-02 03:04:05Z' AS timestamptz,
        '00000000-0000-0000-0000-00000000002a'::UUID AS uuid, 12.34::DECIMAL(12,2) AS decimal,
        'red'::ENUM('red', 'blue') AS colour, TIMESTAMP_NS '2026-01-02 03:04:05' AS nanoseconds
"""


def described(folder: Path, name: str, plain: bytes, **types: str) -> Given:
    """Describe a file as `cleanroom seal` does."""
    path = folder / name
    path.write_bytes(plain)
    return Given(plain, describe(path, None, types, DialectWish()).content)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("comma.csv", b"id,name,amount\n1,north,1.50\n2,,3.25\n"),
        ("tab.tsv", b'id\tname\tamount\n1\t"a ""b"" c"\t1.50\n2\t\t3.25\n'),
        ("pipe.csv", b"id|name|amount\r\n1|north|1.50\r\n2||3.25\r\n"),
        ("lines.jsonl", b'{"id":1,"name":"north","amount":1.5}\n{"id":2,"amount":3.25}\n'),
    ],
)
def test_what_a_party_sealed_is_what_is_read(tmp_path: Path, name: str, plain: bytes) -> None:
    given = described(tmp_path, name, plain, amount="decimal(12,2)")

    found = rows("SELECT sum(id), count(name), sum(amount) FROM a", {"a": given})

    assert [tuple(map(str, row)) for row in found] == [("3", "1", "4.75")]


def test_dates_are_read_by_the_declared_format(tmp_path: Path) -> None:
    given = described(tmp_path, "dates.csv", b"id,day\n1,31.12.2026\n2,01.02.2026\n")

    found = rows("SELECT day::text FROM a ORDER BY id", {"a": given})

    assert found == [("2026-12-31",), ("2026-02-01",)]


def test_parquet_of_every_type_is_read_as_declared(tmp_path: Path) -> None:
    given = described(tmp_path, "every.parquet", parquet(EVERY_TYPE))

    (found,) = rows("SELECT * FROM a", {"a": given})

    assert [str(value) for value in found] == [
        *("True", "1", "2", "3", "4", "5", "6", "7", "8", "1.5", "2.5", "x", "b'y'"),
        *("2026-01-02", "03:04:05", "2026-01-02 03:04:05", "2026-01-02 03:04:05+00:00"),
        *("00000000-0000-0000-0000-00000000002a", "12.34", "red", "2026-01-02 03:04:05"),
    ]


def test_a_column_that_is_not_declared_is_not_there() -> None:
    given = Given(parquet("SELECT 1 AS seen, 2 AS unseen"), table(seen="int32"))

    with pytest.raises(ProgramFailed):
        rows("SELECT unseen FROM a", {"a": given})


@pytest.mark.parametrize(
    "given",
    [
        pytest.param(Given(b"id\nx\n", csv(id="int32")), id="CSV of another type"),
        pytest.param(Given(b"id,name\n1\n", csv(id="int32", name="text")), id="a cell missing"),
        pytest.param(Given(b'id\n"1\n', csv(id="int32")), id="a quote that does not close"),
        pytest.param(Given(b"id\n1\n", table(id="int32")), id="CSV declared as Parquet"),
        pytest.param(Given(parquet("SELECT 1 AS id"), csv(id="int32")), id="Parquet as CSV"),
        pytest.param(Given(parquet("SELECT 1 AS ID2"), table(id="int32")), id="no such column"),
        pytest.param(Given(parquet("SELECT 'x' AS id"), table(id="int32")), id="other content"),
        pytest.param(Given(parquet("SELECT 1 AS id")[:-9], table(id="int32")), id="cut Parquet"),
        pytest.param(Given(b"PAR1" + bytes(40) + b"PAR1", table(id="int32")), id="zeros"),
        pytest.param(Given(b'{"id": "x"}\n', jsonl(id="int32")), id="JSON of another type"),
        pytest.param(Given(b'{"id": 1\n', jsonl(id="int32")), id="JSON that does not end"),
    ],
)
def test_an_input_that_is_not_what_its_manifest_says_fails(given: Given) -> None:
    with pytest.raises(ProgramFailed) as caught:
        rows("SELECT count(id), sum(id) FROM a", {"a": given})

    assert str(caught.value) == "the program failed"


def test_the_dialect_decides_and_not_the_file() -> None:
    content = csv(dialect=replace(DIALECT, delimiter=";", header=False, null="NIL"), x="text")

    found = rows("SELECT x FROM a ORDER BY x", {"a": Given(b"x,y\nNIL\n", content)})

    assert found == [("x,y",), (None,)]


def test_an_empty_table_has_no_rows() -> None:
    given = Given(parquet("SELECT 1 AS id WHERE false"), table(id="int32"))

    assert rows("SELECT * FROM a", {"a": given}) == []


def test_names_in_another_script_with_quotes_and_commas_are_columns() -> None:
    odd: dict[str, Any] = {'sum "of", Ünï': "int32"}
    given = Given(parquet('SELECT 7::INTEGER AS "sum ""of"", Ünï"'), table(**odd))

    found = answer('SELECT "sum ""of"", Ünï" FROM a', {"a": given})

    assert found.to_pylist() == [{'sum "of", Ünï': 7}]


def test_inputs_are_told_apart() -> None:
    one = Given(b"id\n1\n", csv(id="int64"))
    two = Given(b'{"id": 2}\n', jsonl(id="int64"))
    three = Given(parquet("SELECT 3::BIGINT AS id"), table(id="int64"))

    found = rows(
        "SELECT a.id, b.id AS second, c.id AS third FROM a, b, c", {"a": one, "b": two, "c": three}
    )

    assert found == [(1, 2, 3)]


def test_columns_are_spelled_shortly_in_these_tests() -> None:
    (column,) = columns(x="text?")

    assert (column.name, column.type, column.nullable) == ("x", "text", True)
