"""The control plane in this process, against real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from datetime import datetime, timedelta

from cleanroom.directories import Directories
from functions import clock, intake, names, parts
from functions.carrying import STUCK
from functions.parts import Parts
from functions.reconciling import Wish
from functions.settings import Bus, Settings, Topic
from tests.rooms import Event, Place


@asynccontextmanager
async def plane(
    place: Place, events: str, key: str, now: Callable[[], datetime] = clock.now
) -> AsyncIterator[Parts]:
    """Put the parts together, and close them."""
    settings = Settings(
        place.url,
        "blob.core.windows.net",
        Bus(place.bus, None, "jobs"),
        Topic(events, key),
        None,
        None,
        None,
        Directories(),
    )
    made = parts.assemble(settings, now)
    try:
        yield made
        await made.reconciler.settle()
    finally:
        await made.close()


def run[T](
    place: Place,
    env: Mapping[str, str],
    work: Callable[[Parts], Awaitable[T]],
    now: Callable[[], datetime] = clock.now,
) -> T:
    """Do something with a control plane of its own."""

    async def main() -> T:
        endpoint = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
        key = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"]
        async with plane(place, endpoint, key, now) as made:
            return await work(made)

    return asyncio.run(main())


def later(by: timedelta = 2 * STUCK) -> Callable[[], datetime]:
    """Make a clock that is ahead: for it, what is on a list has been there for too long."""
    return lambda: clock.now() + by


@contextmanager
def planes(
    place: Place, env: Mapping[str, str], count: int
) -> Iterator[tuple[asyncio.Runner, list[Parts]]]:
    """Run control planes beside each other, as processes of their own would be."""
    endpoint = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
    key = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"]

    async def start(stack: AsyncExitStack) -> list[Parts]:
        made = [plane(place, endpoint, key) for _ in range(count)]
        return [await stack.enter_async_context(one) for one in made]

    with asyncio.Runner() as runner:
        stack = AsyncExitStack()
        try:
            yield runner, runner.run(start(stack))
        finally:
            runner.run(stack.aclose())


async def deliver(parts: Parts, event: Event) -> None:
    """Give an event of storage to a control plane, as its function does."""
    found = intake.written(event.type, event.subject, event.data)
    assert found is not None
    for room in await intake.rooms_of(found, parts.settings.storage, parts.control):
        papers = found.blob.container == names.ROOMS
        await parts.reconciler.reconcile(room, Wish(((found.blob, found.file),), papers=papers))
