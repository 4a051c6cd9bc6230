"""An HTTP endpoint as a subscriber has it: takes what comes, answers as it is told to."""

import ssl
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, Queue
from types import TracebackType
from typing import Self

_PATIENCE = 20.0


@dataclass(frozen=True)
class Received:
    """One request."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True)
class Reply:
    """What to answer, and after how long."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    after: float = 0.0


ALLOWED = Reply(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "120"})


class Endpoint:
    """A running endpoint; `reply` decides, and `inbox` holds what came but for OPTIONS."""

    def __init__(
        self, reply: Callable[[Received], Reply] | None = None, tls: ssl.SSLContext | None = None
    ) -> None:
        self.reply = reply or (lambda _: Reply())
        self.permission = ALLOWED
        self.inbox: Queue[Received] = Queue()
        self.asked: Queue[Received] = Queue()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.endpoint = self
        if tls:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_port}/events"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))

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

    def next(self) -> Received:
        """Wait for the next request."""
        return self.inbox.get(timeout=_PATIENCE)

    def count(self) -> int:
        """Say how many requests wait to be looked at."""
        return self.inbox.qsize()

    def all(self) -> list[Received]:
        """Take all that came."""
        found = []
        while True:
            try:
                found.append(self.inbox.get_nowait())
            except Empty:
                return found


class _Server(ThreadingHTTPServer):
    endpoint: Endpoint
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        received = self._received()
        self.server.endpoint.inbox.put(received)
        self._send(self.server.endpoint.reply(received))

    def do_OPTIONS(self) -> None:
        self.server.endpoint.asked.put(self._received())
        self._send(self.server.endpoint.permission)

    def _received(self) -> Received:
        length = int(self.headers.get("Content-Length", "0"))
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Received(self.command, self.path, headers, self.rfile.read(length))

    def _send(self, reply: Reply) -> None:
        time.sleep(reply.after)
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body)

    def log_message(self, format: str, *_: object) -> None:  # noqa: A002  # the base class's name
        del format
