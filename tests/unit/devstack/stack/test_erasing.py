"""A home is deleted, and nothing that is not of it."""

import os
from pathlib import Path

import pytest

from cleanroom.errors import PolicyRefused, Unavailable
from devstack.home import Home
from devstack.stack.erasing import demand_no_other_s, erase


def test_a_home_is_deleted(home: Home) -> None:
    home.authority()
    (home.folder("bus") / "bus.sqlite").touch()
    (home.folder("logs") / "bus.log").touch()

    erase(home.path)

    assert not home.path.exists()


def test_what_is_not_of_a_home_stays(home: Home) -> None:
    (home.path / "thesis.tex").touch()
    home.folder("bus")

    erase(home.path)

    assert [one.name for one in home.path.iterdir()] == ["thesis.tex"]


def test_a_folder_that_is_no_home_is_refused(tmp_path: Path) -> None:
    (tmp_path / "bus").mkdir()

    with pytest.raises(PolicyRefused, match="the home of a stack"):
        erase(tmp_path)

    assert (tmp_path / "bus").exists()


def test_a_link_is_deleted_and_what_it_leads_to_stays(home: Home, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "thesis.tex").touch()
    (home.path / "bus").symlink_to(tmp_path / "elsewhere")

    erase(home.path)

    assert not home.path.exists()
    assert (tmp_path / "elsewhere" / "thesis.tex").exists()


def test_a_home_behind_a_link_is_deleted(home: Home, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(home.path)

    erase(tmp_path / "link")

    assert not list(home.path.iterdir())


def test_what_cannot_be_deleted_is_said_and_the_keys_stay(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", path)

    home.folder("bus")
    monkeypatch.setattr(os, "rmdir", refuse)

    with pytest.raises(Unavailable, match="bus: cannot be deleted: permission denied"):
        erase(home.path)

    assert (home.path / "stack.key").exists()


@pytest.mark.parametrize("name", ["functions", "logs", "ca.pem"])
def test_no_home_is_made_where_reset_would_delete_what_is_another_s(
    name: str, tmp_path: Path
) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "thesis.tex").touch()

    with pytest.raises(PolicyRefused, match=f"an empty folder or .* got one with {name}"):
        demand_no_other_s(tmp_path)


def test_a_home_or_a_folder_of_other_things_may_be_one(home: Home, tmp_path: Path) -> None:
    home.folder("functions")

    demand_no_other_s(home.path)
    demand_no_other_s(tmp_path / "new")
    demand_no_other_s(tmp_path)


def test_a_home_may_be_where_a_command_waits_for_one(tmp_path: Path) -> None:
    (tmp_path / "stack").mkdir()
    (tmp_path / "stack" / "command.lock").touch()
    (tmp_path / "logs").mkdir()

    demand_no_other_s(tmp_path)


def test_a_link_in_the_place_of_a_key_is_another_s(tmp_path: Path) -> None:
    (tmp_path / "ca.pem").symlink_to("nowhere")

    with pytest.raises(PolicyRefused, match=r"got one with ca\.pem"):
        demand_no_other_s(tmp_path)
