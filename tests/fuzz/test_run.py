"""`make fuzz` finds what is wrong, keeps the input, and says how to see it again."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.conftest import Here
from tests.fuzz.seeds import CORPUS

ROOT = Path(__file__).parents[2]
TRUSTING = """

def envelope_span(tail: bytes, file_size: int, where: str, largest: int) -> Span:
    length = int.from_bytes(tail[-FOOTER_BYTES : -len(MAGIC)], "big")
    return Span(file_size - FOOTER_BYTES - length, length)
"""


def fuzz(*arguments: str, root: Path = ROOT, **env: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.run", *arguments],
        cwd=root,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout


@pytest.fixture
def trusting(tmp_path: Path) -> Path:
    """A copy of the code that allocates what a file's footer claims."""
    for name in ("cleanroom", "devstack", "party", "tests"):
        unneeded = shutil.ignore_patterns("__pycache__", "node_modules")
        shutil.copytree(ROOT / name, tmp_path / name, ignore=unneeded)
    with (tmp_path / "cleanroom" / "seal" / "layout.py").open("a") as file:
        file.write(TRUSTING)
    return tmp_path


@pytest.mark.skipif(sys.platform != "linux", reason="atheris is for Linux")
def test_fuzzing_finds_nothing_in_a_second(here: Here) -> None:
    code, out = here("tail")

    assert re.fullmatch(r"tail +1 s +[1-9][\d,]* runs, [1-9]\d* branches, no finding\n", out)
    assert code == 0


@pytest.mark.skipif(sys.platform != "linux", reason="atheris is for Linux")
def test_an_allocation_by_a_claimed_length_is_found_kept_and_seen_again(trusting: Path) -> None:
    env = {"PYTHONPATH": str(trusting), "COVERAGE_PROCESS_CONFIG": "", "FUZZ_SECONDS": "60"}

    code, out = fuzz("tail", root=trusting, **env)
    (saved,) = re.findall(r"^  saved as  (\.fuzz/findings/tail/\S+)$", out, re.MULTILINE)
    again, seen = fuzz("tail", saved, root=trusting, **env)

    assert (code, again) == (1, 1)
    assert "A FINDING" in out
    assert "MemoryError" in out
    assert f"see again .venv/bin/python -m tests.fuzz.run tail {saved}\n" in out
    assert seen.endswith("MemoryError\n")


def test_an_input_is_run_again() -> None:
    code, out = fuzz("tail", str(CORPUS / "tail" / "envelope-longer-than-the-file"))

    assert (code, out) == (0, "no finding; accepted as nothing\n")


@pytest.mark.parametrize(
    ("arguments", "seconds", "message"),
    [
        pytest.param(("nothing",), "1", "targets: tail, manifest, documents, regions", id="target"),
        pytest.param(("tail", "gone"), "1", "gone: there is no such file", id="file"),
        pytest.param((), "soon", "expected a number of seconds, got 'soon'", id="seconds"),
    ],
)
def test_what_makes_no_sense_is_said(
    arguments: tuple[str, ...], seconds: str, message: str, here: Here
) -> None:
    code, out = here(*arguments, seconds=seconds)

    assert code == 1
    assert message in out
    assert "Traceback" not in out
