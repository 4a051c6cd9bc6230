"""Blobs by the genuine azure-storage-blob, and the events that tell of them."""

import asyncio
import gzip
import http.client
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from azure.core import MatchConditions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ResourceModifiedError,
    ResourceNotFoundError,
)
from azure.storage.blob import BlobBlock, ContainerClient, ContentSettings
from azure.storage.blob.aio import ContainerClient as AioContainerClient

from devstack.home import HOST
from devstack.storage import azurite
from tests.endpoints import Reply
from tests.servers import trusting
from tests.storages import Storage, code_of, storage

MIB = 1 << 20
ODD_NAMES = ["a/b ü#?%.csv", "a+b&c=d", "two\nlines", "//", "💎", "tail "]


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storage(tmp_path_factory.mktemp("storage")) as made:
        yield made


@pytest.fixture
def container(stack: Storage) -> ContainerClient:
    return stack.container(f"c{secrets.token_hex(6)}")


# --- blobs


def test_a_blob_comes_back_as_it_was(stack: Storage, container: ContainerClient) -> None:
    container.upload_blob("small", b"north", metadata={"kind": "test"})

    blob = container.download_blob("small")

    assert blob.readall() == b"north"
    assert blob.properties.metadata == {"kind": "test"}
    stack.events(1)


def test_a_blob_may_be_empty(stack: Storage, container: ContainerClient) -> None:
    container.upload_blob("empty", b"")

    assert container.download_blob("empty").readall() == b""
    (event,) = stack.events(1)
    assert event["data"]["contentLength"] == 0


def test_a_blob_of_unknown_length_is_refused(stack: Storage, container: ContainerClient) -> None:
    raw = urlsplit(container.get_blob_client("streamed").url).path
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request(
        "PUT",
        f"{raw}?{stack.sas(container.container_name)}",
        iter([b"nor", b"th"]),
        {"x-ms-blob-type": "BlockBlob", "x-ms-version": "2021-12-02"},
        encode_chunked=True,
    )

    answer = link.getresponse()

    code = answer.headers["x-ms-error-code"]
    assert (answer.status, code) == (411, "MissingContentLengthHeader")
    link.close()


def test_a_blob_that_did_not_change_is_not_sent_again(
    stack: Storage, container: ContainerClient
) -> None:
    etag = container.upload_blob("a", b"1").get_blob_properties().etag

    with pytest.raises(HttpResponseError) as refused:
        container.download_blob("a", etag=etag, match_condition=MatchConditions.IfModified)

    assert refused.value.status_code == 304
    stack.events(1)


def test_a_large_blob_goes_in_blocks_and_comes_in_ranges(stack: Storage) -> None:
    data = secrets.token_bytes(9 * MIB + 7)
    container = stack.container(
        "large", max_single_put_size=4 * MIB, max_block_size=4 * MIB, max_single_get_size=MIB
    )

    container.upload_blob("large", data, max_concurrency=2)

    assert container.download_blob("large", max_concurrency=2).readall() == data
    assert container.download_blob("large", MIB - 3, 9).readall() == data[MIB - 3 : MIB + 6]
    (event,) = stack.events(1)
    assert (event["data"]["api"], event["data"]["contentLength"]) == ("PutBlockList", len(data))


def test_what_a_client_compressed_stays_compressed(
    stack: Storage, container: ContainerClient
) -> None:
    packed = gzip.compress(b"north" * 100)
    container.upload_blob(
        "packed", packed, content_settings=ContentSettings(content_encoding="gzip")
    )
    raw = container.get_blob_client("packed").url.partition(HOST)[2].partition("/")[2]
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request("GET", f"/{raw}?{stack.sas(container.container_name)}")

    answer = link.getresponse()

    assert answer.read() == packed
    assert answer.headers["Content-Encoding"] == "gzip"
    link.close()
    stack.events(1)


@pytest.mark.parametrize("name", ODD_NAMES)
def test_odd_names_are_kept(stack: Storage, container: ContainerClient, name: str) -> None:
    container.upload_blob(name, b"1")

    assert [blob.name for blob in container.list_blobs()] == [name]
    (event,) = stack.events(1)
    subject = f"/blobServices/default/containers/{container.container_name}/blobs/{name}"
    assert event["subject"] == subject
    assert event["data"]["url"] == container.get_blob_client(name).url


def test_a_blob_is_created_once(stack: Storage, container: ContainerClient) -> None:
    container.upload_blob("once", b"1")

    with pytest.raises(ResourceExistsError) as refused:
        container.upload_blob("once", b"2")

    assert code_of(refused.value) == "BlobAlreadyExists"
    assert container.download_blob("once").readall() == b"1"
    stack.events(1)


