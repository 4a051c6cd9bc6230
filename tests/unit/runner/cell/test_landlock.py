"""What each version of Landlock is asked to deny."""

import struct

import pytest

from runner.cell.landlock import Rules

TRUNCATE, IOCTL = 1 << 14, 1 << 15


@pytest.mark.parametrize(
    ("version", "rights", "fields"),
    [
        (1, (1 << 13) - 1, ()),
        (2, (1 << 14) - 1, ()),
        (3, (1 << 15) - 1, ()),
        (4, (1 << 15) - 1, (3,)),
        (5, (1 << 16) - 1, (3,)),
        (6, (1 << 16) - 1, (3, 3)),
        (7, (1 << 16) - 1, (3, 3)),
    ],
)
def test_all_that_a_version_knows_is_denied(
    version: int, rights: int, fields: tuple[int, ...]
) -> None:
    ruleset = Rules(version).ruleset

    assert struct.unpack(f"<{len(ruleset) // 8}Q", ruleset) == (rights, *fields)


@pytest.mark.parametrize("version", [1, 2, 3, 5, 7])
def test_a_spill_has_no_right_that_the_version_does_not_know(version: int) -> None:
    rights, _ = struct.unpack("<Qi", Rules(version).spill(5))

    assert rights & ~Rules(version).handled == 0


def test_a_spill_is_for_plain_files() -> None:
    rights, folder = struct.unpack("<Qi", Rules(7).spill(5))

    assert folder == 5
    assert rights == 0b1_0010_1110 | TRUNCATE  # write, read, list, remove and make files
