"""What the subjects of attacks are made of: requests spelled out, and a genuine client."""

import http.client
import json
import ssl
from collections.abc import Mapping
from typing import Any

from devstack import clock, tokens
from devstack.home import HOST, Home
from tests.fuzz import wire

_PATIENCE = 10.0  # seconds


def seed(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Spell a request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: {HOST}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return wire.request("\r\n".join(lines).encode(), body)


def bearer(home: Home, name: str, audience: str) -> dict[str, str]:
    """Give the header of an identity with a token, and say that bodies are JSON."""
    tenant = home.object_id("tenant")
    issuer = tokens.Issuer(f"http://{HOST}:8440/{tenant}", tenant, home.token_key())
    token = issuer.issue(tokens.Caller(name, home.object_id(name)), audience, clock.now())
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


class Client:
    """Sends genuine requests to one port, each of which has to go well."""

    def __init__(self, port: int, tls: ssl.SSLContext | None) -> None:
        self._port = port
        self._tls = tls

    def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: bytes | None = None
    ) -> bytes:
        """Send a request and read its answer."""
        link = (
            http.client.HTTPSConnection(HOST, self._port, timeout=_PATIENCE, context=self._tls)
            if self._tls
            else http.client.HTTPConnection(HOST, self._port, timeout=_PATIENCE)
        )
        try:
            link.request(method, path, body, dict(headers))
            answer = link.getresponse()
            read = answer.read()
        finally:
            link.close()
        if answer.status >= http.client.BAD_REQUEST:
            raise AssertionError(f"{method} {path}: {answer.status} {read[:500]!r}")
        return read

    def json(self, method: str, path: str, headers: Mapping[str, str], body: object = None) -> Any:
        """Send JSON, read JSON."""
        sent = None if body is None else json.dumps(body).encode()
        answer = self.ask(method, path, headers, sent)
        return json.loads(answer) if answer else None
