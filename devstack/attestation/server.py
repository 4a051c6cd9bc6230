"""The service on a loopback port, over HTTPS, in a thread of whoever asks for it.

The stack runs it as a process (`python -m devstack.attestation`); here is how another program has
one of its own, with its own clock.
"""

import asyncio
import secrets
import socket
import ssl
import threading
from collections.abc import Callable, Coroutine
from datetime import datetime
from types import TracebackType
from typing import Self

import trustme
from aiohttp import web

from devstack.attestation.app import application
from devstack.attestation.service import AttestationService
from devstack.attestation.signer import TokenSigner
from devstack.attestation.trust import Trust
from devstack.home import HOST
from devstack.web import runner_of


class AttestationServer:
    """A running service; `url` is its address, and its name in tokens."""

    def __init__(
        self, trust: Trust, authority: trustme.CA, clock: Callable[[], datetime], port: int = 0
    ) -> None:
        self._socket = socket.create_server((HOST, port))
        self.url = f"https://{HOST}:{self._socket.getsockname()[1]}"
        signer = TokenSigner.make(clock())
        self._service = AttestationService(self.url, trust, signer, secrets.token_bytes)
        self._clock = clock
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(HOST).configure_cert(self._tls)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        self._runner = self._wait(self._started())
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._wait(self._runner.cleanup())
        self._wait(self._loop.shutdown_default_executor())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _started(self) -> web.AppRunner:
        runner = runner_of(application(self._service, self._clock))
        await runner.setup()
        await web.SockSite(runner, self._socket, ssl_context=self._tls).start()
        return runner

    def _wait[T](self, what: Coroutine[None, None, T]) -> T:
        return asyncio.run_coroutine_threadsafe(what, self._loop).result()
