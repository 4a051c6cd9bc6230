"""A folder as two parties have it in front of them: keys, a contract, a table."""

import json
from pathlib import Path

import pytest

from tests.builders import Keys, contract
from tests.commands import TABLE, Here


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, north: Keys, south: Keys, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder; JSON is YAML too, so the contract is both."""
    north.write(tmp_path, "north")
    south.write(tmp_path, "south")
    (tmp_path / "table.csv").write_text(TABLE)
    (tmp_path / "contract.yaml").write_text(json.dumps(contract(north, south)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


@pytest.fixture
def cleanroom(capfd: pytest.CaptureFixture[str]) -> Here:
    return Here(capfd)
