"""The report device of a simulated guest: a Unix socket that answers as the firmware does."""

import socket
import socketserver
import struct
import sys
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from cleanroom.errors import Unavailable
from devstack.hardware.snp import Chip

_REQUEST_BYTES, _ANSWER_BYTES, _REPORT_AT = 96, 4000, 32
_REPORT_DATA_BYTES = 64
_POLL = 0.05  # seconds between two looks whether to stop
_PATIENCE = 10.0  # seconds for a request


class GuestDevice:
    """A running device; `socket` is where guests reach it."""

    def __init__(self, socket: Path, chip: Chip) -> None:
        self.socket = socket
        self._chip = chip

    def __enter__(self) -> Self:
        make_way(self.socket)
        self._server = _Server(str(self.socket), self._chip)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,))
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
        self.socket.unlink()


def make_way(path: Path) -> None:
    """Take away the socket of a process that was killed; that of one that lives is its own."""
    with socket.socket(socket.AF_UNIX) as link:
        link.settimeout(_PATIENCE)
        try:
            link.connect(str(path))
        except FileNotFoundError:
            return
        except ConnectionRefusedError:
            path.unlink()
            return
        except OSError as error:  # such as a name that is too long
            raise Unavailable(f"{path}: {error}") from error
    raise Unavailable(f"{path}: another process serves it")


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, chip: Chip) -> None:
        super().__init__(path, _Guest)
        self.chip = chip

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of guests that hang up or fall silent; the rest are bugs of ours."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]  # as it came


class _Guest(socketserver.StreamRequestHandler):
    server: _Server
    timeout = _PATIENCE

    def handle(self) -> None:
        """Answer one request: status and size, then the report."""
        request = self.rfile.read(_REQUEST_BYTES)
        if len(request) == _REQUEST_BYTES:
            report = self.server.chip.report(request[:_REPORT_DATA_BYTES])
            head = struct.pack("<II", 0, len(report)).ljust(_REPORT_AT, b"\0")
            self.wfile.write((head + report).ljust(_ANSWER_BYTES, b"\0"))
