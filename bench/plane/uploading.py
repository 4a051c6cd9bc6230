"""Uploads as the storage client makes them, from a machine that is not there.

Who uploads has a machine of its own; here it shares two processors with all that it waits for. So
the storage client makes its requests beforehand, and here only their bytes go out, over TLS and
connections that are kept open: what comes to the front is the same.
"""

import asyncio
import ssl
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Never, Self
from urllib.parse import urlsplit

from azure.core.pipeline.transport import HttpTransport
from azure.storage.blob import ContainerClient

from bench.plane.rooms import Drop

_CONTAINER = "datasets"


class Requests:
    """What the storage client would send, with the account's key."""

    def __init__(self, connection: str) -> None:
        self._wire = _Wire()
        self._client = ContainerClient.from_connection_string(
            connection, _CONTAINER, transport=self._wire
        )

    @property
    def place(self) -> tuple[str, int]:
        """Say where they go: host and port."""
        to = urlsplit(self._client.url)
        if to.hostname is None or to.port is None:
            raise RuntimeError("a stack's storage is at a port of a host")
        return to.hostname, to.port

    def of(self, drop: Drop) -> bytes:
        """Write the request that uploads a file; it is good for some minutes."""
        with suppress(_Caught):
            self._client.upload_blob(drop.blob, drop.data)
        return self._wire.caught


class _Caught(Exception):  # nothing went wrong
    """The client is told so, in place of an answer."""


class _Wire(HttpTransport[Any, Any]):
    """Where a request comes out of the client, with all its headers."""

    caught = b""

    def send(self, request: Any, **_: Any) -> Never:  # noqa: ANN401  # the SDK's own
        to = urlsplit(request.url)
        query = f"?{to.query}" if to.query else ""
        headers: Mapping[str, str] = {"Host": to.netloc, **request.headers}
        lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
        data = request.data if isinstance(request.data, bytes) else request.data.read()
        head = f"{request.method} {to.path}{query} HTTP/1.1\r\n{''.join(lines)}\r\n"
        self.caught = head.encode() + data
        raise _Caught

    def open(self) -> None: ...

    def close(self) -> None: ...

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None: ...


class Connections:
    """Connections to the front: as many as are needed at once, each for one request at a time."""

    def __init__(self, place: tuple[str, int], trust: str) -> None:
        self._place = place
        self._tls = ssl.create_default_context(cafile=trust)
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for _reader, writer in self._idle:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def send(self, request: bytes) -> None:
        """Send a request, and wait until it is answered: a blob was created."""
        if not self._idle:
            self._idle.append(await self._open())
        reader, writer = self._idle.pop()
        writer.write(request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 201 ") or b"content-length: 0\r\n" not in head.lower():
            writer.close()
            raise RuntimeError(f"an upload was answered by {head[:200]!r}")
        self._idle.append((reader, writer))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection(*self._place, ssl=self._tls)
