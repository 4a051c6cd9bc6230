"""A table's schema is found once, proven on every row, and never costs or tells a value."""

import datetime as dt
import decimal
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from cleanroom.errors import CleanroomError, Malformed
from cleanroom.schema import MOST_COLUMNS
from cleanroom.seal.content import Bytes, Content, CsvTable, Dialect, Table, content
from party import duck, tabular
from party.duck import duckdb_type
from party.errors import Usage
from party.tabular import Description, DialectWish, describe

ANY = DialectWish()
NAMED = DialectWish(header=True)
SECRET = "alice@example.com"  # noqa: S105 - a cell that no message may quote


def written(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def csv(folder: Path, data: bytes | str, wish: DialectWish = ANY, **types: str) -> CsvTable:
    found = describe(written(folder, "t.csv", data), None, types, wish)
    assert isinstance(found.content, CsvTable)
    assert found.media_type == "text/csv"
    return found.content


def jsonl(folder: Path, data: bytes | str, **types: str) -> Table:
    found = describe(written(folder, "t.jsonl", data), None, types, ANY)
    assert isinstance(found.content, Table)
    assert found.media_type == "application/x-ndjson"
    return found.content


def parquet(folder: Path, select: str, **types: str) -> Table:
    path = folder / "t.parquet"
    with duckdb.connect() as db:
        db.execute(f"COPY ({select}) TO '{path}' (FORMAT parquet)")
    found = describe(path, None, types, ANY)
    assert isinstance(found.content, Table)
    assert found.media_type == "application/vnd.apache.parquet"
    return found.content


def types(found: Content) -> dict[str, str]:
    assert not isinstance(found, Bytes)
    return {column.name: column.type for column in found.columns}


def nullable(found: Content) -> list[str]:
    assert not isinstance(found, Bytes)
    return [column.name for column in found.columns if column.nullable]


def refused(
    folder: Path, name: str, data: bytes | str, wish: DialectWish = ANY, **types: str
) -> str:
    with pytest.raises(CleanroomError) as caught:
        describe(written(folder, name, data), None, types, wish)
    return f"{caught.value} ({caught.value.hint})".replace(f"{folder}/", "")


def read_again(path: Path, found: CsvTable) -> list[tuple[Any, ...]]:
    """Read the file by nothing but what a sealed file says of it, as a runner would."""
    dialect = found.dialect
    options = {
        "auto_detect": False,
        "strict_mode": True,
        "compression": "none",
        "hive_partitioning": False,
        "delim": dialect.delimiter,
        "quote": dialect.quote,
        "escape": dialect.escape,
        "header": dialect.header,
        "nullstr": dialect.null,
        "columns": {column.name: duckdb_type(column.type) for column in found.columns},
    }
    if dialect.date_format:
        options["dateformat"] = dialect.date_format
    if dialect.timestamp_format:
        options["timestampformat"] = dialect.timestamp_format
    named = ", ".join(f"{name} = ${name}" for name in options)
    with duckdb.connect() as db:
        rows: list[tuple[Any, ...]] = db.execute(
            f"FROM read_csv($path, {named})", {"path": str(path), **options}
        ).fetchall()
    return rows


DAY = dt.date(2026, 12, 31)
MOMENT = dt.datetime(2026, 12, 31, 10, 11, 12)  # noqa: DTZ001 - as SQL's TIMESTAMP

ODD = [
    pytest.param(
        "a;b\n1;x,y\n2;z\n",
        ANY,
        {"a": "int64", "b": "text"},
        [(1, "x,y"), (2, "z")],
        id="semicolon",
    ),
    pytest.param("a\tb\n1\tx y\n", ANY, {"a": "int64", "b": "text"}, [(1, "x y")], id="tab"),
    pytest.param("a|b\n1.5|x\n", ANY, {"a": "float64", "b": "text"}, [(1.5, "x")], id="pipe"),
    pytest.param(
        'a,b\n1,"two\nlines"\n2,"x,y"\n',
        ANY,
        {"a": "int64", "b": "text"},
        [(1, "two\nlines"), (2, "x,y")],
        id="newline in quotes",
    ),
    pytest.param(
        'a,b\n1,"he said ""hi"""\n',
        ANY,
        {"a": "int64", "b": "text"},
        [(1, 'he said "hi"')],
        id="doubled quotes",
    ),
    pytest.param(
        'a,b\n1,"x\\"y"\n', ANY, {"a": "int64", "b": "text"}, [(1, 'x"y')], id="backslash"
    ),
    pytest.param(
        "a,b\n1,'x,y'\n", ANY, {"a": "int64", "b": "text"}, [(1, "x,y")], id="single quotes"
    ),
    pytest.param(
        "d;t\n31.12.2026;31.12.2026 10:11:12\n",
        ANY,
        {"d": "date", "t": "timestamp"},
        [(DAY, MOMENT)],
        id="German dates",
    ),
    pytest.param(
        "d,t\n12/31/2026,12/31/2026 10:11:12 AM\n",
        ANY,
        {"d": "date", "t": "timestamp"},
        [(DAY, MOMENT)],
        id="American dates",
    ),
    pytest.param(
        "d,t\n2026-12-31,2026-12-31T10:11:12\n",
        ANY,
        {"d": "date", "t": "timestamp"},
        [(DAY, MOMENT)],
        id="ISO dates",
    ),
    pytest.param(
        "1,x\n2,y\n",
        ANY,
        {"column0": "int64", "column1": "text"},
        [(1, "x"), (2, "y")],
        id="no header",
    ),
    pytest.param(
        "a,b\n1,x\n",
        DialectWish(header=False),
        {"column0": "text", "column1": "text"},
        [("a", "b"), ("1", "x")],
        id="first line said to be a row",
    ),
    pytest.param(
        "1,2\n3,4\n",
        DialectWish(header=True),
        {"1": "int64", "2": "int64"},
        [(3, 4)],
        id="first line said to be a header",
    ),
    pytest.param(
        "a;b,c\n1;2,5\n",
        DialectWish(delimiter=";", header=True),
        {"a": "int64", "b,c": "text"},
        [(1, "2,5")],
        id="delimiter said",
    ),
    pytest.param("a,b\r\n1,x\r\n", ANY, {"a": "int64", "b": "text"}, [(1, "x")], id="CRLF"),
    pytest.param("a,b\r1,x\r", ANY, {"a": "int64", "b": "text"}, [(1, "x")], id="CR"),
    pytest.param(
        "a,b\nNA,x\n2,NA\n3,\n",
        DialectWish(null="NA"),
        {"a": "int64", "b": "text"},
        [(None, "x"), (2, None), (3, "")],
        id="null said",
    ),
    pytest.param(
        "a,b\n1,\n,y\n",
        ANY,
        {"a": "int64", "b": "text"},
        [(1, None), (None, "y")],
        id="empty is null",
    ),
    pytest.param(
        "\ufeffa,b\n1,x\n",
        ANY,
        {"a": "int64", "b": "text"},
        [(1, "x")],
        id="byte order mark",
    ),
    pytest.param(
        "\ufeff1,x\n2,y\n",
        ANY,
        {"column0": "int64", "column1": "text"},
        [(1, "x"), (2, "y")],
        id="byte order mark, no header",
    ),
    pytest.param(
        ' a , "it\'s" ,"b""c"\n1,2,3\n',
        NAMED,
        {"a": "int64", "it's": "int64", 'b"c': "int64"},
        [(1, 2, 3)],
        id="odd names",
    ),
    pytest.param("a,b\n", NAMED, {"a": "text", "b": "text"}, [], id="no rows"),
    pytest.param(
        "a\n\ufffd\u00e4\u20ac\U0001f600\n",
        NAMED,
        {"a": "text"},
        [("\ufffd\u00e4\u20ac\U0001f600",)],
        id="beyond ASCII",
    ),
]


@pytest.mark.parametrize(("data", "wish", "columns", "rows"), ODD)
def test_a_csv_file_reads_the_same_by_its_description_alone(
    tmp_path: Path,
    data: str,
    wish: DialectWish,
    columns: dict[str, str],
    rows: list[tuple[Any, ...]],
) -> None:
    found = csv(tmp_path, data, wish)

    assert types(found) == columns
    assert found.rows == len(rows)
    assert read_again(tmp_path / "t.csv", found) == rows
    assert content(found.to_dict(), "content") == found


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(f"{SECRET},Vienna\nbob@example.com,Graz\n", id="rows without a header"),
        pytest.param("name,city\nAlice,Vienna\n", id="a header and a row"),
        pytest.param(f"{SECRET},Vienna\n", id="one row"),
        pytest.param("name,city\n", id="a header without rows"),
        pytest.param("name,note\nAlice,\nBob,\n", id="an empty column"),
        pytest.param("name,name\nAlice,Bob\n", id="one name twice"),
        pytest.param("a;b\n01;31.12.2026x\n", id="nearly a type"),
    ],
)
def test_a_first_row_that_may_be_data_is_not_taken_for_a_header(tmp_path: Path, data: str) -> None:
    with pytest.raises(Usage) as caught:
        csv(tmp_path, data)

    assert str(caught.value) == (
        f"{tmp_path}/t.csv: every column is text, so a header does not differ from a row"
    )
    assert caught.value.hint == "say --header or --no-header"


