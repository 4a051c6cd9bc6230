"""Keys in a running vault, by the genuine client: every operation, and what it raises."""

import asyncio
import hashlib
import itertools
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.core.rest import HttpRequest
from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy, KeyVaultKey
from azure.keyvault.keys.aio import KeyClient as AsyncKeyClient
from azure.keyvault.keys.crypto import (
    CryptographyClient,
    EncryptionAlgorithm,
    KeyWrapAlgorithm,
    SignatureAlgorithm,
)
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from devstack import clock
from devstack.home import HOST
from tests.tokens import rsa_key
from tests.vaults import AsyncCredential, Vaults, rsa_numbers

DIGEST = hashlib.sha256(b"text").digest()
PAUSE = {"_polling_interval": 0}
_numbers = itertools.count()


@pytest.fixture(autouse=True)
def trusted(vaults: Vaults, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(vaults.home.authority_file))
    monkeypatch.setenv("NO_PROXY", HOST)


@pytest.fixture
def client(vaults: Vaults) -> Iterator[KeyClient]:
    with vaults.keys("north", "north") as made:
        yield made


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"key-{next(_numbers)}"


def public(key: KeyVaultKey) -> Any:
    """Give the JWK, whose fields the client sets one by one."""
    return key.key


def cryptography(client: KeyClient, name: str) -> CryptographyClient:
    return client.get_cryptography_client(name)


# --- making keys


def test_an_rsa_key_is_made(client: KeyClient, name: str, vaults: Vaults) -> None:
    before = clock.now() - timedelta(seconds=1)

    made = client.create_rsa_key(
        name, size=2048, hardware_protected=True, tags={"for": "tests"}, enabled=True
    )

    assert (made.name, made.key_type) == (name, "RSA-HSM")
    assert made.id == f"{vaults.url('north')}/keys/{name}/{made.properties.version}"
    assert made.key_operations == ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"]
    assert len(public(made).n) == 256
    assert made.properties.tags == {"for": "tests"}
    assert made.properties.created_on is not None
    assert made.properties.created_on >= before
    assert made.properties.recovery_level == "Recoverable+Purgeable"
    assert made.properties.recoverable_days == 90
    assert made.properties.exportable is False


def test_an_elliptic_key_is_made(client: KeyClient, name: str) -> None:
    until = clock.now().replace(microsecond=0) + timedelta(days=1)

    made = client.create_ec_key(name, curve="P-384", expires_on=until, key_operations=["sign"])

    assert public(made).crv == "P-384"
    assert made.properties.expires_on == until
    assert made.key_operations == ["sign"]


def test_a_key_is_imported(client: KeyClient, name: str) -> None:
    key = rsa_key()
    numbers = rsa_numbers(key)

    made = client.import_key(name, JsonWebKey(kty="RSA", **numbers), hardware_protected=True)

    assert made.key_type == "RSA-HSM"
    assert public(made).n == numbers["n"]
    assert public(made).d is None


def test_a_key_of_symmetric_kind_is_refused(client: KeyClient, name: str) -> None:
    with pytest.raises(HttpResponseError, match=r"\(BadParameter\) kty: expected") as caught:
        client.create_oct_key(name, size=256)

    assert caught.value.status_code == 400


def test_a_name_with_an_underscore_is_refused(client: KeyClient) -> None:
    with pytest.raises(HttpResponseError, match="contains an invalid name: a_b"):
        client.create_ec_key("a_b")


def test_an_exportable_key_has_a_policy(client: KeyClient, name: str) -> None:
    policy = (
        b'{"version":"1.0.0","anyOf":[{"authority":"https://authority.example",'
        b'"allOf":[{"claim":"a","equals":"b"}]}]}'
    )

    made = client.create_rsa_key(
        name,
        hardware_protected=True,
        exportable=True,
        release_policy=KeyReleasePolicy(policy, immutable=True),
    )

    assert made.properties.exportable is True
    assert made.properties.release_policy is not None
    assert made.properties.release_policy.encoded_policy == policy
    assert made.properties.release_policy.immutable is True
    with pytest.raises(HttpResponseError, match=r"AKV\.SKR\.1020: Immutable Key Release Policy"):
        client.update_key_properties(name, release_policy=KeyReleasePolicy(policy))


