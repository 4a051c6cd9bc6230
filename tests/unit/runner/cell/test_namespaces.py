"""How the users of a namespace are mapped."""

from pathlib import Path

import pytest

from runner.cell.namespaces import map_users


@pytest.fixture
def process(tmp_path: Path) -> Path:
    folder = tmp_path / "77"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("group", [0, 1001])
def test_any_user_maps_itself_alone(tmp_path: Path, process: Path, group: int) -> None:
    map_users(77, 1000, group, tmp_path)

    assert {file.name: file.read_text("ascii") for file in process.iterdir()} == {
        "setgroups": "deny",
        "uid_map": "1000 1000 1\n",
        "gid_map": f"{group} {group} 1\n",
    }


def test_root_maps_nobody_too(tmp_path: Path, process: Path) -> None:
    map_users(77, 0, 5, tmp_path)

    assert {file.name: file.read_text("ascii") for file in process.iterdir()} == {
        "uid_map": "0 0 1\n65534 65534 1\n",
        "gid_map": "0 0 1\n65534 65534 1\n",
    }
