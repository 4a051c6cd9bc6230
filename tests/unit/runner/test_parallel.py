"""Calls at the same time: their answers in order, and which error counts."""

import threading
from collections.abc import Callable
from functools import partial

import pytest

from cleanroom.errors import Tampered, Unavailable
from runner.parallel import at_once


def failing(error: BaseException) -> Callable[[], int]:
    def call() -> int:
        raise error

    return call


@pytest.mark.parametrize("count", [0, 1, 2, 40])
def test_answers_come_in_the_order_of_the_calls(count: int) -> None:
    assert at_once([partial(abs, number) for number in range(count)]) == [*range(count)]


def test_calls_wait_for_each_other() -> None:
    both = threading.Barrier(2, timeout=30)

    assert sorted(at_once([both.wait, both.wait])) == [0, 1]


@pytest.mark.parametrize("turn", [1, -1])
def test_an_error_that_ends_the_job_comes_before_one_that_may_pass(turn: int) -> None:
    calls = [failing(Unavailable("away")), failing(Tampered("changed")), lambda: 1][::turn]

    with pytest.raises(Tampered):
        at_once(calls)


def test_every_call_is_made_though_the_first_fails() -> None:
    made = threading.Event()

    with pytest.raises(OSError, match="first"):
        at_once([failing(OSError("first")), made.set])

    assert made.is_set()
