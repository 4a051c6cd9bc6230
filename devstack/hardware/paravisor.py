"""A synthetic Azure paravisor with its virtual TPM: HCL reports and quotes, made in software."""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from cleanroom.attestation.acceptable import SYNTHETIC_PARAVISOR
from cleanroom.attestation.cvm import CvmEvidence
from devstack.hardware.amd import rsa_key
from devstack.hardware.snp import Chip

NV_BYTES = 2600  # of the TPM's index that holds the report
ID_KEY_DIGEST = SYNTHETIC_PARAVISOR  # of the key that signed this paravisor
_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}
_EXPONENT = 65537


def pcr_values(boot: bytes = b"cleanroom") -> dict[int, bytes]:
    """Give what a measured boot would leave in the PCRs."""
    return {n: hashlib.sha256(boot + bytes((n,))).digest() for n in range(24)}


@dataclass(frozen=True, slots=True)
class Tpm:
    """A virtual TPM: an attestation key and PCRs."""

    key: rsa.RSAPrivateKey
    pcrs: Mapping[int, bytes]
    magic: bytes = bytes.fromhex("ff544347")
    quote_type: bytes = b"\x80\x18"
    certify_type: bytes = b"\x80\x17"
    banks: int = 1
    bank: bytes = b"\x00\x0b"

    def quote(self, nonce: bytes, selected: Sequence[int]) -> bytes:
        """Write a TPMS_ATTEST over the PCRs selected."""
        bitmap = sum(1 << index for index in selected).to_bytes(3, "little")
        digest = hashlib.sha256(b"".join(self.pcrs[index] for index in sorted(selected))).digest()
        selection = self.banks.to_bytes(4, "big") + self.bank + b"\x03" + bitmap
        return self._attest(self.quote_type, nonce) + selection + sized(digest)

    def certify(self, nonce: bytes, public: bytes) -> bytes:
        """Write a TPMS_ATTEST over a key of this TPM."""
        name = b"\x00\x0b" + hashlib.sha256(public).digest()
        return self._attest(self.certify_type, nonce) + sized(name) + sized(name)

    def sign(self, message: bytes) -> bytes:
        """Sign by the attestation key."""
        return self.key.sign(message, padding.PKCS1v15(), hashes.SHA256())

    def _attest(self, kind: bytes, nonce: bytes) -> bytes:
        der = self.key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        signer = b"\x00\x0b" + hashlib.sha256(der).digest()
        clock = (
            (123_456).to_bytes(8, "big") + (3).to_bytes(4, "big") + (1).to_bytes(4, "big") + b"\1"
        )
        firmware = bytes.fromhex("2020031200120003")
        return self.magic + kind + sized(signer) + sized(nonce) + clock + firmware


def sized(octets: bytes) -> bytes:
    """Write a TPM2B."""
    return len(octets).to_bytes(2, "big") + octets


def rsa_public(  # a TPMT_PUBLIC
    key: rsa.RSAPublicKey,
    *,
    attributes: int = 0x20432,
    policy: bytes = b"",
    head: bytes = b"\x00\x01\x00\x0b",
    parameters: bytes = b"\x00\x10\x00\x10",
    bits: int = 2048,
    exponent: int = 0,
) -> bytes:
    """Write the public half of a TPM's key; the defaults are those of an ephemeral one."""
    modulus = key.public_numbers().n.to_bytes(key.key_size // 8, "big")
    return (
        head
        + attributes.to_bytes(4, "big")
        + sized(policy)
        + parameters
        + bits.to_bytes(2, "big")
        + exponent.to_bytes(4, "big")
        + sized(modulus)
    )


def jwk(kid: str, use: str, key: rsa.RSAPublicKey) -> dict[str, object]:
    """Spell a key as the paravisor's claims do."""
    n = key.public_numbers().n.to_bytes(256, "big")
    text = base64.urlsafe_b64encode(n).decode().rstrip("=")
    return {"kid": kid, "key_ops": [use], "kty": "RSA", "e": "AQAB", "n": text}


def runtime_claims(ak: rsa.RSAPublicKey, user_data: bytes) -> dict[str, object]:
    """Say what a paravisor says; spelled as Azure's does."""
    return {
        "keys": [
            jwk("HCLAkPub", "sign", ak),
            jwk("HCLEkPub", "encrypt", rsa_key("ek", 2048).public_key()),
        ],
        "vm-configuration": {
            "console-enabled": True,
            "secure-boot": True,
            "tpm-enabled": True,
            "vmUniqueId": "00000000-0000-4000-8000-000000000001",
        },
        "user-data": user_data.hex().upper(),
    }


@dataclass(frozen=True, slots=True)
class Paravisor:
    """What runs beside the guest. The report is made anew whenever user data is written."""

    chip: Chip
    tpm: Tpm
    claims: bytes
    header: Mapping[int, int] = field(default_factory=dict)  # offset: 32 bits, after all else
    hash_type: int = 1
    tail: bytes = b""  # instead of the zeros behind the claims
    ak_certificate: bytes | None = None

    @classmethod
    def make(cls, chip: Chip) -> Self:
        """Boot: user data is zero."""
        tpm = Tpm(rsa_key("ak", 2048), pcr_values())
        return cls(chip, tpm, b"").write_user_data(bytes(64))

    def write_user_data(self, user_data: bytes) -> Self:
        """Write the guest's 64 bytes, which the next report binds."""
        claims = runtime_claims(self.tpm.key.public_key(), user_data.ljust(64, b"\0"))
        return replace(self, claims=json.dumps(claims, separators=(",", ":")).encode())

    def hcl(self) -> bytes:
        """Write the HCL report, as the TPM's index holds it."""
        digest = hashlib.new(_HASHES[self.hash_type], self.claims).digest()
        words = {
            4: 2,
            8: 1236 + len(self.claims),
            12: 2,
            1216: 20 + len(self.claims),
            1220: 1,
            1224: 2,
            1228: self.hash_type,
            1232: len(self.claims),
        }
        report = bytearray(b"HCLA".ljust(32, b"\0") + self.chip.report(digest) + bytes(20))
        for offset, word in (words | dict(self.header)).items():
            report[offset : offset + 4] = word.to_bytes(4, "little")
        return bytes(report + self.claims + self.tail).ljust(NV_BYTES, b"\0")

    def evidence(self, nonce: bytes, selected: Sequence[int] = tuple(range(24))) -> CvmEvidence:
        """Answer as a VM does when it is asked what it is."""
        quote = self.tpm.quote(nonce, selected)
        return CvmEvidence(
            hcl=self.hcl(),
            chain=self.chip.amd.pem(),
            ak_certificate=self.ak_certificate,
            quote=quote,
            quote_signature=self.tpm.sign(quote),
            nonce=nonce,
            pcrs={index: self.tpm.pcrs[index] for index in selected},
        )
