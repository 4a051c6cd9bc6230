"""Names of walls, and which of them must stand."""

import pytest

from cleanroom.errors import Malformed, Unavailable
from cleanroom.walls import ALL, Wall, Walls
from runner.cell import walls
from runner.cell.walls import ALWAYS

STAND = ALWAYS | {Wall.LANDLOCK}


def test_names_are_written_in_order() -> None:
    assert walls.to_bytes({Wall.USER, Wall.NET, Wall.SECCOMP}) == b"net,seccomp,user"


@pytest.mark.parametrize("given", [ALL, ALWAYS, frozenset[Wall]()], ids=["all", "some", "none"])
def test_what_is_written_is_read(given: Walls) -> None:
    assert walls.parse(walls.to_bytes(given)) == given


@pytest.mark.parametrize("raw", [b"moat", b"net,moat", b"net;user", b"\xff", b"NET"])
def test_what_is_no_wall_is_refused(raw: bytes) -> None:
    with pytest.raises(Malformed, match="the names of walls"):
        walls.parse(raw)


def test_what_stands_and_is_required_passes() -> None:
    walls.check(STAND, frozenset({Wall.LANDLOCK}), spill=True)


@pytest.mark.parametrize("missing", sorted(ALWAYS))
def test_some_walls_always_stand(missing: Wall) -> None:
    with pytest.raises(Unavailable, match=f"on this machine: {missing}$"):
        walls.check(STAND - {missing}, frozenset(), spill=False)


def test_each_wall_that_is_required_and_missing_is_named() -> None:
    with pytest.raises(Unavailable, match=r"on this machine: mount, net$"):
        walls.check(STAND, frozenset({Wall.NET, Wall.MOUNT, Wall.LANDLOCK}), spill=False)


@pytest.mark.parametrize("keeps", [Wall.MOUNT, Wall.LANDLOCK])
def test_one_wall_around_paths_is_enough_for_a_spill(keeps: Wall) -> None:
    walls.check(ALWAYS | {keeps}, frozenset(), spill=True)


def test_no_wall_around_paths_is_not() -> None:
    with pytest.raises(Unavailable, match="expected mount or landlock"):
        walls.check(ALWAYS, frozenset(), spill=True)
