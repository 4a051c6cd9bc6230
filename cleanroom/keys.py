"""Keys as types: who signs, who reads, and a data key that will not print.

- Signatures: ECDSA P-256 with SHA-256. Readers: RSA-OAEP with SHA-256, 2048 to 4096 bits.
  Fixed by the format version, never negotiated.
- A public key is named by the SHA-256 of its DER SubjectPublicKeyInfo, and spelled as that DER in
  base64; both have one spelling.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Never, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
)

from cleanroom.errors import Malformed, Tampered
from cleanroom.fields import base64_bytes, base64_text
from cleanroom.ids import Digest

DATA_KEY_BYTES = 32  # AES-256
RSA_BITS = (2048, 3072, 4096)  # what Azure Key Vault makes
_LARGEST_DER = 1024
_LARGEST_PEM = 4096
_EXPONENT = 65537

type Unwrap = Callable[[bytes], bytes]
"""RSA-OAEP-256 decryption by whoever holds the private key; raises when it does not fit."""


@dataclass(frozen=True, slots=True)
class _PublicKey(ABC):
    der: bytes

    @classmethod
    @abstractmethod
    def from_crypto(cls, key: object, where: str) -> Self:
        """Accept a key of the `cryptography` package, of the one kind."""

    @classmethod
    def parse(cls, raw: object, where: str) -> Self:
        """Accept base64 of the DER SubjectPublicKeyInfo."""
        return cls.from_crypto(_load_der(base64_bytes(_LARGEST_DER)(raw, where), where), where)

    @classmethod
    def from_pem(cls, pem: bytes, where: str) -> Self:
        """Accept the bytes of a PEM public key file."""
        return cls.from_crypto(_load_pem(pem, where), where)

    @property
    def id(self) -> Digest:
        """The name of the key."""
        return Digest.of(self.der)

    @property
    def pem(self) -> str:
        """The key as a PEM file holds it."""
        return _pem(self.der)

    def to_json(self) -> str:
        """Spell the key as `parse` reads it."""
        return base64_text(self.der)


class SigningKey(_PublicKey):
    """The public half of a party's or a runner's signing key."""

    __slots__ = ()

    @classmethod
    def from_crypto(cls, key: object, where: str) -> Self:
        """Accept ECDSA P-256."""
        if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(
            key.curve, ec.SECP256R1
        ):
            raise Malformed(where, "an ECDSA P-256 public key")
        return cls(_der(key))

    @property
    def public(self) -> ec.EllipticCurvePublicKey:
        """The key as the `cryptography` package has it."""
        key = load_der_public_key(self.der)
        if not isinstance(key, ec.EllipticCurvePublicKey):  # the constructors let no other through
            raise TypeError("a signing key is ECDSA")
        return key


class ReaderKey(_PublicKey):
    """The public half of a reader's key: data keys are wrapped to it."""

    __slots__ = ()

    @classmethod
    def from_crypto(cls, key: object, where: str) -> Self:
        """Accept RSA of a size that Key Vault makes."""
        if (
            not isinstance(key, rsa.RSAPublicKey)
            or key.key_size not in RSA_BITS
            or key.public_numbers().e != _EXPONENT
            or key.public_numbers().n % 2 == 0  # nothing can be encrypted to it
        ):
            raise Malformed(where, "an RSA public key of 2048, 3072 or 4096 bits, exponent 65537")
        return cls(_der(key))

    def wrap(self, data_key: "DataKey") -> bytes:
        """Encrypt a data key for this reader."""
        public = load_der_public_key(self.der)
        if not isinstance(public, rsa.RSAPublicKey):  # the constructors let nothing else through
            raise TypeError("a reader key is RSA")
        return public.encrypt(data_key.expose(), OAEP_SHA256)


@dataclass(frozen=True, slots=True, eq=False)
class DataKey:
    """The AES-256 key of one sealed file; it does not print, compare or pickle."""

    _secret: bytes = field(repr=False, compare=False)

    def __post_init__(self) -> None:
        if len(self._secret) != DATA_KEY_BYTES:
            raise Tampered("the wrapped key does not hold a data key of 32 bytes")

    def expose(self) -> bytes:
        """Hand out the secret; call it only where the cipher is."""
        return self._secret

    def __reduce__(self) -> Never:
        raise TypeError("a data key does not leave the process")


OAEP_SHA256 = padding.OAEP(
    mgf=padding.MGF1(algorithm=hashes.SHA256()), algorithm=hashes.SHA256(), label=None
)


def _load_der(der: bytes, where: str) -> object:
    try:
        key = load_der_public_key(der)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(where, "a DER public key") from error
    if isinstance(key, ec.EllipticCurvePublicKey | rsa.RSAPublicKey) and _der(key) != der:
        raise Malformed(where, "the canonical DER of a public key")
    return key


def _load_pem(pem: bytes, where: str) -> object:
    if len(pem) > _LARGEST_PEM:
        raise Malformed(where, f"a PEM public key of at most {_LARGEST_PEM} bytes", f"{len(pem)}")
    if b"PRIVATE KEY" in pem:
        raise Malformed(where, "a public key", "a private key").with_hint(
            "give the file that ends in .pub.pem; the private one stays where it is"
        )
    try:
        return load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed(where, "a PEM public key") from error


def _der(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _pem(der: bytes) -> str:
    key = load_der_public_key(der)
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode("ascii")