def test_an_exportable_key_without_a_policy_is_refused(client: KeyClient, name: str) -> None:
    with pytest.raises(HttpResponseError) as caught:
        client.create_rsa_key(name, hardware_protected=True, exportable=True)

    assert caught.value.error is not None
    assert (caught.value.error.code, caught.value.error.message) == (
        "BadParameter",
        "AKV.SKR.1004: Exportable keys must have release policy.",
    )


# --- finding and changing keys


def test_a_key_and_each_of_its_versions_is_found(client: KeyClient, name: str) -> None:
    first, second = client.create_ec_key(name), client.create_ec_key(name)

    assert client.get_key(name).id == second.id
    assert public(client.get_key(name, first.properties.version)).x == public(first).x
    assert {each.id for each in client.list_properties_of_key_versions(name)} == {
        first.id,
        second.id,
    }


def test_a_key_that_is_not_there_is_not_found(client: KeyClient) -> None:
    with pytest.raises(ResourceNotFoundError) as caught:
        client.get_key("nothing")

    assert caught.value.error is not None
    assert caught.value.error.code == "KeyNotFound"
    assert "A key with (name/id) nothing was not found in this key vault." in str(caught.value)


def test_keys_are_listed_over_pages(vaults: Vaults) -> None:
    with vaults.keys("south", "south") as client:
        names = [client.create_ec_key(f"listed-{number:02}").name for number in range(27)]

        found = list(client.list_properties_of_keys())
        small = list(client.list_properties_of_keys(max_page_size=2).by_page())

    assert [each.name for each in found] == names
    assert found[0].version is None
    assert len(small) == 14


def test_a_keys_properties_are_changed(client: KeyClient, name: str) -> None:
    client.create_ec_key(name)

    changed = client.update_key_properties(
        name, enabled=False, tags={"a": "b"}, key_operations=["verify"]
    )

    assert changed.properties.enabled is False
    assert changed.properties.tags == {"a": "b"}
    assert client.get_key(name).key_operations == ["verify"]


def test_a_key_is_rotated(client: KeyClient, name: str) -> None:
    before = client.create_ec_key(name)

    after = client.rotate_key(name)

    assert client.get_key(name).id == after.id != before.id


# --- deleting keys


def test_a_key_is_deleted_seen_recovered_and_purged(client: KeyClient, name: str) -> None:
    made = client.create_ec_key(name)

    gone = client.begin_delete_key(name, **PAUSE)
    gone.wait()

    deleted = client.get_deleted_key(name)
    assert deleted.scheduled_purge_date is not None
    assert deleted.deleted_date is not None
    assert (deleted.scheduled_purge_date - deleted.deleted_date).days == 90
    assert deleted.recovery_id == gone.result().recovery_id
    assert name in [each.name for each in client.list_deleted_keys()]
    with pytest.raises(ResourceNotFoundError):
        client.get_key(name)
    with pytest.raises(ResourceExistsError, match="deleted but recoverable state") as caught:
        client.create_ec_key(name)
    assert caught.value.error is not None
    assert caught.value.error.innererror == {"code": "ObjectIsDeletedButRecoverable"}

    back = client.begin_recover_deleted_key(name, **PAUSE)
    back.wait()
    assert client.get_key(name).id == made.id

    client.begin_delete_key(name, **PAUSE).wait()
    client.purge_deleted_key(name)
    with pytest.raises(ResourceNotFoundError, match=f"Deleted Key not found: {name}"):
        client.get_deleted_key(name)


# --- using keys


