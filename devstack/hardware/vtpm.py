"""A virtual TPM with a paravisor beside it: swtpm, and a socket in front of it.

Whoever writes user data finds a new report in the TPM a little later, as in an Azure VM. One thing
differs: swtpm's indexes hold 2048 bytes, so the paravisor's claims leave out its endorsement key,
which older paravisors did not have either.
"""

import json
import shutil
import socket
import socketserver
import struct
import subprocess
import threading
import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Self

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.tpm import RsaPublic
from cleanroom.errors import Unavailable
from cleanroom.tpm import Tpm
from devstack.hardware.paravisor import Paravisor, runtime_claims
from devstack.hardware.snp import Chip

HCL_REPORT, USER_DATA, AK = 0x01400001, 0x01400002, 0x81000003
_INDEX_BYTES = 2048
_HEADER = 10  # bytes of a command: tag, size, code
_NV_WRITE = 0x137
_PATIENCE = 10.0  # seconds
_POLL = 0.05  # seconds between two looks whether to stop


def installed() -> bool:
    """Tell whether swtpm is on this machine."""
    return shutil.which("swtpm") is not None


class SocketTransport:
    """Carries commands over a Unix socket, one connection for all of them."""

    def __init__(self, path: Path) -> None:
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(_PATIENCE)
        try:
            self._link.connect(str(path))
        except OSError:
            self._link.close()
            raise

    def exchange(self, command: bytes) -> bytes:
        """Send a command and read its whole answer."""
        self._link.sendall(command)
        return _message(self._link)

    def close(self) -> None:
        """Hang up."""
        self._link.close()


class VirtualTpm:
    """A running TPM in a folder of its own; `socket` is where guests reach it."""

    def __init__(self, folder: Path, chip: Chip, delay: float) -> None:
        self.socket = folder / "tpm"
        self._folder = folder
        self._chip = chip
        self._delay = delay  # seconds that the paravisor takes to make a report
        self._lock = threading.Lock()
        self._running = True

    def __enter__(self) -> Self:
        inner, state = self._folder / "swtpm", self._folder / "state"
        state.mkdir()
        self._process = subprocess.Popen(
            [
                *("swtpm", "socket", "--tpm2", "--tpmstate", f"dir={state}"),
                *("--server", f"type=unixio,path={inner}"),
                *("--flags", "not-need-init,startup-clear"),
            ],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            self._boot(inner)
        except BaseException:
            self._stop()
            raise
        self._server = _Server(str(self.socket), self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(_POLL,))
        self._thread.start()
        return self

    def _boot(self, inner: Path) -> None:
        self._inner = self._reached(inner)
        self._tpm = Tpm(self._inner)
        self._tpm.make_attestation_key(AK)
        self.attestation_key: rsa.RSAPublicKey = RsaPublic.parse(self._tpm.public(AK), "AK").key
        self._write_report(bytes(64))

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        with self._lock:
            self._running = False  # a report that is still to come finds no TPM to write to
            self._inner.close()
        self._stop()

    def _stop(self) -> None:
        self._process.terminate()
        self._process.wait(_PATIENCE)

    def _reached(self, path: Path) -> SocketTransport:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return SocketTransport(path)
            except OSError as error:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise Unavailable("swtpm: did not start") from error
                time.sleep(0.01)

    def exchange(self, command: bytes) -> bytes:
        """Pass a guest's command on, and do what the paravisor does when it was user data."""
        with self._lock:
            answer = self._inner.exchange(command)
            if _writes_user_data(command) and answer[6:10] == bytes(4):
                timer = threading.Timer(self._delay, self._renew)
                timer.daemon = True
                timer.start()
            return answer

    def _renew(self) -> None:
        with self._lock:
            if self._running:
                self._write_report(self._tpm.nv_read(USER_DATA))

    def _write_report(self, user_data: bytes) -> None:
        claims = runtime_claims(self.attestation_key, user_data.ljust(64, b"\0"))
        claims["keys"] = [key for key in claims["keys"] if key["kid"] == "HCLAkPub"]  # type: ignore[attr-defined]
        text = json.dumps(claims, separators=(",", ":")).encode()
        report = replace(Paravisor.make(self._chip), claims=text).hcl()
        self._tpm.nv_write(HCL_REPORT, report[:_INDEX_BYTES])


class _Server(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def __init__(self, path: str, tpm: VirtualTpm) -> None:
        super().__init__(path, _Guest)
        self.tpm = tpm


class _Guest(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        while command := _message(self.request):
            self.request.sendall(self.server.tpm.exchange(command))


def _message(link: socket.socket) -> bytes:
    """Read one command or answer; nothing when the other side hung up."""
    message = b""
    while len(message) < _HEADER or len(message) < struct.unpack(">I", message[2:6])[0]:
        more = link.recv(4096)
        if not more:
            return b""
        message += more
    return message


def _writes_user_data(command: bytes) -> bool:
    code, index = struct.unpack_from(">I", command, 6)[0], command[14:18]
    return code == _NV_WRITE and index == struct.pack(">I", USER_DATA)
