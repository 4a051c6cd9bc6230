"""What a sealed file may say its plaintext is."""

import re
from typing import Any

import pytest

from cleanroom.errors import Malformed
from cleanroom.seal.content import Bytes, CsvTable, Table, content
from tests.builders import columns

DROP = object()


def dialect(**changes: Any) -> dict[str, Any]:
    return {
        "delimiter": ",",
        "quote": '"',
        "escape": '"',
        "header": True,
        "null": "",
        "date_format": "",
        "timestamp_format": "",
    } | changes


def table(kind: str, **changes: Any) -> dict[str, Any]:
    made = {"kind": kind, "columns": columns(), "rows": 2} | changes
    return {name: value for name, value in made.items() if value is not DROP}


def csv(**changes: Any) -> dict[str, Any]:
    return table("csv", **({"dialect": dialect()} | changes))


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        pytest.param({"kind": "bytes"}, Bytes, id="bytes"),
        pytest.param(table("parquet"), Table, id="parquet"),
        pytest.param(table("jsonl"), Table, id="jsonl"),
        pytest.param(table("jsonl", rows=0), Table, id="no rows"),
        pytest.param(csv(), CsvTable, id="csv"),
        pytest.param(csv(dialect=dialect(delimiter="\t", quote="", escape="")), CsvTable, id="tsv"),
        pytest.param(
            csv(dialect=dialect(null="NULL", date_format="%d.%m.%Y", header=False)),
            CsvTable,
            id="german dates",
        ),
    ],
)
def test_content_reads_what_it_writes(raw: dict[str, Any], kind: type) -> None:
    found = content(raw, "content")

    assert isinstance(found, kind)
    assert found.to_dict() == raw


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param("csv", "content: expected an object with named fields, got text", id="text"),
        pytest.param({}, "content: expected a field 'kind'", id="no kind"),
        pytest.param(
            {"kind": "excel"},
            "content.kind: expected 'bytes' or 'csv' or 'jsonl' or 'parquet', got 'excel'",
            id="other kind",
        ),
        pytest.param(
            {"kind": "bytes", "rows": 1},
            "content: expected no other field, got 'rows'",
            id="rows of bytes",
        ),
        pytest.param(
            table("parquet", rows=DROP), "content: expected a field 'rows'", id="missing field"
        ),
        pytest.param(
            table("parquet", rows=-1),
            "content.rows: expected a whole number of at least 0, got -1",
            id="negative rows",
        ),
        pytest.param(
            table("parquet", columns=[]),
            "content.columns: expected 1 to 2048 entries, got 0",
            id="no columns",
        ),
        pytest.param(
            table("jsonl", dialect=dialect()),
            "content: expected no other field, got 'dialect'",
            id="dialect of json",
        ),
        pytest.param(table("csv"), "content: expected a field 'dialect'", id="no dialect"),
        pytest.param(
            csv(dialect=dialect(delimiter="")),
            "content.dialect.delimiter: expected a delimiter",
            id="no delimiter",
        ),
        pytest.param(
            csv(dialect=dialect(delimiter=", ")),
            "content.dialect.delimiter: expected one visible ASCII character, a tab or nothing,"
            " got ', '",
            id="long delimiter",
        ),
        pytest.param(
            csv(dialect=dialect(delimiter=" ")),
            "content.dialect.delimiter: expected one visible ASCII character, a tab or nothing,"
            " got ' '",
            id="space",
        ),
        pytest.param(
            csv(dialect=dialect(quote="\n")),
            "content.dialect.quote: expected one visible ASCII character, a tab or nothing,"
            " got '\\n'",
            id="line feed",
        ),
        pytest.param(
            csv(dialect=dialect(quote="“")),
            "content.dialect.quote: expected one visible ASCII character, a tab or nothing,"
            " got '“'",
            id="curly quote",
        ),
        pytest.param(
            csv(dialect=dialect(escape=None)),
            "content.dialect.escape: expected one visible ASCII character, a tab or nothing,"
            " got nothing",
            id="null escape",
        ),
        pytest.param(
            csv(dialect=dialect(header=1)),
            "content.dialect.header: expected true or false, got 1",
            id="one for true",
        ),
        pytest.param(
            csv(dialect=dialect(date_format="%d" * 33)),
            "content.dialect.date_format: expected 0 to 64 characters, got 66",
            id="long format",
        ),
        pytest.param(
            csv(dialect=dialect(comment="#")),
            "content.dialect: expected no other field, got 'comment'",
            id="unknown field of a dialect",
        ),
    ],
)
def test_any_other_content_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        content(raw, "content")