def test_a_blob_that_changed_meanwhile_is_not_overwritten(
    stack: Storage, container: ContainerClient
) -> None:
    first = container.upload_blob("blob", b"1").get_blob_properties()
    container.upload_blob("blob", b"2", overwrite=True)

    with pytest.raises(ResourceModifiedError) as refused:
        container.upload_blob(
            "blob",
            b"3",
            overwrite=True,
            etag=first.etag,
            match_condition=MatchConditions.IfNotModified,
        )

    assert code_of(refused.value) == "ConditionNotMet"
    stack.events(2)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        pytest.param(lambda c: c.download_blob("none"), "BlobNotFound", id="no such blob"),
        pytest.param(lambda c: c.delete_blob("none"), "BlobNotFound", id="deleted already"),
        pytest.param(
            lambda c: c.get_blob_client("new").start_copy_from_url(f"{c.url}/none"),
            "BlobNotFound",
            id="no source",
        ),
    ],
)
def test_what_is_not_there_is_not_found(
    stack: Storage,
    container: ContainerClient,
    ask: Callable[[ContainerClient], object],
    code: str,
) -> None:
    with pytest.raises(ResourceNotFoundError) as refused:
        ask(container)

    assert code_of(refused.value) == code
    stack.events(0)


def test_a_container_that_is_gone_takes_no_blobs(stack: Storage) -> None:
    container = stack.container("gone")
    container.upload_blob("blob", b"1")
    container.delete_container()

    with pytest.raises(ResourceNotFoundError) as refused:
        container.upload_blob("blob", b"1")

    assert code_of(refused.value) == "ContainerNotFound"
    stack.events(1)


def test_what_is_no_request_target_is_refused(stack: Storage) -> None:
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request("GET", "https://elsewhere/cleanroom/a")

    answer = link.getresponse()

    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "InvalidUri")
    link.close()


def test_asynchronous_clients_are_served_alike(stack: Storage, container: ContainerClient) -> None:
    data = secrets.token_bytes(600 << 10)

    async def use() -> tuple[bytes, list[str]]:
        async with AioContainerClient.from_connection_string(
            azurite.connection_string(stack.home, stack.port),
            container.container_name,
            connection_verify=stack.trust,
            max_single_put_size=256 << 10,
            max_block_size=256 << 10,
        ) as client:
            await client.upload_blob("a b", data)
            await client.get_blob_client("copy").start_copy_from_url(f"{client.url}/a%20b")
            read = await (await client.download_blob("copy")).readall()
            await client.delete_blob("a b")
            return read, [blob.name async for blob in client.list_blobs()]

    assert asyncio.run(use()) == (data, ["copy"])
    apis = [event["data"]["api"] for event in stack.events(3)]
    assert apis == ["PutBlockList", "CopyBlob", "DeleteBlob"]


# --- events


def test_a_created_blob_is_told_in_full(stack: Storage, container: ContainerClient) -> None:
    settings = ContentSettings(content_type="text/csv")
    answer = container.get_blob_client("a.csv").upload_blob(b"a,b", content_settings=settings)

    (event,) = stack.events(1)

    resource = event["source"].partition("/resourceGroups/")[2]
    assert resource == "cleanroom-dev/providers/Microsoft.Storage/storageAccounts/cleanroom"
    assert event["type"] == "Microsoft.Storage.BlobCreated"
    assert event["specversion"] == "1.0"
    data = event["data"]
    diagnostics = data.pop("storageDiagnostics")
    assert list(diagnostics) == ["batchId"]
    assert data.pop("sequencer")
    assert data == {
        "api": "PutBlob",
        "blobType": "BlockBlob",
        "clientRequestId": answer["client_request_id"],
        "contentLength": 3,
        "contentType": "text/csv",
        "eTag": answer["etag"].strip('"'),
        "requestId": answer["request_id"],
        "url": f"{container.url}/a.csv",
    }


def test_a_deleted_blob_is_told_without_what_it_held(
    stack: Storage, container: ContainerClient
) -> None:
    container.upload_blob("a", b"1", content_settings=ContentSettings(content_type="text/csv"))
    container.delete_blob("a")

    created, deleted = stack.events(2)

    assert deleted["type"] == "Microsoft.Storage.BlobDeleted"
    assert deleted["data"]["contentType"] == "text/csv"
    assert not {"eTag", "contentLength"} & set(deleted["data"])
    assert deleted["data"]["sequencer"] > created["data"]["sequencer"]


