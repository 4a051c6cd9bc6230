"""Tokens of the default credential, here and in Azure: the same claims, signed by who issued them.

In Azure whoever the credential finds will do (a sign-in of `az`, a managed identity).
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.identity import ChainedTokenCredential, DefaultAzureCredential

from cleanroom.jose import Jws, base64url_bytes, parse_jwk
from devstack import tokens
from devstack.home import Home
from tests.directories import be, running_directory
from tests.ports.azure import PLACES

PATIENCE = 30
LARGEST = 1 << 14


@pytest.fixture(params=PLACES)
def credential(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ChainedTokenCredential]:
    if request.param == "azure":  # pragma: no cover  # runs where there is an Azure
        monkeypatch.delenv("REQUESTS_CA_BUNDLE")
        with DefaultAzureCredential() as found:
            yield found
        return
    home = Home.at(tmp_path / "home")
    with running_directory(home, ["north"], tmp_path / "log") as server:
        be("north", server, home, monkeypatch)
        with DefaultAzureCredential() as found:
            yield found


def claims(token: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64url_bytes(LARGEST)(token.split(".")[1], "claims"))
    return found


def test_a_token_says_who_for_whom_and_until_when(credential: ChainedTokenCredential) -> None:
    found = credential.get_token("https://vault.azure.net/.default")

    said = claims(found.token)
    assert said["aud"].rstrip("/") == tokens.KEY_VAULT
    assert abs(said["exp"] - found.expires_on) <= 1
    assert said["nbf"] <= said["exp"]
    assert said["tid"] in said["iss"]
    assert {"appid", "oid", "sub", "iat", "ver"} <= said.keys()


def test_its_issuer_publishes_the_key_that_signed_it(credential: ChainedTokenCredential) -> None:
    token = credential.get_token("https://vault.azure.net/.default").token
    jws = Jws.parse(token, "token", LARGEST)

    issuer = claims(token)["iss"].rstrip("/")
    configuration = requests.get(
        f"{issuer}/.well-known/openid-configuration", timeout=PATIENCE
    ).json()
    keys = requests.get(configuration["jwks_uri"], timeout=PATIENCE).json()["keys"]

    (key,) = [key for key in keys if key["kid"] == jws.key_id]
    public = parse_jwk({"n": key["n"], "e": key["e"]}, "key")
    assert configuration["issuer"].rstrip("/") == issuer
    assert jws.payload_by(public) is not None
