"""What is made ahead: each given out once, and an error given to whoever takes it."""

import itertools

import pytest

from runner.spare import Spare


def test_each_is_given_out_once() -> None:
    spare = Spare(itertools.count().__next__)

    assert [spare.take() for _ in range(4)] == [0, 1, 2, 3]


def test_what_could_not_be_made_is_an_error_for_whoever_takes_it_only() -> None:
    numbers = itertools.count()

    def make() -> int:
        number = next(numbers)
        if number == 1:
            raise OSError
        return number

    spare = Spare(make)

    assert spare.take() == 0
    with pytest.raises(OSError, match=r"^$"):
        spare.take()
    assert spare.take() == 2