def test_what_the_owner_says_of_the_first_row_of_text_holds(tmp_path: Path) -> None:
    data = "name,city\nAlice,Vienna\n"

    named, unnamed = csv(tmp_path, data, NAMED), csv(tmp_path, data, DialectWish(header=False))

    assert (list(types(named)), named.rows, named.dialect.header) == (["name", "city"], 1, True)
    assert (list(types(unnamed)), unnamed.rows) == (["column0", "column1"], 2)
    assert not unnamed.dialect.header


def test_one_column_that_is_no_text_shows_the_header(tmp_path: Path) -> None:
    found = csv(tmp_path, "name,born\nAlice,2001-02-03\n")

    assert types(found) == {"name": "text", "born": "date"}


def test_the_dialect_is_recorded(tmp_path: Path) -> None:
    found = csv(tmp_path, "d;t\n31.12.2026;'x;y'\nNA;z\n", DialectWish(null="NA"))

    assert found.dialect == Dialect(";", "'", "", True, "NA", "%d.%m.%Y", "")


def test_a_column_is_nullable_where_a_cell_is_missing(tmp_path: Path) -> None:
    found = csv(tmp_path, 'a,b,c\n1,,x\n2,3,""\n')

    assert nullable(found) == ["b", "c"]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        pytest.param("true false", "boolean", id="boolean"),
        pytest.param("1 -2", "int64", id="integer"),
        pytest.param("0x1F 2", "int64", id="hexadecimal"),
        pytest.param("9223372036854775808 1", "int128", id="past 64 bits"),
        pytest.param("9223372036854775808 1.5", "float64", id="past 64 bits with fractions"),
        pytest.param("1.5 2 1e9 nan", "float64", id="float"),
        pytest.param("01234 99999", "text", id="leading zero"),
        pytest.param("10:11 10:11:12.5", "time", id="time"),
        pytest.param("2026-12-31 infinity", "date", id="date without end"),
        pytest.param("2026-12-31 epoch", "text", id="date that DuckDB would read as 1900"),
        pytest.param("31.12.2026 epoch", "text", id="the same with a format"),
        pytest.param("2026-12-31T10:11:12Z 2026-12-31T10:11:12+02:00", "timestamptz", id="zone"),
        pytest.param("01/02/2026 02/01/2026", "text", id="day or month first"),
        pytest.param("01/02/2026 13/01/2026", "date", id="day first"),
        pytest.param("01.02.2026 02.01.2026", "date", id="dots are day first"),
        pytest.param("2026/01/02 2026/02/01", "date", id="year first"),
        pytest.param("31.12.26 30.12.26", "text", id="year of two digits"),
        pytest.param("8f14e45f-ceea-467f-9575-9f2f9bba1b6c x", "text", id="text"),
    ],
)
def test_a_type_is_guessed_only_where_it_loses_nothing(
    tmp_path: Path, cells: str, expected: str
) -> None:
    found = csv(tmp_path, "a\n" + cells.replace(" ", "\n") + "\n", NAMED)

    assert types(found) == {"a": expected}


