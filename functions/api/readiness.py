"""Whether everything that the control plane depends on is there, asked not too often."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
from azure.servicebus.exceptions import ServiceBusError

from cleanroom.errors import CleanroomError
from functions import names
from functions.api.issuer import Issuer
from functions.parts import Parts

_PATIENCE = 5.0  # seconds for each
_KEPT = 5.0  # seconds: anybody may ask, and shall cost little
_BROKEN = 500

type Check = Callable[[], Awaitable[object]]


class Readiness:
    """Asks each dependency, all at once."""

    def __init__(self, checks: Mapping[str, Check], clock: Callable[[], float]) -> None:
        self._checks = checks
        self._clock = clock
        self._found: dict[str, bool] = {}
        self._asked = float("-inf")
        self._turn = asyncio.Lock()

    async def ask(self) -> Mapping[str, bool]:
        """Say of each dependency whether it answers."""
        async with self._turn:
            if self._clock() - self._asked > _KEPT:
                found = await asyncio.gather(*map(_answers, self._checks.values()))
                self._found = dict(zip(self._checks, found, strict=True))
                self._asked = self._clock()
            return self._found


def checks(parts: Parts, issuer: Issuer | None) -> dict[str, Check]:
    """Say how each dependency is asked."""

    async def storage() -> None:
        for name in (names.ROOMS, names.CONTROL, names.RESULTS):
            await parts.accounts.own(name).page("", None, 1)

    async def bus() -> None:
        async with parts.bus.get_queue_sender(parts.settings.bus.jobs) as sender:
            await sender.create_message_batch()  # which opens its link

    async def events() -> None:
        url = parts.settings.topic.endpoint
        async with parts.session.get(url, allow_redirects=False) as answer:
            if answer.status >= _BROKEN:
                answer.raise_for_status()

    found: dict[str, Check] = {"storage": storage, "bus": bus, "events": events}
    return found | ({"directory": issuer.ask} if issuer else {})


async def _answers(check: Check) -> bool:
    try:
        async with asyncio.timeout(_PATIENCE):
            await check()
    except (CleanroomError, ServiceBusError, aiohttp.ClientError, OSError):
        return False
    return True
