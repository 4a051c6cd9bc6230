"""Is it ready? One request, to the port that the server opens last."""

import asyncio
import contextlib
import ssl
from pathlib import Path

HOST = "127.0.0.1"  # as in devstack/home.py, whose cryptography the supervisor does not need
_PATIENCE = 2.0
_STATUS_LINE = 512


def trusting(authority: Path) -> ssl.SSLContext:
    """Trust the stack's authority, and nobody else."""
    return ssl.create_default_context(cafile=str(authority))


async def status(port: int, path: str, tls: ssl.SSLContext | None) -> int | None:
    """Ask once; return the status of the answer, if there is one."""
    try:
        async with asyncio.timeout(_PATIENCE):
            return await _ask(port, path, tls)
    except (OSError, ValueError, EOFError, asyncio.LimitOverrunError):
        return None


async def _ask(port: int, path: str, tls: ssl.SSLContext | None) -> int:
    reader, writer = await asyncio.open_connection(HOST, port, ssl=tls, limit=_STATUS_LINE)
    try:
        request = f"GET {path} HTTP/1.1\r\nHost: {HOST}:{port}\r\nConnection: close\r\n\r\n"
        writer.write(request.encode("ascii"))
        line = await reader.readuntil(b"\r\n")
        version, _, rest = line.decode("ascii").partition(" ")
        if not version.startswith("HTTP/1."):
            raise ValueError(version)
        return int(rest[:3])
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
