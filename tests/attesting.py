"""An attestation service that believes synthetic hardware, and requests as clients send them."""

import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from http import HTTPStatus
from typing import Any

from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.hcl import HclReport
from cleanroom.attestation.token import Authority, TokenClaims, verify
from cleanroom.fields import base64_text
from cleanroom.jose import base64url_text
from cleanroom.tpm import DECRYPT_ATTRIBUTES, pcr_policy
from devstack.attestation.service import Answer, AttestationService
from devstack.attestation.signer import TokenSigner
from devstack.attestation.trust import NO_DEBUG, Trust
from devstack.hardware.amd import SyntheticAmd, rsa_key
from devstack.hardware.paravisor import ID_KEY_DIGEST, Paravisor, Tpm, rsa_public, sized
from devstack.hardware.uvm import Endorser
from tests.builders import NOW
from tests.evidence_files import unwrapped

URL = "https://attestation.example"
SNP_VM = "/attest/SevSnpVm?api-version=2022-08-01"
AZURE_GUEST = "/attest/AzureGuest?api-version=2020-10-01"
LEEWAY = timedelta(seconds=60)
PCRS = range(8)

SIGNER = TokenSigner.make(NOW)


def trust() -> Trust:
    """Believe the synthetic AMD, its utility VMs and its paravisor."""
    issuers = (Endorser.make().issuer(),)
    return Trust(SyntheticAmd.make().roots, issuers, (ID_KEY_DIGEST,), NO_DEBUG)


def service(believed: Trust | None = None) -> AttestationService:
    return AttestationService(URL, believed or trust(), SIGNER, secrets.token_bytes)


def authority() -> Authority:
    return Authority.parse_keys(URL, service().get("/certs").body, "certs")


def genuine(token: str) -> TokenClaims:
    return verify(token, authority(), NOW, LEEWAY)


def token_in(answer: Answer) -> str:
    found = json.loads(answer.body)
    assert answer.status == HTTPStatus.OK, found
    return str(found["token"])


def refusal(answer: Answer) -> tuple[int, str, str]:
    found = json.loads(answer.body)["error"]
    return int(answer.status), found["code"], found["message"]


def in_base64url(value: object) -> str:
    return base64url_text(value if isinstance(value, bytes) else json.dumps(value).encode())


def in_base64(value: object) -> str:
    return base64_text(value if isinstance(value, bytes) else json.dumps(value).encode())


def container_request(evidence: ContainerEvidence, **changes: object) -> dict[str, Any]:
    """Ask as the sidecars of Azure Container Instances do."""
    report = {
        "SnpReport": in_base64url(evidence.report),
        "VcekCertChain": in_base64url(evidence.chain),
    }
    if evidence.endorsement is not None:
        report["Endorsements"] = in_base64url({"Uvm": [in_base64url(evidence.endorsement)]})
    return {
        "report": in_base64url(report),
        "runtimeData": {"data": in_base64url(evidence.runtime_data), "dataType": "JSON"},
    } | changes


def attest_container(evidence: ContainerEvidence, believed: Trust | None = None) -> Answer:
    body = json.dumps(container_request(evidence)).encode()
    return service(believed).post(SNP_VM, body, NOW)


def sealing_key() -> rsa.RSAPrivateKey:
    return rsa_key("ephemeral", 2048)


@dataclass(frozen=True)
class Guest:
    """A virtual machine that asks for a token; each part can be another's."""

    paravisor: Paravisor
    quoted_by: Tpm
    certified_by: Tpm
    named: rsa.RSAPublicKey  # as the attestation key beside the quote
    quoted: Sequence[int] = PCRS
    pcrs: Mapping[int, bytes] | None = None
    attributes: int = DECRYPT_ATTRIBUTES
    policy: bytes | None = None
    certified_with: bytes = b""
    runtime: bytes | None = None

    @classmethod
    def of(cls, paravisor: Paravisor) -> "Guest":
        tpm = paravisor.tpm
        return cls(paravisor, tpm, tpm, tpm.key.public_key())

    def information(self, nonce: bytes = b"nonce of the quote") -> dict[str, Any]:
        """Say what Azure's client library says (AttestationInfo, protocol 2.0)."""
        hcl = HclReport.parse(self.paravisor.hcl(), "hcl")
        pcrs = self.pcrs or {index: self.paravisor.tpm.pcrs[index] for index in PCRS}
        policy = pcr_policy(pcrs) if self.policy is None else self.policy
        public = rsa_public(sealing_key().public_key(), attributes=self.attributes, policy=policy)
        quote = self.quoted_by.quote(nonce, self.quoted)
        certified = self.certified_by.certify(self.certified_with, public)
        proof = {
            "SnpReport": in_base64url(hcl.report),
            "VcekCertChain": in_base64(self.paravisor.chip.amd.pem()),
        }
        return {
            "AttestationProtocolVersion": "2.0",
            "OSType": in_base64(b"Linux"),
            "OSDistro": in_base64(b"Debian"),
            "OSBuild": in_base64(b"NotApplication"),
            "OSVersionMajor": 13,
            "OSVersionMinor": 1,
            "TcgLogs": in_base64(b"no log"),
            "ClientPayload": {"nonce": in_base64(b"ADE0101")},
            "TpmInfo": {
                "AikCert": in_base64(self.paravisor.ak_certificate or b""),
                "AikPub": in_base64(sized(rsa_public(self.named, attributes=0x50472))),
                "PcrQuote": in_base64(quote),
                "PcrSignature": in_base64(self.quoted_by.sign(quote)),
                "EncKeyPub": in_base64(sized(public)),
                "EncKeyCertifyInfo": in_base64(certified),
                "EncKeyCertifyInfoSignature": in_base64(self.certified_by.sign(certified)),
                "PcrSet": list(pcrs),
                "PCRs": [{"Index": i, "Digest": in_base64(value)} for i, value in pcrs.items()],
            },
            "IsolationInfo": {
                "Type": "SevSnp",
                "Evidence": {
                    "Proof": in_base64(proof),
                    "RunTimeData": in_base64(self.runtime or hcl.claims),
                },
            },
        }

    def ask(self, believed: Trust | None = None) -> Answer:
        return attest_guest(self.information(), believed)


def attest_guest(information: object, believed: Trust | None = None) -> Answer:
    body = json.dumps({"AttestationInfo": in_base64url(information)}).encode()
    return service(believed).post(AZURE_GUEST, body, NOW)


def opened(sealed: str, key: rsa.RSAPrivateKey) -> str:
    """Open a sealed token as the TPM's client does, step by step of Azure's."""
    value = json.loads(unwrapped(sealed))
    inner = key.decrypt(base64.b64decode(value["EncryptedInnerKey"]), padding.PKCS1v15())
    iv = base64.b64decode(value["EncryptionParams"]["Iv"])
    jwt = base64.b64decode(value["Jwt"]) + base64.b64decode(value["AuthenticationData"])
    return AESGCM(inner).decrypt(iv, jwt, b"Transport Key").decode("ascii")
