"""Where a guest asks the AMD secure processor for a report: a device, configfs, or a socket.

The socket carries the device's own request and answer; what stands behind it is simulated hardware,
whose reports no verifier trusts unless told to.
"""

import ctypes
import fcntl
import os
import secrets
import socket
import struct
from pathlib import Path
from typing import Protocol

from cleanroom.errors import Unavailable

REPORT_BYTES = 1184
REPORT_DATA_BYTES = 64
REQUEST_BYTES = 96  # struct snp_report_req of the kernel: report data, VMPL, zeros
ANSWER_BYTES = 4000  # struct snp_report_resp: what the firmware answered
_REPORT_AT = 32
_GET_REPORT = 0xC0205300  # _IOWR('S', 0, struct snp_guest_request_ioctl)
_MESSAGE_VERSION = 1
_DEVICE = Path("/dev/sev-guest")
_CONFIGFS = Path("/sys/kernel/config/tsm/report")
_PROVIDER = "sev_guest"
_PATIENCE = 10.0  # seconds


class ReportDevice(Protocol):
    """Signs 64 bytes of ours into a report on this machine."""

    def report(self, report_data: bytes) -> bytes:
        """Return the report, 1184 bytes that nobody has verified yet."""
        ...


def request(report_data: bytes) -> bytes:
    """Spell a request for a report at VMPL 0."""
    if len(report_data) != REPORT_DATA_BYTES:
        raise ValueError("report data has 64 bytes")
    return report_data + bytes(REQUEST_BYTES - REPORT_DATA_BYTES)


def report_in(answer: bytes, where: str) -> bytes:
    """Take the report out of what the firmware answered."""
    (status,) = struct.unpack_from("<I", answer.ljust(4, b"\xff"))
    if status != 0 or len(answer) < _REPORT_AT + REPORT_BYTES:
        raise Unavailable(f"{where}: the firmware gave no report (status {status})")
    return answer[_REPORT_AT : _REPORT_AT + REPORT_BYTES]


class GuestDevice:
    """The kernel's device for confidential guests."""

    def __init__(self, path: Path = _DEVICE) -> None:
        self._path = path

    def report(self, report_data: bytes) -> bytes:
        """Ask by ioctl: a struct with the addresses of request and answer."""
        asked = ctypes.create_string_buffer(request(report_data), REQUEST_BYTES)
        answer = ctypes.create_string_buffer(ANSWER_BYTES)
        addresses = (ctypes.addressof(asked), ctypes.addressof(answer))
        message = bytearray(struct.pack("<B7xQQQ", _MESSAGE_VERSION, *addresses, 0))
        try:
            with self._path.open("r+b", buffering=0) as device:
                fcntl.ioctl(device, _GET_REPORT, message)
        except OSError as error:
            raise _silent(self._path, error) from error
        return report_in(answer.raw, str(self._path))


class ConfigFs:
    """The kernel's file interface for reports, in kernels from 6.7 on."""

    def __init__(self, folder: Path = _CONFIGFS) -> None:
        self._folder = folder

    def report(self, report_data: bytes) -> bytes:
        """Make an entry of our own, write the data, read the report, take the entry away."""
        entry = self._folder / f"cleanroom-{secrets.token_hex(8)}"
        try:
            entry.mkdir()
            try:
                return self._asked(entry, request(report_data)[:REPORT_DATA_BYTES])
            finally:
                entry.rmdir()
        except OSError as error:
            raise _silent(self._folder, error) from error

    def _asked(self, entry: Path, report_data: bytes) -> bytes:
        (entry / "inblob").write_bytes(report_data)
        report = (entry / "outblob").read_bytes()
        provider = (entry / "provider").read_text("ascii").strip()
        if provider != _PROVIDER or len(report) != REPORT_BYTES:
            raise Unavailable(
                f"{self._folder}: expected {REPORT_BYTES} bytes from {_PROVIDER},"
                f" got {len(report)} from {provider}"
            )
        return report


class SimulatedDevice:
    """Simulated hardware behind a Unix socket."""

    def __init__(self, path: Path, patience: float = _PATIENCE) -> None:
        self._path = path
        self._patience = patience

    def report(self, report_data: bytes) -> bytes:
        """Send the device's request and read the device's answer."""
        answer = b""
        try:
            with socket.socket(socket.AF_UNIX) as link:
                link.settimeout(self._patience)
                link.connect(str(self._path))
                link.sendall(request(report_data))
                while len(answer) < ANSWER_BYTES and (more := link.recv(ANSWER_BYTES)):
                    answer += more
        except OSError as error:
            raise Unavailable(f"{self._path}: the simulated hardware does not answer") from error
        return report_in(answer, str(self._path))


def _silent(path: Path, error: OSError) -> Unavailable:
    reason = os.strerror(error.errno).lower() if error.errno else "for no known reason"
    return Unavailable(f"{path}: no report, {reason}")
