"""How a zygote is started."""

import subprocess
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


def test_a_zygote_imports_nothing_that_starts_a_thread_before_it_leaves_for_its_namespace() -> None:
    program = (
        "import os, sys, runner.cell.zygote_main\n"
        "print(len(os.listdir('/proc/self/task')), {'duckdb', 'pyarrow'} & set(sys.modules))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert found.stdout == b"1 set()\n"
