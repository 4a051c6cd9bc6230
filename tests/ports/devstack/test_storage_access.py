"""Who may do what: keys, signatures limited to a container, tokens of identities."""

import http.client
import secrets
from collections.abc import Callable, Iterator

import pytest
from azure.core.credentials import TokenCredential
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobServiceClient, ContainerClient

from devstack import tokens
from devstack.home import HOST
from tests.servers import trusting
from tests.storages import AUTHORITY, Identity, Storage, code_of, storage

ROLES = ["--role", "north=reader:shared", "--role", "auditor=reader"]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storage(tmp_path_factory.mktemp("storage"), ROLES) as made:
        made.container("south").upload_blob("secret", b"of south")
        yield made


@pytest.fixture
def north(stack: Storage) -> ContainerClient:
    """A container of north's, as north sees it."""
    name = stack.container(f"north{secrets.token_hex(6)}").container_name
    return signed(stack, name, stack.sas(name))


def signed(stack: Storage, container: str, signature: str) -> ContainerClient:
    return ContainerClient(stack.url, container, signature, connection_verify=stack.trust)


def service(stack: Storage, credential: TokenCredential | dict[str, str]) -> BlobServiceClient:
    return BlobServiceClient(stack.url, credential, connection_verify=stack.trust)


# --- shared access signatures


def test_a_party_uses_its_own_container(north: ContainerClient) -> None:
    north.upload_blob("a", b"1")
    copied = north.get_blob_client("b").start_copy_from_url(north.get_blob_client("a").url)
    north.delete_blobs("a")

    assert copied["copy_status"] == "success"
    assert [blob.name for blob in north.list_blobs()] == ["b"]


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: list(c.list_blobs()), id="list"),
        pytest.param(lambda c: c.download_blob("secret"), id="read"),
        pytest.param(lambda c: c.upload_blob("new", b"1"), id="write"),
        pytest.param(lambda c: c.delete_blob("secret"), id="delete"),
        pytest.param(lambda c: c.delete_blobs("secret"), id="delete in a batch"),
        pytest.param(lambda c: c.delete_container(), id="delete all"),
    ],
)
def test_a_party_has_no_part_in_another_s_container(
    stack: Storage, north: ContainerClient, ask: Callable[[ContainerClient], object]
) -> None:
    other = signed(stack, "south", stack.sas(north.container_name))

    with pytest.raises(HttpResponseError):
        ask(other)

    assert stack.client().get_blob_client("south", "secret").exists()


def test_a_signature_for_another_container_is_not_authentic(
    stack: Storage, north: ContainerClient
) -> None:
    other = signed(stack, "south", stack.sas(north.container_name))

    with pytest.raises(ClientAuthenticationError) as refused:
        other.download_blob("secret")

    assert refused.value.status_code == 403
    assert code_of(refused.value) == "AuthenticationFailed"


def test_a_signature_that_ended_is_not_authentic(stack: Storage) -> None:
    ended = signed(stack, "south", stack.sas("south", valid=False))

    with pytest.raises(ClientAuthenticationError) as refused:
        ended.download_blob("secret")

    assert code_of(refused.value) == "AuthenticationFailed"


def test_a_signature_allows_what_it_says(stack: Storage) -> None:
    reading = signed(stack, "south", stack.sas("south", permission="r"))

    with pytest.raises(HttpResponseError) as refused:
        reading.upload_blob("new", b"1")

    assert reading.download_blob("secret").readall() == b"of south"
    assert code_of(refused.value) == "AuthorizationPermissionMismatch"


@pytest.mark.parametrize("lent", [False, True], ids=["no signature", "north's signature"])
def test_a_party_copies_nothing_that_it_may_not_read(
    stack: Storage, north: ContainerClient, lent: bool
) -> None:
    signature = stack.sas(north.container_name) if lent else ""
    source = f"{stack.url}/south/secret?{signature}"

    with pytest.raises(HttpResponseError) as refused:
        north.get_blob_client("stolen").start_copy_from_url(source)

    assert code_of(refused.value) == "CannotVerifyCopySource"
    assert not north.get_blob_client("stolen").exists()


@pytest.mark.parametrize("way", ["..", "%2e%2e", ".%2E"])
def test_a_copy_does_not_leave_the_container_by_dots(
    stack: Storage, north: ContainerClient, way: str
) -> None:
    own, signature = f"/cleanroom/{north.container_name}", stack.sas(north.container_name)
    decoy = f"{own}/{way}/south/secret?{signature}"
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    version = {"x-ms-version": "2021-12-02"}
    link.request("PUT", decoy, b"decoy", {**version, "x-ms-blob-type": "BlockBlob"})
    made = link.getresponse()
    made.read()
    source = {"x-ms-copy-source": f"https://{HOST}:{stack.port}{decoy}"}
    link.request("PUT", f"{own}/stolen?{signature}", b"", version | source)

    answer = link.getresponse()

    assert made.status == 201
    assert (answer.status, answer.headers["x-ms-error-code"]) == (404, "CannotVerifyCopySource")
    assert not north.get_blob_client("stolen").exists()
    link.close()