def test_one_column_shows_how_to_read_the_dates_of_another(tmp_path: Path) -> None:
    found = csv(tmp_path, "a,b\n01/02/2026,31/01/2026\n")

    assert types(found) == {"a": "date", "b": "date"}
    assert found.dialect.date_format == "%d/%m/%Y"


def test_a_format_that_no_column_needs_is_not_recorded(tmp_path: Path) -> None:
    found = csv(tmp_path, "a\n31.12.2026 10:11:12\n", a="text")

    assert found.dialect.timestamp_format == ""


@pytest.mark.parametrize(
    ("cell", "wanted", "value"),
    [
        pytest.param("1", "uint8", 1, id="uint8"),
        pytest.param("1.50", "decimal(4,1)", decimal.Decimal("1.5"), id="decimal"),
        pytest.param("1", "text", "1", id="text"),
        pytest.param("1.25", "float32", 1.25, id="float32"),
        pytest.param("\\x41", "binary", b"A", id="binary"),
        pytest.param("2026-12-31", "timestamp", dt.datetime(2026, 12, 31), id="timestamp"),  # noqa: DTZ001
    ],
)
def test_a_declared_type_wins_over_the_guess(
    tmp_path: Path, cell: str, wanted: str, value: object
) -> None:
    found = csv(tmp_path, f"Wert\n{cell}\n", NAMED, WERT=wanted)

    assert types(found) == {"Wert": wanted}
    assert read_again(tmp_path / "t.csv", found) == [(value,)]


