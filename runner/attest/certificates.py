"""Where the machine's AMD certificates come from: the cloud's host, or the container's folder."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from azure.core.rest import HttpRequest

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unavailable
from cleanroom.fields import Fields, matching
from runner.attest import http

_HOST = "http://169.254.169.254"  # the host's own address, not routed beyond it
_PATH = "/metadata/THIM/amd/certification"
_PATIENCE = 10.0  # seconds for a connection, and for each part of an answer
_PAUSE = 0.5  # seconds before the first retry
_LARGEST_POLICY = 1 << 20

_pem = matching(r"[\t\r\n -~]{1,65536}", "certificates in PEM")


def from_host(host: str = _HOST, pause: float = _PAUSE) -> bytes:
    """Ask the cloud's host for the certificates of this machine: PEM of VCEK, ASK and ARK."""
    headers = {"Metadata": "true"}  # no proxy: beyond the host, the address is somebody else's
    with http.client(host, headers, patience=_PATIENCE, through_proxy=False, pause=pause) as client:
        status, answer = http.fetch(client, HttpRequest("GET", host + _PATH))
    if status != http.OK:
        raise Unavailable(f"{host}: the host gives no AMD certificates (HTTP status {status})")
    return from_thim(answer, host)


def from_thim(answer: bytes, where: str) -> bytes:
    """Read the form in which Azure's hosts and container groups hand out certificates."""
    f = Fields(
        parse_json(answer, where, http.LARGEST_ANSWER), where
    )  # and more that nothing rests on
    return f"{f.take('vcekCert', _pem)}\n{f.take('certificateChain', _pem)}".encode("ascii")


@dataclass(frozen=True, slots=True)
class SecurityContext:
    """What Azure Container Instances puts beside a confidential container."""

    chain: bytes
    policy: bytes
    endorsement: bytes

    @classmethod
    def read(cls, folder: Path) -> "SecurityContext":
        """Read the folder that the environment names UVM_SECURITY_CONTEXT_DIR."""
        return cls(
            from_thim(_decoded(folder / "host-amd-cert-base64"), "host-amd-cert-base64"),
            _decoded(folder / "security-policy-base64"),
            _decoded(folder / "reference-info-base64"),
        )


def _decoded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_POLICY + 1)
    except OSError as error:
        raise Unavailable(f"{path}: not readable; is this a confidential container?") from error
    if len(data) > _LARGEST_POLICY:
        raise Malformed(str(path), f"at most {_LARGEST_POLICY} bytes", "more")
    try:
        return base64.b64decode(data.strip(), validate=True)
    except binascii.Error as error:
        raise Malformed(str(path), "standard base64") from error
