"""An Azure confidential VM: the paravisor's report, and quotes by its virtual TPM.

1. Write the contract as user data, unless it is there already. The paravisor then makes a new
   report; wait until its claims say so. A report for the same contract is used again: what must
   be fresh for each job is in the quote.
2. Have the TPM sign its registers, with the contract and the receipt's key as the nonce: all of
   them for the evidence, since a contract may name any; the first eight for the authority.
3. Make a key in the TPM that vaults will wrap to, bound to the registers, and have it certified.
4. Hand all of it to the authority. The token comes sealed to that key, so only this TPM, in this
   state, reads it.
"""

import base64
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from cleanroom.attestation.cvm import CvmEvidence
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.hcl import HclReport
from cleanroom.attestation.report import Report
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Tampered, Unattested, Unavailable
from cleanroom.fields import Fields, Parser, base64_bytes, text
from cleanroom.ids import Digest
from cleanroom.release.binding import qualifying_data, user_data
from cleanroom.tpm import KEY_BYTES, Key, Signed, Tpm
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService, from_url64

HCL_REPORT = 0x01400001
USER_DATA = 0x01400002
AK_CERTIFICATE = 0x01C101D0
AK = 0x81000003
ALL_PCRS = tuple(range(24))
PCRS = tuple(range(8))  # what Azure's attestation of Linux looks at
_PATIENCE = 15.0  # seconds that the paravisor may take to make a report; usually it takes 3
_PAUSE = 0.25
_LARGEST_TOKEN = 1 << 17
_ADDITIONAL = b"Transport Key"  # what Azure authenticates beside the token


@dataclass(frozen=True, slots=True)
class _Proof:
    hcl: HclReport
    evidence: CvmEvidence
    quote: Signed  # of the registers that the authority looks at
    ak_public: bytes
    key: Key
    certified: Signed


class CvmAttester:
    """Attests by the paravisor's report and the TPM."""

    def __init__(
        self,
        tpm: Tpm,
        chain: bytes,
        authority: AttestationService,
        patience: float = _PATIENCE,
    ) -> None:
        self._tpm = tpm
        self._chain = chain
        self._authority = authority
        self._patience = patience

    @contextmanager
    def attest(self, contract: Digest, receipt_key: Digest) -> Iterator[Attestation]:
        """Prove what this machine is, for one contract and one receipt."""
        raw = self._report_for(user_data(contract))  # 1
        nonce = qualifying_data(contract, receipt_key)
        pcrs = self._tpm.pcrs(ALL_PCRS)
        quote = self._tpm.quote(AK, nonce, ALL_PCRS)  # 2
        asked = self._tpm.quote(AK, nonce, PCRS)
        certificate = self._certificate()
        evidence = CvmEvidence(
            raw, self._chain, certificate, quote.attested, quote.signature, nonce, pcrs
        )
        hcl = HclReport.parse(raw, "hcl")
        with self._tpm.ephemeral_key(PCRS) as key:
            certified = self._tpm.certify(key, AK)  # 3
            proof = _Proof(hcl, evidence, asked, self._tpm.public(AK), key, certified)
            token = self._opened(self._authority.attest_guest(_information(proof)), key)  # 4
            yield Attestation(
                token,
                EvidenceBundle(evidence),
                KEY_BYTES,
                lambda sealed, oaep: self._decrypt(key, sealed, oaep),
            )

    def _certificate(self) -> bytes | None:
        """Read the certificate of the attestation key; the index is larger, and zero behind it."""
        if self._tpm.nv_size(AK_CERTIFICATE) is None:
            return None
        data = self._tpm.nv_read(AK_CERTIFICATE)
        return data[: 4 + int.from_bytes(data[2:4], "big")]  # DER: two bytes of tag, two of length

    def _report_for(self, wanted: bytes) -> bytes:
        raw = self._tpm.nv_read(HCL_REPORT)
        if _is_for(raw, wanted):
            return raw
        self._tpm.nv_write(USER_DATA, wanted)
        deadline = time.monotonic() + self._patience
        while True:
            raw = self._tpm.nv_read(HCL_REPORT)
            if _is_for(raw, wanted):
                return raw
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"the paravisor made no report with our user data in {self._patience:g} seconds"
                )
            time.sleep(_PAUSE)

    def _decrypt(self, key: Key, sealed: bytes, oaep: hashes.HashAlgorithm | None) -> bytes:
        return self._tpm.decrypt(key, PCRS, sealed, oaep.name if oaep else None)

    def _opened(self, answer: str, key: Key) -> str:
        """Open a token that was sealed to the TPM's key."""
        where = "sealed token"
        f = Fields(parse_json(from_url64(answer, where), where, 2 * _LARGEST_TOKEN), where)
        tag = f.take("AuthenticationData", base64_bytes(16))
        inner = f.take("EncryptedInnerKey", base64_bytes(512))
        jwt = f.take("Jwt", base64_bytes(_LARGEST_TOKEN))
        iv = f.take("EncryptionParams", _iv)
        secret = self._decrypt(key, inner, None)
        try:
            return AESGCM(secret).decrypt(iv, jwt + tag, _ADDITIONAL).decode("ascii")
        except (InvalidTag, ValueError) as error:
            raise Tampered("the sealed token does not open with the key beside it") from error


