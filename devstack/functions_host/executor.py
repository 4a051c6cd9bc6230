"""One invocation, from its trigger to its outputs.

1. What its input bindings name is read.
2. The worker runs it, within the time limit; a worker whose function overran is replaced.
3. What it gave to its outputs is written; if that fails, the invocation failed.
4. One line of log says how it ended.
"""

import asyncio
import logging
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cleanroom.errors import CleanroomError
from devstack.functions_host.app import App
from devstack.functions_host.data import Datum, Failed, Invocation, Outcome, Returned
from devstack.functions_host.functions import Function
from devstack.functions_host.services import Services
from devstack.functions_host.timespan import timespan_text
from devstack.functions_host.trace import traceparent

log = logging.getLogger("devstack")


@dataclass(frozen=True, slots=True)
class Occasion:
    """What made a function run; `data` is what `{names}` of its bindings may stand for."""

    input: Datum | None
    data: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, Datum] = field(default_factory=dict)
    traceparent: object = None
    attempt: int = 0
    attempts: int = 0


@dataclass(frozen=True, slots=True)
class Executor:
    """Runs the functions of one loaded app."""

    app: App
    services: Services
    overran: Callable[[App], None]

    async def run(self, function: Function, occasion: Occasion) -> Outcome:
        """Run a function, and tell the log."""
        id_ = str(uuid.uuid4())
        begun = time.monotonic()
        try:
            outcome = await self._run(id_, function, occasion)
        except asyncio.CancelledError:
            _tell(function, id_, begun, Failed("the host was told to stop"))
            raise
        except CleanroomError as error:
            outcome = Failed(str(error))
        _tell(function, id_, begun, outcome)
        return outcome

    async def _run(self, id_: str, function: Function, occasion: Occasion) -> Outcome:
        data = {"rand-guid": str(uuid.uuid4()), "sys.randGuid": str(uuid.uuid4())} | dict(
            occasion.data
        )
        inputs = {one.name: await self.services.read(one, data) for one in function.inputs}  # 1
        invocation = Invocation(
            id_,
            function.id,
            {function.trigger.name: occasion.input} | inputs,
            occasion.metadata,
            traceparent(occasion.traceparent),
            occasion.attempt,
            occasion.attempts,
        )
        outcome = await self._within_limit(function, invocation)  # 2
        if isinstance(outcome, Returned):
            await self._write(function, outcome, data)  # 3
        return outcome

    async def _within_limit(self, function: Function, invocation: Invocation) -> Outcome:
        limit = self.app.host.time_limit
        try:
            async with asyncio.timeout(limit.total_seconds() if limit else None):
                return await self.app.worker.invoke(invocation)
        except TimeoutError:
            # Code that runs in a thread, or holds the event loop, ends only with its process.
            self.overran(self.app)
            spelled = timespan_text(limit) if limit else "none"
            return Failed(f"timeout value of {spelled} exceeded by function {function.name}")

    async def _write(self, function: Function, outcome: Returned, data: Mapping[str, str]) -> None:
        given = {"$return": outcome.value} | dict(outcome.outputs)
        for output in function.outputs:
            value = given.get(output.name)
            if value is not None:
                await self.services.write(output, value, data)


def _tell(function: Function, id_: str, begun: float, outcome: Outcome) -> None:
    took = round((time.monotonic() - begun) * 1000)
    if isinstance(outcome, Returned):
        log.info("%s succeeded (id %s, %d ms)", function.name, id_, took)
        return
    message = outcome.message.partition("\n")[0]
    log.error("%s failed (id %s, %d ms): %s", function.name, id_, took, message)
    if outcome.trace:
        log.error("%s: %s", function.name, outcome.trace.rstrip())
