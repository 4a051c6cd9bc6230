"""kill -9 of the front, of Azurite, of whoever takes the events: nothing acknowledged is lost."""

import http.client
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from urllib.parse import urlsplit

import pytest
from azure.core.exceptions import AzureError, HttpResponseError
from azure.storage.blob import BlobClient, ContainerClient

from devstack.home import HOST
from tests.endpoints import Reply
from tests.servers import trusting
from tests.storages import Gate, Storage, code_of, quick_retries, storage

NO_RETRY = quick_retries(0)


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storage(tmp_path_factory.mktemp("storage"), gated=True) as made:
        yield made


@pytest.fixture
def gate(stack: Storage) -> Iterator[Gate]:
    assert stack.gate is not None
    yield stack.gate
    stack.gate.release()


@pytest.fixture
def container(stack: Storage) -> ContainerClient:
    return stack.container(f"c{secrets.token_hex(6)}")


@pytest.fixture
def hasty(stack: Storage, container: ContainerClient) -> ContainerClient:
    """The container for a client that does not try again."""
    service = stack.client(retry_policy=NO_RETRY)
    return service.get_container_client(container.container_name)


def in_background(work: Callable[[], object]) -> Future[object]:
    """Run while the test goes on; whatever it raises is kept."""
    future: Future[object] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except AzureError as error:
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future


def etag_of(blob: BlobClient) -> str:
    return str(blob.get_blob_properties().etag).strip('"')


# --- the front


def test_a_commit_whose_answer_the_front_did_not_see_is_told(
    stack: Storage, gate: Gate, container: ContainerClient, hasty: ContainerClient
) -> None:
    gate.hold_answers()
    upload = in_background(lambda: hasty.upload_blob("a", b"1"))
    gate.held.wait(10)

    stack.front.kill()
    gate.drop()
    stack.front.restart()

    (event,) = stack.events(1)
    assert event["data"]["eTag"] == etag_of(container.get_blob_client("a"))
    assert (event["data"]["contentLength"], event["data"]["api"]) == (1, "PutBlob")
    assert isinstance(upload.exception(10), AzureError)


def test_a_deletion_whose_answer_the_front_did_not_see_is_told(
    stack: Storage, gate: Gate, container: ContainerClient, hasty: ContainerClient
) -> None:
    container.upload_blob("a", b"1")
    gate.hold_answers()
    deletion = in_background(lambda: hasty.delete_blob("a"))
    gate.held.wait(10)

    stack.front.kill()
    gate.drop()
    stack.front.restart()

    _, deleted = stack.events(2)
    assert deleted["type"] == "Microsoft.Storage.BlobDeleted"
    assert isinstance(deletion.exception(10), AzureError)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.upload_blob("a", b"2", overwrite=True), id="write"),
        pytest.param(lambda c: c.delete_blob("a"), id="delete"),
    ],
)
def test_what_never_reached_azurite_is_not_told(
    stack: Storage,
    gate: Gate,
    container: ContainerClient,
    hasty: ContainerClient,
    ask: Callable[[ContainerClient], object],
) -> None:
    container.upload_blob("a", b"1")
    gate.hold_requests()
    asked = in_background(lambda: ask(hasty))
    gate.held.wait(10)

    stack.front.kill()
    stack.azurite.kill()  # with what it did not get
    gate.drop()
    stack.azurite.run()
    stack.front.restart()
    container.upload_blob("b", b"1")

    assert [event["subject"][-1] for event in stack.events(2)] == ["a", "b"]
    assert container.download_blob("a").readall() == b"1"
    assert isinstance(asked.exception(10), AzureError)


def test_events_wait_for_whoever_takes_them(stack: Storage, container: ContainerClient) -> None:
    stack.grid.reply = lambda _: Reply(status=503)
    container.upload_blob("a", b"1")
    container.upload_blob("b", b"1")
    stack.grid.next()

    stack.front.kill()
    stack.front.restart()
    stack.grid.next()
    stack.grid.reply = lambda _: Reply()

    assert [event["subject"][-1] for event in stack.events(2)] == ["a", "b"]


def test_sequencers_rise_over_restarts(stack: Storage, container: ContainerClient) -> None:
    container.upload_blob("a", b"1")
    (first,) = stack.events(1)

    stack.front.kill()
    stack.front.restart()
    container.upload_blob("a", b"2", overwrite=True)

    (second,) = stack.events(1)
    assert first["data"]["sequencer"] < second["data"]["sequencer"]


