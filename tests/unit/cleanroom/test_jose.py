"""Base64url, compact JWS and JWK: one spelling each, and nothing that a header could choose."""

import re
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed
from cleanroom.jose import (
    Jws,
    base64url_bytes,
    base64url_text,
    json_object,
    jwk,
    parse_jwk,
    rsa_key,
)
from tests import tokens
from tests.tokens import AUTHORITY_KEY, OTHER_KEY, header, signed

LIMIT = 10_000
PAYLOAD = b'{"a":1}'


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("AAA=", "base64url without padding", id="padded"),
        pytest.param("A", "base64url without padding", id="six bits"),
        pytest.param("+/AA", "base64url without padding", id="the other alphabet"),
        pytest.param("AAA\n", "base64url without padding", id="line feed after"),
        pytest.param("AAB", "canonical base64url", id="stray bits"),
        pytest.param("AAAAAAA", "base64url of at most 4 bytes", id="too long"),
        pytest.param(1, "base64url of at most 4 bytes", id="a number"),
    ],
)
def test_another_spelling_of_base64url_is_refused(text: object, expected: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {expected}$"):
        base64url_bytes(4)(text, "x")


@given(st.binary(max_size=50))
def test_bytes_have_one_spelling(data: bytes) -> None:
    assert base64url_bytes(50)(base64url_text(data), "x") == data


def test_an_object_is_an_object() -> None:
    with pytest.raises(Malformed, match=r"^x: expected an object with named fields, got a list$"):
        json_object([], "x")


def test_a_signature_shows_the_payload() -> None:
    jws = Jws.parse(signed(header(), PAYLOAD, AUTHORITY_KEY), "x", LIMIT)

    assert (jws.key_id, jws.certificates) == ("a+key=", ())
    assert jws.payload_by(AUTHORITY_KEY.public_key()) == PAYLOAD
    assert jws.payload_by(OTHER_KEY.public_key()) is None


def test_a_header_may_be_bare() -> None:
    jws = Jws.parse(signed({"alg": "RS256"}, PAYLOAD, AUTHORITY_KEY), "x", LIMIT)

    assert jws.key_id is None


def test_certificates_come_out_of_the_header_in_order() -> None:
    jws = Jws.parse(signed(header(x5c=["AAAA", "AAAB"]), PAYLOAD, AUTHORITY_KEY), "x", LIMIT)

    assert jws.certificates == (b"\0\0\0", b"\0\0\1")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        pytest.param({"alg": "none"}, "x.header.alg: expected 'RS256', got 'none'", id="unsigned"),
        pytest.param({"alg": "HS256"}, "x.header.alg: expected 'RS256', got 'HS256'", id="HMAC"),
        pytest.param({"alg": "PS256"}, "x.header.alg: expected 'RS256', got 'PS256'", id="PSS"),
        pytest.param({"alg": "rs256"}, "x.header.alg: expected 'RS256', got 'rs256'", id="case"),
        pytest.param({"alg": None}, "x.header.alg: expected 'RS256', got nothing", id="null"),
        pytest.param({"typ": "at+jwt"}, "x.header.typ: expected 'JWT'", id="another type"),
        pytest.param({"kid": 1}, "x.header.kid: expected text, got a number", id="numeric kid"),
        pytest.param(
            {"crit": ["exp"]}, "x.header: expected no other field, got 'crit'", id="critical"
        ),
        pytest.param(
            {"b64": False}, "x.header: expected no other field, got 'b64'", id="unencoded payload"
        ),
        pytest.param(
            {"jwk": {}}, "x.header: expected no other field, got 'jwk'", id="brings its own key"
        ),
        pytest.param({"zip": "DEF"}, "x.header: expected no other field, got 'zip'", id="packed"),
        pytest.param({"x5c": []}, "x.header.x5c: expected 1 to 8 entries, got 0", id="no x5c"),
        pytest.param(
            {"x5c": ["AAAA"] * 9}, "x.header.x5c: expected 1 to 8 entries, got 9", id="long x5c"
        ),
        pytest.param(
            {"x5c": ["A_-A"]}, "x.header.x5c[0]: expected standard base64", id="x5c in base64url"
        ),
    ],
)
def test_a_header_that_says_more_or_other_is_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Jws.parse(signed(header(**fields), PAYLOAD, AUTHORITY_KEY), "x", LIMIT)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param(b"[]", "x.header: expected an object with named fields", id="a list"),
        pytest.param(b"{}", "x.header: expected a field 'alg'", id="no algorithm"),
        pytest.param(
            b'{"alg":"none","alg":"RS256"}', "x.header: expected each field once", id="twice"
        ),
        pytest.param(b"\xff", "x.header: expected JSON in UTF-8", id="no JSON"),
    ],
)
def test_a_header_that_is_no_object_is_refused(head: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        Jws.parse(signed(head, PAYLOAD, AUTHORITY_KEY), "x", LIMIT)


def spelled(change: str) -> str:
    first, second, third = signed(header(), PAYLOAD, AUTHORITY_KEY).split(".")
    return change.format(first, second, third)


@pytest.mark.parametrize(
    "change",
    [
        pytest.param("", id="nothing"),
        pytest.param("{0}.{1}", id="two parts"),
        pytest.param("{0}.{1}.{2}.", id="dot after"),
        pytest.param("{0}.{1}.{2}.{2}", id="four parts"),
        pytest.param("{0}.{1}.", id="no signature"),
        pytest.param("{0}..{2}", id="no payload"),
        pytest.param("{0}=.{1}.{2}", id="padding"),
        pytest.param("{0}.{1}.{2}\n", id="line feed after"),
        pytest.param(" {0}.{1}.{2}", id="space before"),
        pytest.param("{0}.{1}.{2}\u0660", id="not ASCII"),
        pytest.param("{0}.{1}.\ud800{2}", id="half a character"),
    ],
)
def test_anything_but_three_parts_is_refused(change: str) -> None:
    with pytest.raises(Malformed, match=r"^x: expected three parts of base64url with dots"):
        Jws.parse(spelled(change), "x", LIMIT)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param("{0}.A.{2}", "x.payload: expected base64url without", id="payload"),
        pytest.param("{0}.{1}.A", "x.signature: expected base64url without", id="signature"),
        pytest.param("A.{1}.{2}", "x.header: expected base64url without", id="header"),
        pytest.param(
            "{0}.{1}.{2}{2}{2}",
            "x.signature: expected base64url of at most 512",
            id="signature long",
        ),
    ],
)
def test_a_part_that_is_not_base64url_is_refused(change: str, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        Jws.parse(spelled(change), "x", LIMIT)


def test_a_long_text_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed, match=r"^x: expected at most 10000 characters, got 10001$"):
        Jws.parse("A" * (LIMIT + 1), "x", LIMIT)


