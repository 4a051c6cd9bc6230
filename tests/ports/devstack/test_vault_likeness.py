"""Keys and secrets by the genuine clients, here and in Azure: the same answers, the same errors.

Keys that a policy releases need a premium vault. A release that succeeds needs hardware, or the dev
stack's attestation: test_vault_release.py.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy, KeyVaultKey
from azure.keyvault.keys.crypto import KeyWrapAlgorithm, SignatureAlgorithm
from azure.keyvault.secrets import SecretClient

from devstack import clock
from tests.ports.azure import PLACES
from tests.ports.services import KeyVault, Nobody, is_gone, vault_at
from tests.tokens import rsa_key
from tests.vaults import policy, rsa_numbers

AUTHORITY = "https://sharedneu.neu.attest.azure.net"  # Azure's own, for anybody
DIGEST = hashlib.sha256(b"text").digest()


@pytest.fixture(scope="module", params=PLACES)
def vault(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[KeyVault]:
    with vault_at(request.param, tmp_path_factory.mktemp("vault")) as found:
        yield found


@pytest.fixture(autouse=True)
def trusted() -> None:
    """Leave the environment as it is: the clients are told whom to trust."""


@pytest.fixture
def keys(vault: KeyVault) -> Iterator[KeyClient]:
    with vault.keys() as made:
        yield made


@pytest.fixture
def premium(vault: KeyVault, keys: KeyClient) -> KeyClient:
    if not vault.premium:  # pragma: no cover
        pytest.skip("a standard vault releases no keys")
    return keys


@pytest.fixture
def secrets(vault: KeyVault) -> Iterator[SecretClient]:
    with vault.secrets() as made:
        yield made


@pytest.fixture
def name(vault: KeyVault) -> str:
    return vault.name()


def asking_for(value: str, *, immutable: bool = False) -> KeyReleasePolicy:
    wanted = policy({"claim": "x-ms-runtime.cleanroom", "equals": value}, authority=AUTHORITY)
    return KeyReleasePolicy(json.dumps(wanted).encode(), immutable=immutable)


def releasable(client: KeyClient, name: str, policy: KeyReleasePolicy) -> KeyVaultKey:
    return client.create_rsa_key(
        name, size=2048, hardware_protected=True, exportable=True, release_policy=policy
    )


def asked(key: KeyVaultKey) -> Any:
    """Read a key's policy: the vault may spell it in another way."""
    assert key.properties.release_policy is not None
    found = json.loads(key.properties.release_policy.encoded_policy)
    return found["anyOf"][0]["allOf"]


def code(refused: pytest.ExceptionInfo[HttpResponseError]) -> str | None:
    assert refused.value.error is not None
    return refused.value.error.code


# --- keys


def test_a_key_is_created_and_found(keys: KeyClient, name: str) -> None:
    until = clock.now().replace(microsecond=0) + timedelta(days=1)

    made = keys.create_ec_key(name, curve="P-256", expires_on=until, tags={"for": "tests"})

    found = keys.get_key(name)
    jwk: Any = found.key
    assert (found.id, found.key_type, jwk.crv) == (made.id, "EC", "P-256")
    assert (len(jwk.x), len(jwk.y), jwk.d) == (32, 32, None)
    assert found.properties.expires_on == until
    assert found.properties.tags == {"for": "tests"}
    assert name in [each.name for each in keys.list_properties_of_keys()]


def test_every_version_of_a_key_is_found(keys: KeyClient, name: str) -> None:
    first, second = keys.create_ec_key(name), keys.create_ec_key(name)

    listed = {each.id for each in keys.list_properties_of_key_versions(name)}

    assert listed == {first.id, second.id}
    assert keys.get_key(name).id == second.id
    assert keys.get_key(name, first.properties.version).id == first.id


