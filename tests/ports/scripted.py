"""A server on the loopback that answers as it is told, and remembers what it was asked."""

import ssl
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import trustme

HOST = "127.0.0.1"
_POLL = 0.02  # seconds between two looks whether to stop


@dataclass(frozen=True)
class Reply:
    """One answer; without status the connection is cut."""

    status: int = 200
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()
    length: int | None = None  # to claim, if it is not the body's


@dataclass
class Asked:
    """What came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Scripted:
    """A running server; the last reply is given again and again."""

    url: str
    replies: Sequence[Reply]
    asked: list[Asked] = field(default_factory=list)

    def reply(self) -> Reply:
        return self.replies[min(len(self.asked), len(self.replies)) - 1]


@contextmanager
def scripted(*replies: Reply, ca: trustme.CA | None = None) -> Iterator[Scripted]:
    """Serve replies one after another, over TLS if there is an authority for it."""
    server = _Server((HOST, 0), _Request)
    url = f"http{'s' if ca else ''}://{HOST}:{server.server_port}"
    server.script = Scripted(url, replies)
    if ca:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(HOST).configure_cert(context)
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    thread = threading.Thread(target=server.serve_forever, args=(_POLL,))
    thread.start()
    try:
        yield server.script
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    script: Scripted

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Request(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        script = self.server.script
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        script.asked.append(Asked(self.command, self.path, dict(self.headers.items()), body))
        reply = script.reply()
        if not reply.status:
            self.close_connection = True
            return
        self.send_response(reply.status)
        for name, value in reply.headers:
            self.send_header(name, value)
        length = len(reply.body) if reply.length is None else reply.length
        self.send_header("Content-Length", str(length))
        self.end_headers()
        self.wfile.write(reply.body)

    do_POST = do_PUT = do_GET  # noqa: N815  # the base class's names

    def log_message(self, *_: object) -> None:
        """Say nothing."""
