"""The service on a loopback port, over HTTPS."""

import secrets
import ssl
import sys
import threading
from collections.abc import Callable
from datetime import datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

import trustme

from devstack.attestation.service import Answer, AttestationService, error
from devstack.attestation.signer import TokenSigner
from devstack.attestation.trust import Trust
from devstack.attestation.wire import LARGEST_BODY

_HOST = "127.0.0.1"
_PATIENCE = 10.0  # seconds for a request
_SIZE_DIGITS = 9
_POLL = 0.05  # seconds between two looks whether to stop


class AttestationServer:
    """A running service; `url` is its address, and its name in tokens."""

    def __init__(
        self, trust: Trust, authority: trustme.CA, clock: Callable[[], datetime], port: int = 0
    ) -> None:
        self._server = _Server((_HOST, port), _Request)
        self.url = f"https://{_HOST}:{self._server.server_port}"
        self._server.clock = clock
        self._server.service = AttestationService(
            self.url, trust, TokenSigner.make(clock()), secrets.token_bytes
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(_HOST).configure_cert(context)
        self._server.socket = context.wrap_socket(  # hands are shaken in each request's thread
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    service: AttestationService
    clock: Callable[[], datetime]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up or shake no hands; the rest are bugs of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Request(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    timeout = _PATIENCE

    def do_GET(self) -> None:
        """Publish keys and configuration."""
        self._send(self.server.service.get(self.path))

    def do_POST(self) -> None:
        """Attest."""
        size = self.headers.get("Content-Length", "")
        if not (size.isascii() and size.isdigit() and len(size) <= _SIZE_DIGITS):
            self._refuse(HTTPStatus.LENGTH_REQUIRED, "expected a Content-Length")
        elif int(size) > LARGEST_BODY:
            self._refuse(
                HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
                f"expected at most {LARGEST_BODY} bytes, got {size}",
            )
        else:
            body = self.rfile.read(int(size))
            self._send(self.server.service.post(self.path, body, self.server.clock()))

    def _refuse(self, status: HTTPStatus, message: str) -> None:
        self.close_connection = True  # what follows is a body that nobody reads
        self._send(error(status, "InvalidParameter", message))

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(answer.body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing: whoever asks knows, and nobody else should."""
        del format