@pytest.mark.parametrize(
    ("cell", "wanted"),
    [
        pytest.param(SECRET, "int64", id="text as a number"),
        pytest.param("1.5", "int64", id="a fraction as a whole number"),
        pytest.param("256", "uint8", id="out of range"),
        pytest.param("1.25", "decimal(4,1)", id="too many digits"),
        pytest.param("2026-12-31 10:11:12", "date", id="a time as a date"),
        pytest.param("2026-12-31 10:11:12+02", "timestamp", id="a zone as none"),
        pytest.param("31.12.2026 10:11:12", "timestamptz", id="what DuckDB reads as NULL"),
        pytest.param(SECRET, "uuid", id="text as a UUID"),
    ],
)
def test_a_declared_type_must_hold_for_every_row(tmp_path: Path, cell: str, wanted: str) -> None:
    message = refused(tmp_path, "t.csv", f"a;b\n;x\n{cell};y\n", NAMED, a=wanted)

    assert message == f"t.csv: row 2, column 'a': expected {wanted} ()"


def test_the_first_bad_row_of_many_is_named(tmp_path: Path) -> None:
    data = "a\n" + "1\n" * 400_000 + "x\n" + "1\n" * 400_000 + "y\n"

    assert "row 400001," in refused(tmp_path, "t.csv", data, NAMED, a="int8")


def test_dates_that_may_be_day_or_month_first_cannot_be_declared(tmp_path: Path) -> None:
    message = refused(tmp_path, "t.csv", "a\n01/02/2026\n", a="date")

    assert message.startswith("t.csv: column 'a': expected a day over 12 in some date (is 01/02")


def test_cells_that_get_lost_between_two_readings_are_noticed(tmp_path: Path) -> None:
    def read(types: dict[str, str]) -> str:
        return {"text": "(SELECT '10:11' AS a)", "time": "(SELECT NULL AS a)"}[types["a"]]

    with (
        duck.opened(written(tmp_path, "t.csv", "")) as file,
        pytest.raises(Malformed, match=r"column 'a': expected time in every row"),
    ):
        tabular._proven(file, read, ({"a": "time"}, {}), {}, {}, "")


