"""A runner that notes when each step of a job began and ended: `python -m bench.runner.steps FILE`.

It is the runner as it is: the interpreter itself is asked to tell of a few functions, so nothing
of the runner is changed, and its log stays as coarse as it must be.
"""

import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from types import CodeType
from typing import Any

from runner import main
from runner.attest.container import ContainerAttester
from runner.bus import Bus
from runner.cells import Cells
from runner.keys.release import Release
from runner.loop import Loop
from runner.machine import accepted
from runner.room.datasets import Datasets
from runner.room.documents import Room
from runner.room.results import Output

WHOLE = "job"
STEPS: Mapping[str, Callable[..., Any]] = {
    "1. contract": Room.contract,
    "2. earlier receipt": Room.receipt,
    "3. approvals": Room.approvals,
    "4. inputs": Datasets.verified,
    "5. program checked": Cells.check,
    "6. machine proven": ContainerAttester.attest,
    "6. evidence verified": accepted,
    "7. keys released": Release.keys,
    "8. program and gate": Cells.run,
    "9. result sealed, handed in": Output.stage,
    "10. receipt written": Room.keep_receipt,
    "11. result committed": Output.commit,
    "12. outcome sent": Bus.send,
    "settled": Bus.complete,
}
"""In the order of a job; docs/spec/job.md has the numbers."""
_TOOL = sys.monitoring.PROFILER_ID
_EVENTS = sys.monitoring.events


@dataclass(frozen=True, slots=True)
class Span:
    """One time through a step; seconds of the clock that all processes of a machine share."""

    name: str
    begun: float
    ended: float


def read(path: Path) -> list[Span]:
    """Read what a runner noted."""
    return [Span(*fields) for fields in json.loads(path.read_text("utf-8"))]


class Notes:
    """Who began what when, and until when; generators count until they lend what they made."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self._names: dict[CodeType, str] = {}
        self._begun: dict[tuple[int, CodeType], float] = {}

    def watch(self, name: str, function: Callable[..., Any]) -> None:
        """Have the interpreter tell of a function."""
        code = getattr(function, "__wrapped__", function).__code__
        self._names[code] = name
        sys.monitoring.set_local_events(
            _TOOL, code, _EVENTS.PY_START | _EVENTS.PY_RETURN | _EVENTS.PY_YIELD
        )

    def start(self) -> None:
        """Begin to take notes."""
        sys.monitoring.use_tool_id(_TOOL, "steps")
        sys.monitoring.register_callback(_TOOL, _EVENTS.PY_START, self._begins)
        sys.monitoring.register_callback(_TOOL, _EVENTS.PY_RETURN, self._ends)
        sys.monitoring.register_callback(_TOOL, _EVENTS.PY_YIELD, self._ends)
        for name, function in {**STEPS, WHOLE: Loop._attempt}.items():  # noqa: SLF001
            self.watch(name, function)

    def _begins(self, code: CodeType, _offset: int) -> None:
        self._begun[threading.get_ident(), code] = time.perf_counter()

    def _ends(self, code: CodeType, _offset: int, _value: object) -> None:
        begun = self._begun.pop((threading.get_ident(), code), None)
        if begun is not None:  # what a generator does after it lent is another step's
            self.spans.append(Span(self._names[code], begun, time.perf_counter()))


def serve() -> int:
    """Run a runner, and write the notes when it was told to stop."""
    notes = Notes()
    notes.start()
    code = main.main(["serve"])
    Path(sys.argv[1]).write_text(json.dumps([astuple(span) for span in notes.spans]), "utf-8")
    return code


if __name__ == "__main__":
    sys.exit(serve())
