"""An attestation service, asked over its REST API: evidence in, a token out.

Azure's SDK for attestation knows neither of the two calls for SEV-SNP, so they go by hand.
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass

from azure.core.rest import HttpRequest

from cleanroom.attestation.token import Authority, jwks_url
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested, Unavailable
from cleanroom.fields import kind
from runner.attest import http

_SNP_VERSION = "2022-08-01"
_GUEST_VERSION = "2020-10-01"
_PATIENCE = 30.0  # seconds for a connection, and for each part of an answer
_PAUSE = 0.5  # seconds before the first retry
_REFUSED = (400, 401, 403)
_CODE = re.compile(r"[A-Za-z0-9]{1,64}")


@dataclass(frozen=True, slots=True)
class ContainerProof:
    """What a guest that asks for itself hands in."""

    report: bytes
    chain: bytes  # PEM: VCEK, ASK, ARK
    runtime_data: bytes
    endorsement: bytes | None  # COSE_Sign1 of the utility VM, in Azure Container Instances


class AttestationService:
    """One authority, by its pinned address."""

    def __init__(self, url: str, patience: float = _PATIENCE, pause: float = _PAUSE) -> None:
        self._url = url
        self._client = http.client(
            url,
            {"Accept": "application/json"},
            patience=patience,
            through_proxy=True,
            pause=pause,
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
        found = parse_json(answer, f"{self._url}/{path}", http.LARGEST_ANSWER)
        token = found.get("token") if isinstance(found, dict) else None
        if not isinstance(token, str):
            raise Malformed(f"{self._url}/{path}", "an object with a token", kind(found))
        return token

    def _get(self, url: str) -> bytes:
        return self._send(HttpRequest("GET", url))

    def _send(self, request: HttpRequest) -> bytes:
        status, answer = http.fetch(self._client, request)
        if status in _REFUSED:
            raise Unattested(f"{self._url}: refused the evidence ({_code(answer)})")
        if status != http.OK:
            raise Unavailable(f"{self._url}: answered with HTTP status {status}")
        return answer


def _code(answer: bytes) -> str:
    """Take the error's code, and only that: its text may hold anything."""
    try:
        match parse_json(answer, "error", http.LARGEST_ANSWER):
            case {"error": {"code": str(code)}} if _CODE.fullmatch(code):
                return code
            case _:
                return "no code"
    except Malformed:
        return "no code"


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def from_url64(text: str, where: str) -> bytes:
    """Read base64 for URLs, with padding or without."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise Malformed(where, "base64 for URLs") from error