def test_the_client_verifies_what_the_vault_signs(keys: KeyClient, name: str) -> None:
    keys.create_ec_key(name, curve="P-256")

    with keys.get_cryptography_client(name) as used:
        signed = used.sign(SignatureAlgorithm.es256, DIGEST)

        assert len(signed.signature) == 64
        assert used.verify(SignatureAlgorithm.es256, DIGEST, signed.signature).is_valid
        assert not used.verify(SignatureAlgorithm.es256, bytes(32), signed.signature).is_valid


def test_the_vault_unwraps_what_was_wrapped_and_nothing_else(keys: KeyClient, name: str) -> None:
    numbers = rsa_numbers(rsa_key())
    imported = keys.import_key(name, JsonWebKey(kty="RSA", **numbers))
    algorithm = KeyWrapAlgorithm.rsa_oaep_256

    with keys.get_cryptography_client(name) as used:
        wrapped = used.wrap_key(algorithm, bytes(32))

        assert used.unwrap_key(algorithm, wrapped.encrypted_key).key == bytes(32)
        with pytest.raises(HttpResponseError) as refused:
            used.unwrap_key(algorithm, b"\1" * 256)
    jwk: Any = imported.key
    assert (jwk.n, jwk.d) == (numbers["n"], None)
    assert (refused.value.status_code, code(refused)) == (400, "BadParameter")


def test_a_disabled_key_signs_nothing(keys: KeyClient, name: str) -> None:
    keys.create_ec_key(name)
    keys.update_key_properties(name, enabled=False)

    with keys.get_cryptography_client(name) as used, pytest.raises(HttpResponseError) as refused:
        used.sign(SignatureAlgorithm.es256, DIGEST)

    assert (refused.value.status_code, code(refused)) == (403, "Forbidden")


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client, name: client.get_key(name), id="get"),
        pytest.param(lambda client, name: client.get_key(name, "0" * 32), id="get a version"),
        pytest.param(lambda client, name: client.update_key_properties(name), id="update"),
        pytest.param(lambda client, name: client.begin_delete_key(name), id="delete"),
    ],
)
def test_a_key_that_is_not_there_is_not_found(
    keys: KeyClient, name: str, ask: Callable[[KeyClient, str], object]
) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        ask(keys, name)

    assert code(refused) == "KeyNotFound"


def test_a_key_is_deleted_and_purged(vault: KeyVault, keys: KeyClient, name: str) -> None:
    keys.create_ec_key(name)

    keys.begin_delete_key(name, **vault.pause).wait()

    assert keys.get_deleted_key(name).name == name
    with pytest.raises(ResourceNotFoundError):
        keys.get_key(name)
    with pytest.raises(ResourceExistsError):
        keys.create_ec_key(name)
    keys.purge_deleted_key(name)
    assert is_gone(lambda: keys.get_deleted_key(name))


# --- keys with a release policy


def test_a_key_that_may_be_released_has_its_policy(premium: KeyClient, name: str) -> None:
    made = releasable(premium, name, asking_for("one"))

    found = premium.get_key(name)
    assert (found.id, found.key_type) == (made.id, "RSA-HSM")
    assert found.properties.exportable is True
    assert asked(found) == [{"claim": "x-ms-runtime.cleanroom", "equals": "one"}]


def test_a_policy_is_changed(premium: KeyClient, name: str) -> None:
    releasable(premium, name, asking_for("one"))

    premium.update_key_properties(name, release_policy=asking_for("two"))

    assert asked(premium.get_key(name)) == [{"claim": "x-ms-runtime.cleanroom", "equals": "two"}]


def test_an_immutable_policy_is_not_changed(premium: KeyClient, name: str) -> None:
    releasable(premium, name, asking_for("one", immutable=True))

    with pytest.raises(HttpResponseError, match=r"AKV\.SKR\.1020"):
        premium.update_key_properties(name, release_policy=asking_for("two"))

    assert asked(premium.get_key(name)) == [{"claim": "x-ms-runtime.cleanroom", "equals": "one"}]


def test_a_key_that_may_leave_needs_a_policy(premium: KeyClient, name: str) -> None:
    with pytest.raises(HttpResponseError, match=r"AKV\.SKR\.1004") as refused:
        premium.create_rsa_key(name, hardware_protected=True, exportable=True)

    assert (refused.value.status_code, code(refused)) == (400, "BadParameter")


