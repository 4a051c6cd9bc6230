"""The control plane in this process, against real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

from functions import clock, parts
from functions.carrying import STUCK
from functions.parts import Parts
from functions.settings import Bus, Settings, Topic
from tests.rooms import Place


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