CSV = "t.csv: expected CSV: rows of equally many fields, quotes that close, one kind of line end"
START = "t.csv: expected the table to start in the first line, with equally many fields"
JSONL = "t.jsonl: expected one JSON object in every line, with each name once"
PLAIN = "column 'a': expected a plain type such as text or float64, got"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        pytest.param("t.csv", "", "t.csv: expected a header or rows", id="empty"),
        pytest.param("t.csv", "\ufeff", "t.csv: expected a header or rows", id="only a mark"),
        pytest.param("t.csv", "\n\n", "t.csv: every column is text, so a header", id="blank"),
        pytest.param("t.csv", "a,,b\n1,2,3\n", "t.csv: the first line holds what", id="no name"),
        pytest.param("t.csv", "a,A\n1,2\n", "t.csv: expected each column once", id="same name"),
        pytest.param("t.csv", '"a\nb",c\n1,2\n', "t.csv: the first line holds", id="bad name"),
        pytest.param("t.csv", "# by me\na,b\n1,2\n", START, id="comment"),
        pytest.param("t.csv", "My table\n\na,b\n1,2\n3,4\n", START, id="title"),
        pytest.param("t.csv", "\na,b\n1,2\n", START, id="blank line first"),
        pytest.param("t.csv", "a,b\n1,2\n3\n4,5\n", CSV, id="short row"),
        pytest.param("t.csv", "a,b\n" + "1,2\n" * 9999 + "3\n", CSV, id="short row at the end"),
        pytest.param("t.csv", "a,b\r\n1,2\n3,4\r\n", CSV, id="two kinds of line end"),
        pytest.param("t.csv", "a,b\n1," + "x" * 2_100_000 + "\n", CSV, id="long line"),
        pytest.param(
            "t.csv", "a,b\nM\xfcller,1\n".encode("latin1"), "t.csv: expected UTF-8", id="Latin 1"
        ),
        pytest.param("t.csv", "a,b\n1,2\n".encode("utf-16"), "t.csv: expected UTF-8", id="UTF-16"),
        pytest.param("t.jsonl", "", JSONL, id="no JSON"),
        pytest.param("t.jsonl", '{"a":1}\n{"a":\n', JSONL, id="cut JSON"),
        pytest.param("t.jsonl", '{"a":1}\n5\n', JSONL, id="JSON that is no object"),
        pytest.param("t.jsonl", '[{"a":1}]\n', JSONL, id="JSON array"),
        pytest.param("t.jsonl", '{"a":1} {"a":2}\n', JSONL, id="two objects in a line"),
        pytest.param("t.jsonl", '{"a":1,"a":2}\n', JSONL, id="JSON name twice"),
        pytest.param(
            "t.jsonl", '{"a":1}\n{"A":2}\n', "t.jsonl: expected each column once", id="JSON case"
        ),
        pytest.param(
            "t.jsonl", '{"":1}\n', "t.jsonl: name of column 1: expected 1", id="JSON without name"
        ),
        pytest.param(
            "t.jsonl", '\ufeff{"a":1}\n', "t.jsonl: expected no byte order mark", id="JSON mark"
        ),
        pytest.param(
            "t.jsonl",
            '{"a":"M\xfcller"}\n'.encode("latin1"),
            "t.jsonl: expected UTF-8",
            id="Latin 1 in JSON",
        ),
        pytest.param("t.jsonl", '{"a":[1]}\n', f"t.jsonl: {PLAIN} BIGINT[] (seal", id="list"),
        pytest.param("t.jsonl", '{"a":{"b":1}}\n', f"t.jsonl: {PLAIN} STRUCT (seal", id="object"),
        pytest.param("t.jsonl", '{"a":1}\n{"a":"x"}\n', f"t.jsonl: {PLAIN} JSON", id="two types"),
        pytest.param("t.jsonl", '{"a":null}\n', f"t.jsonl: {PLAIN} JSON", id="only nulls"),
        pytest.param("t.parquet", "", "t.parquet: expected an undamaged Parquet", id="no Parquet"),
    ],
)
def test_what_is_no_table_is_refused(
    tmp_path: Path, name: str, data: bytes | str, message: str
) -> None:
    assert refused(tmp_path, name, data).startswith(message)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        pytest.param("t.csv", ",".join(map(str, range(MOST_COLUMNS + 1))), id="CSV"),
        pytest.param(
            "t.jsonl",
            "{" + ",".join(f'"c{i}":1' for i in range(MOST_COLUMNS + 1)) + "}",
            id="JSON",
        ),
    ],
)
def test_more_columns_than_a_table_may_have_are_refused(
    tmp_path: Path, name: str, row: str
) -> None:
    assert "expected at most 2048 columns, got more" in refused(tmp_path, name, f"{row}\n{row}\n")


def test_a_table_of_the_most_columns_is_described(tmp_path: Path) -> None:
    header = ",".join(f"c{i}" for i in range(MOST_COLUMNS))
    row = ",".join(f"{i}.5" for i in range(MOST_COLUMNS))

    found = csv(tmp_path, f"{header}\n" + f"{row}\n" * 100)

    assert set(types(found).values()) == {"float64"}


