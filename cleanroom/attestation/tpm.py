"""What a TPM's attestation key signed: quotes of PCRs, and certified keys (TPM 2.0 part 2, §10.12).

All integers are big-endian. Only the shapes that an Azure virtual TPM makes are read: one bank of
SHA-256 PCRs, RSA keys named by SHA-256, RSASSA-PKCS1-v1_5 with SHA-256.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from cleanroom.errors import Malformed, Unattested

PCRS = 24
PCR_BYTES = 32
_MAGIC = bytes.fromhex("ff544347")
_QUOTE, _CERTIFY = b"\x80\x18", b"\x80\x17"
_SHA256 = b"\x00\x0b"
_RSA = b"\x00\x01"
_NULL, _RSASSA, _OAEP = 0x10, 0x14, 0x17
_LONGEST = 68  # bytes of a name, or of what a caller may add to a signature
_LARGEST_MODULUS = 512


@dataclass(frozen=True, slots=True)
class Quote:
    """Values that PCRs had when the TPM was asked, and the nonce it was asked with."""

    nonce: bytes
    pcrs: Mapping[int, bytes]
    clock: int  # milliseconds
    resets: int
    restarts: int
    firmware: int


@dataclass(frozen=True, slots=True)
class RsaPublic:
    """An RSA key of a TPM: what it is for, and how the TPM names it."""

    attributes: int
    policy: bytes
    key: rsa.RSAPublicKey
    name: bytes

    @classmethod
    def parse(cls, data: bytes, where: str) -> "RsaPublic":
        """Accept a TPMT_PUBLIC."""
        octets = _Octets(data, where)
        octets.expect(_RSA + _SHA256, "an RSA key named by SHA-256")
        attributes, policy = octets.number(4), octets.sized(_LONGEST)
        if octets.number(2) != _NULL:  # symmetric: of a key that wraps others
            octets.take(4)
        if (scheme := octets.number(2)) in (_RSASSA, _OAEP):
            octets.expect(_SHA256, "a scheme with SHA-256")
        elif scheme != _NULL:
            raise Malformed(where, "the scheme RSASSA, OAEP or none", f"{scheme:#06x}")
        bits, exponent = octets.number(2), octets.number(4) or 65537
        modulus = octets.sized(_LARGEST_MODULUS)
        octets.end()
        try:
            numbers = rsa.RSAPublicNumbers(exponent, int.from_bytes(modulus, "big"))
            key = numbers.public_key()
        except ValueError as error:
            raise Malformed(where, "an RSA key") from error
        if key.key_size != bits:
            raise Malformed(where, f"a key of {bits} bits", f"{key.key_size}")
        return cls(attributes, policy, key, _SHA256 + hashlib.sha256(data).digest())


def verify_quote(
    message: bytes,
    signature: bytes,
    attestation_key: rsa.RSAPublicKey,
    nonce: bytes,
    pcrs: Mapping[int, bytes],
) -> Quote:
    """Check that the key's TPM had exactly these PCR values when asked with this nonce.

    1. The signature is the key's; the message is a quote, and holds the nonce.
    2. The selection is of one bank, SHA-256, and of exactly the PCRs given.
    3. The digest is that of their values in ascending order.
    """
    _check_pcrs(pcrs)
    octets, clock = _attested(message, signature, attestation_key, _QUOTE, nonce)  # 1
    octets.expect(b"\0\0\0\1" + _SHA256 + b"\3", "one selection of 24 SHA-256 PCRs")  # 2
    selected = int.from_bytes(octets.take(3), "little")
    if selected != sum(1 << index for index in pcrs):
        raise Unattested(
            f"the quote selects PCRs {[n for n in range(PCRS) if selected >> n & 1]},"
            f" expected {sorted(pcrs)}"
        )
    digest = octets.sized(_LONGEST)
    octets.end()
    if not hmac.compare_digest(
        hashlib.sha256(b"".join(pcrs[index] for index in sorted(pcrs))).digest(), digest
    ):
        raise Unattested("the digest in the quote is not that of the PCR values")  # 3
    return Quote(nonce, dict(pcrs), *clock)


def verify_certified(
    message: bytes,
    signature: bytes,
    attestation_key: rsa.RSAPublicKey,
    nonce: bytes,
    public: bytes,
) -> RsaPublic:
    """Check that the key's TPM holds the private half of `public`, a TPMT_PUBLIC."""
    found = RsaPublic.parse(public, "certified key")
    octets, _ = _attested(message, signature, attestation_key, _CERTIFY, nonce)
    name = octets.sized(_LONGEST)
    octets.sized(_LONGEST)  # the qualified name adds the key's parents: not needed
    octets.end()
    if not hmac.compare_digest(name, found.name):
        raise Unattested(f"the TPM certified key {name.hex()}, expected {found.name.hex()}")
    return found


class _Octets:
    """Takes a TPM structure apart from the front."""

    def __init__(self, data: bytes, where: str) -> None:
        self._data, self._at, self._where = data, 0, where

    def take(self, size: int) -> bytes:
        found = self._data[self._at : self._at + size]
        if len(found) != size:
            raise Malformed(self._where, f"{size} bytes at {self._at}", f"{len(found)}")
        self._at += size
        return found

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def sized(self, most: int) -> bytes:
        if (size := self.number(2)) > most:
            raise Malformed(self._where, f"at most {most} bytes at {self._at}", f"{size}")
        return self.take(size)

    def expect(self, value: bytes, what: str) -> None:
        if (found := self.take(len(value))) != value:
            raise Malformed(self._where, f"{what} ({value.hex()})", found.hex())

    def end(self) -> None:
        if self._at != len(self._data):
            raise Malformed(self._where, f"to end at {self._at}", f"{len(self._data)} bytes")


def _check_pcrs(pcrs: Mapping[int, bytes]) -> None:
    for index, value in pcrs.items():
        if not 0 <= index < PCRS or len(value) != PCR_BYTES:
            raise Malformed(f"pcrs[{index}]", f"{PCR_BYTES} bytes of a PCR below {PCRS}")


def _attested(
    message: bytes, signature: bytes, key: rsa.RSAPublicKey, kind: bytes, nonce: bytes
) -> tuple[_Octets, tuple[int, int, int, int]]:
    try:
        key.verify(signature, message, padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature as error:
        raise Unattested("the signature of the TPM's attestation key does not hold") from error
    octets = _Octets(message, "TPM attestation")
    octets.expect(_MAGIC + kind, "magic and type")
    octets.sized(_LONGEST)  # who signed: the signature says it better
    found = octets.sized(_LONGEST)
    if not hmac.compare_digest(found, nonce):
        raise Unattested(f"the TPM was asked with nonce {found.hex()}, expected {nonce.hex()}")
    clock, resets, restarts = octets.number(8), octets.number(4), octets.number(4)
    octets.take(1)  # whether the clock may have gone back: nothing rests on it
    return octets, (clock, resets, restarts, octets.number(8))
