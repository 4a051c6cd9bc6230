"""One look at a room at a time, and one for all who ask while it is under way.

An event says only "look". Whoever asks before a look has begun is answered by it; so a hundred
events at once are two looks, and a room that is asked for often keeps nobody else waiting.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field


@dataclass
class _Lane[W, R]:
    busy: bool = False
    next: W | None = None
    answer: asyncio.Future[R] | None = None
    tasks: set[asyncio.Task[None]] = field(default_factory=set)


class Lanes[W, R]:
    """Runs `work(key, wish)` for each key alone; wishes that wait are joined into one."""

    def __init__(self, work: Callable[[str, W], Awaitable[R]], join: Callable[[W, W], W]) -> None:
        self._work = work
        self._join = join
        self._lanes: dict[str, _Lane[W, R]] = {}

    async def run(self, key: str, wish: W) -> R:
        """Have a wish fulfilled, perhaps together with others of its key."""
        lane = self._lanes.setdefault(key, _Lane())
        if lane.next is None or lane.answer is None:
            lane.next, lane.answer = wish, asyncio.get_running_loop().create_future()
        else:
            lane.next = self._join(lane.next, wish)
        answer = lane.answer
        if not lane.busy:
            lane.busy = True
            task = asyncio.create_task(self._drive(key, lane))
            lane.tasks.add(task)  # the loop itself holds tasks only weakly
            task.add_done_callback(lane.tasks.discard)
        return await asyncio.shield(answer)

    async def _drive(self, key: str, lane: _Lane[W, R]) -> None:
        while lane.next is not None and lane.answer is not None:
            wish, answer = lane.next, lane.answer
            lane.next = lane.answer = None
            try:
                result = await self._work(key, wish)
            except BaseException as error:  # whoever waits raises it
                answer.set_exception(error)
                answer.exception()  # nobody may be waiting any more
                if not isinstance(error, Exception):  # the process ends, or the task
                    self._close(key, lane)
                    raise
            else:
                answer.set_result(result)
        self._close(key, lane)

    def _close(self, key: str, lane: _Lane[W, R]) -> None:
        """Forget a lane; who waits for the next look in it would wait for ever."""
        if lane.answer is not None:
            lane.answer.cancel()
        lane.busy = False
        del self._lanes[key]
