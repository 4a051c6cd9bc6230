"""Who may touch what: tokens of the directory, roles, and what belongs to the owner alone."""

from datetime import timedelta
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from devstack import tokens
from devstack.home import Home
from devstack.vault.roles import (
    MOST,
    RELEASE_USER,
    ROLES,
    Assignment,
    Roles,
    first_assignments,
)
from devstack.vault.service import answer
from devstack.vault.vault import Vault
from devstack.vault.wire import Answer, Request
from tests.builders import NOW
from tests.vaults import Asker, token

FORBIDDEN = (403, "Forbidden", "ForbiddenByRbac")


def asked(vault: Vault, authorization: str | None) -> Answer:
    request = Request("id", "GET", "/keys?api-version=7.4", authorization, b"")
    found = answer(vault, request, NOW, {})
    assert isinstance(found, Answer)
    return found


def test_without_a_token_a_client_is_told_where_to_get_one(vault: Vault) -> None:
    found = asked(vault, None)

    assert found.status == 401
    assert found.headers == {
        "WWW-Authenticate": f'Bearer authorization="https://127.0.0.1/{vault.tenant}",'
        ' resource="https://0.0.1:8451"'
    }
    assert found.body == {
        "error": {
            "code": "Unauthorized",
            "message": "AKV10000: Request is missing a Bearer or PoP token.",
        }
    }


def test_a_good_token_is_taken(vault: Vault, owner: Asker) -> None:
    assert asked(vault, f"Bearer {owner.token(NOW)}").status == 200


def spoiled(stack: Home, name: str) -> dict[str, str]:
    good = token(stack, name, NOW)
    return {
        "not a bearer": f"Basic {good}",
        "empty": "Bearer ",
        "garbage": "Bearer a.b.c",
        "cut": f"Bearer {good[:-4]}",
        "expired": f"Bearer {token(stack, name, NOW - timedelta(hours=25))}",
        "of tomorrow": f"Bearer {token(stack, name, NOW + timedelta(hours=1))}",
        "for storage": f"Bearer {token(stack, name, NOW, tokens.STORAGE)}",
    }


@pytest.mark.parametrize(
    "which",
    ["not a bearer", "empty", "garbage", "cut", "expired", "of tomorrow", "for storage"],
)
def test_a_bad_token_is_refused(which: str, stack: Home, vault: Vault) -> None:
    found = asked(vault, spoiled(stack, vault.name)[which])

    assert found.status == 401
    assert "WWW-Authenticate" in found.headers


