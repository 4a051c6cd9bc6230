"""The app that a checkout is loads in Microsoft's worker, with nothing but what it ships."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]


def test_microsofts_worker_loads_the_app_and_finds_its_functions() -> None:
    command = ["-m", "devstack.functions_host", "--check", "--json", "--app", str(ROOT)]

    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [one["name"] for one in json.loads(done.stdout)["functions"]] == FUNCTIONS
