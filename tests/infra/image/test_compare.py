"""What a party runs before it approves: the same, or what differs."""

import base64
import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.infra.tree import INFRA

SCRIPT = INFRA / "image" / "compare.sh"
POLICY = b"package policy\n"


def ran(*arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        [SCRIPT, *arguments],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.fixture
def policy(tmp_path: Path) -> str:
    (tmp_path / "policy.base64").write_bytes(base64.b64encode(POLICY))
    return str(tmp_path / "policy.base64")


def test_a_policy_is_known_by_the_host_data_of_a_contract(policy: str) -> None:
    found = ran("--policy", policy, hashlib.sha256(POLICY).hexdigest())

    assert (found.returncode, found.stdout) == (0, "cleanroom: the same\n")


def test_another_policy_is_shown_beside_what_was_expected(policy: str) -> None:
    found = ran("--policy", policy, "ab" * 32)

    assert found.returncode == 1
    assert found.stderr.splitlines() == [
        f"cleanroom: expected {'ab' * 32}",
        f"cleanroom: got      {hashlib.sha256(POLICY).hexdigest()}",
    ]


def test_who_asks_for_nothing_is_told_what_there_is() -> None:
    found = ran()

    assert found.returncode == 2
    assert "compare.sh sha256:IMAGE" in found.stderr
