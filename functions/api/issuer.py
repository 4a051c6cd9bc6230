"""The keys of the issuer, found through its discovery document and kept for a while.

- A token whose key is not known makes us ask again, but not often: anybody can make one up.
- An issuer that does not answer is not needed for a day: keys that were good then are good now.
"""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import timedelta

import aiohttp
import jwt

from cleanroom.errors import Unavailable
from functions.settings import Directory

_DISCOVERY = "/.well-known/openid-configuration"
_LARGEST = 1 << 18
_PATIENCE = aiohttp.ClientTimeout(total=10)
_FRESH = timedelta(hours=1).total_seconds()
_GOOD = timedelta(days=1).total_seconds()
_PAUSE = 30.0  # seconds between two questions
_NEVER = float("-inf")


class Issuer:
    """Whoever issues tokens for this API."""

    def __init__(
        self,
        directory: Directory,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],  # seconds since whenever
    ) -> None:
        self.directory = directory
        self._session = session
        self._clock = clock
        self._keys: Mapping[str, jwt.PyJWK] = {}
        self._read = self._tried = _NEVER
        self._turn = asyncio.Lock()

    async def key(self, key_id: str) -> jwt.PyJWK | None:
        """Return one of the issuer's keys, if it has it."""
        async with self._turn:
            now = self._clock()
            stale = key_id not in self._keys or now - self._read > _FRESH
            if stale and now - self._tried > _PAUSE:
                self._tried = now
                await self._renew(now)
        if self._clock() - self._read > _GOOD:
            raise Unavailable("issuer: does not say which keys it has")
        return self._keys.get(key_id)

    async def ask(self) -> Mapping[str, jwt.PyJWK]:
        """Read the issuer's keys."""
        directory = self.directory
        try:
            found = await self._document(directory.issuer.rstrip("/") + _DISCOVERY)
            url = found.get("jwks_uri")
            if found.get("issuer") != directory.issuer or not isinstance(url, str):
                raise Unavailable("issuer: its discovery document is another's")
            if directory.issuer.startswith("https:") and not url.startswith("https:"):
                raise Unavailable("issuer: its keys are not behind TLS")
            keys = jwt.PyJWKSet.from_dict(await self._document(url)).keys
        except (aiohttp.ClientError, TimeoutError, ValueError, jwt.PyJWTError) as error:
            raise Unavailable(f"issuer: {type(error).__name__}") from error
        return {key.key_id: key for key in keys if key.key_id and key.key_type == "RSA"}

    async def _renew(self, now: float) -> None:
        try:
            self._keys, self._read = await self.ask(), now
        except Unavailable:
            if now - self._read > _GOOD:
                self._tried = _NEVER  # nobody can be told apart until it answers
                raise

    async def _document(self, url: str) -> dict[str, object]:
        async with self._session.get(url, timeout=_PATIENCE, allow_redirects=False) as answer:
            answer.raise_for_status()
            data = await answer.content.read(_LARGEST + 1)
            while len(data) <= _LARGEST and (more := await answer.content.read(_LARGEST)):
                data += more
        found = json.loads(data) if len(data) <= _LARGEST else None
        if not isinstance(found, dict):
            raise Unavailable("issuer: expected a small JSON object")
        return found
