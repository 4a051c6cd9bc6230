"""Tokens name whom the directory knows, to one audience, for a day."""

import json
from collections.abc import Mapping
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from cleanroom.errors import CleanroomError, Malformed, Unattested
from cleanroom.jose import base64url_bytes, base64url_text
from devstack import tokens
from devstack.tokens import Caller, Issuer
from tests.builders import NOW

KEY, OTHER = rsa.generate_private_key(65537, 2048), rsa.generate_private_key(65537, 2048)
NORTH = Caller("north", "id-of-north")
ISSUER = Issuer("http://127.0.0.1:1/tenant", "tenant", KEY)


def claims(token: str) -> Mapping[str, object]:
    body = token.split(".")[1]
    found: Mapping[str, object] = json.loads(base64url_bytes(1 << 14)(body, "claims"))
    return found


def resigned(**changes: object) -> str:
    """Give a token of the directory's own key in which something is different, or missing."""
    fields = dict(claims(ISSUER.issue(NORTH, tokens.KEY_VAULT, NOW))) | changes
    kept = {name: value for name, value in fields.items() if value is not None}
    parts = ({"alg": "RS256", "typ": "JWT"}, kept)
    signed = ".".join(base64url_text(json.dumps(part).encode()) for part in parts)
    signature = KEY.sign(signed.encode(), padding.PKCS1v15(), SHA256())
    return f"{signed}.{base64url_text(signature)}"


def read(token: str, minutes: float = 0) -> Caller:
    now = NOW + timedelta(minutes=minutes)
    return tokens.verify(token, tokens.KEY_VAULT, KEY.public_key(), now, "tenant")


@pytest.mark.parametrize("audience", [tokens.KEY_VAULT, tokens.KEY_VAULT + "/"])
def test_a_token_names_its_caller(audience: str) -> None:
    assert read(ISSUER.issue(NORTH, audience, NOW)) == NORTH


def test_a_token_has_the_claims_of_a_managed_identitys() -> None:
    found = claims(ISSUER.issue(NORTH, tokens.KEY_VAULT, NOW))

    assert found["iss"] == ISSUER.url
    assert found["tid"] == "tenant"
    assert found["oid"] == found["sub"] == found["appid"] == NORTH.object_id
    assert int(str(found["exp"])) - int(str(found["iat"])) == 24 * 3600


@pytest.mark.parametrize(
    "minutes",
    [-5, 0, 24 * 60, 24 * 60 + 4.9],
    ids=["leeway before", "at once", "a day later", "leeway after"],
)
def test_a_token_is_valid_for_a_day(minutes: float) -> None:
    assert read(ISSUER.issue(NORTH, tokens.KEY_VAULT, NOW), minutes) == NORTH


@pytest.mark.parametrize("minutes", [-6, 24 * 60 + 5], ids=["before", "after"])
def test_a_token_is_not_valid_at_other_times(minutes: float) -> None:
    with pytest.raises(Unattested, match=r"^token: expected one that is valid now$"):
        read(ISSUER.issue(NORTH, tokens.KEY_VAULT, NOW), minutes)


@pytest.mark.parametrize(
    ("token", "error", "message"),
    [
        pytest.param(
            Issuer(ISSUER.url, "tenant", OTHER).issue(NORTH, tokens.KEY_VAULT, NOW),
            Unattested,
            "expected one that this stack's directory signed",
            id="another directory",
        ),
        pytest.param(
            ISSUER.issue(NORTH, tokens.STORAGE, NOW),
            Unattested,
            f"expected the audience {tokens.KEY_VAULT}, got '{tokens.STORAGE}'",
            id="another audience",
        ),
        pytest.param(
            ISSUER.of("elsewhere").issue(NORTH, tokens.KEY_VAULT, NOW),
            Unattested,
            "expected one of the directory tenant, got 'elsewhere'",
            id="another directory of the same server",
        ),
        pytest.param(
            resigned(aud="https://vault.azure.net.example"),
            Unattested,
            "expected the audience",
            id="an audience that begins alike",
        ),
        pytest.param(resigned(exp=None), Malformed, "a field 'exp'", id="no end"),
        pytest.param(resigned(nbf="soon"), Malformed, "token.nbf: expected", id="no time"),
        pytest.param(resigned(tid=None), Malformed, "a field 'tid'", id="of no directory"),
        pytest.param(resigned(oid=None), Malformed, "a field 'oid'", id="nobody"),
        pytest.param(resigned(name=["north"]), Malformed, "token.name: expected", id="no name"),
        pytest.param("a.b", Malformed, "three parts", id="no token"),
        pytest.param("a" * ((1 << 14) + 1), Malformed, "at most 16384", id="too long"),
        pytest.param("\u00e9.a.a", Malformed, "three parts", id="no ASCII"),
    ],
)
def test_another_token_is_refused(token: str, error: type[CleanroomError], message: str) -> None:
    with pytest.raises(error, match=message):
        read(token)


@pytest.mark.parametrize("header", ["Bearer a.b.c", "bearer a.b.c", "Bearer  a.b.c "])
def test_a_token_stands_in_the_header(header: str) -> None:
    assert tokens.bearer(header) == "a.b.c"


@pytest.mark.parametrize(
    "header", [None, "", "Bearer", "Bearer ", "Basic abc", "a.b.c", "Bearer \udcf6"]
)
def test_a_header_without_a_token_is_refused(header: str | None) -> None:
    with pytest.raises(Malformed, match=r"^Authorization: expected 'Bearer' and a token$"):
        tokens.bearer(header)
