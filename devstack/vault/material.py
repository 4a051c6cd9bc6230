"""Key material: made here, or imported as a JSON Web Key.

What the wire calls `RSA-HSM` and `EC-HSM` is made as others are: the stack has no such hardware.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from cleanroom.errors import Malformed
from cleanroom.fields import integer, one_of
from cleanroom.jose import base64url_text
from devstack.vault.wire import Json, base64url

HSM = "-HSM"
KINDS = ("RSA", "RSA-HSM", "EC", "EC-HSM")
RSA_BITS = (2048, 3072, 4096)
CURVES: Mapping[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
    "P-256K": ec.SECP256K1(),
}
_CURVE_NAMES = {curve.name: name for name, curve in CURVES.items()}
_EXPONENT = 65537
_kind, _curve = one_of(*KINDS), one_of(*CURVES)

type PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey


@dataclass(frozen=True, slots=True)
class Material:
    """One key pair: its kind on the wire, its public half as in a JWK, its private half."""

    kind: str
    public: Mapping[str, str]
    pkcs8: bytes = field(repr=False)

    @property
    def in_hardware(self) -> bool:
        """Whether the wire says that it is in a hardware module."""
        return self.kind.endswith(HSM)

    def private(self) -> PrivateKey:
        """Load the private half; it was checked when it came."""
        key = load_der_private_key(self.pkcs8, None, unsafe_skip_rsa_key_validation=True)
        assert isinstance(key, rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey)  # noqa: S101  # we wrote it
        return key

    def another(self) -> "Material":
        """Make a key of the same kind and size."""
        key = self.private()
        if isinstance(key, rsa.RSAPrivateKey):
            return Material.of(self.kind, rsa.generate_private_key(_EXPONENT, key.key_size))
        return Material.of(self.kind, ec.generate_private_key(key.curve))

    @classmethod
    def of(cls, kind: str, key: PrivateKey) -> "Material":
        """Take a key apart."""
        der = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        return cls(kind, _public(key), der)


def generate(body: Json) -> Material:
    """Make what the body of a create request asks for."""
    kind = _kind(body.get("kty"), "kty")
    if kind.startswith("EC"):
        curve = CURVES[_curve(body.get("crv") or "P-256", "crv")]
        return Material.of(kind, ec.generate_private_key(curve))
    if body.get("public_exponent") not in (None, _EXPONENT):
        raise Malformed("public_exponent", f"{_EXPONENT}")
    size = integer(1)(body.get("key_size") or RSA_BITS[0], "key_size")
    return Material.of(kind, rsa.generate_private_key(_EXPONENT, _rsa_bits(size, "key_size")))


def imported(jwk: Json, *, in_hardware: bool) -> Material:
    """Accept a private JSON Web Key, if its numbers belong together."""
    kind = _kind(jwk.get("kty"), "key.kty")
    try:
        key = _ec_key(jwk) if kind.startswith("EC") else _rsa_key(jwk)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise Malformed("key", "the numbers of one private key") from error
    return Material.of(kind.removesuffix(HSM) + (HSM if in_hardware else ""), key)


def _rsa_key(jwk: Json) -> rsa.RSAPrivateKey:
    n, e, d, p, q, dp, dq, qi = (
        _number(jwk, name) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")
    )
    _rsa_bits(n.bit_length(), "key.n")
    if e != _EXPONENT:
        raise Malformed("key.e", f"{_EXPONENT}")
    numbers = rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, rsa.RSAPublicNumbers(e, n))
    return numbers.private_key()


def _ec_key(jwk: Json) -> ec.EllipticCurvePrivateKey:
    curve = CURVES[_curve(jwk.get("crv"), "key.crv")]
    public = ec.EllipticCurvePublicNumbers(_number(jwk, "x"), _number(jwk, "y"), curve)
    return ec.EllipticCurvePrivateNumbers(_number(jwk, "d"), public).private_key()


def _number(jwk: Json, name: str) -> int:
    data = base64url(jwk.get(name), f"key.{name}")
    if not 1 <= len(data) <= RSA_BITS[-1] // 8 + 1:  # some spell a zero before it
        raise Malformed(f"key.{name}", "a number of a key's size")
    return int.from_bytes(data, "big")


def _rsa_bits(bits: int, where: str) -> int:
    if bits not in RSA_BITS:
        raise Malformed(where, "an RSA key of " + " or ".join(map(str, RSA_BITS)) + " bits")
    return bits


def _public(key: PrivateKey) -> dict[str, str]:
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {"n": _text(public.n, key.key_size // 8), "e": _text(public.e, 3)}
    point = key.public_key().public_numbers()
    size = (key.curve.key_size + 7) // 8
    name = _CURVE_NAMES[key.curve.name]
    return {"crv": name, "x": _text(point.x, size), "y": _text(point.y, size)}


def _text(number: int, size: int) -> str:
    return base64url_text(number.to_bytes(size, "big"))
