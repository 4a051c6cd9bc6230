"""The two entries in real cells, where no file can be opened and nothing be imported."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from runner.cell.limits import Limits
from runner.cell.memory import Done
from runner.cell.ring import RegionServer, copying
from runner.cell.zygote import Zygote
from runner.gate.task import Task as GateTask
from runner.sql.engine import Budget
from runner.sql.task import Source, Task
from tests.ports.runner.sql.cases import compute, descriptors, gated
from tests.ports.runner.sql.test_warm import INPUTS, PROGRAM, RESULT, VALUES

LIMITS = Limits(1 << 30, 60, 64 << 20)


@pytest.fixture(scope="module")
def programs() -> Iterator[Zygote]:
    zygote = Zygote.start("runner.sql.entry:run", frozenset(), None)
    yield zygote
    zygote.close()


@pytest.fixture(scope="module")
def gates() -> Iterator[Zygote]:
    zygote = Zygote.start("runner.gate.entry:run", frozenset())
    yield zygote
    zygote.close()


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_cells_answer_as_this_process_does(programs: Zygote, gates: Zygote, form: str) -> None:
    files = {alias: (given.sealed(), given.content) for alias, given in INPUTS.items()}
    task = GateTask(RESULT, 100, form, ())
    decision, data = gated(compute(PROGRAM, INPUTS, *VALUES), task)

    with descriptors(files) as found:

        def fetch(file: int, region: int) -> bytes:
            item, fd = found[file]
            span = item.layout.stored(region)
            return os.pread(fd, span.length, span.offset)

        inputs = tuple(replace(item, source=Source("ring", n)) for n, (item, _) in enumerate(found))
        asked = Task(PROGRAM, VALUES, inputs, 100, Budget(LIMITS.memory, 2, None))
        with programs.cell(LIMITS) as program, gates.cell(LIMITS) as gate:
            rows = program.run(asked.to_bytes(), (), RegionServer(copying(fetch)))
            assert isinstance(rows, Done)
            passed = gate.run(task.to_bytes(), (rows.descriptor,))
            assert isinstance(passed, Done)
            answer = os.pread(passed.descriptor, passed.length, 0)

    assert answer == decision.to_bytes() + data
