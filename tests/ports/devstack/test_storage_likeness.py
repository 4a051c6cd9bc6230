"""Blobs by the genuine client, here and in Azure: the same answers, the same errors.

What only the dev stack has (events, its roles) is in test_storage.py and test_storage_access.py.
"""

import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, BlobServiceClient, ContainerClient, ContentSettings

from tests.ports.azure import PLACES
from tests.ports.services import Account, Nobody, account_at, unique
from tests.storages import code_of


@pytest.fixture(scope="module", params=PLACES)
def account(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Account]:
    with account_at(request.param, tmp_path_factory.mktemp("storage")) as found:
        yield found


@pytest.fixture(autouse=True)
def trusted() -> None:
    """Leave the environment as it is: the clients are told whom to trust."""


@pytest.fixture(scope="module")
def client(account: Account) -> Iterator[BlobServiceClient]:
    with account.client() as found:
        yield found


@pytest.fixture(scope="module")
def container(client: BlobServiceClient) -> Iterator[ContainerClient]:
    made = client.create_container(unique("own"))
    yield made
    made.delete_container()


@pytest.fixture(scope="module")
def other(client: BlobServiceClient) -> Iterator[ContainerClient]:
    """Another party's container, in which there is a blob."""
    made = client.create_container(unique("other"))
    made.upload_blob("secret", b"of south")
    yield made
    made.delete_container()


@pytest.fixture
def name() -> str:
    """A name that no other test has."""
    return f"{secrets.token_hex(6)}/a b ü.csv"


# --- writing and reading


def test_a_blob_is_created_once(container: ContainerClient, name: str) -> None:
    container.upload_blob(name, b"1")

    with pytest.raises(ResourceExistsError) as refused:
        container.upload_blob(name, b"2")  # with If-None-Match: *

    assert code_of(refused.value) == "BlobAlreadyExists"
    assert refused.value.status_code == 409
    assert container.download_blob(name).readall() == b"1"


def test_a_blob_is_overwritten_by_who_says_so(container: ContainerClient, name: str) -> None:
    first = container.upload_blob(name, b"1").get_blob_properties()

    second = container.upload_blob(name, b"22", overwrite=True).get_blob_properties()

    assert container.download_blob(name).readall() == b"22"
    assert first.etag != second.etag


def test_a_blob_is_staged_in_blocks_and_there_when_they_are_committed(
    container: ContainerClient, name: str
) -> None:
    blob = container.get_blob_client(name)
    first, second = BlobBlock("MQ=="), BlobBlock("Mg==")
    blob.stage_block(second.id, b"bank")
    blob.stage_block(first.id, b"north ")

    staged = [block.id for block in blob.get_block_list("uncommitted")[1]]
    assert sorted(staged) == [first.id, second.id]
    assert not blob.exists()

    blob.commit_block_list([first, second])
    assert blob.download_blob().readall() == b"north bank"
    assert [block.id for block in blob.get_block_list()[0]] == [first.id, second.id]


def test_a_block_that_was_not_staged_is_not_committed(
    container: ContainerClient, name: str
) -> None:
    with pytest.raises(HttpResponseError) as refused:
        container.get_blob_client(name).commit_block_list([BlobBlock("MQ==")])

    assert (refused.value.status_code, code_of(refused.value)) == (400, "InvalidBlockList")


def test_a_range_is_read(container: ContainerClient, name: str) -> None:
    container.upload_blob(name, b"0123456789")

    assert container.download_blob(name, 3, 4).readall() == b"3456"
    assert container.download_blob(name, 8, 100).readall() == b"89"


def test_a_range_after_the_end_is_refused(container: ContainerClient, name: str) -> None:
    container.upload_blob(name, b"0123456789")

    with pytest.raises(HttpResponseError) as refused:
        container.download_blob(name, 11, 1)

    assert (refused.value.status_code, code_of(refused.value)) == (416, "InvalidRange")


def test_what_changed_meanwhile_is_not_overwritten(container: ContainerClient, name: str) -> None:
    blob = container.get_blob_client(name)
    first = blob.upload_blob(b"1")
    second = blob.upload_blob(
        b"2", overwrite=True, etag=first["etag"], match_condition=MatchConditions.IfNotModified
    )

    with pytest.raises(ResourceModifiedError) as refused:
        blob.upload_blob(
            b"3", overwrite=True, etag=first["etag"], match_condition=MatchConditions.IfNotModified
        )

    assert (refused.value.status_code, code_of(refused.value)) == (412, "ConditionNotMet")
    assert blob.get_blob_properties().etag == second["etag"]


def test_what_changed_meanwhile_is_not_deleted(container: ContainerClient, name: str) -> None:
    blob = container.get_blob_client(name)
    first = blob.upload_blob(b"1")
    blob.upload_blob(b"2", overwrite=True)

    with pytest.raises(ResourceModifiedError) as refused:
        blob.delete_blob(etag=first["etag"], match_condition=MatchConditions.IfNotModified)

    assert code_of(refused.value) == "ConditionNotMet"
    assert blob.exists()


def test_what_did_not_change_is_not_read_again(container: ContainerClient, name: str) -> None:
    etag = container.get_blob_client(name).upload_blob(b"1")["etag"]

    with pytest.raises(HttpResponseError) as refused:
        container.download_blob(name, etag=etag, match_condition=MatchConditions.IfModified)

    assert refused.value.status_code == 304


