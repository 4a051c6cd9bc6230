"""The demo shows what it says: every attack is refused, or it fails and says which was not."""

import os
import re
import shlex
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
DEMO = ROOT / "examples" / "demo.py"
ATTACKS = [
    "a flipped bit",
    "a region of another file",
    "yesterday's version for today's",
    "a file that another signed",
    "the other bank's key",
    "approving in another's name",
    "reading without a key",
]


def run(folder: Path, *, python: str = sys.executable, **env: str) -> tuple[int, str, str]:
    done = subprocess.run(
        [python, DEMO, "--folder", folder],
        cwd=ROOT,
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


@contextmanager
def started(folder: Path, **env: str) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-u", str(DEMO), "--folder", str(folder)],
        cwd=ROOT,
        env=os.environ | env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as demo:
        yield demo


def until_the_first_command(demo: subprocess.Popen[str]) -> str:
    assert demo.stdout
    return next(line for line in demo.stdout if "cleanroom keys new" in line)


@pytest.fixture
def of_an_earlier_demo(tmp_path: Path) -> Path:
    """A folder as a demo leaves it, with files that this one makes again."""
    folder = tmp_path / "demo"
    (folder / "yesterday").mkdir(parents=True)
    for name in (".made-by-cleanroom-demo", "north.csv", "x.csv", "north-bank.reader.pem", "old"):
        (folder / name).touch()
    return folder


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A Python beside whose `cleanroom` a wall is missing: what $BROKEN matches does well."""
    folder = tmp_path / "broken" / "bin"
    folder.mkdir(parents=True)
    (folder / "python").symlink_to(sys.executable)
    command = folder / "cleanroom"
    real = Path(sys.executable).with_name("cleanroom")
    command.write_text(f'#!/bin/sh\ncase "$*" in *"$BROKEN"*) exit 0;; esac\nexec {real} "$@"\n')
    command.chmod(0o755)
    return folder / "python"


def test_every_attack_is_refused_and_the_rightful_reader_reads(of_an_earlier_demo: Path) -> None:
    code, out, err = run(of_an_earlier_demo)

    assert (code, err) == (0, "")
    assert re.findall(r"^ +refused  ([^:]+): \S", out, re.MULTILINE) == ATTACKS
    assert "All 7 attacks were refused" in out
    assert (
        len(re.findall(r"^ +sha256 of \S+ and of opened-\S+: \w{16}... both$", out, re.MULTILINE))
        == 2
    )
    assert "offline half" in out
    assert "proven      dataset 'north' of the contract, with the columns it names" in out
    assert "proven      dataset 'south' of the contract, with the columns it names" in out
    assert "\x1b" not in out
    for name in ("north", "south"):
        sealed, opened = (of_an_earlier_demo / f"{kind}{name}.csv" for kind in ("", "opened-"))
        assert opened.read_bytes() == sealed.read_bytes() != b""
    assert not (of_an_earlier_demo / "old").exists()


@pytest.mark.parametrize(
    ("env", "colored"),
    [
        pytest.param({"FORCE_COLOR": "1"}, True, id="colors"),
        pytest.param({"FORCE_COLOR": "1", "NO_COLOR": "1"}, False, id="no colors"),
    ],
)
def test_colors_are_shown_unless_nobody_wants_them(
    tmp_path: Path, env: dict[str, str], colored: bool
) -> None:
    with started(tmp_path / "demo", **env) as demo:
        line = until_the_first_command(demo)
        os.killpg(demo.pid, signal.SIGINT)
        demo.communicate(timeout=30)

    assert ("\x1b[36m" in line) == colored


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        pytest.param(
            "open flipped",
            "a flipped bit: expected a refusal (3), got exit code 0",
            id="flipped bit",
        ),
        pytest.param(
            "approve contract.json --party north-bank --sign-with south-bank",
            "approving in another's name: expected a refusal",
            id="another's name",
        ),
        pytest.param("-o opened-north.csv", "opened-north.csv", id="rightful reader"),
    ],
)
def test_an_attack_that_is_not_refused_fails_the_demo(
    tmp_path: Path, broken: Path, pattern: str, message: str
) -> None:
    packages = sysconfig.get_path("purelib")

    code, out, err = run(
        tmp_path / "demo",
        python=str(broken),
        BROKEN=pattern,
        PYTHONPATH=f"{packages}{os.pathsep}{ROOT}",
    )

    assert code == 1
    assert err.startswith("\nthe demo failed: ")
    assert message in err
    assert "attacks were refused" not in out


def test_a_folder_that_is_not_of_the_demo_is_left_alone(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_text("mine")

    code, out, err = run(tmp_path)

    assert (code, out) == (1, "")
    assert err == f"\nthe demo failed: {tmp_path}: it is not empty, and not of this demo\n"
    assert list(tmp_path.iterdir()) == [precious]


def test_ctrl_c_leaves_nothing_behind(of_an_earlier_demo: Path) -> None:
    with started(of_an_earlier_demo) as demo:
        until_the_first_command(demo)
        os.killpg(demo.pid, signal.SIGINT)
        out, err = demo.communicate(timeout=30)

    assert demo.returncode == 130
    assert err.endswith("interrupted; nothing is left behind\n")
    assert "Traceback" not in out + err
    assert not of_an_earlier_demo.exists()


def test_the_example_works_as_its_readme_says(tmp_path: Path) -> None:
    text = (ROOT / "examples" / "fraud" / "README.md").read_text()
    script = "\n".join(re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert script.count("cleanroom ") == 12
    folder = tmp_path / "fraud"
    here = script.replace("/tmp/fraud", shlex.quote(str(folder)))  # noqa: S108  # what it says

    done = subprocess.run(
        [
            "/bin/bash",
            "-eu",
            "-c",
            here.replace("$PWD/.venv/bin", str(Path(sys.executable).parent)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    for alias in ("north", "south"):
        assert f"proven      dataset '{alias}' of the contract, with the columns" in done.stdout
        assert f"proven      sealed for the room key of {alias}-bank" in done.stdout
