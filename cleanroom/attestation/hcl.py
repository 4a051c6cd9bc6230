"""The report of an Azure VM's paravisor (HCL): a hardware report and the claims that it binds.

The paravisor runs beside the guest, at the highest privilege level of the same confidential VM. It
holds the virtual TPM and asks the processor for a report whose report data is the digest of its
claims. Layout: docs/spec/attestation.md §5.
"""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.report import REPORT_BYTES
from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed, Unattested
from cleanroom.fields import Fields, boolean, exactly, list_of, matching, text

LARGEST_HCL = 8 * 1024  # the TPM's index has 2600 bytes
USER_DATA_BYTES = 64
_MAGIC = b"HCLA"
_HEADER_VERSIONS = (1, 2)
_REPORT_AT, _CLAIMS_AT = 32, 1236
_REQUEST, _SNP, _DATA_VERSION = 2, 2, 1
_HASHES = {1: "sha256", 2: "sha384", 3: "sha512"}
_MOST_KEYS = 8
_LONGEST_TEXT = 2048  # of claims that we do not read

_modulus = matching(r"[A-Za-z0-9_-]{342}", "base64url of 256 bytes")
_user_data = matching(rf"[0-9A-F]{{{2 * USER_DATA_BYTES}}}", "128 upper-case hexadecimal digits")
_uses = list_of(text(_LONGEST_TEXT), 1, 1)


@dataclass(frozen=True, slots=True)
class VmConfiguration:
    """How the paravisor says that it set up the VM."""

    secure_boot: bool
    console_enabled: bool
    tpm_enabled: bool
    vm_id: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "VmConfiguration":
        """Accept what is known of it; newer paravisors say more."""
        f = Fields(raw, where)
        return cls(
            f.take("secure-boot", boolean),
            f.take("console-enabled", boolean),
            f.take("tpm-enabled", boolean),
            f.take("vmUniqueId", text(_LONGEST_TEXT)),
        )


@dataclass(frozen=True, slots=True)
class HclReport:
    """A paravisor's report taken apart; `check_bound` ties its halves together."""

    report: bytes
    hash_name: str
    claims: bytes
    attestation_key: rsa.RSAPublicKey
    user_data: bytes | None  # older paravisors have none
    configuration: VmConfiguration

    @classmethod
    def parse(cls, data: bytes, where: str) -> "HclReport":
        """Accept a report on an SEV-SNP guest."""
        if not _CLAIMS_AT <= len(data) <= LARGEST_HCL:
            raise Malformed(where, f"{_CLAIMS_AT} to {LARGEST_HCL} bytes", f"{len(data)}")

        def number(offset: int) -> int:
            return int.from_bytes(data[offset : offset + 4], "little")

        def expect(offset: int, name: str, *allowed: int) -> int:
            if (found := number(offset)) not in allowed:
                raise Malformed(f"{where}.{name}", " or ".join(map(str, allowed)), str(found))
            return found

        if data[:4] != _MAGIC:
            raise Malformed(where, f"{_MAGIC!r} at the start", repr(data[:4]))
        expect(4, "header_version", *_HEADER_VERSIONS)  # the size at 8 has two meanings: not read
        expect(12, "request_type", _REQUEST)
        expect(16, "status", 0)
        claims_end = _CLAIMS_AT + number(1232)
        expect(1216, "data_size", claims_end - _REPORT_AT - REPORT_BYTES)
        expect(1220, "data_version", _DATA_VERSION)
        expect(1224, "report_type", _SNP)
        hash_type = expect(1228, "hash_type", *_HASHES)
        if claims_end > len(data) or any(data[20:_REPORT_AT]) or any(data[claims_end:]):
            raise Malformed(where, "claims that fit, and zero in and behind what is reserved")
        claims = data[_CLAIMS_AT:claims_end]
        return cls(
            data[_REPORT_AT : _REPORT_AT + REPORT_BYTES],
            _HASHES[hash_type],
            claims,
            *_claims(claims, f"{where}.claims"),
        )

    def check_bound(self, report_data: bytes) -> None:
        """Refuse unless the hardware report was made over these very bytes of claims."""
        digest = hashlib.new(self.hash_name, self.claims).digest()
        if not hmac.compare_digest(digest.ljust(len(report_data), b"\0"), report_data):
            raise Unattested(
                f"the report data is {report_data.hex()}, expected {digest.hex()}, the"
                f" {self.hash_name} of the paravisor's claims, and zeros"
            )


def _claims(data: bytes, where: str) -> tuple[rsa.RSAPublicKey, bytes | None, VmConfiguration]:
    claims = parse_json(data, where, LARGEST_HCL)
    f = Fields(claims, where)
    keys = [key for key in f.take("keys", list_of(_key, 1, _MOST_KEYS)) if key is not None]
    if len(keys) != 1:
        raise Malformed(f"{where}.keys", "exactly one key HCLAkPub", f"{len(keys)}")
    configuration = f.take("vm-configuration", VmConfiguration.parse)
    has_user_data = isinstance(claims, Mapping) and "user-data" in claims
    user_data = bytes.fromhex(f.take("user-data", _user_data)) if has_user_data else None
    return keys[0], user_data, configuration


def _key(raw: object, where: str) -> rsa.RSAPublicKey | None:
    """Accept a JSON Web Key, and read it if it is the attestation key."""
    f = Fields(raw, where)
    if f.take("kid", text(_LONGEST_TEXT)) != "HCLAkPub":
        return None
    f.take("kty", exactly("RSA"))
    f.take("e", exactly("AQAB"))  # 65537
    if f.take("key_ops", _uses) not in (("sign",), ("encrypt",)):  # older paravisors say encrypt
        raise Malformed(f"{where}.key_ops", "'sign' or 'encrypt'")
    modulus = base64.urlsafe_b64decode(f.take("n", _modulus) + "==")
    try:
        return rsa.RSAPublicNumbers(65537, int.from_bytes(modulus, "big")).public_key()
    except ValueError as error:
        raise Malformed(f"{where}.n", "the modulus of an RSA key") from error
