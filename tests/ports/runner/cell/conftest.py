"""A zygote for all tests of a module, and a way to run one program in a cell of its own."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from cleanroom.errors import Unavailable
from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.protocol import Failure
from runner.cell.ring import RegionServer
from runner.cell.zygote import Zygote

ENTRY = "tests.ports.runner.cell.programs.entries:run"
LIMITS = Limits(memory=64 << 20, seconds=20, output=1 << 20)

type Run = Callable[..., bytes | Failure]


@pytest.fixture(scope="module")
def zygote() -> Iterator[Zygote]:
    with Zygote.start(ENTRY) as zygote:
        yield zygote


@pytest.fixture(scope="module")
def spills(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("spill")


@pytest.fixture(scope="module")
def spilling(spills: Path) -> Iterator[Zygote]:
    """A zygote whose cells may spill, where anything can keep them to their folders."""
    try:
        zygote = Zygote.start(ENTRY, spill=spills)
    except Unavailable as error:
        pytest.skip(str(error))
    with zygote:
        yield zygote


@pytest.fixture
def run(zygote: Zygote) -> Run:
    return partial(ran, zygote)


def ran(
    zygote: Zygote,
    task: bytes,
    descriptors: Sequence[int] = (),
    ring: RegionServer | None = None,
    limits: Limits = LIMITS,
) -> bytes | Failure:
    """Run one program in a cell of its own, and copy what it gives."""
    with zygote.cell(limits) as cell:
        answer = cell.run(task, descriptors, ring)
        return answer.read() if isinstance(answer, Done) else answer