@pytest.mark.parametrize(
    ("wish", "message"),
    [
        pytest.param(DialectWish(delimiter="||"), "dialect.delimiter: expected one", id="two"),
        pytest.param(DialectWish(delimiter=""), "dialect.delimiter: expected a del", id="none"),
        pytest.param(DialectWish(null="x" * 65), "dialect.null: expected 0 to 64", id="long"),
        pytest.param(DialectWish(null=","), "expected CSV: rows of equally", id="clash"),
    ],
)
def test_a_dialect_that_cannot_be_is_refused(
    tmp_path: Path, wish: DialectWish, message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        csv(tmp_path, "a,b\n1,2\n", wish)


def test_no_message_and_no_cause_tells_a_cell(tmp_path: Path) -> None:
    message = refused(tmp_path, "t.csv", f"a,b\n1,x\n{SECRET},y\n", NAMED, a="int8")
    other = refused(tmp_path, "t.jsonl", f'{{"a":"1"}}\n{{"a":"{SECRET}"}}\n', a="int8")

    assert message == "t.csv: row 2, column 'a': expected int8 ()"
    assert other == "t.jsonl: row 2, column 'a': expected int8 ()"


def test_json_lines_have_the_types_that_hold_for_every_line(tmp_path: Path) -> None:
    found = jsonl(
        tmp_path,
        '{"i":1,"f":1.5,"b":true,"s":"x","d":"2026-12-31","t":"2026-12-31 10:11:12",'
        '"z":"2026-12-31T10:11:12Z","g":"31-12-2026","u":"8f14e45f-ceea-467f-9575-9f2f9bba1b6c",'
        '"n":99999999999999999999999}\n\n{"i":null,"f":2,"more":"y"}\n',
    )

    assert found.rows == 2
    assert types(found) == {
        "i": "int64",
        "f": "float64",
        "b": "boolean",
        "s": "text",
        "d": "date",
        "t": "timestamp",
        "z": "timestamptz",
        "g": "text",
        "u": "uuid",
        "n": "int128",
        "more": "text",
    }
    assert "f" not in nullable(found)
    assert {"i", "s", "more"} <= set(nullable(found))


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"a":' + "[" * 63 + "]" * 63 + "}", id="deepest"),
        pytest.param('{"a":"' + r"[\"{\\" * 99 + '"}', id="only in text"),
        pytest.param('{"a":[' + "[]," * 99 + "{}]}", id="beside each other"),
    ],
)
def test_brackets_that_do_not_nest_deep_are_no_matter(tmp_path: Path, line: str) -> None:
    assert types(jsonl(tmp_path, f"{line}\n", a="text")) == {"a": "text"}


@pytest.mark.parametrize(
    "line",
    [
        pytest.param('{"a":' + "[" * 64 + "]" * 64 + "}", id="a level more"),
        pytest.param('{"a":' + '{"a":' * 25_000 + "1" + "}" * 25_001, id="objects"),
        pytest.param('{"a":' + "[" * 25_000, id="cut"),
        pytest.param('{"a":"' + r"\\" + '"' + "," + '"b":' + "[" * 64, id="after an escape"),
        pytest.param("]" * 99 + "[" * 65, id="closed before"),
    ],
)
def test_lines_nested_too_deep_are_refused(tmp_path: Path, line: str) -> None:
    message = refused(tmp_path, "t.jsonl", f'{{"a":1}}\n{line}\n', a="text")

    assert message == "t.jsonl: line 2: expected at most 64 levels of nesting ()"


def test_a_line_longer_than_duckdb_takes_is_refused(tmp_path: Path) -> None:
    data = b'{"a":"' + b"x" * (33 << 20) + b'"}\n'

    assert refused(tmp_path, "t.jsonl", data) == "t.jsonl: line 1: expected at most 32 MB ()"


def test_a_nested_json_value_may_be_declared_text(tmp_path: Path) -> None:
    found = jsonl(tmp_path, '{"a":[1],"b":{"c":1},"d":null}\n', a="text", b="text", d="date")

    assert types(found) == {"a": "text", "b": "text", "d": "date"}


