"""When a server is started again, and when that is of no use."""

import pytest

from devstack.stack.keeper import MOST_SOON, gives_up, pause


def test_the_first_restart_is_at_once() -> None:
    assert pause(1) == 0


def test_pauses_grow_up_to_a_limit() -> None:
    pauses = [pause(soon) for soon in range(2, 12)]

    assert pauses == sorted(pauses)
    assert (pauses[0], pauses[-1]) == (0.1, 5.0)


@pytest.mark.parametrize(
    ("soon", "code", "was_ready", "expected"),
    [
        pytest.param(1, 2, False, True, id="refused its configuration"),
        pytest.param(1, -9, False, False, id="killed while it started"),
        pytest.param(1, None, False, False, id="nobody knows how it ended"),
        pytest.param(1, 1, True, False, id="failed later"),
        pytest.param(1, 0, False, False, id="ended of itself"),
        pytest.param(MOST_SOON - 1, -9, True, False, id="killed often"),
        pytest.param(MOST_SOON, -9, True, True, id="killed too often"),
    ],
)
def test_giving_up(soon: int, code: int | None, was_ready: bool, expected: bool) -> None:
    assert gives_up(soon, code, was_ready=was_ready) is expected
