"""An attestation service, asked over its REST API: evidence in, a token out.

Azure's SDK for attestation knows neither of the two calls for SEV-SNP, so they go by hand through
the pipeline of all its SDKs (azure-core). Redirects are not followed: the address in the contract
is the one that counts.
"""

import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass

from azure.core import PipelineClient
from azure.core.exceptions import AzureError
from azure.core.pipeline.policies import HeadersPolicy, RetryPolicy, UserAgentPolicy
from azure.core.rest import HttpRequest, HttpResponse

from cleanroom import __version__
from cleanroom.attestation.token import Authority, jwks_url
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested, Unavailable
from cleanroom.fields import kind

_SNP_VERSION = "2022-08-01"
_GUEST_VERSION = "2020-10-01"
_LARGEST_ANSWER = 1 << 20
_PATIENCE = 30  # seconds


@dataclass(frozen=True, slots=True)
class ContainerProof:
    """What a guest that asks for itself hands in."""

    report: bytes
    chain: bytes  # PEM: VCEK, ASK, ARK
    runtime_data: bytes
    endorsement: bytes | None  # COSE_Sign1 of the utility VM, in Azure Container Instances


class AttestationService:
    """One authority, by its pinned address."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            url,
            policies=[
                HeadersPolicy({"Accept": "application/json"}),
                UserAgentPolicy(f"cleanroom/{__version__}"),
                RetryPolicy(retry_total=3, retry_backoff_factor=0.5),
            ],
        )

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def keys(self) -> Authority:
        """Fetch the keys the authority signs with, from where its own configuration says."""
        where = f"{self._url}/.well-known/openid-configuration"
        keys_at = jwks_url(self._url, self._get(where), where)
        return Authority.parse_keys(self._url, self._get(keys_at), keys_at)

    def attest_container(self, proof: ContainerProof) -> str:
        """Hand in a report with the runtime data that it binds; the token is not yet verified."""
        report: dict[str, str] = {
            "SnpReport": _url64(proof.report),
            "VcekCertChain": _url64(proof.chain),
        }
        if proof.endorsement is not None:
            uvm = json.dumps({"Uvm": [_url64(proof.endorsement)]})
            report["Endorsements"] = _url64(uvm.encode())
        body = {
            "report": _url64(json.dumps(report).encode()),
            "runtimeData": {"data": _url64(proof.runtime_data), "dataType": "JSON"},
        }
        return self._token("attest/SevSnpVm", _SNP_VERSION, body)

    def attest_guest(self, information: dict[str, object]) -> str:
        """Hand in what a virtual machine with a vTPM says; the answer opens in that TPM only."""
        body = {"AttestationInfo": _url64(json.dumps(information).encode())}
        return self._token("attest/AzureGuest", _GUEST_VERSION, body)

    def _token(self, path: str, version: str, body: Mapping[str, object]) -> str:
        url = f"{self._url}/{path}?api-version={version}"
        answer = self._send(HttpRequest("POST", url, json=body))
        found = parse_json(answer, f"{self._url}/{path}", _LARGEST_ANSWER)
        token = found.get("token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise Malformed(f"{self._url}/{path}", "an object with a token", kind(found))
        return token

    def _get(self, url: str) -> bytes:
        return self._send(HttpRequest("GET", url))

    def _send(self, request: HttpRequest) -> bytes:
        try:
            response = self._client.send_request(
                request, stream=True, connection_timeout=_PATIENCE, read_timeout=_PATIENCE
            )
            with response:
                answer = _bounded(response, request.url)
        except AzureError as error:
            raise Unavailable(f"{self._url}: the attestation service does not answer") from error
        if response.status_code in (400, 401, 403):
            raise Unattested(f"{self._url}: refused the evidence ({_code(answer)})")
        if response.status_code != 200:  # noqa: PLR2004  # HTTP's "OK"
            raise Unavailable(f"{self._url}: answered with HTTP status {response.status_code}")
        return answer


def _bounded(response: HttpResponse, url: str) -> bytes:
    answer = b""
    for chunk in response.iter_bytes():
        answer += chunk
        if len(answer) > _LARGEST_ANSWER:
            raise Malformed(url, f"an answer of at most {_LARGEST_ANSWER} bytes", "more")
    return answer


def _code(answer: bytes) -> str:
    """Take the error's code, and only that: its text may hold anything."""
    try:
        found = json.loads(answer)["error"]["code"]
    except (ValueError, TypeError, KeyError):
        return "no code"
    return found if isinstance(found, str) and found.isalnum() else "no code"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_url64(text: str, where: str) -> bytes:
    """Read base64 for URLs, with padding or without."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(where, "base64 for URLs") from error
