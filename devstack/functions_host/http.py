"""HTTP functions: which one answers a request, whether the caller may, and what comes back.

- No route or another method: 404. A wrong key: 401. A function that fails: 500 without a word.
- No worker: 503. More requests than host.json allows to wait: 429.
"""

import asyncio
import logging
from collections.abc import Iterable, Mapping

from aiohttp import web

from devstack.functions_host.data import Answer, Binary, Call, Datum, Document, Failed, Text
from devstack.functions_host.executor import Executor, Occasion
from devstack.functions_host.functions import Function, HttpTrigger
from devstack.functions_host.keys import HEADER, QUERY, Keys
from devstack.functions_host.routes import readable

_DROPPED = {"connection", "content-length", "keep-alive", "transfer-encoding", "upgrade"}
_LOWEST, _HIGHEST = 200, 999

log = logging.getLogger("devstack")


class HttpFunctions:
    """The HTTP functions of one loaded app."""

    def __init__(self, executor: Executor, keys: Keys) -> None:
        self._executor = executor
        self._keys = keys
        self._doors = _ordered(executor.app.functions)
        limits = executor.app.host.http
        self._most = limits.most_outstanding
        self._outstanding = 0
        self._turns = asyncio.Semaphore(limits.most_concurrent) if limits.most_concurrent else None

    async def answer(self, request: web.Request) -> web.Response | None:
        """Answer a request, unless no function has its route."""
        found = self._find(request.method, readable(request.rel_url.raw_path))
        if found is None:
            return None
        function, trigger, params = found
        if not self._keys.opens_function(given_key(request), function.name, trigger.level):
            return web.Response(status=401)
        if self._most is not None and self._outstanding >= self._most:
            return web.Response(status=429)
        self._outstanding += 1
        try:
            return await self._run(request, function, params)
        finally:
            self._outstanding -= 1

    def _find(self, method: str, path: str) -> tuple[Function, HttpTrigger, dict[str, str]] | None:
        for function, trigger in self._doors:
            if not trigger.methods or method in trigger.methods:
                params = trigger.route.match(path)
                if params is not None:
                    return function, trigger, params
        return None

    async def _run(
        self, request: web.Request, function: Function, params: Mapping[str, str]
    ) -> web.Response:
        call = Call(
            request.method,
            str(request.url),
            _joined((name.lower(), value) for name, value in request.headers.items()),
            # The protocol has no place for an empty value: the genuine host leaves it out too.
            {name: value for name, value in _joined(request.query.items()).items() if value},
            params,
            await request.read(),
        )
        data = dict(params) | {f"Query.{name}": value for name, value in call.query.items()}
        occasion = Occasion(call, data, traceparent=request.headers.get("traceparent"))
        if self._turns is None:
            outcome = await self._executor.run(function, occasion)
        else:
            async with self._turns:
                outcome = await self._executor.run(function, occasion)
        return web.Response(status=500) if isinstance(outcome, Failed) else _reply(outcome.value)


def given_key(request: web.Request) -> str | None:
    """Return the key that a caller shows."""
    return request.headers.get(HEADER) or request.query.get(QUERY)


def _ordered(functions: tuple[Function, ...]) -> list[tuple[Function, HttpTrigger]]:
    doors = [
        (function, function.trigger)
        for function in functions
        if isinstance(function.trigger, HttpTrigger) and not function.disabled
    ]
    return sorted(doors, key=lambda door: door[1].route.precedence)


def _joined(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Put values of one name together, as the genuine host does."""
    found: dict[str, str] = {}
    for name, value in pairs:
        found[name] = f"{found[name]},{value}" if name in found else value
    return found


def _reply(value: Datum | None) -> web.Response:
    match value:
        case None:
            return web.Response(status=204)
        case Text(text) | Document(text):
            return web.Response(text=text, content_type="text/plain", charset="utf-8")
        case Binary(data):
            return web.Response(body=data, content_type="application/octet-stream")
        case Answer(status, headers, body) if _is_sound(status, headers):
            reply = web.Response(status=status, body=body)
            reply.headers.pop("Content-Type", None)
            for name, text in headers:
                if name.lower() not in _DROPPED:
                    reply.headers.add(name, text)
            return reply
        case _:
            log.error("a function answered what HTTP cannot carry")
            return web.Response(status=500)


def _is_sound(status: int, headers: tuple[tuple[str, str], ...]) -> bool:
    """Refuse what would end the connection or begin another answer."""
    whole = "".join(name + value for name, value in headers)
    return _LOWEST <= status <= _HIGHEST and not any(mark in whole for mark in "\r\n\0")
