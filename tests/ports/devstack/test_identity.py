"""Tokens by the genuine azure-identity, sync and aio, and the errors that it makes of refusals."""

import asyncio
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, ServiceRequestError
from azure.identity import (
    CredentialUnavailableError,
    DefaultAzureCredential,
    ManagedIdentityCredential,
    aio,
)

from cleanroom.errors import Unattested
from cleanroom.jose import parse_jwk
from devstack import clock, tokens
from devstack.home import HOST, Home
from tests.directories import be, running_directory
from tests.servers import Server, free_ports, running

VAULT_SCOPE = "https://vault.azure.net/.default"
NO_SUCH = "No User Assigned or Delegated Managed Identity found"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    return Home.at(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def server(home: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("log") / "identity.log"
    with running_directory(home, ["north", "runner"], log) as made:
        yield made


@pytest.fixture(autouse=True)
def north(server: Server, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    be("north", server, home, monkeypatch)


def caller(home: Home, token: str, audience: str = tokens.KEY_VAULT) -> tokens.Caller:
    key = home.token_key().public_key()
    return tokens.verify(token, audience, key, clock.now(), home.directory())


def page(server: Server, path: str, **headers: str) -> tuple[int, dict[str, Any]]:
    link = http.client.HTTPConnection(HOST, server.health[0], timeout=10)
    try:
        link.request("GET", path, headers=headers)
        answer = link.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        link.close()


@pytest.mark.parametrize(
    ("scope", "audience"),
    [
        pytest.param(VAULT_SCOPE, tokens.KEY_VAULT, id="vaults"),
        pytest.param("https://servicebus.azure.net//.default", tokens.SERVICE_BUS, id="bus"),
        pytest.param("https://storage.azure.com/.default", tokens.STORAGE, id="storage"),
        pytest.param("https://eventgrid.azure.net/.default", tokens.EVENT_GRID, id="event grid"),
    ],
)
def test_a_managed_identity_gets_a_token_for_each_service(
    home: Home, scope: str, audience: str
) -> None:
    with ManagedIdentityCredential() as credential:
        found = credential.get_token(scope)

    assert caller(home, found.token, audience).name == "north"
    assert found.expires_on > clock.now().timestamp()


def test_a_token_is_for_its_audience_only(home: Home) -> None:
    with ManagedIdentityCredential() as credential:
        token = credential.get_token(VAULT_SCOPE).token

    with pytest.raises(Unattested, match="expected the audience https://storage"):
        caller(home, token, tokens.STORAGE)


def test_the_default_credential_finds_the_identity(home: Home) -> None:
    with DefaultAzureCredential() as credential:
        token = credential.get_token(VAULT_SCOPE).token

    assert caller(home, token).object_id == home.object_id("north")


def test_an_identity_may_be_named_by_its_client_id(home: Home) -> None:
    with DefaultAzureCredential(managed_identity_client_id=home.object_id("north")) as credential:
        token = credential.get_token(VAULT_SCOPE).token

    assert caller(home, token).name == "north"


def test_aio_credentials_get_tokens_too(home: Home) -> None:
    async def ask() -> list[str]:
        own = home.object_id("north")
        async with (
            aio.ManagedIdentityCredential(identity_config={"object_id": own}) as managed,
            aio.DefaultAzureCredential(managed_identity_client_id=own) as default,
        ):
            return [(await one.get_token(VAULT_SCOPE)).token for one in (managed, default)]

    found = asyncio.run(ask())

    assert [caller(home, token).name for token in found] == ["north", "north"]


def test_an_aio_credential_keeps_its_token_until_it_has_to_be_renewed() -> None:
    async def ask() -> tuple[str, str]:
        async with aio.ManagedIdentityCredential() as credential:
            return (
                (await credential.get_token(VAULT_SCOPE)).token,
                (await credential.get_token(VAULT_SCOPE)).token,
            )

    first, second = asyncio.run(ask())

    assert first == second


# --- refusals


@pytest.mark.parametrize(
    ("scope", "client_id", "message"),
    [
        pytest.param("https://graph.microsoft.com/.default", None, "400, resource: ", id="scope"),
        pytest.param(VAULT_SCOPE, "runner", NO_SUCH, id="client id of another"),
    ],
)
def test_a_refusal_is_an_unavailable_credential_with_the_reason(
    home: Home, scope: str, client_id: str | None, message: str
) -> None:
    named = home.object_id(client_id) if client_id else None
    with (
        ManagedIdentityCredential(client_id=named) as credential,
        pytest.raises(CredentialUnavailableError, match=message),
    ):
        credential.get_token(scope)


def test_a_wrong_secret_is_an_unavailable_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDENTITY_HEADER", "somebody")

    with (
        ManagedIdentityCredential() as credential,
        pytest.raises(CredentialUnavailableError, match="401, expected an identity's"),
    ):
        credential.get_token(VAULT_SCOPE)


def test_the_default_credential_says_why_it_has_no_token(home: Home) -> None:
    exclude = {
        f"exclude_{one}_credential": True
        for one in (
            "cli",
            "powershell",
            "developer_cli",
            "visual_studio_code",
            "shared_token_cache",
        )
    }
    with (
        DefaultAzureCredential(
            managed_identity_client_id=home.object_id("runner"), **exclude
        ) as credential,
        pytest.raises(ClientAuthenticationError, match=NO_SUCH),
    ):
        credential.get_token(VAULT_SCOPE)


def test_aio_credentials_fail_with_the_answer(home: Home) -> None:
    async def ask() -> None:
        named = home.object_id("runner")
        async with aio.ManagedIdentityCredential(client_id=named) as credential:
            await credential.get_token(VAULT_SCOPE)

    with pytest.raises(ClientAuthenticationError, match=NO_SUCH):
        asyncio.run(ask())


def test_a_directory_that_is_down_is_a_request_that_failed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (nobody,) = free_ports(1)
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"http://{HOST}:{nobody}/msi/token")

    with (
        ManagedIdentityCredential(retry_total=0) as credential,
        pytest.raises(ServiceRequestError, match="Connection refused"),
    ):
        credential.get_token(VAULT_SCOPE)


# --- the wire


def test_the_answer_is_that_of_app_service(server: Server, home: Home) -> None:
    path = "/msi/token?api-version=2019-08-01&resource=https://vault.azure.net"

    status, found = page(server, path, **{"X-IDENTITY-HEADER": home.secret("identity/runner")})

    assert status == 200
    assert found.keys() == {"access_token", "client_id", "expires_on", "resource", "token_type"}
    assert str(found["expires_on"]).isdigit()
    assert found["client_id"] == home.object_id("runner")


def test_the_configuration_leads_to_the_key(server: Server, home: Home) -> None:
    tenant = home.object_id("tenant")

    _, configuration = page(server, f"/{tenant}/.well-known/openid-configuration")
    _, keys = page(server, configuration["jwks_uri"].partition(str(server.health[0]))[2])

    (key,) = keys["keys"]
    numbers = {name: key[name] for name in ("n", "e")}
    assert configuration["issuer"] == f"http://{HOST}:{server.health[0]}/{tenant}"
    assert parse_jwk(numbers, "key") == home.token_key().public_key()


def test_tokens_outlive_the_server(server: Server, home: Home) -> None:
    with ManagedIdentityCredential() as credential:
        before = credential.get_token(VAULT_SCOPE).token
    server.kill()
    server.restart()

    with ManagedIdentityCredential() as credential:
        after = credential.get_token(VAULT_SCOPE).token

    assert caller(home, before) == caller(home, after)


def test_no_secret_and_no_token_is_in_the_log(server: Server, home: Home) -> None:
    with ManagedIdentityCredential() as credential:
        token = credential.get_token(VAULT_SCOPE).token
    page(server, "/msi/token?api-version=1", **{"X-IDENTITY-HEADER": "a guess"})

    log = server.log.read_text()

    assert "identity: ready on" in log
    for secret in (token, home.secret("identity/north"), "a guess"):
        assert secret not in log


def test_a_taken_port_is_named(server: Server, home: Home, tmp_path: Path) -> None:
    options = ["--home", str(home.path), "--port", str(server.health[0]), "--identity", "a"]
    log = tmp_path / "log"

    with (
        pytest.raises(AssertionError, match=f"port {server.health[0]}: cannot be used"),
        running("devstack.identity", options, (free_ports(1)[0], None), log),
    ):
        pytest.fail("two servers on one port")
