"""How a zygote is started."""

import sys

from runner.cell.process import command, surroundings


def test_a_zygote_runs_our_modules_by_this_python() -> None:
    found = command("module:function", 5)

    assert found[0] == sys.executable
    assert found[-4:] == ["-m", "runner.cell.zygote_main", "5", "module:function"]


def test_a_zygote_has_no_environment_but_its_own() -> None:
    assert surroundings(["", "first", "second"]) == {
        "MALLOC_ARENA_MAX": "4",
        "OPENBLAS_NUM_THREADS": "1",
        "ORT_DISABLE_TELEMETRY": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONPATH": "first:second",
    }
