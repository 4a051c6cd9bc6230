"""What is not there is said to be missing, and who asks often costs little."""

import asyncio

import pytest

from cleanroom.errors import Unavailable
from functions.api.readiness import Readiness


class Service:
    """A dependency that answers as it is told."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error
        self.asked = 0

    async def check(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize("error", [Unavailable("storage"), OSError(), TimeoutError()])
def test_what_does_not_answer_is_missing(error: Exception) -> None:
    readiness = Readiness({"good": Service().check, "bad": Service(error).check}, lambda: 0.0)

    assert asyncio.run(readiness.ask()) == {"good": True, "bad": False}


def test_what_was_found_a_moment_ago_is_not_asked_again() -> None:
    service, times = Service(), iter([0.0, 0.0, 4.0, 6.0, 6.0])
    readiness = Readiness({"it": service.check}, lambda: next(times))

    async def main() -> list[int]:
        counts = []
        for _ in range(3):
            await readiness.ask()
            counts.append(service.asked)
        return counts

    assert asyncio.run(main()) == [1, 1, 2]


def test_a_mistake_of_ours_is_not_taken_for_a_service_that_is_away() -> None:
    readiness = Readiness({"bad": Service(RuntimeError()).check}, lambda: 0.0)

    with pytest.raises(RuntimeError):
        asyncio.run(readiness.ask())
