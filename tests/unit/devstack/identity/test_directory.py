"""Whom the directory knows, what it asks for, and what it never says."""

import json
from collections.abc import Mapping
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.jose import base64url_bytes
from devstack import tokens
from devstack.identity.answers import Answer
from devstack.identity.directory import VERSION, Directory, Identity
from devstack.tokens import Caller, Issuer
from tests.builders import NOW

KEY = rsa.generate_private_key(65537, 2048)
NORTH, SOUTH = Caller("north", "id-of-north"), Caller("south", "id-of-south")
DIRECTORY = Directory(
    Issuer("http://127.0.0.1:1/tenant", "tenant", KEY),
    (
        Identity(NORTH, "secret/of+north=", ("party:north",)),
        Identity(SOUTH, "secret of south"),
    ),
)
GOOD = (("api-version", VERSION), ("resource", tokens.KEY_VAULT))


def asked(secret: str | None, *said: tuple[str, str]) -> Answer:
    return DIRECTORY.token(secret, said, NOW)


def claims_of(token: str) -> Mapping[str, object]:
    claims: Mapping[str, object] = json.loads(
        base64url_bytes(tokens.LARGEST)(token.split(".")[1], "claims")
    )
    return claims


@pytest.mark.parametrize(
    ("secret", "caller"),
    [("secret/of+north=", NORTH), ("secret of south", SOUTH)],
    ids=["first", "last"],
)
def test_the_secret_tells_who_asks(secret: str, caller: Caller) -> None:
    answer = asked(secret, *GOOD)

    token = str(answer.body["access_token"])
    assert answer.status == HTTPStatus.OK
    assert tokens.verify(token, tokens.KEY_VAULT, KEY.public_key(), NOW, "tenant") == caller


def test_an_answer_repeats_the_resource_as_it_was_asked_for() -> None:
    answer = asked("secret of south", GOOD[0], ("resource", "https://servicebus.azure.net/"))

    assert answer.body["resource"] == "https://servicebus.azure.net/"
    assert answer.body["client_id"] == "id-of-south"
    assert answer.body["expires_on"] == str(int((NOW + tokens.LIFE).timestamp()))


def test_a_vault_of_the_stack_may_be_asked_for_by_the_name_in_its_challenge() -> None:
    answer = asked("secret of south", GOOD[0], ("resource", "https://0.0.1:8451"))

    token = str(answer.body["access_token"])
    assert answer.body["resource"] == "https://0.0.1:8451"
    assert tokens.verify(token, tokens.KEY_VAULT, KEY.public_key(), NOW, "tenant") == SOUTH


@pytest.mark.parametrize(
    ("secret", "roles"),
    [("secret/of+north=", ["party:north"]), ("secret of south", [])],
    ids=["one with a role", "one without"],
)
@pytest.mark.parametrize("slash", ["", "/"])
def test_a_token_for_the_control_plane_tells_the_roles_there(
    secret: str, roles: list[str], slash: str
) -> None:
    answer = asked(secret, GOOD[0], ("resource", f"{tokens.API}{slash}"))

    token = str(answer.body["access_token"])
    tokens.verify(token, tokens.API, KEY.public_key(), NOW, "tenant")
    assert claims_of(token)["roles"] == roles


@pytest.mark.parametrize("audience", sorted({*tokens.AUDIENCES} - {tokens.API}))
def test_a_token_for_anybody_else_tells_no_roles(audience: str) -> None:
    answer = asked("secret/of+north=", GOOD[0], ("resource", audience))

    assert "roles" not in claims_of(str(answer.body["access_token"]))


@pytest.mark.parametrize("name", ["client_id", "object_id", "principal_id"])
def test_an_identity_may_say_its_own_name(name: str) -> None:
    assert asked("secret of south", *GOOD, (name, "id-of-south")).status == HTTPStatus.OK


@pytest.mark.parametrize(
    "secret",
    [
        pytest.param(None, id="none"),
        pytest.param("", id="empty"),
        pytest.param("secret of", id="cut"),
        pytest.param("secret of south ", id="longer"),
        pytest.param("secret of s\udcc3th", id="no text"),
    ],
)
def test_nobody_else_gets_anything(secret: str | None) -> None:
    answer = asked(secret, *GOOD)

    assert (answer.status, answer.body["statusCode"]) == (401, 401)
    assert answer.body.keys() == {"correlationId", "message", "statusCode"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        pytest.param(GOOD[1:], "api-version", id="no version"),
        pytest.param((("api-version", "2017-09-01"), GOOD[1]), "api-version", id="another version"),
        pytest.param((*GOOD, GOOD[1]), "nothing twice", id="resource twice"),
        pytest.param((*GOOD, ("client_id", "id-of-north")), "No User Assigned", id="of another"),
        pytest.param((*GOOD, ("client_id", "")), "No User Assigned", id="empty name"),
        pytest.param((*GOOD, ("mi_res_id", "/subscriptions/1")), "No User Assigned", id="resource"),
        pytest.param(GOOD[:1], "resource: expected one of", id="no resource"),
        pytest.param(
            (GOOD[0], ("resource", "https://vault.azure.net.example")),
            "resource: expected one of https://vault.azure.net, ",
            id="another resource",
        ),
    ],
)
def test_what_cannot_be_granted_is_refused(said: tuple[tuple[str, str], ...], message: str) -> None:
    answer = asked("secret of south", *said)

    assert answer.status == HTTPStatus.BAD_REQUEST
    assert message in str(answer.body["message"])


def test_no_secret_is_in_the_words_for_a_directory() -> None:
    shown = repr(DIRECTORY) + repr(asked("secret of south", *GOOD))

    assert "secret of" not in shown
    assert "access_token" not in shown


def test_a_token_names_the_directory_that_publishes_its_key() -> None:
    configuration, keys = DIRECTORY.configuration(), DIRECTORY.keys()

    assert configuration["issuer"] == "http://127.0.0.1:1/tenant"
    assert configuration["jwks_uri"] == "http://127.0.0.1:1/tenant/discovery/keys"
    (key,) = keys["keys"]
    assert key.keys() == {"alg", "e", "kid", "kty", "n", "use"}
