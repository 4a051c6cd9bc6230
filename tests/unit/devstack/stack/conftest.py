"""A home in a folder of its own."""

from pathlib import Path

import pytest

from devstack.home import Home


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.at(tmp_path / "home")