def test_copies_and_other_kinds_of_blobs_are_told(
    stack: Storage, container: ContainerClient
) -> None:
    container.upload_blob("source", b"123")
    container.get_blob_client("copy").start_copy_from_url(f"{container.url}/source")
    container.get_blob_client("now").start_copy_from_url(
        f"{container.url}/source", requires_sync=True
    )
    container.get_blob_client("pages").create_page_blob(1024)
    container.get_blob_client("lines").create_append_blob()

    told = [event["data"] for event in stack.events(5)[1:]]

    assert [(data["api"], data["blobType"], data["contentLength"]) for data in told] == [
        ("CopyBlob", "BlockBlob", 3),
        ("CopyBlob", "BlockBlob", 3),
        ("PutBlob", "PageBlob", 1024),
        ("PutBlob", "AppendBlob", 0),
    ]


def test_what_commits_no_blob_is_silent(stack: Storage, container: ContainerClient) -> None:
    blob = container.get_blob_client("a")
    blob.stage_block("MQ==", b"1")
    blob.commit_block_list([BlobBlock("MQ==")])
    blob.set_blob_metadata({"a": "b"})
    blob.set_blob_tags({"a": "b"})
    blob.set_http_headers(ContentSettings(content_type="text/plain"))
    blob.set_standard_blob_tier("Cool")
    lease = blob.acquire_lease()
    lease.release()
    blob.create_snapshot()
    blob.delete_blob(delete_snapshots="only")
    blob.download_blob().readall()

    (event,) = stack.events(1)

    assert event["data"]["api"] == "PutBlockList"


def test_a_snapshot_goes_in_silence_and_its_blob_does_not(
    stack: Storage, container: ContainerClient
) -> None:
    blob = container.upload_blob("a", b"1")
    blob.create_snapshot()
    blob.delete_blob(delete_snapshots="include")

    created, deleted = stack.events(2)

    assert (created["data"]["api"], deleted["data"]["api"]) == ("PutBlob", "DeleteBlob")


def test_the_service_s_own_containers_are_silent(stack: Storage) -> None:
    container = stack.container("$logs")

    container.upload_blob("a", b"1")

    stack.events(0)


def test_a_blob_that_is_written_again_after_its_container_is_told(stack: Storage) -> None:
    container = stack.container("again")
    container.upload_blob("a", b"1")
    container.delete_container()
    stack.container("again").upload_blob("a", b"1")

    first, second = stack.events(2)

    assert first["id"] != second["id"]
    assert first["data"]["sequencer"] < second["data"]["sequencer"]


def test_what_is_not_taken_is_told_again_in_its_order(
    stack: Storage, container: ContainerClient
) -> None:
    stack.grid.reply = lambda _: Reply(status=500)
    container.upload_blob("a", b"1")
    container.upload_blob("b", b"1")
    stack.grid.next()

    stack.grid.reply = lambda _: Reply()

    assert [event["subject"][-1] for event in stack.events(2)] == ["a", "b"]


def test_many_uploads_at_once_are_as_many_events(
    stack: Storage, container: ContainerClient
) -> None:
    names = [f"{number}" for number in range(200)]

    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: container.upload_blob(name, name), names))

    subjects = {event["subject"].rpartition("/")[2] for event in stack.events(200)}
    assert subjects == set(names)


def test_one_blob_s_commits_are_told_in_their_order(
    stack: Storage, container: ContainerClient
) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: container.upload_blob("a", f"{n}", overwrite=True), range(24)))

    last = max(stack.events(24), key=lambda event: event["data"]["sequencer"])
    etag = container.get_blob_client("a").get_blob_properties().etag
    assert last["data"]["eTag"] == etag.strip('"')


# --- batches


def test_a_batch_of_deletes_is_told_one_by_one(stack: Storage, container: ContainerClient) -> None:
    names = ["a", "b ü", "c"]
    for name in names:
        container.upload_blob(name, b"1")

    answers = list(container.delete_blobs(*names, "none", raise_on_any_failure=False))

    assert [answer.status_code for answer in answers] == [202, 202, 202, 404]
    told = [event["type"] for event in stack.events(6)]
    assert told.count("Microsoft.Storage.BlobDeleted") == 3


def test_a_batch_that_is_none_is_refused(stack: Storage) -> None:
    service = stack.client()
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request("POST", f"/{service.account_name}/?comp=batch", b"--x\r\n")

    answer = link.getresponse()

    assert (answer.status, answer.headers["x-ms-error-code"]) == (400, "InvalidInput")
    link.close()


def test_what_azurite_does_not_do_is_said(container: ContainerClient) -> None:
    with pytest.raises(HttpResponseError) as refused:
        container.get_blob_client("a").upload_blob_from_url(f"{container.url}/b")

    assert refused.value.status_code == 501
