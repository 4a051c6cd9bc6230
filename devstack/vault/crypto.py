"""Operations with a key that never leaves: encrypt, wrap, sign, and their reverse.

A key does what its own list allows, while it is enabled. Outside of its time it still undoes what
it did before (decrypt, unwrap, verify), as Azure has it.
"""

from collections.abc import Callable, Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.padding import AsymmetricPadding
from cryptography.hazmat.primitives.asymmetric.utils import (
    Prehashed,
    decode_dss_signature,
    encode_dss_signature,
)

from cleanroom.errors import Malformed
from cleanroom.fields import one_of
from cleanroom.jose import base64url_text
from devstack.vault.calls import CRYPTOGRAPHIC
from devstack.vault.keys import KeyVersion
from devstack.vault.material import PrivateKey
from devstack.vault.store import Row
from devstack.vault.vault import Order
from devstack.vault.wire import Answer, Json, base64url, forbidden, good

_PROTECTS = ("encrypt", "wrapKey", "sign")  # the ones that a key does in its time only

_ENCRYPTION: Mapping[str, AsymmetricPadding] = {
    "RSA1_5": padding.PKCS1v15(),
    "RSA-OAEP": padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA1(), None),  # noqa: S303  # its definition
    "RSA-OAEP-256": padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None),
}
_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_RSA_SIGNATURES = tuple(f"{kind}{bits}" for kind in ("RS", "PS") for bits in _HASHES)
_EC_SIGNATURES: Mapping[str, tuple[type[ec.EllipticCurve], hashes.HashAlgorithm]] = {
    "ES256": (ec.SECP256R1, hashes.SHA256()),
    "ES384": (ec.SECP384R1, hashes.SHA384()),
    "ES512": (ec.SECP521R1, hashes.SHA512()),
    "ES256K": (ec.SECP256K1, hashes.SHA256()),
}


def operate(order: Order, row: Row) -> Answer:
    """Carry out one call with a key."""
    key, operation, body = KeyVersion.parse(row), order.call.operation, order.body
    refused = _refused(key, CRYPTOGRAPHIC[operation], order.now)
    if refused:
        return refused
    private, value = key.material.private(), base64url(body.get("value"), "value")
    if operation == "verify":
        digest = base64url(body.get("digest"), "digest")
        return good({"value": _verify(private, body, digest, value)})
    result = _OPERATIONS[operation](private, body, value)
    return good({"kid": order.url(row), "value": base64url_text(result)})


def _refused(key: KeyVersion, word: str, now: int) -> Answer | None:
    if word not in key.operations:
        message = f"Operation {word} is not permitted on this key."
        return forbidden(message, "KeyOperationForbidden")
    if not key.attributes.enabled:
        return disabled(word)
    if word in _PROTECTS and not key.attributes.is_current(now):
        message = f"Operation {word} is not allowed on a key that is expired or not yet valid."
        return forbidden(message, "KeyNotCurrent")
    return None


def disabled(word: str) -> Answer:
    """Refuse to use a disabled key."""
    return forbidden(f"Operation {word} is not allowed on a disabled key.", "KeyDisabled")


def _encrypt(key: PrivateKey, body: Json, value: bytes) -> bytes:
    rsa_key, scheme = _encryption(key, body)
    try:
        return rsa_key.public_key().encrypt(value, scheme)
    except ValueError as error:
        raise Malformed("value", "as many bytes as the algorithm can encrypt") from error


def _decrypt(key: PrivateKey, body: Json, value: bytes) -> bytes:
    rsa_key, scheme = _encryption(key, body)
    try:
        return rsa_key.decrypt(value, scheme)
    except ValueError as error:
        raise Malformed("value", "what this algorithm encrypted to this key") from error


def _encryption(key: PrivateKey, body: Json) -> tuple[rsa.RSAPrivateKey, AsymmetricPadding]:
    algorithm = one_of(*_ENCRYPTION)(body.get("alg"), "alg")
    if not isinstance(key, rsa.RSAPrivateKey):
        raise Malformed("alg", "an algorithm of this key's type")
    return key, _ENCRYPTION[algorithm]


def _sign(key: PrivateKey, body: Json, digest: bytes) -> bytes:
    if isinstance(key, rsa.RSAPrivateKey):
        scheme, algorithm = _rsa_signature(body, digest)
        return key.sign(digest, scheme, Prehashed(algorithm))
    r, s = decode_dss_signature(key.sign(digest, ec.ECDSA(_ec_hash(key, body, digest))))
    size = (key.curve.key_size + 7) // 8
    return r.to_bytes(size, "big") + s.to_bytes(size, "big")


def _verify(key: PrivateKey, body: Json, digest: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            scheme, algorithm = _rsa_signature(body, digest)
            key.public_key().verify(signature, digest, scheme, Prehashed(algorithm))
        else:
            half = len(signature) // 2
            r, s = (int.from_bytes(part, "big") for part in (signature[:half], signature[half:]))
            how = ec.ECDSA(_ec_hash(key, body, digest))
            key.public_key().verify(encode_dss_signature(r, s), digest, how)
    except InvalidSignature:
        return False
    return True


def _rsa_signature(body: Json, digest: bytes) -> tuple[AsymmetricPadding, hashes.HashAlgorithm]:
    name = one_of(*_RSA_SIGNATURES)(body.get("alg"), "alg")
    algorithm = _HASHES[name[2:]]
    _check_size(digest, algorithm)
    if name.startswith("RS"):
        return padding.PKCS1v15(), algorithm
    return padding.PSS(padding.MGF1(algorithm), algorithm.digest_size), algorithm


def _ec_hash(key: ec.EllipticCurvePrivateKey, body: Json, digest: bytes) -> Prehashed:
    curve, algorithm = _EC_SIGNATURES[one_of(*_EC_SIGNATURES)(body.get("alg"), "alg")]
    if not isinstance(key.curve, curve):
        raise Malformed("alg", "the algorithm of this key's curve")
    _check_size(digest, algorithm)
    return Prehashed(algorithm)


def _check_size(digest: bytes, algorithm: hashes.HashAlgorithm) -> None:
    if len(digest) != algorithm.digest_size:
        expected = f"a digest of {algorithm.digest_size} bytes"
        raise Malformed("digest", expected, f"{len(digest)}")


_OPERATIONS: Mapping[str, Callable[[PrivateKey, Json, bytes], bytes]] = {
    "encrypt": _encrypt,
    "wrapkey": _encrypt,
    "decrypt": _decrypt,
    "unwrapkey": _decrypt,
    "sign": _sign,
}
