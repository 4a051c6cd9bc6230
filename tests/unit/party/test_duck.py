"""DuckDB reaches one file, is asked in SQL, and never gets to say a cell."""

import os
import signal
import threading
from pathlib import Path

import pytest

from cleanroom.errors import CleanroomError, Malformed, Unavailable
from party import duck
from party.duck import duckdb_type, our_type


def written(folder: Path, name: str, data: str) -> Path:
    path = folder / name
    path.write_text(data)
    return path


def test_duckdb_reaches_nothing_but_the_file(tmp_path: Path) -> None:
    other = written(tmp_path, "other.csv", "a\n1\n")

    with duck.opened(written(tmp_path, "t.csv", "a\n2\n")) as file:
        rows = file.ask(f"FROM read_csv({file.link})", "")
        for escape in (
            f"FROM read_csv('{other}')",
            f"COPY (SELECT 1) TO '{tmp_path}/out'",
            f"ATTACH '{tmp_path}/out'",
            "LOAD httpfs",
            "INSTALL httpfs",
            "SET enable_external_access = true",
            "SET memory_limit = '9GB'",
        ):
            with pytest.raises(CleanroomError):
                file.ask(escape, "no way out")

    assert rows == [(2,)]
    assert not (tmp_path / "out").exists()


def test_a_file_that_cannot_be_read_now_is_no_fault_of_its_format(tmp_path: Path) -> None:
    with (
        duck.opened(tmp_path / "gone.csv") as file,
        pytest.raises(Unavailable, match=r"gone.csv: not readable with 2GB of memory"),
    ):
        file.ask(f"FROM read_csv({file.link})", "a table")


def test_a_query_can_be_interrupted(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))

    with duck.opened(tmp_path) as file:
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        with pytest.raises(KeyboardInterrupt):
            file.ask("FROM range(1_000_000_000_000) AS r(i) SELECT bit_xor(hash(i))", "")


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        pytest.param("int64", "BIGINT", id="int64"),
        pytest.param("timestamp", "TIMESTAMP", id="timestamp"),
        pytest.param("timestamptz", "TIMESTAMP WITH TIME ZONE", id="timestamptz"),
        pytest.param("decimal(9,2)", "DECIMAL(9,2)", id="decimal"),
    ],
)
def test_a_type_of_ours_has_one_name_in_duckdb(ours: str, theirs: str) -> None:
    assert duckdb_type(ours) == theirs


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        pytest.param("BIGINT", "int64", id="BIGINT"),
        pytest.param("TIMESTAMP_NS", "timestamp", id="TIMESTAMP_NS"),
        pytest.param("DECIMAL(9,2)", "decimal(9,2)", id="DECIMAL"),
        pytest.param("DECIMAL(9,2)[]", None, id="list of DECIMAL"),
        pytest.param("ENUM('a', '\n')", "text", id="ENUM"),
        pytest.param("ENUM('a')[]", None, id="list of ENUM"),
        pytest.param("STRUCT(a INTEGER)", None, id="STRUCT"),
    ],
)
def test_a_type_of_duckdb_is_one_of_ours_or_none(theirs: str, ours: str | None) -> None:
    assert our_type(theirs) == ours


def test_a_message_of_duckdb_goes_no_further(tmp_path: Path) -> None:
    with (
        duck.opened(written(tmp_path, "t.csv", "a\nx\n")) as file,
        pytest.raises(Malformed) as caught,
    ):
        file.ask("SELECT error('alice@example.com')", "a table")

    assert str(caught.value) == f"{tmp_path}/t.csv: expected a table"
    assert caught.value.__suppress_context__


def test_many_questions_are_answered_in_several_passes(tmp_path: Path) -> None:
    with duck.opened(tmp_path) as file:
        counts = file.count(
            "range(3)", {("times", f"{i}"): f"count(*) * {i}" for i in range(1500)}, ""
        )

    assert counts == {("times", f"{i}"): 3 * i for i in range(1500)}
