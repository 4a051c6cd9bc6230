"""Ways to services on which a test can hold what a client says, or what it is told."""

import http.client
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from devstack.home import HOST
from tests.servers import free_ports

_PATIENCE = 60.0

type Matches = Callable[[str, str, dict[str, str]], bool]
"""Look at a request's method, target and headers, whose names are in small letters."""


class WebGate:
    """Hands requests on to a server, but for one, which is held: before it, or its answer."""

    def __init__(self, port: int, to: int, tls: ssl.SSLContext, trust: ssl.SSLContext) -> None:
        self.port = port
        self.held = threading.Event()
        self._to, self._trust = to, trust
        self._wanted: tuple[Matches, bool] | None = None
        self._lock = threading.Lock()
        self._let_go = threading.Event()
        self._server = _Server((HOST, port), _Handler)
        self._server.gate = self
        self._server.socket = tls.wrap_socket(
            self._server.socket, server_side=True, do_handshake_on_connect=False
        )
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def hold(self, matches: Matches, *, answered: bool) -> None:
        """Hold the next request that matches, before the server sees it, or after it answered."""
        self.held.clear()
        self._let_go.clear()
        with self._lock:
            self._wanted = matches, answered

    def drop(self) -> None:
        """Let what is held come to nothing."""
        with self._lock:
            self._wanted = None
        self._let_go.set()

    def close(self) -> None:
        """Stop."""
        self.drop()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def pass_on(self, request: "_Handler") -> None:
        """Do what the server would do, or hold it."""
        when = self._taken(request)
        if when == "before":
            self._hold(request)
            return
        length = int(request.headers.get("content-length", "0"))
        link = http.client.HTTPSConnection(HOST, self._to, timeout=_PATIENCE, context=self._trust)
        try:
            link.putrequest(
                request.command, request.path, skip_host=True, skip_accept_encoding=True
            )
            for name, value in request.headers.items():
                link.putheader(name, value)
            link.endheaders(request.rfile.read(length))
            answer = link.getresponse()
            body = answer.read()
        finally:
            link.close()
        if when == "after":
            self._hold(request)
            return
        request.answer(answer, body)

    def _taken(self, request: "_Handler") -> str:
        with self._lock:
            if self._wanted is None:
                return ""
            matches, answered = self._wanted
            headers = {name.lower(): value for name, value in request.headers.items()}
            if not matches(request.command, request.path, headers):
                return ""
            self._wanted = None
        return "after" if answered else "before"

    def _hold(self, request: "_Handler") -> None:
        request.close_connection = True
        self.held.set()
        self._let_go.wait(_PATIENCE)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    gate: WebGate

    def handle_error(self, *_: Any) -> None:
        """Say nothing of clients that were killed."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def answer(self, answer: http.client.HTTPResponse, body: bytes) -> None:
        self.send_response_only(answer.status, answer.reason)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection"):
                self.send_header(name, value)
        if "content-length" not in answer.headers and "transfer-encoding" in answer.headers:
            self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        self.server.gate.pass_on(self)

    do_PUT = do_HEAD = do_POST = do_DELETE = do_GET  # noqa: N815  # names of http.server

    def log_message(self, *_: Any) -> None:
        """Say nothing."""


class LineGate:
    """Hands bytes on to a server; from its second connection on, it holds what one of them says."""

    def __init__(self, to: int, holds: int) -> None:
        (self.port,) = free_ports(1)
        self._to, self._holds = to, holds
        self._server = socket.create_server((HOST, self.port))
        self._second = threading.Event()
        self.held = threading.Event()
        self._let_go = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Let what is held come to nothing, and stop accepting."""
        self._let_go.set()
        self._server.close()

    def _accept(self) -> None:
        number = 0
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                number += 1
                if number == 2:  # a runner's second: the topic's
                    self._second.set()
                far = socket.create_connection((HOST, self._to))
                for pair in ((near, far, number), (far, near, 0)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, number: int) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if number == self._holds and self._second.is_set():
                    self.held.set()
                    self._let_go.wait(_PATIENCE)
                    break
                sink.sendall(data)
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the other thread
            end.close()


@contextmanager
def web_gate(to: int, tls: ssl.SSLContext, trust: ssl.SSLContext) -> Iterator[WebGate]:
    """Open a way to a server until the block ends."""
    made = WebGate(free_ports(1)[0], to, tls, trust)
    try:
        yield made
    finally:
        made.close()
