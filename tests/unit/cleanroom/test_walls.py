"""Walls have names, and a list of them has one spelling."""

import re

import pytest

from cleanroom import walls
from cleanroom.errors import Malformed
from cleanroom.walls import ALL, Wall, Walls


@pytest.mark.parametrize(
    ("given", "spelled"),
    [
        pytest.param(frozenset[Wall](), [], id="none"),
        pytest.param(frozenset({Wall.USER, Wall.LANDLOCK}), ["landlock", "user"], id="two"),
        pytest.param(
            ALL,
            [
                *("cgroup", "ipc", "landlock", "mount", "net", "nocaps", "nonewprivs", "pid"),
                *("rlimits", "seccomp", "user", "uts"),
            ],
            id="all",
        ),
    ],
)
def test_walls_come_back_from_their_names(given: Walls, spelled: list[str]) -> None:
    assert walls.names(given) == spelled
    assert walls.parse(spelled, "x") == given


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(None, "x: expected a list, got nothing", id="nothing"),
        pytest.param("net", "x: expected a list, got text", id="text"),
        pytest.param(["moat"], "x[0]: expected one of 12 values such as 'user'", id="no wall"),
        pytest.param(["NET"], "x[0]: expected one of 12 values such as 'user'", id="upper case"),
        pytest.param([1], "x[0]: expected one of 12 values such as 'user', got 1", id="a number"),
        pytest.param(
            ["net", "net"], "x: expected each wall once, in alphabetical order", id="twice"
        ),
        pytest.param(
            ["net", "ipc"], "x: expected each wall once, in alphabetical order", id="out of order"
        ),
        pytest.param(["net"] * 13, "x: expected 0 to 12 entries, got 13", id="too many"),
    ],
)
def test_what_is_no_list_of_walls_is_refused(raw: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        walls.parse(raw, "x")
