"""A home is deleted, and nothing that is not of it."""

from pathlib import Path

import pytest

from cleanroom.errors import PolicyRefused
from devstack.home import Home
from devstack.stack.erasing import erase


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