def test_what_is_no_url_is_no_source(north: ContainerClient) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        north.get_blob_client("a").start_copy_from_url("mailto:south")

    assert code_of(refused.value) == "CannotVerifyCopySource"


def test_delegation_keys_that_anybody_could_know_are_not_believed(stack: Storage) -> None:
    forged = "sv=2021-12-02&sr=c&sp=r&skoid=a&sktid=b&sks=b&skv=2021-12-02&sig=MQ%3D%3D"

    with pytest.raises(ClientAuthenticationError) as refused:
        signed(stack, "south", forged).download_blob("secret")

    assert code_of(refused.value) == "AuthenticationFailed"


def test_another_key_is_not_authentic(stack: Storage) -> None:
    wrong = {"account_name": "cleanroom", "account_key": "bm90aGluZw=="}

    with pytest.raises(ClientAuthenticationError) as refused:
        list(service(stack, wrong).list_containers())

    assert code_of(refused.value) == "AuthenticationFailed"


# --- nobody


def test_who_has_no_credentials_is_told_where_tokens_are(stack: Storage) -> None:
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request("GET", "/cleanroom/south/secret", headers={"x-ms-version": "2021-12-02"})

    answer = link.getresponse()

    assert (answer.status, answer.headers["x-ms-error-code"]) == (
        401,
        "NoAuthenticationInformation",
    )
    assert answer.headers["WWW-Authenticate"] == (
        f"Bearer authorization_uri={AUTHORITY}/oauth2/authorize"
        " resource_id=https://storage.azure.com"
    )
    link.close()


def test_no_container_is_public(stack: Storage) -> None:
    with pytest.raises(ResourceExistsError) as refused:
        stack.client().create_container("public", public_access="blob")

    assert code_of(refused.value) == "PublicAccessNotPermitted"


# --- tokens


def test_the_runner_s_token_is_as_good_as_a_key(stack: Storage) -> None:
    runner = service(stack, Identity(stack.home, "runner"))

    container = runner.create_container("results")
    container.upload_blob("a", b"1")
    container.get_blob_client("b").start_copy_from_url(f"{container.url}/a")
    container.delete_blobs("a")

    assert "results" in [found.name for found in runner.list_containers()]
    assert container.download_blob("b").readall() == b"1"


def test_a_client_learns_the_directory_from_the_challenge(stack: Storage) -> None:
    identity = Identity(stack.home, "runner", tokens.KEY_VAULT)

    with pytest.raises(ClientAuthenticationError) as refused:
        list(service(stack, identity).list_containers())

    assert code_of(refused.value) == "InvalidAuthenticationInfo"
    tenant = AUTHORITY.rpartition("/")[2]
    assert identity.asked[-1] == (("https://storage.azure.com/.default",), tenant)


def test_a_party_s_token_opens_nothing(stack: Storage) -> None:
    with pytest.raises(HttpResponseError) as refused:
        service(stack, Identity(stack.home, "south")).get_blob_client("south", "secret").exists()

    assert (refused.value.status_code, refused.value.reason) == (403, "Forbidden")


def test_a_role_may_be_for_one_container(stack: Storage) -> None:
    stack.container("shared").upload_blob("a", b"1")
    north = service(stack, Identity(stack.home, "north"))

    with pytest.raises(HttpResponseError) as refused:
        north.get_blob_client("south", "secret").download_blob()

    assert north.get_blob_client("shared", "a").download_blob().readall() == b"1"
    assert code_of(refused.value) == "AuthorizationPermissionMismatch"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.get_blob_client("south", "x").upload_blob(b"1"), id="write"),
        pytest.param(lambda c: c.get_blob_client("south", "secret").delete_blob(), id="delete"),
        pytest.param(lambda c: c.create_container("new"), id="create"),
        pytest.param(lambda c: c.set_service_properties(cors=[]), id="settings"),
    ],
)
def test_a_reader_changes_nothing(
    stack: Storage, ask: Callable[[BlobServiceClient], object]
) -> None:
    auditor = service(stack, Identity(stack.home, "auditor"))

    with pytest.raises(HttpResponseError) as refused:
        ask(auditor)

    assert code_of(refused.value) == "AuthorizationPermissionMismatch"
    assert auditor.get_blob_client("south", "secret").exists()


def test_a_source_may_have_a_signature_of_its_own(stack: Storage) -> None:
    container = service(stack, Identity(stack.home, "runner")).create_container("lent")
    source = f"{stack.url}/south/secret?{stack.sas('south', permission='r')}"

    container.get_blob_client("copy").start_copy_from_url(source)

    copied = container.get_blob_client("copy").get_blob_properties()
    assert container.download_blob("copy").readall() == b"of south"
    assert copied.copy.source == f"{stack.url}/south/secret"  # whoever reads it borrows nothing


def test_what_a_token_may_not_read_it_does_not_copy(stack: Storage) -> None:
    runner = service(stack, Identity(stack.home, "runner")).get_blob_client("south", "copied")

    with pytest.raises(ResourceNotFoundError) as refused:
        runner.start_copy_from_url(f"{stack.url}/south/none")

    assert code_of(refused.value) == "CannotVerifyCopySource"