@pytest.fixture(scope="module")
def kept() -> rsa.RSAPrivateKey:
    """A key that is in the vault, and here too."""
    return rsa_key()


@pytest.fixture
def used(client: KeyClient, kept: rsa.RSAPrivateKey, name: str) -> CryptographyClient:
    client.import_key(name, JsonWebKey(kty="RSA", **rsa_numbers(kept)))
    return cryptography(client, name)


def test_the_vault_decrypts_what_the_client_encrypts(used: CryptographyClient) -> None:
    sealed = used.encrypt(EncryptionAlgorithm.rsa_oaep_256, b"text")

    assert used.decrypt(EncryptionAlgorithm.rsa_oaep_256, sealed.ciphertext).plaintext == b"text"


def test_the_vault_unwraps_what_the_client_wraps(used: CryptographyClient) -> None:
    sealed = used.wrap_key(KeyWrapAlgorithm.rsa_oaep, b"key")

    assert used.unwrap_key(KeyWrapAlgorithm.rsa_oaep, sealed.encrypted_key).key == b"key"


@pytest.mark.parametrize(
    ("curve", "algorithm"),
    [("P-256", SignatureAlgorithm.es256), ("P-256K", SignatureAlgorithm.es256_k)],
)
def test_the_client_verifies_what_the_vault_signs(
    curve: str, algorithm: SignatureAlgorithm, client: KeyClient, name: str
) -> None:
    client.create_ec_key(name, curve=curve)
    used = cryptography(client, name)

    signed = used.sign(algorithm, DIGEST)

    assert used.verify(algorithm, DIGEST, signed.signature).is_valid
    assert not used.verify(algorithm, bytes(32), signed.signature).is_valid


def test_anybody_verifies_what_the_vault_signs(
    used: CryptographyClient, kept: rsa.RSAPrivateKey
) -> None:
    signed = used.sign(SignatureAlgorithm.ps256, DIGEST)

    scheme = padding.PSS(padding.MGF1(SHA256()), SHA256().digest_size)
    kept.public_key().verify(signed.signature, b"text", scheme, SHA256())


def test_what_the_client_did_itself_the_vault_does_too(
    client: KeyClient, name: str, vaults: Vaults
) -> None:
    client.create_rsa_key(name)
    url = f"{vaults.url('north')}/keys/{name}//{{}}?api-version=7.4"
    text = {"alg": "RSA-OAEP-256", "value": "dGV4dA"}

    sealed = client.send_request(HttpRequest("POST", url.format("encrypt"), json=text)).json()
    back = text | {"value": sealed["value"]}
    opened = client.send_request(HttpRequest("POST", url.format("decrypt"), json=back)).json()

    assert opened["value"] == "dGV4dA"


def test_a_ciphertext_that_is_none_is_refused(used: CryptographyClient) -> None:
    with pytest.raises(HttpResponseError, match=r"\(BadParameter\)"):
        used.decrypt(EncryptionAlgorithm.rsa_oaep, b"text")


def test_a_key_does_only_what_it_may(client: KeyClient, name: str) -> None:
    made = client.create_rsa_key(name, key_operations=["verify"])
    request = HttpRequest(
        "POST", f"{made.id}/sign?api-version=7.4", json={"alg": "RS256", "value": "AA"}
    )

    found = client.send_request(request)

    assert (found.status_code, found.json()["error"]["innererror"]["code"]) == (
        403,
        "KeyOperationForbidden",
    )


# --- without waiting


def test_the_aio_client_finds_the_same(vaults: Vaults, client: KeyClient, name: str) -> None:
    made = client.create_ec_key(name)
    credential = AsyncCredential(vaults.credential("north", "north"))

    async def ask() -> str | None:
        url, trust = vaults.url("north"), str(vaults.home.authority_file)
        async with AsyncKeyClient(url, credential, connection_verify=trust) as other:
            return (await other.get_key(name)).id

    assert asyncio.run(ask()) == made.id
