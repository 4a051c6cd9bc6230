"""What a release starts from: tokens, authorities, policies, answers and wrapped keys."""

import json
from collections.abc import Callable, Iterator, Mapping

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

from cleanroom.jose import jwk
from cleanroom.release import wrapping
from cleanroom.release.wrapping import Wrapping
from tests import tokens
from tests.fuzz import vaults
from tests.fuzz.machines import rsa_key
from tests.fuzz.release_targets import aes_key, policies

type _Seeds = Iterator[tuple[str, bytes]]


def _token() -> _Seeds:
    yield "container", _json(tokens.container())
    yield "machine", _json(tokens.machine())
    yield "header", _json(tokens.header())
    yield (
        "compact",
        tokens.signed(tokens.header(), tokens.container(), rsa_key(vaults.AUTHORITY_KEY)).encode(),
    )


def _authority() -> _Seeds:
    key = rsa_key(vaults.AUTHORITY_KEY).public_key()
    spelled = jwk(key) | {"kid": "a+key=", "use": "sig"}
    certified = {"kid": "b", "kty": "RSA", "x5c": vaults.x5c()}
    other = {"kid": "c", "kty": "EC", "crv": "P-256"}
    yield "keys", _json({"keys": [spelled, certified, other]})
    yield "both", _json({"keys": [jwk(rsa_key("vault").public_key()) | certified]})
    yield "configuration", _json({"issuer": tokens.ISSUER, "jwks_uri": f"{tokens.ISSUER}/certs"})


def _policy() -> _Seeds:
    for name, policy in policies().items():
        yield name, policy.to_bytes()
    leaves = [
        {"claim": "x-ms-sevsnpvm-vmpl", operator: 4}
        for operator in ("less", "lessOrEquals", "greater", "greaterOrEquals")
    ]
    leaves += [{"claim": "a.b", "notEquals": 0}, {"claim": "iss", "exists": False}]
    leaves += [{"claim": "iss", "exists": "true"}, {"claim": "secureboot", "equals": "true"}]
    for i, leaf in enumerate(leaves):
        nested = {"anyOf": [leaf, {"allOf": [leaf, {"anyOf": leaves[:i] or [leaf]}]}]}
        clause = {"authority": f"{tokens.ISSUER}/", "allOf": [nested]}
        yield f"nested-{i}", _json({"version": "1.0.0", "anyOf": [clause]})


def _answer() -> _Seeds:
    yield "payload", _json(vaults.payload())
    header = {"alg": "RS256", "typ": "JWT", "kid": "0F" * 20, "x5c": vaults.x5c()}
    yield "header", _json(header)
    yield "header-of-one", _json(header | {"x5c": vaults.x5c()[:1]})
    yield "answer", vaults.answer({}).encode()


def _wrapped() -> _Seeds:
    room, public = _pkcs8(rsa_key("wrapping")), rsa_key("wrapping").public_key()
    for algorithm in Wrapping:
        whole = wrapping.wrap(room, algorithm, public, bytes(32))
        yield algorithm.value, whole
        yield f"{algorithm.value}-padded", whole[len(aes_key(algorithm)) :]
    yield "room-key", room
    yield "other-room-key", _pkcs8(rsa_key("vault"))
    yield "p256", _pkcs8(ec.derive_private_key(7, ec.SECP256R1()))
    yield "ed25519", _pkcs8(ed25519.Ed25519PrivateKey.from_private_bytes(bytes(32)))
    yield (
        "traditional",
        rsa_key("vault").private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
    )
    yield (
        "encrypted",
        rsa_key("vault").private_bytes(
            serialization.Encoding.DER,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"password"),
        ),
    )


def _pkcs8(
    key: PrivateKeyTypes,
) -> bytes:
    return key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def _json(value: object) -> bytes:
    """Spell it so that a header starts with its algorithm."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


MADE: Mapping[str, Callable[[], _Seeds]] = {
    "token": _token,
    "authority": _authority,
    "policy": _policy,
    "answer": _answer,
    "wrapped": _wrapped,
}