@given(st.text(alphabet="AQ_-.=é", max_size=40) | st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(CleanroomError):
        Jws.parse(text, "x", LIMIT)


# --- keys


def test_a_key_comes_back_as_it_went() -> None:
    key = AUTHORITY_KEY.public_key()

    assert parse_jwk(jwk(key), "x").public_numbers() == key.public_numbers()


def test_a_key_is_named_by_its_thumbprint() -> None:
    """The example of RFC 7638 §3.1."""
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECP"
        "ebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY"
        "368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0f"
        "M4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
    )

    named = jwk(parse_jwk({"n": modulus, "e": "AQAB"}, "x"))

    assert named == {
        "e": "AQAB",
        "kty": "RSA",
        "n": modulus,
        "kid": "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs",
    }


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param({"e": "AAEAAQ"}, "x.e: expected 'AQAB'", id="leading zero in e"),
        pytest.param({"e": "Aw"}, "x.e: expected 'AQAB'", id="exponent 3"),
        pytest.param({"n": ""}, "x.n: expected a number without", id="empty"),
        pytest.param({"n": "AAAB"}, "x.n: expected a number without", id="leading zero"),
        pytest.param({"n": "_-8"}, "x.n: expected the modulus of an RSA key", id="16 bits"),
        pytest.param({"n": 5}, "x.n: expected base64url", id="a number"),
        pytest.param(
            {"n": "A" * 800}, "x.n: expected base64url of at most 512 bytes", id="too large"
        ),
        pytest.param(
            jwk(tokens.rsa_key(1024).public_key()), "x: expected an RSA key of 2048", id="1024 bits"
        ),
    ],
)
def test_a_key_that_is_weak_or_misspelled_is_refused(spoil: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        parse_jwk(jwk(AUTHORITY_KEY.public_key()) | spoil, "x")


@pytest.mark.parametrize("name", ["n", "e"])
def test_a_key_has_both_its_numbers(name: str) -> None:
    numbers = jwk(AUTHORITY_KEY.public_key())
    del numbers[name]

    with pytest.raises(Malformed, match=f"^x: expected a field '{name}'$"):
        parse_jwk(numbers, "x")


def test_only_rsa_keys_are_rsa_keys() -> None:
    with pytest.raises(Malformed, match=r"^x: expected an RSA key of 2048 to 4096 bits"):
        rsa_key(object(), "x")
