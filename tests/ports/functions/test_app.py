"""The app that a checkout is loads in Microsoft's worker, with nothing but what it ships."""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
FUNCTIONS = {
    *("live", "ready", "openapi"),
    *("list_rooms", "get_room", "propose_contract", "get_contract", "deliver_approval"),
    *("ask_for_job", "list_jobs", "get_job", "get_receipt", "get_result"),
    *("outcome", "dead_letter", "blob_created", "party_event", "tick", "sweep"),
}
BUS = {"CLEANROOM_BUS": "a bus that nobody asks while functions are only listed"}


def test_microsofts_worker_loads_the_app_and_finds_its_functions() -> None:
    command = ["-m", "devstack.functions_host", "--check", "--json", "--app", str(ROOT)]

    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | BUS,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert {one["name"] for one in json.loads(done.stdout)["functions"]} == FUNCTIONS
