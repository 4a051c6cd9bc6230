"""Operations with a key that stays: what it may do, when, and to what."""

import hashlib
from typing import Any

import pytest

from cleanroom.jose import base64url_text
from tests.builders import NOW
from tests.tokens import rsa_key
from tests.vaults import Asker, rsa_jwk

AT = int(NOW.timestamp())
JWK = rsa_jwk(rsa_key())
TEXT = base64url_text(b"text")


def digest(bits: int) -> str:
    return base64url_text(hashlib.new(f"sha{bits}", b"text").digest())


@pytest.fixture
def rsa(owner: Asker) -> Asker:
    owner.good("PUT", "/keys/a", {"key": JWK})
    return owner


@pytest.mark.parametrize("algorithm", ["RSA1_5", "RSA-OAEP", "RSA-OAEP-256"])
@pytest.mark.parametrize(("there", "back"), [("encrypt", "decrypt"), ("wrapkey", "unwrapkey")])
def test_what_is_encrypted_can_be_decrypted(
    there: str, back: str, algorithm: str, rsa: Asker
) -> None:
    sealed = rsa.good("POST", f"/keys/a//{there}", {"alg": algorithm, "value": TEXT})

    opened = rsa.good("POST", f"/keys/a//{back}", {"alg": algorithm, "value": sealed["value"]})

    assert opened["value"] == TEXT
    assert opened["kid"] == sealed["kid"]
    assert opened["kid"].startswith("https://127.0.0.1:8451/keys/a/")


@pytest.mark.parametrize(
    ("name", "curve", "algorithm", "bits"),
    [
        ("a", "P-256", "RS256", 256),
        ("a", "P-256", "RS384", 384),
        ("a", "P-256", "RS512", 512),
        ("a", "P-256", "PS256", 256),
        ("a", "P-256", "PS384", 384),
        ("a", "P-256", "PS512", 512),
        ("b", "P-256", "ES256", 256),
        ("b", "P-384", "ES384", 384),
        ("b", "P-521", "ES512", 512),
        ("b", "P-256K", "ES256K", 256),
    ],
)
def test_a_signature_holds_for_what_was_signed_only(
    name: str, curve: str, algorithm: str, bits: int, rsa: Asker
) -> None:
    rsa.good("POST", "/keys/b/create", {"kty": "EC", "crv": curve})
    body = {"alg": algorithm, "value": digest(bits)}
    other = base64url_text(bytes(bits // 8))

    signed = rsa.good("POST", f"/keys/{name}//sign", body)["value"]

    held = {"alg": algorithm, "digest": digest(bits), "value": signed}
    assert rsa.good("POST", f"/keys/{name}//verify", held) == {"value": True}
    assert rsa.good("POST", f"/keys/{name}//verify", held | {"digest": other}) == {"value": False}


@pytest.mark.parametrize("signature", ["", "AA", "AAAA", base64url_text(bytes(64))])
def test_what_is_no_signature_does_not_hold(signature: str, owner: Asker) -> None:
    owner.good("POST", "/keys/b/create", {"kty": "EC"})
    body = {"alg": "ES256", "digest": digest(256), "value": signature}

    assert owner.good("POST", "/keys/b//verify", body) == {"value": False}


@pytest.mark.parametrize(
    ("operation", "body"),
    [
        pytest.param("encrypt", {"value": TEXT}, id="no algorithm"),
        pytest.param("encrypt", {"alg": "A128GCM", "value": TEXT}, id="another's algorithm"),
        pytest.param("encrypt", {"alg": "RSA-OAEP"}, id="no value"),
        pytest.param("encrypt", {"alg": "RSA-OAEP", "value": "*"}, id="no base64"),
        pytest.param("encrypt", {"alg": "RSA-OAEP", "value": "A" * 400}, id="too long"),
        pytest.param("decrypt", {"alg": "RSA-OAEP", "value": TEXT}, id="not encrypted"),
        pytest.param("sign", {"alg": "RS256", "value": TEXT}, id="no digest"),
        pytest.param("sign", {"alg": "ES256", "value": digest(256)}, id="of another key"),
        pytest.param("verify", {"alg": "RS256", "value": TEXT}, id="digest of nothing"),
    ],
)
def test_what_a_key_cannot_do_is_a_bad_parameter(
    operation: str, body: dict[str, str], rsa: Asker
) -> None:
    assert rsa.refused("POST", f"/keys/a//{operation}", body)[:2] == (400, "BadParameter")


@pytest.mark.parametrize(
    ("operation", "algorithm"), [("encrypt", "RSA-OAEP"), ("sign", "RS256"), ("sign", "ES384")]
)
def test_a_key_of_another_type_cannot(operation: str, algorithm: str, owner: Asker) -> None:
    operations = ["sign", "encrypt"]
    owner.good("POST", "/keys/b/create", {"kty": "EC", "key_ops": operations})

    found = owner.refused("POST", f"/keys/b//{operation}", {"alg": algorithm, "value": digest(384)})

    assert found[:2] == (400, "BadParameter")


def test_a_key_does_what_its_list_says_and_no_more(owner: Asker) -> None:
    owner.good("PUT", "/keys/a", {"key": JWK, "key_ops": ["wrapKey"]})
    body = {"alg": "RSA-OAEP", "value": TEXT}

    found = owner.refused("POST", "/keys/a//encrypt", body)

    assert owner.good("POST", "/keys/a//wrapkey", body)
    assert found == (
        403,
        "Forbidden",
        "Operation encrypt is not permitted on this key.",
        "KeyOperationForbidden",
    )


def test_a_disabled_key_does_nothing(rsa: Asker) -> None:
    rsa.good("PATCH", "/keys/a", {"attributes": {"enabled": False}})

    found = rsa.refused("POST", "/keys/a//decrypt", {"alg": "RSA-OAEP", "value": TEXT})

    assert found == (
        403,
        "Forbidden",
        "Operation decrypt is not allowed on a disabled key.",
        "KeyDisabled",
    )


@pytest.mark.parametrize(
    "attributes",
    [{"exp": AT}, {"nbf": AT + 1}],
    ids=["expired", "not yet valid"],
)
def test_a_key_of_another_time_only_undoes(attributes: dict[str, Any], rsa: Asker) -> None:
    sealed = rsa.good("POST", "/keys/a//encrypt", {"alg": "RSA-OAEP", "value": TEXT})["value"]
    rsa.good("PATCH", "/keys/a", {"attributes": attributes})

    found = rsa.refused("POST", "/keys/a//encrypt", {"alg": "RSA-OAEP", "value": TEXT})
    opened = rsa.good("POST", "/keys/a//decrypt", {"alg": "RSA-OAEP", "value": sealed})

    assert found[0] == 403
    assert opened["value"] == TEXT