def test_parquet_states_its_types(tmp_path: Path) -> None:
    found = parquet(
        tmp_path,
        "SELECT true AS a, 1::TINYINT AS b, 2::UBIGINT AS c, 1.5::FLOAT AS d, 1.5::DECIMAL(9,2) AS"
        " e, 'x' AS f, 'x'::BLOB AS g, DATE '2026-12-31' AS h, TIME '10:11' AS i, TIMESTAMP"
        " '2026-12-31' AS j, TIMESTAMPTZ '2026-12-31 00:00:00Z' AS k, TIMESTAMP_NS '2026-12-31'"
        " AS l, uuid() AS m, 'x'::ENUM('x', 'y') AS n, NULL::INT AS o",
    )

    assert found.rows == 1
    assert nullable(found) == ["o"]
    assert " ".join(types(found).values()) == (
        "boolean int8 uint64 float32 decimal(9,2) text binary date time timestamp timestamptz"
        " timestamp uuid text int32"
    )


def test_a_parquet_file_without_rows_is_a_table(tmp_path: Path) -> None:
    found = parquet(tmp_path, "SELECT 1 AS a WHERE false")

    assert (found.rows, nullable(found)) == (0, [])


def test_a_parquet_column_may_be_declared_another_type_that_loses_nothing(tmp_path: Path) -> None:
    found = parquet(tmp_path, "SELECT [1] AS a, 2.0 AS b, 3 AS c", a="text", B="int8")

    assert types(found) == {"a": "text", "b": "int8", "c": "int32"}


@pytest.mark.parametrize(
    ("select", "wanted", "message"),
    [
        pytest.param("SELECT 1.5 AS a", "int8", "column 'a': expected int8 in", id="fraction"),
        pytest.param("SELECT 'x' AS a", "int8", "column 'a': expected int8 in", id="text"),
        pytest.param("SELECT [1] AS a", "int8", "column 'a': expected int8 in", id="list"),
    ],
)
def test_a_parquet_column_is_not_declared_what_it_is_not(
    tmp_path: Path, select: str, wanted: str, message: str
) -> None:
    with pytest.raises(Malformed, match=message):
        parquet(tmp_path, select, a=wanted)


@pytest.mark.parametrize(
    ("value", "named"),
    [
        pytest.param("[1]", "INTEGER[]", id="list"),
        pytest.param("{'x': 1}", "STRUCT", id="struct"),
        pytest.param("MAP {'x': 1}", "MAP", id="map"),
        pytest.param("INTERVAL 1 DAY", "INTERVAL", id="interval"),
        pytest.param("'{}'::JSON", "JSON", id="JSON"),
        pytest.param("[1.5::DECIMAL(9,2)]", "DECIMAL[]", id="list of decimals"),
        pytest.param("[[[1]]]", "INTEGER[]", id="list of lists"),
        pytest.param("[{'x': 1}]", "STRUCT[]", id="list of structs"),
        pytest.param("TIMETZ '10:11:12+02'", "TIME WITH TIME ZONE", id="time with zone"),
    ],
)
def test_a_column_that_no_type_of_ours_fits_is_refused(
    tmp_path: Path, value: str, named: str
) -> None:
    with pytest.raises(Malformed) as caught:
        parquet(tmp_path, f"SELECT {value} AS a")

    assert str(caught.value).endswith(f"{PLAIN} {named}")
    assert caught.value.hint.endswith("or give the column a type with --type NAME=TYPE")


def test_parquet_columns_whose_names_differ_in_case_are_refused(tmp_path: Path) -> None:
    parquet(tmp_path, "SELECT 1 AS name_a, 2 AS other_")
    data = (tmp_path / "t.parquet").read_bytes().replace(b"other_", b"NAME_A")

    message = refused(tmp_path, "t.parquet", data)

    assert message.startswith("t.parquet: expected each column once")


