from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from devstack.home import Home
from devstack.storage import azurite


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")


def test_azurite_starts_with_our_account_and_without_telemetry(home: Home) -> None:
    start = azurite.start(home, 10010)

    key = home.secret("storage/account")
    assert start.environment["AZURITE_ACCOUNTS"] == f"cleanroom:{key}"
    assert key not in " ".join(start.command)
    assert {"--disableTelemetry", "--skipApiVersionCheck"} <= set(start.command)
    assert start.command[start.command.index("--location") + 1] == str(home.path / "azurite")


def test_azurite_may_keep_all_in_memory(home: Home) -> None:
    start = azurite.start(home, 10010, in_memory=True)

    assert "--inMemoryPersistence" in start.command
    assert "--location" not in start.command


def test_missing_node_is_said(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Unavailable, match="node: not found") as missing:
        azurite.start(home, 10010)

    assert missing.value.hint == "install Node.js 20 or newer"


def test_azurite_that_was_not_installed_is_said(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(azurite, "_PROGRAM", tmp_path / "main.js")

    with pytest.raises(Unavailable, match="azurite: not installed") as missing:
        azurite.start(home, 10010)

    assert missing.value.hint == "run 'make setup'"


def test_what_azurite_loads_in_vain_is_not_installed() -> None:
    modules = azurite.HERE / "node_modules"

    absent = {file.name for file in modules.iterdir() if file.is_symlink()}

    assert absent == {"applicationinsights", "mysql2", "sequelize", "tedious"}
