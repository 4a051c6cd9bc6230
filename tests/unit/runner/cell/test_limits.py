"""Limits, and what the kernel makes of them."""

import resource
import subprocess
import sys

import pytest

from cleanroom.errors import Malformed
from runner.cell.limits import Limits, kernel_limits, own_data

LIMITS = Limits(memory=1 << 30, seconds=2.5, output=1 << 20, spill=1 << 24)
WARM = 100 << 20


@pytest.mark.parametrize(
    "wrong",
    [
        pytest.param({"memory": 0}, id="no memory"),
        pytest.param({"seconds": 0}, id="no time"),
        pytest.param({"seconds": -1.0}, id="less than no time"),
        pytest.param({"output": 0}, id="no output"),
        pytest.param({"spill": -1}, id="less than no spill"),
    ],
)
def test_limits_are_positive(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Limits(**{"memory": 1, "seconds": 1, "output": 1} | wrong)


def test_limits_are_read_as_they_are_written() -> None:
    assert Limits.parse(LIMITS.to_bytes()) == LIMITS


@pytest.mark.parametrize("change", [-1, 1])
def test_limits_of_another_size_are_refused(change: int) -> None:
    raw = LIMITS.to_bytes()

    with pytest.raises(Malformed, match="limits of"):
        Limits.parse((raw + b"\0")[: len(raw) + change])


@pytest.mark.parametrize(
    ("number", "value"),
    [
        pytest.param(resource.RLIMIT_DATA, WARM + (1 << 30), id="memory beyond what is warm"),
        pytest.param(resource.RLIMIT_FSIZE, 1 << 24, id="a file as large as the spill"),
        pytest.param(resource.RLIMIT_CPU, 12, id="every core for that long, and a little"),
        pytest.param(resource.RLIMIT_CORE, 0, id="no core file"),
        pytest.param(resource.RLIMIT_MEMLOCK, 0, id="no locked memory"),
    ],
)
def test_the_kernel_is_given_each_limit(number: int, value: int) -> None:
    assert kernel_limits(LIMITS, cores=4, warm=WARM)[number] == value


def test_page_tables_of_all_that_can_be_mapped_stay_small() -> None:
    mapped = kernel_limits(LIMITS, cores=4, warm=WARM)[resource.RLIMIT_AS]

    assert mapped / 512 < LIMITS.memory


def test_memory_is_counted_as_the_kernel_says() -> None:
    status = "Name:\tpython\nVmPeak:\t  9 kB\nVmData:\t  42 kB\nVmStk:\t 132 kB\n"

    assert own_data(status) == 42 * 1024


def test_limits_hold_and_are_never_raised() -> None:
    program = (
        "import resource; from runner.cell.limits import apply\n"
        "apply({resource.RLIMIT_NOFILE: 50}); apply({resource.RLIMIT_NOFILE: 60})\n"
        "print(resource.getrlimit(resource.RLIMIT_NOFILE))"
    )

    found = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)

    assert found.stdout == b"(50, 50)\n"
