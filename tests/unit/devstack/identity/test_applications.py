"""An application of the operator's gets tokens where it was let in, by the identity it trusts."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from http import HTTPStatus

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from devstack import tokens
from devstack.identity.answers import Answer
from devstack.identity.applications import ASSERTION, GRANT, Application
from devstack.identity.directory import Directory
from devstack.tokens import Caller, Issuer
from tests.builders import NOW

KEY, OTHER = (rsa.generate_private_key(65537, 2048) for _ in range(2))
OURS = Issuer("http://127.0.0.1:1/ours", "ours", KEY)
VERSION_2 = Issuer(OURS.federated, "ours", KEY)
RUNNER, NORTH = Caller("runner", "id-of-runner"), Caller("north", "id-of-north")
APP = Application("app", "id-of-app", OURS.federated, "id-of-runner", {"bank": "app-in-bank"})
LONELY = Application("lonely", "id-of-lonely", OURS.federated, "id-of-runner", {})
DIRECTORY = Directory(OURS, (), frozenset({"bank", "insurer"}), (LONELY, APP))


def shown(
    caller: Caller = RUNNER,
    audience: str = tokens.EXCHANGE,
    issuer: Issuer = OURS,
    now: datetime = NOW,
) -> str:
    return issuer.issue(caller, audience, now)


def form(**changes: str) -> list[tuple[str, str]]:
    said = {
        "client_id": "id-of-app",
        "grant_type": GRANT,
        "scope": f"{tokens.STORAGE}/.default",
        "client_assertion_type": ASSERTION,
        "client_assertion": shown(),
    }
    return [(name, value) for name, value in (said | changes).items() if value]


def asked(tenant: str = "bank", **changes: str) -> Answer:
    return DIRECTORY.exchanged(tenant, form(**changes), NOW)


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        pytest.param(f"{tokens.STORAGE}/.default", tokens.STORAGE, id="storage"),
        pytest.param("https://0.0.1:8451/.default", tokens.KEY_VAULT, id="a vault of the stack"),
    ],
)
def test_an_application_that_was_let_in_gets_a_token(scope: str, audience: str) -> None:
    answer = asked(scope=scope)

    token = str(answer.body["access_token"])
    assert answer.status == HTTPStatus.OK
    assert answer.body["expires_in"] == 24 * 3600
    caller = tokens.verify(token, audience, KEY.public_key(), NOW, "bank")
    assert caller == Caller("app", "app-in-bank")


def test_the_token_names_the_application_and_the_directory() -> None:
    claims = tokens.opened(str(asked().body["access_token"]), KEY.public_key())

    found = {name: claims.take(name, lambda raw, _: raw) for name in ("appid", "iss", "oid", "tid")}
    assert found == {
        "appid": "id-of-app",
        "iss": "http://127.0.0.1:1/bank",
        "oid": "app-in-bank",
        "tid": "bank",
    }


CASES: list[tuple[str, str, Mapping[str, str], int, str]] = [
    ("no such directory", "nobody", {}, 90002, "invalid_request"),
    ("not let in", "insurer", {}, 7000229, "unauthorized_client"),
    ("not let in at home", "ours", {}, 7000229, "unauthorized_client"),
    ("let in nowhere", "bank", {"client_id": "id-of-lonely"}, 7000229, "unauthorized_client"),
    ("unknown", "bank", {"client_id": "x"}, 700016, "unauthorized_client"),
    ("no assertion", "bank", {"client_assertion": ""}, 900144, "invalid_request"),
    ("no scope", "bank", {"scope": ""}, 900144, "invalid_request"),
    ("password", "bank", {"grant_type": "password"}, 70003, "unsupported_grant_type"),
    ("no jwt", "bank", {"client_assertion_type": "saml"}, 700030, "invalid_client"),
    ("no token", "bank", {"client_assertion": "a.b.c"}, 50027, "invalid_client"),
    (
        "signed by another",
        "bank",
        {"client_assertion": shown(issuer=Issuer(OURS.url, "ours", OTHER))},
        50027,
        "invalid_client",
    ),
    (
        "too late",
        "bank",
        {"client_assertion": shown(now=NOW - timedelta(days=2))},
        700024,
        "invalid_client",
    ),
    (
        "of another directory",
        "bank",
        {"client_assertion": shown(issuer=OURS.of("bank"))},
        700211,
        "invalid_client",
    ),
    ("of another identity", "bank", {"client_assertion": shown(NORTH)}, 700213, "invalid_client"),
    (
        "a token for storage",
        "bank",
        {"client_assertion": shown(audience=tokens.STORAGE, issuer=VERSION_2)},
        700212,
        "invalid_client",
    ),
    ("no such service", "bank", {"scope": "https://x/.default"}, 500011, "invalid_resource"),
    ("no scope of ours", "bank", {"scope": tokens.STORAGE}, 500011, "invalid_resource"),
    (
        "another exchange",
        "bank",
        {"scope": f"{tokens.EXCHANGE}/.default"},
        500011,
        "invalid_resource",
    ),
]


@pytest.mark.parametrize(
    ("tenant", "changes", "code", "error"),
    [pytest.param(*case[1:], id=case[0]) for case in CASES],
)
def test_whatever_else_is_asked_is_refused(
    tenant: str, changes: Mapping[str, str], code: int, error: str
) -> None:
    answer = asked(tenant, **changes)

    assert (answer.body["error"], answer.body["error_codes"]) == (error, [code])
    assert str(answer.body["error_description"]).startswith(f"AADSTS{code}: ")
    assert answer.status == (401 if error == "invalid_client" else 400)


def test_nothing_may_be_said_twice() -> None:
    answer = DIRECTORY.exchanged("bank", [*form(), ("scope", "x")], NOW)

    assert answer.body["error_codes"] == [900144]