def _is_for(raw: bytes, wanted: bytes) -> bool:
    """Tell whether a report is whole and has this user data.

    It is read in parts, and the paravisor may write a new one between two of them.
    """
    try:
        hcl = HclReport.parse(raw, "hcl")
        hcl.check_bound(Report.parse(hcl.report, "hcl.report").report_data)
    except (Malformed, Unattested):
        return False
    return hcl.user_data == wanted


def _iv(raw: object, where: str) -> bytes:
    f = Fields(raw, where)
    expected = {"BlockMode": "ChainingModeGCM", "Cipher": "AES"}
    for name, value in expected.items():
        if f.take(name, _word) != value:
            raise Malformed(f"{where}.{name}", repr(value))
    return f.take("Iv", base64_bytes(12))


_word: Parser[str] = text(64)


def _information(proof: _Proof) -> dict[str, object]:
    """Spell the proof as Azure's guest attestation wants it (AttestationInfo, protocol 2.0)."""
    evidence = proof.evidence
    snp = {
        "SnpReport": base64.urlsafe_b64encode(proof.hcl.report).decode("ascii"),
        "VcekCertChain": _b64(evidence.chain),
    }
    return {
        "AttestationProtocolVersion": "2.0",
        "OSType": _b64(b"Linux"),
        "OSDistro": _b64(b"Linux"),
        "OSBuild": _b64(b"NotApplication"),
        "OSVersionMajor": 0,
        "OSVersionMinor": 0,
        "TcgLogs": "",
        "ClientPayload": {},
        "TpmInfo": {
            "AikCert": _b64(evidence.ak_certificate or b""),
            "AikPub": _b64(_sized(proof.ak_public)),
            "PcrQuote": _b64(proof.quote.attested),
            "PcrSignature": _b64(proof.quote.signature),
            "EncKeyPub": _b64(_sized(proof.key.public)),
            "EncKeyCertifyInfo": _b64(proof.certified.attested),
            "EncKeyCertifyInfoSignature": _b64(proof.certified.signature),
            "PcrSet": list(PCRS),
            "PCRs": [{"Index": i, "Digest": _b64(evidence.pcrs[i])} for i in PCRS],
        },
        "IsolationInfo": {
            "Type": "SevSnp",
            "Evidence": {
                "Proof": _b64(json.dumps(snp).encode()),
                "RunTimeData": _b64(proof.hcl.claims),
            },
        },
    }


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _sized(data: bytes) -> bytes:
    return len(data).to_bytes(2, "big") + data
