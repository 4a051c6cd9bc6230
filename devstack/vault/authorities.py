"""The keys of attestation authorities, fetched from where each says they are, and kept a while.

- An address comes from a key's policy, which its owner wrote. Addresses on the loopback are the
  stack's own servers, certified by its authority; others by those that this machine trusts.
- A key id that is not known has the keys fetched again, but not at once again: whoever sends
  made-up tokens costs the authority one request every few seconds.
- One that does not answer has no keys, for as long.
"""

import asyncio
import logging
import math
import ssl
from collections import OrderedDict
from dataclasses import dataclass, replace
from http import HTTPStatus
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from cleanroom.attestation.token import Authority, jwks_url
from cleanroom.errors import CleanroomError, Malformed, Unavailable
from devstack.home import HOST
from devstack.vault.releasing import Wanted

_KEPT = 3600.0  # seconds
_PAUSE = 2.0  # seconds between two tries for the same authority
_PATIENCE = aiohttp.ClientTimeout(total=5.0)
_LARGEST = 1 << 18
_MOST = 64

log = logging.getLogger("devstack")


@dataclass(frozen=True, slots=True)
class _Known:
    authority: Authority
    fetched: float = -math.inf  # when these keys came
    tried: float = -math.inf  # when they were last asked for

    def is_fresh(self, now: float) -> bool:
        return now < self.fetched + _KEPT


class Authorities:
    """What is known of authorities; one for all vaults of a process."""

    def __init__(self, stack: ssl.SSLContext, pause: float = _PAUSE) -> None:
        self._stack = stack
        self._pause = pause
        self._public = ssl.create_default_context()
        self._session = aiohttp.ClientSession(timeout=_PATIENCE, auto_decompress=False)
        self._known = OrderedDict[str, _Known]()
        self._locks = dict[str, asyncio.Lock]()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        await self._session.close()

    def at_hand(self) -> dict[Wanted, Authority]:
        """Give all keys that need not be fetched."""
        now = _time()
        return {
            Wanted(each.authority.issuer, key_id): each.authority
            for each in self._known.values()
            if each.is_fresh(now)
            for key_id in each.authority.keys
        }

    async def keys(self, wanted: Wanted) -> Authority:
        """Give the authority's keys as they are now, or none if they cannot be had."""
        unknown = Authority(wanted.authority, {})
        async with self._locks.setdefault(wanted.authority, asyncio.Lock()):
            now = _time()
            known = self._known.get(wanted.authority, _Known(unknown))
            is_missing = wanted.key_id not in known.authority.keys
            if now >= known.tried + self._pause and (is_missing or not known.is_fresh(now)):
                known = await self._asked(known)
                self._keep(wanted.authority, known)
        return known.authority if known.is_fresh(_time()) else unknown

    async def _asked(self, before: _Known) -> _Known:
        """Fetch; who waited meanwhile takes what came, also if it is nothing."""
        pinned = before.authority.issuer
        try:
            where = f"{pinned}/.well-known/openid-configuration"
            keys_at = jwks_url(pinned, await self._get(where), where)
            found = Authority.parse_keys(pinned, await self._get(keys_at), keys_at)
            return _Known(found, _time(), _time())
        except CleanroomError as error:
            log.warning("vault: %s", error)
            return replace(before, tried=_time())

    async def _get(self, url: str) -> bytes:
        trust = self._stack if urlsplit(url).hostname == HOST else self._public
        try:
            async with self._session.get(url, ssl=trust, allow_redirects=False) as answer:
                if answer.status != HTTPStatus.OK:
                    raise Unavailable(f"{url}: answered with HTTP status {answer.status}")
                data = b""
                async for chunk in answer.content.iter_chunked(1 << 16):
                    data += chunk
                    if len(data) > _LARGEST:
                        raise Malformed(url, f"at most {_LARGEST} bytes")
                return data
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise Unavailable(f"{url}: does not answer") from error

    def _keep(self, pinned: str, known: _Known) -> None:
        self._known[pinned] = known
        self._known.move_to_end(pinned)
        if len(self._known) > _MOST:
            forgotten, _ = self._known.popitem(last=False)
            self._locks.pop(forgotten, None)


def _time() -> float:
    return asyncio.get_running_loop().time()
