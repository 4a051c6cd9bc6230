"""The little of JOSE that attestation services and vaults speak: compact JWS, RSA keys as JWK.

- RS256 only, and only with a key that the caller brings: nothing in a header chooses it.
- Base64url without padding; a value has one spelling (RFC 7515 §2).
- A header holds known fields only. `crit` and `b64` would change what is signed, `zip` and `enc`
  what is read: unknown means refuse.
"""

import base64
import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom.canonical import canonical, parse_json
from cleanroom.errors import Malformed
from cleanroom.fields import Fields, Parser, base64_bytes, exactly, kind, list_of, text

LARGEST_CERTIFICATE = 8192
RSA_BITS = range(2048, 4096 + 1)
_EXPONENT = 65537
_MOST_CERTIFICATES = 8
_LARGEST_HEADER = 1 << 16
_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_BASE64URL = re.compile(r"[A-Za-z0-9_-]*")
_UNUSED = ("jku", "x5t", "x5t#S256")  # real headers have them; a key is never taken from them


def base64url_bytes(most: int) -> Parser[bytes]:
    """Base64url without padding, one spelling only."""

    def parse(raw: object, where: str) -> bytes:
        if not isinstance(raw, str) or len(raw) > (4 * most + 2) // 3:
            raise Malformed(where, f"base64url of at most {most} bytes")
        if not _BASE64URL.fullmatch(raw) or len(raw) % 4 == 1:
            raise Malformed(where, "base64url without padding")
        data = base64.urlsafe_b64decode(raw + "=" * (-len(raw) % 4))
        if base64url_text(data) != raw:  # stray bits in the last character
            raise Malformed(where, "canonical base64url")
        return data

    return parse


def base64url_text(data: bytes) -> str:
    """Spell bytes as `base64url_bytes` reads them."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def json_object(raw: object, where: str) -> Mapping[str, object]:
    """Accept an object of a foreign format, whose other fields are no concern of ours."""
    if not isinstance(raw, Mapping):
        raise Malformed(where, "an object with named fields", kind(raw))
    return raw


@dataclass(frozen=True, slots=True)
class Jws:
    """A compact JWS taken apart: nothing in it is trusted until a key says so."""

    key_id: str | None
    certificates: tuple[bytes, ...]
    _signed: bytes = field(repr=False)
    _payload: bytes = field(repr=False)
    _signature: bytes = field(repr=False)

    @classmethod
    def parse(cls, compact: str, where: str, limit: int) -> "Jws":
        """Accept three parts, of which the first is a header without surprises."""
        if len(compact) > limit:
            raise Malformed(where, f"at most {limit} characters", f"{len(compact)}")
        if not _COMPACT.fullmatch(compact):
            raise Malformed(where, "three parts of base64url with dots between")
        signed, _, signature = compact.rpartition(".")
        header, _, payload = signed.partition(".")
        place = f"{where}.header"
        raw = base64url_bytes(_LARGEST_HEADER)(header, place)
        fields = json_object(parse_json(raw, place, _LARGEST_HEADER), place)
        f = Fields({k: v for k, v in fields.items() if k not in _UNUSED}, place)
        f.take("alg", exactly("RS256"))
        if "typ" in fields:
            f.take("typ", exactly("JWT"))
        key_id = f.take("kid", text(256)) if "kid" in fields else None
        chain = list_of(base64_bytes(LARGEST_CERTIFICATE), 1, _MOST_CERTIFICATES)
        certificates = f.take("x5c", chain) if "x5c" in fields else ()
        f.end()
        return cls(
            key_id,
            certificates,
            signed.encode("ascii"),
            base64url_bytes(limit)(payload, f"{where}.payload"),
            base64url_bytes(RSA_BITS[-1] // 8)(signature, f"{where}.signature"),
        )

    def payload_by(self, key: rsa.RSAPublicKey) -> bytes | None:
        """Return the payload if this key signed it, else nothing."""
        try:
            key.verify(self._signature, self._signed, padding.PKCS1v15(), SHA256())
        except InvalidSignature:
            return None
        return self._payload


def rsa_key(key: object, where: str) -> rsa.RSAPublicKey:
    """Accept an RSA key of the `cryptography` package, of a size and exponent that are safe."""
    if (
        not isinstance(key, rsa.RSAPublicKey)
        or key.key_size not in RSA_BITS
        or key.public_numbers().e != _EXPONENT
    ):
        raise Malformed(
            where, f"an RSA key of {RSA_BITS[0]} to {RSA_BITS[-1]} bits, exponent {_EXPONENT}"
        )
    return key


def parse_jwk(jwk: Mapping[str, object], where: str) -> rsa.RSAPublicKey:
    """Accept the `n` and `e` of an RSA key; its other fields are the caller's."""
    f = Fields(jwk, where)
    n = f.take("n", base64url_bytes(RSA_BITS[-1] // 8))
    f.take("e", exactly(base64url_text(_bytes(_EXPONENT))))
    if not n or not n[0]:
        raise Malformed(f"{where}.n", "a number without leading zeros")
    try:
        key = rsa.RSAPublicNumbers(_EXPONENT, int.from_bytes(n, "big")).public_key()
    except ValueError as error:  # an even modulus, or one of a few bits
        raise Malformed(f"{where}.n", "the modulus of an RSA key") from error
    return rsa_key(key, where)


def jwk(key: rsa.RSAPublicKey) -> dict[str, str]:
    """Spell a key as `parse_jwk` reads it, with its thumbprint (RFC 7638) as its name."""
    numbers = key.public_numbers()
    fields = {
        "e": base64url_text(_bytes(numbers.e)),
        "kty": "RSA",
        "n": base64url_text(_bytes(numbers.n)),
    }
    thumbprint = hashlib.sha256(canonical(fields, "jwk")).digest()
    return fields | {"kid": base64url_text(thumbprint)}


def _bytes(number: int) -> bytes:
    return number.to_bytes((number.bit_length() + 7) // 8, "big")