def test_no_key_for_a_target_that_is_no_attestation(premium: KeyClient, name: str) -> None:
    releasable(premium, name, asking_for("one"))

    with pytest.raises(HttpResponseError) as refused:
        premium.release_key(name, "a.b.c", algorithm="CKM_RSA_AES_KEY_WRAP", nonce="6e6f")

    assert refused.value.status_code in (400, 403)


def test_no_key_that_may_not_leave(keys: KeyClient, name: str) -> None:
    keys.create_ec_key(name)

    with pytest.raises(HttpResponseError) as refused:
        keys.release_key(name, "a.b.c")

    assert refused.value.status_code in (400, 403)


# --- secrets


def test_a_secret_is_set_and_found(secrets: SecretClient, name: str) -> None:
    made = secrets.set_secret(name, "välue", content_type="text/plain", tags={"a": "b"})

    found = secrets.get_secret(name)
    assert (found.id, found.value) == (made.id, "välue")
    assert found.properties.content_type == "text/plain"
    assert found.properties.tags == {"a": "b"}
    assert name in [each.name for each in secrets.list_properties_of_secrets()]


def test_every_version_of_a_secret_is_found(secrets: SecretClient, name: str) -> None:
    first, second = secrets.set_secret(name, "1"), secrets.set_secret(name, "2")

    listed = {each.id for each in secrets.list_properties_of_secret_versions(name)}

    assert listed == {first.id, second.id}
    assert secrets.get_secret(name).value == "2"
    assert secrets.get_secret(name, first.properties.version).value == "1"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda client, name: client.get_secret(name), id="get"),
        pytest.param(lambda client, name: client.get_secret(name, "0" * 32), id="get a version"),
        pytest.param(lambda client, name: client.begin_delete_secret(name), id="delete"),
    ],
)
def test_a_secret_that_is_not_there_is_not_found(
    secrets: SecretClient, name: str, ask: Callable[[SecretClient, str], object]
) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        ask(secrets, name)

    assert code(refused) == "SecretNotFound"


def test_a_disabled_secret_is_not_shown(secrets: SecretClient, name: str) -> None:
    secrets.set_secret(name, "v")
    secrets.update_secret_properties(name, enabled=False)

    with pytest.raises(HttpResponseError, match="disabled secret") as refused:
        secrets.get_secret(name)

    assert (refused.value.status_code, code(refused)) == (403, "Forbidden")


def test_a_value_that_is_too_large_is_refused(secrets: SecretClient, name: str) -> None:
    with pytest.raises(HttpResponseError) as refused:
        secrets.set_secret(name, "x" * (25 * 1024 + 1))

    assert (refused.value.status_code, code(refused)) == (400, "BadParameter")


def test_a_secret_is_deleted_and_purged(vault: KeyVault, secrets: SecretClient, name: str) -> None:
    secrets.set_secret(name, "v")

    secrets.begin_delete_secret(name, **vault.pause).wait()

    assert secrets.get_deleted_secret(name).name == name
    with pytest.raises(ResourceNotFoundError):
        secrets.get_secret(name)
    with pytest.raises(ResourceExistsError):
        secrets.set_secret(name, "w")
    secrets.purge_deleted_secret(name)
    assert is_gone(lambda: secrets.get_deleted_secret(name))


# --- who may


def test_what_is_no_token_opens_no_key(vault: KeyVault, name: str) -> None:
    with vault.keys(Nobody()) as nobody, pytest.raises(ClientAuthenticationError) as refused:
        nobody.get_key(name)

    assert refused.value.status_code == 401


def test_what_is_no_token_opens_no_secret(vault: KeyVault, name: str) -> None:
    with vault.secrets(Nobody()) as nobody, pytest.raises(ClientAuthenticationError) as refused:
        nobody.get_secret(name)

    assert refused.value.status_code == 401
