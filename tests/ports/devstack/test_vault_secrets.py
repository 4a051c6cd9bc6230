"""Secrets in a running vault, by the genuine client: every operation, and what it raises."""

import itertools
from collections.abc import Iterator
from datetime import timedelta

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.keyvault.secrets import SecretClient

from devstack import clock
from devstack.home import HOST
from tests.vaults import Vaults

PAUSE = {"_polling_interval": 0}
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def trusted(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


@pytest.fixture
def client(vaults: Vaults) -> Iterator[SecretClient]:
    with vaults.secrets("north", "north") as made:
        yield made


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"secret-{next(_numbers)}"


def test_a_secret_is_set_and_found(client: SecretClient, name: str, vaults: Vaults) -> None:
    until = clock.now().replace(microsecond=0) + timedelta(days=1)

    made = client.set_secret(
        name, "välue", content_type="text/plain", tags={"a": "b"}, expires_on=until
    )

    found = client.get_secret(name)
    assert (found.value, found.name) == ("välue", name)
    assert found.id == made.id == f"{vaults.url('north')}/secrets/{name}/{found.properties.version}"
    assert found.properties.content_type == "text/plain"
    assert found.properties.tags == {"a": "b"}
    assert found.properties.expires_on == until
    assert found.properties.recovery_level == "Recoverable+Purgeable"


def test_each_version_is_found(client: SecretClient, name: str) -> None:
    first, second = client.set_secret(name, "1"), client.set_secret(name, "2")

    assert client.get_secret(name).value == "2"
    assert client.get_secret(name, first.properties.version).value == "1"
    assert {each.id for each in client.list_properties_of_secret_versions(name)} == {
        first.id,
        second.id,
    }


def test_a_secret_that_is_not_there_is_not_found(client: SecretClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_secret("nothing")

    assert caught.value.error is not None
    assert caught.value.error.code == "SecretNotFound"


def test_secrets_are_listed_over_pages(vaults: Vaults) -> None:
    with vaults.secrets("south", "south") as client:
        names = [client.set_secret(f"listed-{number:02}", "v").name for number in range(27)]

        found = [each.name for each in client.list_properties_of_secrets()]

    assert found == names


def test_properties_are_changed(client: SecretClient, name: str) -> None:
    client.set_secret(name, "v", tags={"a": "b"})

    changed = client.update_secret_properties(name, content_type="text/plain", enabled=False)

    assert changed.content_type == "text/plain"
    assert changed.tags == {"a": "b"}
    with pytest.raises(HttpResponseError, match="not allowed on a disabled secret") as caught:
        client.get_secret(name)
    assert caught.value.status_code == 403


def test_a_value_that_is_too_large_is_refused(client: SecretClient, name: str) -> None:
    with pytest.raises(HttpResponseError, match=r"\(BadParameter\) value: expected at most"):
        client.set_secret(name, "x" * (25 * 1024 + 1))


def test_a_body_that_is_too_large_is_refused(client: SecretClient, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        client.set_secret(name, "x" * (1 << 19))

    assert caught.value.status_code == 413


def test_a_secret_is_deleted_seen_recovered_and_purged(client: SecretClient, name: str) -> None:
    client.set_secret(name, "v")

    client.begin_delete_secret(name, **PAUSE).wait()

    assert client.get_deleted_secret(name).recovery_id
    assert name in [each.name for each in client.list_deleted_secrets()]
    with pytest.raises(ResourceNotFoundError):
        client.get_secret(name)
    with pytest.raises(ResourceExistsError, match="deleted but recoverable state"):
        client.set_secret(name, "w")

    client.begin_recover_deleted_secret(name, **PAUSE).wait()
    assert client.get_secret(name).value == "v"

    client.begin_delete_secret(name, **PAUSE).wait()
    client.purge_deleted_secret(name)
    with pytest.raises(ResourceNotFoundError, match=f"Deleted Secret not found: {name}"):
        client.get_deleted_secret(name)


def test_a_role_shows_one_secret(client: SecretClient, vaults: Vaults) -> None:
    client.set_secret("shown", "1")
    client.set_secret("hidden", "2")
    role = {"identity": "runner", "role": "Key Vault Secrets User", "scope": "/secrets/shown"}

    status, _ = vaults.call("north", "north", "PUT", "/devstack/roles/runner-reads", role)

    assert status == 200
    with vaults.secrets("north", "runner") as runner:
        assert runner.get_secret("shown").value == "1"
        with pytest.raises(HttpResponseError, match="ForbiddenByRbac") as caught:
            runner.get_secret("hidden")
    assert caught.value.error is not None
    assert caught.value.error.innererror == {"code": "ForbiddenByRbac"}