def test_blobs_are_listed_by_prefix_and_in_pages(container: ContainerClient, name: str) -> None:
    folder = name.partition("/")[0]
    names = [f"{folder}/{part}" for part in ("a/1", "a/2", "b")]
    for each in names:
        container.upload_blob(each, b"1")

    listed = [blob.name for blob in container.list_blobs(name_starts_with=f"{folder}/")]
    pages = container.list_blobs(name_starts_with=f"{folder}/", results_per_page=2).by_page()
    walked = [one.name for one in container.walk_blobs(name_starts_with=f"{folder}/")]

    assert listed == names
    assert [[blob.name for blob in page] for page in pages] == [names[:2], names[2:]]
    assert walked == [f"{folder}/a/", f"{folder}/b"]


def test_properties_and_metadata_are_kept(container: ContainerClient, name: str) -> None:
    blob = container.get_blob_client(name)
    settings = ContentSettings(content_type="text/csv")
    blob.upload_blob(b"a,b", metadata={"kind": "test"}, content_settings=settings)

    found = blob.get_blob_properties()
    blob.set_blob_metadata({"other": "1"})

    assert (found.size, found.content_settings.content_type) == (3, "text/csv")
    assert found.metadata == {"kind": "test"}
    assert found.blob_type == "BlockBlob"
    assert found.creation_time <= found.last_modified
    assert blob.get_blob_properties().metadata == {"other": "1"}
    (listed,) = container.list_blobs(name_starts_with=name, include=["metadata"])
    assert listed.metadata == {"other": "1"}


def test_a_blob_is_deleted_once(container: ContainerClient, name: str) -> None:
    container.upload_blob(name, b"1")
    container.delete_blob(name)

    with pytest.raises(ResourceNotFoundError) as refused:
        container.delete_blob(name)

    assert code_of(refused.value) == "BlobNotFound"
    assert not container.get_blob_client(name).exists()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.download_blob("none"), id="read"),
        pytest.param(lambda c: c.get_blob_client("none").get_blob_properties(), id="properties"),
        pytest.param(lambda c: c.get_blob_client("none").set_blob_metadata({}), id="metadata"),
    ],
)
def test_a_blob_that_is_not_there_is_not_found(
    container: ContainerClient, ask: Callable[[ContainerClient], object]
) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        ask(container)

    assert code_of(refused.value) == "BlobNotFound"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.upload_blob("a", b"1"), id="write"),
        pytest.param(lambda c: c.download_blob("a"), id="read"),
        pytest.param(lambda c: list(c.list_blobs()), id="list"),
        pytest.param(lambda c: c.get_container_properties(), id="properties"),
        pytest.param(lambda c: c.delete_container(), id="delete"),
    ],
)
def test_a_container_that_is_not_there_is_not_found(
    client: BlobServiceClient, ask: Callable[[ContainerClient], object]
) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        ask(client.get_container_client(unique("none")))

    assert code_of(refused.value) == "ContainerNotFound"


def test_a_container_is_created_once(client: BlobServiceClient, container: ContainerClient) -> None:
    with pytest.raises(ResourceExistsError) as refused:
        client.create_container(container.container_name)

    assert code_of(refused.value) == "ContainerAlreadyExists"


# --- who may


def test_a_signature_opens_its_own_container(
    account: Account, container: ContainerClient, name: str
) -> None:
    signature = account.sas(container.container_name)

    with account.signed(container.container_name, signature) as signed:
        signed.upload_blob(name, b"1")
        listed = [blob.name for blob in signed.list_blobs(name_starts_with=name)]
        read = signed.download_blob(name).readall()
        signed.delete_blob(name)

    assert (listed, read) == ([name], b"1")


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: list(c.list_blobs()), id="list"),
        pytest.param(lambda c: c.download_blob("secret"), id="read"),
        pytest.param(lambda c: c.upload_blob("new", b"1"), id="write"),
        pytest.param(lambda c: c.delete_blob("secret"), id="delete"),
    ],
)
def test_a_signature_opens_no_other_container(
    account: Account,
    container: ContainerClient,
    other: ContainerClient,
    ask: Callable[[ContainerClient], object],
) -> None:
    signature = account.sas(container.container_name)

    with (
        account.signed(other.container_name, signature) as signed,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        ask(signed)

    assert (refused.value.status_code, code_of(refused.value)) == (403, "AuthenticationFailed")


def test_a_signature_that_ended_opens_nothing(account: Account, other: ContainerClient) -> None:
    signature = account.sas(other.container_name, life=-timedelta(hours=1))

    with (
        account.signed(other.container_name, signature) as signed,
        pytest.raises(ClientAuthenticationError) as refused,
    ):
        signed.download_blob("secret")

    assert (refused.value.status_code, code_of(refused.value)) == (403, "AuthenticationFailed")


def test_a_signature_for_reading_does_not_write(account: Account, other: ContainerClient) -> None:
    signature = account.sas(other.container_name, "r")

    with (
        account.signed(other.container_name, signature) as signed,
        pytest.raises(HttpResponseError) as refused,
    ):
        signed.upload_blob("new", b"1")

    assert refused.value.status_code == 403
    assert code_of(refused.value) == "AuthorizationPermissionMismatch"


def test_a_token_reads_and_writes(account: Account, container: ContainerClient, name: str) -> None:
    with account.by(account.credential) as client:
        blob = client.get_blob_client(container.container_name, name)
        blob.upload_blob(b"1")

        assert blob.download_blob().readall() == b"1"


def test_what_is_no_token_opens_nothing(account: Account, other: ContainerClient) -> None:
    with account.by(Nobody()) as client, pytest.raises(ClientAuthenticationError) as refused:
        client.get_blob_client(other.container_name, "secret").download_blob()

    assert code_of(refused.value) == "InvalidAuthenticationInfo"