@pytest.mark.parametrize("writes", [40, pytest.param(400, marks=pytest.mark.campaign)])
def test_kills_under_load_lose_and_double_nothing(
    writes: int, stack: Storage, container: ContainerClient
) -> None:
    names = [f"{number:03}" for number in range(writes)]
    with ThreadPoolExecutor(6) as pool:
        uploads = [pool.submit(_write_twice, container, name) for name in names]
        time.sleep(0.3)
        stack.front.kill()
        stack.front.restart()
        time.sleep(0.2)
        stack.azurite.kill()
        stack.azurite.run()
        etags = {upload.result(60) for upload in uploads}
    etags |= {etag_of(container.get_blob_client(name)) for name in names}

    told = stack.etags(etags)

    assert Counter(told).most_common(1)[0][1] == 1
    assert etags <= set(told)


# --- azurite


def test_what_azurite_acknowledged_outlives_it(stack: Storage, container: ContainerClient) -> None:
    container.upload_blob("kept", b"1", metadata={"a": "b"})
    container.upload_blob("overwritten", b"1")
    container.upload_blob("overwritten", b"2", overwrite=True)
    container.upload_blob("deleted", b"1")
    container.delete_blob("deleted")

    stack.azurite.kill()
    stack.azurite.run()
    container.upload_blob("new", b"3")
    stack.azurite.kill()
    stack.azurite.run()

    names = [blob.name for blob in container.list_blobs()]
    assert names == ["kept", "new", "overwritten"]
    assert container.download_blob("overwritten").readall() == b"2"
    assert container.get_blob_client("kept").get_blob_properties().metadata == {"a": "b"}
    stack.events(6)


def test_what_has_one_name_is_told_apart_also_after_a_restart(
    stack: Storage, container: ContainerClient
) -> None:
    blob, gone = container.get_blob_client("a"), container.get_blob_client("b")
    blob.upload_blob(b"1")
    snapshot = container.get_blob_client("a", snapshot=str(blob.create_snapshot()["snapshot"]))
    blob.upload_blob(b"22", overwrite=True)
    gone.upload_blob(b"3")
    other = stack.container(f"c{secrets.token_hex(6)}").get_blob_client("a")
    other.upload_blob(b"4")

    def found() -> list[object]:
        read = [one.download_blob().readall() for one in (blob, snapshot, other)]
        return [*read, gone.exists(), [one.name for one in container.list_blobs()]]

    before = found()
    gone.delete_blob()
    after = found()
    stack.azurite.kill()
    stack.azurite.run()

    assert before == [b"22", b"1", b"4", True, ["a", "b"]]
    assert after == found() == [b"22", b"1", b"4", False, ["a"]]
    stack.events(5)


def test_clients_try_again_until_azurite_is_back(
    stack: Storage, gate: Gate, container: ContainerClient
) -> None:
    gate.hold_answers()
    upload = in_background(lambda: container.upload_blob("a", b"1", overwrite=True))
    gate.held.wait(10)

    stack.azurite.kill()
    gate.drop()
    stack.azurite.run()

    upload.result(20)
    first, second = [event["data"]["eTag"] for event in stack.events(2)]
    assert first != second == etag_of(container.get_blob_client("a"))


def test_a_part_of_a_blob_is_not_taken_for_the_whole(
    stack: Storage, container: ContainerClient
) -> None:
    container.upload_blob("large", bytes(32 << 20))
    raw = urlsplit(container.get_blob_client("large").url).path
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))
    link.request("GET", f"{raw}?{stack.sas(container.container_name)}")
    answer = link.getresponse()
    answer.read(1)

    stack.azurite.kill()

    with pytest.raises((OSError, http.client.IncompleteRead)):
        answer.read()
    stack.azurite.run()
    assert "Traceback" not in stack.front.log.read_text()
    stack.events(1)
    link.close()


def test_a_storage_that_is_away_says_so(stack: Storage, hasty: ContainerClient) -> None:
    stack.azurite.kill()

    with pytest.raises(HttpResponseError) as refused:
        hasty.upload_blob("a", b"1")

    stack.azurite.run()
    assert (refused.value.status_code, code_of(refused.value)) == (503, "ServerBusy")
    stack.events(0)


def _write_twice(container: ContainerClient, name: str) -> str:
    """Overwrite, and return the etag that the first write was acknowledged with."""
    blob = container.get_blob_client(name)
    first = blob.upload_blob(b"1", overwrite=True)["etag"]
    blob.upload_blob(b"2", overwrite=True)
    return str(first).strip('"')
