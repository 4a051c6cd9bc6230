"""Where the machine's AMD certificates come from: the cloud's host, or the container's folder."""

import base64
import binascii
from dataclasses import dataclass
from pathlib import Path

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import HeadersPolicy, RetryPolicy
from azure.core.rest import HttpRequest, HttpResponse

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unavailable
from cleanroom.fields import Fields, Parser, text

_HOST = "http://169.254.169.254"  # the host's own address, not routed beyond it
_PATH = "/metadata/THIM/amd/certification"
_LARGEST = 1 << 20
_PATIENCE = 10  # seconds
_LARGEST_POLICY = 1 << 20

_pem: Parser[str] = text(64 * 1024)


def from_host(host: str = _HOST) -> bytes:
    """Ask the cloud's host for the certificates of this machine: PEM of VCEK, ASK and ARK."""
    policies = [HeadersPolicy({"Metadata": "true"}), RetryPolicy(retry_total=3)]
    client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(host, policies=policies)
    try:
        with client, client.send_request(HttpRequest("GET", host + _PATH)) as response:
            status, answer = response.status_code, response.read()
    except AzureError as error:
        raise Unavailable(f"{host}: the host gives no AMD certificates") from error
    if status != 200:  # noqa: PLR2004  # HTTP's "OK"
        raise Unavailable(f"{host}: the host gives no AMD certificates (HTTP status {status})")
    return from_thim(answer, host)


def from_thim(answer: bytes, where: str) -> bytes:
    """Read the form in which Azure's hosts and container groups hand out certificates."""
    f = Fields(parse_json(answer, where, _LARGEST), where)  # and more that nothing rests on
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
