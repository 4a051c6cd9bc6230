"""Telling Event Grid what was committed: in order, again and again until it is taken."""

import asyncio
import logging
import ssl

import aiohttp

from devstack.storage.events import CONTENT_TYPE, Account, batch
from devstack.storage.outbox import Outbox

_MOST = 64  # events in one batch: far below Event Grid's limit of a megabyte
_FIRST_PAUSE = 0.05  # seconds
_LONGEST_PAUSE = 2.0
_PACE = 0.01  # seconds from one batch to the next: what comes meanwhile goes together
_PATIENCE = aiohttp.ClientTimeout(total=30)

log = logging.getLogger("devstack")


class Delivery:
    """The way from the outbox to Event Grid's topic."""

    def __init__(
        self, outbox: Outbox, account: Account, url: str, key: str, tls: ssl.SSLContext
    ) -> None:
        self._outbox = outbox
        self._account = account
        self._url = url
        self._headers = {"Content-Type": CONTENT_TYPE, "aeg-sas-key": key}
        self._tls = tls
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """Say that there is something to tell."""
        self._woken.set()

    async def run(self) -> None:
        """Deliver for ever."""
        loop = asyncio.get_running_loop()
        async with aiohttp.ClientSession(
            timeout=_PATIENCE, connector=aiohttp.TCPConnector(ssl=self._tls, keepalive_timeout=45)
        ) as session:
            while True:
                self._woken.clear()
                while commits := self._outbox.commits(_MOST):
                    next_ = loop.time() + _PACE
                    await self._taken(session, batch(commits, self._account))
                    self._outbox.taken(commits[-1][0])
                    await asyncio.sleep(next_ - loop.time())
                await self._woken.wait()

    async def _taken(self, session: aiohttp.ClientSession, body: bytes) -> None:
        pause, said = _FIRST_PAUSE, False
        while problem := await self._post(session, body):
            if not said:
                log.warning("storage: event grid does not take events, trying on: %s", problem)
                said = True
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _post(self, session: aiohttp.ClientSession, body: bytes) -> str | None:
        try:
            async with session.post(self._url, data=body, headers=self._headers) as answer:
                await answer.read()
                return None if answer.ok else f"status {answer.status}"
        except (aiohttp.ClientError, TimeoutError) as error:
            return type(error).__name__
