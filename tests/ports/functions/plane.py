"""The control plane in this process, against real servers."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from functions import parts
from functions.parts import Parts
from functions.settings import Bus, Settings, Topic
from tests.rooms import Place


@asynccontextmanager
async def plane(place: Place, events: str, key: str) -> AsyncIterator[Parts]:
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
    made = parts.assemble(settings)
    try:
        yield made
    finally:
        await made.close()


def run[T](place: Place, env: dict[str, str], work: Callable[[Parts], Awaitable[T]]) -> T:
    """Do something with a control plane of its own."""

    async def main() -> T:
        endpoint = env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"]
        async with plane(place, endpoint, env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_KEY"]) as made:
            return await work(made)

    return asyncio.run(main())
