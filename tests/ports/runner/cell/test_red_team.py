"""Hostile programs in cells, each stopped by a wall, wherever the runner runs.

What they try is in hostile.py, and how each must end, by which wall, in cases.py.
"""

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from cleanroom.walls import ALL, Wall, Walls
from runner.cell.walls import ALWAYS, PATHS
from tests.ports.runner.cell.cases import cases
from tests.ports.runner.cell.red_team import CANNOT

NAMESPACES = ALL - ALWAYS - {Wall.LANDLOCK}
PLACES = {
    "this user": ([], ALL),
    "nobody": (["--nobody"], ALL),
    "this user, namespaces refused": (["--refuse=namespaces"], ALL - NAMESPACES),
    "nobody, namespaces refused": (["--nobody", "--refuse=namespaces"], ALL - NAMESPACES),
    "this user, no namespaces of users": (["--refuse=user"], ALL - {Wall.USER}),
    "no Landlock": (["--refuse=landlock"], ALL - {Wall.LANDLOCK}),
    "nobody, nothing but what always stands": (
        ["--nobody", "--refuse=namespaces", "--refuse=landlock"],
        ALWAYS,
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_hostile_programs_are_stopped_by_a_wall(place: str) -> None:
    options, at_most = PLACES[place]
    if "--nobody" in options and os.getuid() != 0:
        pytest.skip("only root can become nobody")

    played = play(options)

    assert ALWAYS <= played.walls <= at_most
    assert surprises(played) == {}
    assert played.honest == "0 variables"
    assert played.left == []


def test_there_are_enough_hostile_programs() -> None:
    assert len(cases(PATHS)) >= 60


@dataclass(frozen=True, slots=True)
class Played:
    """What came of all programs, and of the zygote that bore their cells."""

    walls: Walls
    ends: dict[str, str]
    honest: str
    left: list[str]


def play(options: list[str]) -> Played:
    """Run them all in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.ports.runner.cell.red_team", *options],
        env={} if "--nobody" in options else None,  # nobody may write no figures of coverage
        capture_output=True,
        timeout=120,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip("this Python is for root only, and there are no mount namespaces here")
    assert done.returncode == 0, done.stderr.decode()
    found = json.loads(done.stdout)
    stand = frozenset(Wall(name) for name in found.pop("walls"))
    return Played(stand, **found)


def surprises(played: Played) -> dict[str, tuple[str, str]]:
    """Find what did not end as it should: the wall that should have stopped it, and its end."""
    return {
        case.name: (case.wall, played.ends[case.name])
        for case in cases(played.walls)
        if not case.stopped(played.ends[case.name])
    }
