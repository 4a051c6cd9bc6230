"""The log: a closed vocabulary, and nothing of what anybody else says."""

import json
import subprocess
import sys

import pytest

from cleanroom.ids import Digest
from runner.logs import Event, Log, bucket, place
from tests.builders import DIGEST

MARKER = "alice@example.com"


def test_a_line_is_one_json_object_with_what_is_known() -> None:
    said: list[str] = []

    Log(said.append).say(Event.JOB_ENDED, job=Digest(DIGEST), code="tampered", seconds=0.31)

    assert json.loads(said[0]) == {
        "event": "job.ended",
        "job": DIGEST,
        "code": "tampered",
        "took": "<=0.5s",
    }
    assert said[0].endswith("\n")


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(0.0, "<=0.1s"), (0.1, "<=0.1s"), (0.11, "<=0.2s"), (59.0, "<=60s"), (10**6, ">3600s")],
)
def test_durations_are_rounded_up_to_few_values(seconds: float, expected: str) -> None:
    assert bucket(seconds) == expected


def test_a_bug_is_named_by_the_innermost_line_of_ours_and_not_by_its_text() -> None:
    said: list[str] = []
    try:
        Digest.parse(MARKER, MARKER)
    except Exception as error:  # noqa: BLE001  # any will do
        Log(said.append).bug(error)

    assert MARKER not in said[0]
    assert json.loads(said[0])["code"].startswith("cleanroom.fields:")


def test_an_error_of_nowhere_is_from_nowhere() -> None:
    assert place(None) == "nowhere"


_TALKS = f"""
import logging, sys, threading, warnings
from runner.logs import Log, silence
silence(Log(sys.stderr.write))
logging.getLogger("azure").error("{MARKER}")
logging.critical("{MARKER}")
warnings.warn("{MARKER}")
class Last:
    def __del__(self): raise ValueError("{MARKER}")
Last()
def fail(): raise ValueError("{MARKER}")
thread = threading.Thread(target=fail); thread.start(); thread.join()
raise RuntimeError("{MARKER}")
"""


def test_nobody_but_the_log_speaks_in_a_silenced_process() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TALKS], capture_output=True, check=False, text=True, timeout=60
    )

    assert done.returncode == 1
    assert MARKER not in done.stdout + done.stderr
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["bug"] * 3
