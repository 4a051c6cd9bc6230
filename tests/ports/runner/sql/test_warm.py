"""A cell can open no file, so nothing may be left to import when it starts."""

from pathlib import Path

from runner.gate.task import Task as GateTask
from runner.sql.task import Bound, Task
from tests.ports.runner.sql.cases import (
    BUDGET,
    Given,
    columns,
    compute,
    csv,
    descriptors,
    jsonl,
    parquet,
    table,
)
from tests.sealing import python

_CELL = """
import os, sys
from importlib import import_module

module, folder, *files = sys.argv[1:]
entry = import_module(module)
entry.warm()
before = set(sys.modules)
task = open(f"{folder}/task", "rb").read()
held = [os.open(f"{folder}/{file}", os.O_RDONLY) for file in files]
out = open(f"{folder}/out", "wb")
entry.run(task, held, None, out.write)
print(*sorted(set(sys.modules) - before))
"""
_TYPES = {
    "x": ("float64", "1.5::DOUBLE"),
    "t": ("text", "'=y'"),
    "d": ("date", "DATE '2026-01-01'"),
    "s": ("timestamp", "TIMESTAMP '2026-01-01 01:02:03'"),
    "z": ("timestamptz", "TIMESTAMPTZ '2026-01-01 01:02:03Z'"),
    "b": ("binary", "'a'::BLOB"),
    "m": ("decimal(12,2)", "1::DECIMAL(12,2)"),
    "u": ("uuid", "'00000000-0000-0000-0000-00000000002a'::UUID"),
    "c": ("time", "TIME '01:02:03'"),
    "h": ("int128", "1::HUGEINT"),
}
TYPES = {name: kind for name, (kind, _) in _TYPES.items()} | {"h": "decimal(38,0)"}
CELLS = ", ".join(f"{spelled} AS {name}" for name, (_, spelled) in _TYPES.items())
INPUTS = {
    "one": Given(
        parquet(f"SELECT {CELLS.replace('1::HUGEINT', '1::DECIMAL(38,0)')} FROM range(9)"),  # noqa: S608
        table(0, **TYPES),
    ),
    "two": Given(b"day,n\n2026-01-01,1\n", csv(day="date", n="int64")),
    "three": Given(b'{"n": 1}\n', jsonl(n="int64")),
}
PROGRAM = """
    SELECT one.*, strftime(day, '%Y') AS year, timezone('Europe/Berlin', z) AS there,
        t ~ 'a' AS matches, $low AS low, $since AS since
    FROM one, two, three
"""
VALUES = (Bound("low", "decimal", "1.5"), Bound("since", "date", "2026-01-01"))
RESULT = columns(
    **TYPES, year="text", there="timestamp", matches="boolean", low="decimal(2,1)", since="date"
)


def imported(module: str, folder: Path, *files: str) -> list[str]:
    """Run an entry as a cell does, and list what it imports after it was warmed."""
    with python(_CELL, module, folder, *files) as process:
        out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.decode().split()


def test_a_warm_program_imports_nothing(tmp_path: Path) -> None:
    files = {alias: (given.sealed(), given.content) for alias, given in INPUTS.items()}
    for alias, (sealed, _) in files.items():
        (tmp_path / alias).write_bytes(sealed)
    with descriptors(files) as found:
        task = Task(PROGRAM, VALUES, tuple(item for item, _ in found), 100, BUDGET)
    (tmp_path / "task").write_bytes(task.to_bytes())

    assert imported("runner.sql.entry", tmp_path, *files) == []


def test_a_warm_gate_imports_nothing(tmp_path: Path) -> None:
    (tmp_path / "rows").write_bytes(compute(PROGRAM, INPUTS, *VALUES))
    for form in ("csv", "parquet"):
        (tmp_path / "task").write_bytes(GateTask(RESULT, 100, form, ()).to_bytes())

        assert imported("runner.gate.entry", tmp_path, "rows") == []
        assert b'"passed": true' in (tmp_path / "out").read_bytes()
