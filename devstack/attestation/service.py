"""The service without its sockets: a request's bytes and the time come in, an answer goes out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused
from devstack.attestation import azure_guest, snp_vm
from devstack.attestation.signer import TokenSigner
from devstack.attestation.trust import Trust

_SNP_VM, _AZURE_GUEST = "/attest/SevSnpVm", "/attest/AzureGuest"
_VERSIONS = {_SNP_VM: ("2022-08-01", "2025-06-01"), _AZURE_GUEST: ("2020-10-01", "2025-06-01")}
_TOKEN_ID_BYTES = 32


@dataclass(frozen=True, slots=True)
class Answer:
    """Status and JSON of an answer."""

    status: HTTPStatus
    body: bytes


@dataclass(frozen=True, slots=True)
class AttestationService:
    """One authority: its address is its name."""

    url: str
    trust: Trust
    signer: TokenSigner
    random: Callable[[int], bytes]

    def get(self, target: str) -> Answer:
        """Publish keys and configuration."""
        match urlsplit(target).path:
            case "/certs":
                return _answer(self.signer.key_set())
            case "/.well-known/openid-configuration":
                return _answer(
                    {
                        "claims_supported": ["is-debuggable", "policy-hash"],
                        "id_token_signing_alg_values_supported": ["RS256"],
                        "issuer": self.url,
                        "jwks_uri": f"{self.url}/certs",
                        "response_types_supported": ["token", "none"],
                    }
                )
            case path:
                return error(HTTPStatus.NOT_FOUND, "NotFound", f"no such page: {path}")

    def post(self, target: str, body: bytes, now: datetime) -> Answer:
        """Attest, or say why not."""
        url = urlsplit(target)
        if url.path not in _VERSIONS:
            return error(HTTPStatus.NOT_FOUND, "NotFound", f"no such call: {url.path}")
        if parse_qs(url.query).get("api-version", [""])[-1] not in _VERSIONS[url.path]:
            expected = " or ".join(_VERSIONS[url.path])
            message = f"api-version: expected {expected}"
            return error(HTTPStatus.BAD_REQUEST, "UnsupportedApiVersion", message)
        try:
            return _answer({"token": self._attest(url.path, body, now)})
        except Malformed as wrong:
            return error(HTTPStatus.BAD_REQUEST, "InvalidParameter", str(wrong))
        except PolicyRefused as denied:
            return error(HTTPStatus.BAD_REQUEST, "PolicyEvaluationError", str(denied))
        except CleanroomError as refused:
            return error(HTTPStatus.BAD_REQUEST, "AttestationFailed", str(refused))

    def _attest(self, path: str, body: bytes, now: datetime) -> str:
        if path == _SNP_VM:
            return self._token(snp_vm.attest(body, self.trust, now), now)
        found = azure_guest.attest(body, self.trust, now)
        return azure_guest.sealed(self._token(found.claims, now), found.key, self.random)

    def _token(self, claims: dict[str, object], now: datetime) -> str:
        named = claims | {"x-ms-policy-hash": self.trust.policy.hash}
        return self.signer.token(named, self.url, now, self.random(_TOKEN_ID_BYTES).hex())


def error(status: HTTPStatus, code: str, message: str) -> Answer:
    """Spell an error as Azure's service does."""
    return Answer(status, json.dumps({"error": {"code": code, "message": message}}).encode())


def _answer(value: dict[str, object]) -> Answer:
    return Answer(HTTPStatus.OK, json.dumps(value).encode())
