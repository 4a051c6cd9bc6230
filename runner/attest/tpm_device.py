"""What carries commands to a TPM: the kernel's device, or the socket of a simulator."""

import os
import socket
import struct
from pathlib import Path
from typing import Self

from cleanroom.errors import Unavailable

_DEVICE = Path("/dev/tpmrm0")  # with the kernel's resource manager: our handles go when we do
_LARGEST_ANSWER = 4096
_HEADER = 10  # bytes of an answer: tag, size, code
_PATIENCE = 30.0  # seconds; making an RSA key takes a TPM some of them


class TpmDevice:
    """The kernel's device; one command is written and its answer is read."""

    def __init__(self, path: Path = _DEVICE) -> None:
        self._path = path
        try:
            self._fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise _silent(path, error) from error

    def exchange(self, command: bytes) -> bytes:
        """Send a command and return the answer."""
        try:
            os.write(self._fd, command)
            return os.read(self._fd, _LARGEST_ANSWER)
        except OSError as error:
            raise _silent(self._path, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


class TpmSocket:
    """A simulated TPM behind a Unix socket."""

    def __init__(self, path: Path, patience: float = _PATIENCE) -> None:
        self._path = path
        self._link = socket.socket(socket.AF_UNIX)
        self._link.settimeout(patience)
        try:
            self._link.connect(str(path))
        except OSError as error:
            self._link.close()
            raise _silent(path, error) from error

    def exchange(self, command: bytes) -> bytes:
        """Send a command and return the answer."""
        try:
            self._link.sendall(command)
            return self._answer()
        except OSError as error:
            raise _silent(self._path, error) from error

    def _answer(self) -> bytes:
        answer = b""
        while len(answer) < _HEADER or len(answer) < struct.unpack(">I", answer[2:6])[0]:
            more = self._link.recv(_LARGEST_ANSWER)
            if not more or len(answer) > _LARGEST_ANSWER:
                raise Unavailable(f"{self._path}: the TPM's answer is cut or too long")
            answer += more
        return answer

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._link.close()


def _silent(path: Path, error: OSError) -> Unavailable:
    reason = os.strerror(error.errno).lower() if error.errno else "no answer in time"
    return Unavailable(f"{path}: the TPM does not answer, {reason}")