def test_damage_inside_a_parquet_file_is_found(tmp_path: Path) -> None:
    parquet(tmp_path, "SELECT hash(i)::VARCHAR AS a FROM range(100000) AS r(i)")
    data = bytearray((tmp_path / "t.parquet").read_bytes())
    data[len(data) // 2 : len(data) // 2 + 2000] = b"\xff" * 2000

    message = refused(tmp_path, "t.parquet", bytes(data))

    assert message == "t.parquet: expected an undamaged Parquet file ()"


@pytest.mark.parametrize(
    "name",
    [
        "it's [1] *? {a,b} \u00fc.csv",
        "a[1].csv",
        "*.csv",
        "?.csv",
        'back\\slash"quote.csv',
        "year=2026/month=[1]/part.csv",
        "line\nfeed.csv",
        "~.csv",
        "s3:/bucket/x.csv",
    ],
)
def test_any_file_name_is_read_as_it_stands(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for decoy in ("a1.csv", "b.csv", "bb.csv", "year=2026/month=1/part.csv"):
        written(tmp_path, decoy, "decoy\n1\n")
    written(tmp_path, name, "wanted\n1\n")
    monkeypatch.chdir(tmp_path)

    found = describe(Path(name), None, {}, ANY)

    assert types(found.content) == {"wanted": "int64"}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param("t.csv", "csv", id="csv"),
        pytest.param("t.CSV", "csv", id="capitals"),
        pytest.param("t.tsv", "csv", id="tsv"),
        pytest.param("t.jsonl", "jsonl", id="jsonl"),
        pytest.param("t.ndjson", "jsonl", id="ndjson"),
        pytest.param("t.csv.gz", "bytes", id="packed"),
        pytest.param("t.json", "bytes", id="json"),
        pytest.param("t", "bytes", id="no suffix"),
    ],
)
def test_the_name_tells_the_kind(tmp_path: Path, name: str, kind: str) -> None:
    data = {"csv": "a\n1\n", "jsonl": '{"a":1}\n', "bytes": ""}[kind]

    found = describe(written(tmp_path, name, data), None, {}, ANY)

    assert found.content.kind == kind


def test_a_kind_given_wins_over_the_name(tmp_path: Path) -> None:
    path = written(tmp_path, "t.txt", "a,b\n1,2\n")

    found = describe(path, "csv", {}, ANY)

    assert (found.content.kind, found.media_type) == ("csv", "text/csv")
    assert describe(path, "bytes", {}, ANY) == Description(Bytes(), "text/plain", None)


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        pytest.param("t.pdf", "application/pdf", id="pdf"),
        pytest.param("t.csv.gz", "application/octet-stream", id="packed"),
        pytest.param("t.unheard-of", "application/octet-stream", id="unknown"),
    ],
)
def test_plain_bytes_have_the_media_type_of_their_name(
    tmp_path: Path, name: str, media_type: str
) -> None:
    found = describe(written(tmp_path, name, b"\xff"), None, {}, ANY)

    assert found == Description(Bytes(), media_type, None)


def test_plain_bytes_do_without_duckdb(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from party.tabular import DialectWish, describe;"
        f"describe(Path({str(tmp_path)!r}, 'x.bin'), None, {{}}, DialectWish());"
        "print('duckdb' in sys.modules)"
    )
    written(tmp_path, "x.bin", b"")

    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)

    assert ran.stdout == b"False\n"


@pytest.mark.parametrize(
    ("kind", "types", "wish", "message"),
    [
        pytest.param("bytes", {"a": "text"}, ANY, "plain bytes have no columns", id="types"),
        pytest.param("bytes", {}, DialectWish(null=""), "only CSV has a delimiter", id="bytes"),
        pytest.param("jsonl", {}, DialectWish(header=True), "only CSV has a deli", id="jsonl"),
        pytest.param("xlsx", {}, ANY, "no kind 'xlsx', only csv, parquet", id="unknown kind"),
        pytest.param("csv", {"c": "text"}, ANY, "no column 'c', only a, b", id="column"),
    ],
)
def test_a_command_that_makes_no_sense_is_refused(
    tmp_path: Path, kind: str, types: dict[str, str], wish: DialectWish, message: str
) -> None:
    path = written(tmp_path, "t.csv", "a,b\n1,2\n")

    with pytest.raises(Usage, match=message):
        describe(path, kind, types, wish)


def test_a_type_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Malformed, match="type of a: expected a column type"):
        csv(tmp_path, "a\n1\n", a="VARCHAR")


@pytest.mark.parametrize("kind", ["csv", "bytes"])
def test_a_missing_file_is_named(tmp_path: Path, kind: str) -> None:
    with pytest.raises(Usage, match=r"gone\.csv: there is no such file"):
        describe(tmp_path / "gone.csv", kind, {}, ANY)


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(Usage, match="expected a file, got a folder"):
        describe(tmp_path, None, {}, ANY)


def test_a_table_does_not_come_from_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.csv")

    with pytest.raises(Usage, match="must be a regular file"):
        describe(tmp_path / "pipe.csv", None, {}, ANY)