def test_a_token_of_another_stack_is_refused(
    vault: Vault, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = Home.at(tmp_path_factory.mktemp("other"))

    assert asked(vault, f"Bearer {token(other, vault.name, NOW)}").status == 401


def test_who_has_no_role_is_refused_in_azures_words(stranger: Asker, vault: Vault) -> None:
    status, code, message, inner = stranger.refused("GET", "/secrets/a")

    assert (status, code, inner) == FORBIDDEN
    assert message.startswith("Caller is not authorized to perform action on resource.\r\n")
    assert "Action: 'Microsoft.KeyVault/vaults/secrets/getSecret/action'\r\n" in message
    assert f"microsoft.keyvault/vaults/{vault.name}/secrets/a'\r\n" in message


ADMINISTRATOR, OFFICER = "Key Vault Administrator", "Key Vault Crypto Officer"
USER, SERVICE = "Key Vault Crypto User", "Key Vault Crypto Service Encryption User"
RELEASE, READER = "Key Vault Crypto Service Release User", "Key Vault Reader"
SECRETS_OFFICER, SECRETS_USER = "Key Vault Secrets Officer", "Key Vault Secrets User"


@pytest.mark.parametrize(
    ("role", "method", "path", "status"),
    [
        (ADMINISTRATOR, "GET", "/secrets", 200),
        (ADMINISTRATOR, "GET", "/keys", 200),
        (OFFICER, "GET", "/keys", 200),
        (OFFICER, "GET", "/secrets", 403),
        (USER, "GET", "/keys", 200),
        (USER, "DELETE", "/keys/a", 403),
        (USER, "POST", "/keys/a/release", 403),
        (SERVICE, "GET", "/keys", 200),
        (SERVICE, "POST", "/keys/a/sign", 403),
        (RELEASE, "POST", "/keys/a/release", 404),
        (RELEASE, "GET", "/keys", 403),
        (READER, "GET", "/secrets", 200),
        (READER, "GET", "/secrets/a", 403),
        (SECRETS_OFFICER, "PUT", "/secrets/a", 400),
        (SECRETS_OFFICER, "GET", "/keys", 403),
        (SECRETS_USER, "GET", "/secrets/a", 404),
        (SECRETS_USER, "PUT", "/secrets/a", 403),
    ],
)
def test_a_role_allows_what_it_allows_in_azure(
    role: str, method: str, path: str, status: int, owner: Asker, stranger: Asker
) -> None:
    owner.good("PUT", "/devstack/roles/new", {"identity": "stranger", "role": role})

    assert stranger.ask(method, path).status == status


def test_every_role_is_in_the_table() -> None:
    assert len(ROLES) == 8


def test_a_role_for_one_key_is_for_no_other(owner: Asker, stranger: Asker) -> None:
    scope = {"identity": "stranger", "role": "Key Vault Secrets User", "scope": "/secrets/A"}
    owner.good("PUT", "/secrets/a", {"value": "1"})
    owner.good("PUT", "/secrets/b", {"value": "2"})

    owner.good("PUT", "/devstack/roles/new", scope)

    assert stranger.good("GET", "/secrets/a")["value"] == "1"
    assert stranger.refused("GET", "/secrets/b")[3] == "ForbiddenByRbac"
    assert stranger.refused("GET", "/secrets")[3] == "ForbiddenByRbac"


def test_a_role_that_is_taken_away_is_gone(owner: Asker, stranger: Asker) -> None:
    owner.good("PUT", "/devstack/roles/x", {"identity": "stranger", "role": "Key Vault Reader"})
    owner.good("DELETE", "/devstack/roles/x")
    owner.good("DELETE", "/devstack/roles/x")

    assert stranger.refused("GET", "/keys")[3] == "ForbiddenByRbac"
    assert owner.refused("GET", "/devstack/roles/x")[:2] == (404, "NotFound")


def test_a_new_vault_has_two_assignments(owner: Asker, vault: Vault) -> None:
    found = owner.good("GET", "/devstack/roles")

    assert found == {
        "value": [
            {
                "name": "owner",
                "identity": vault.name,
                "role": "Key Vault Administrator",
                "scope": "/",
            },
            {
                "name": "runner",
                "identity": "runner",
                "role": "Key Vault Crypto Service Release User",
                "scope": "/",
            },
        ]
    }


def test_roles_are_kept(owner: Asker, vault: Vault, tmp_path: Path) -> None:
    given = {"identity": "stranger", "role": "Key Vault Reader", "scope": "/"}
    owner.good("PUT", "/devstack/roles/x", given)
    owner.good("DELETE", "/devstack/roles/runner")

    path = tmp_path / "home" / "vault" / vault.name / "roles.json"
    again = Roles(path, first_assignments(vault.name, "runner"))

    assert [name for name, _ in again.all()] == ["owner", "x"]
    assert again.allow("stranger", "keys/read", "/")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/devstack/roles"),
        ("GET", "/devstack/audit"),
        ("PUT", "/devstack/roles/me"),
        ("DELETE", "/devstack/roles/owner"),
        ("GET", "/devstack/nothing"),
    ],
)
def test_control_is_the_owners(method: str, path: str, runner: Asker) -> None:
    assert runner.refused(method, path)[:3] == (
        403,
        "Forbidden",
        "Only the vault's owner may do this.",
    )


def test_an_administrator_is_not_the_owner(owner: Asker, stranger: Asker) -> None:
    role = {"identity": "stranger", "role": "Key Vault Administrator"}
    owner.good("PUT", "/devstack/roles/x", role)

    assert stranger.refused("GET", "/devstack/audit")[0] == 403


@pytest.mark.parametrize(
    ("name", "body"),
    [
        pytest.param("x", {}, id="nothing"),
        pytest.param("x", {"identity": "a", "role": "God"}, id="role"),
        pytest.param("x", {"identity": "A b", "role": "Key Vault Reader"}, id="identity"),
        pytest.param(
            "x", {"identity": "a", "role": "Key Vault Reader", "scope": "keys"}, id="scope"
        ),
        pytest.param("x", {"identity": "a", "role": "Key Vault Reader", "more": 1}, id="more"),
        pytest.param("x_y", {"identity": "a", "role": "Key Vault Reader"}, id="name"),
        pytest.param("x", b"{", id="no JSON"),
        pytest.param("x", b"[]", id="a list"),
    ],
)
def test_an_assignment_that_is_none_is_a_bad_parameter(
    name: str, body: dict[str, str] | bytes, owner: Asker
) -> None:
    assert owner.refused("PUT", f"/devstack/roles/{name}", body)[:2] == (400, "BadParameter")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/devstack/nothing", 404),
        ("POST", "/devstack/roles/owner", 404),
        ("POST", "/devstack/audit", 404),
        ("GET", "/devstack/audit?after=-1", 400),
        ("GET", "/devstack/audit?after=" + "9" * 19, 400),
    ],
)
def test_control_that_is_none_is_refused(method: str, path: str, status: int, owner: Asker) -> None:
    assert owner.refused(method, path)[0] == status


def test_a_vault_has_no_more_roles_than_it_can_read_back(tmp_path: Path) -> None:
    many = {f"r{i}": Assignment("runner", RELEASE_USER, f"/keys/k{i}") for i in range(MOST)}
    roles = Roles(tmp_path / "roles.json", many)

    with pytest.raises(Malformed, match="at most 4000 assignments"):
        roles.put("more", many["r0"])

    roles.put("r0", Assignment("runner", RELEASE_USER, "/keys/other"))
    assert len(list(Roles(tmp_path / "roles.json", {}).all())) == MOST
