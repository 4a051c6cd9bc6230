"""User delegation keys by the genuine SDK: what their signatures open, and what they do not."""

import http.client
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from azure.storage.blob import (
    BlobClient,
    BlobServiceClient,
    ContainerClient,
    UserDelegationKey,
    generate_blob_sas,
    generate_container_sas,
)

from devstack import clock, tokens
from devstack.home import HOST
from devstack.storage import ACCOUNT
from tests.servers import trusting
from tests.storages import Identity, Storage, code_of, storage

ROLES = [
    *("--role", "auditor=reader", "--role", "auditor=contributor:audits"),
    *("--role", "north=contributor:room"),
]
HOUR = timedelta(hours=1)
MISMATCH = "AuthorizationPermissionMismatch"
VERSION = {"x-ms-version": "2026-10-06"}


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Storage]:
    with storage(tmp_path_factory.mktemp("storage"), ROLES) as made:
        for name in ("room", "audits", "other"):
            made.container(name).upload_blob("a/ü b", name.encode())
        yield made


@pytest.fixture(autouse=True)
def whole(stack: Storage) -> Iterator[None]:
    """See to it that no test, whatever it is refused, has changed what is there."""
    yield
    assert stack.client().get_blob_client("room", "a/ü b").download_blob().readall() == b"room"


def service(stack: Storage, name: str, audience: str = tokens.STORAGE) -> BlobServiceClient:
    identity = Identity(stack.home, name, audience)
    return BlobServiceClient(stack.url, identity, connection_verify=stack.trust)


def key_of(
    stack: Storage, name: str = "functions", start: timedelta = -HOUR, end: timedelta = HOUR
) -> UserDelegationKey:
    now = clock.now()
    return service(stack, name).get_user_delegation_key(now + start, now + end)


def blob_at(stack: Storage, container: str, name: str, signature: str) -> BlobClient:
    return BlobClient(
        stack.url, container, name, credential=signature, connection_verify=stack.trust
    )


def for_blob(
    key: UserDelegationKey, permission: str = "r", name: str = "a/ü b", **options: Any
) -> str:
    given: dict[str, Any] = {"expiry": clock.now() + HOUR, "permission": permission} | options
    return generate_blob_sas(ACCOUNT, "room", name, user_delegation_key=key, **given)


def for_container(key: UserDelegationKey, permission: str = "rl", container: str = "room") -> str:
    return generate_container_sas(
        ACCOUNT,
        container,
        user_delegation_key=key,
        permission=permission,
        expiry=clock.now() + HOUR,
        protocol="https",
    )


def container_at(stack: Storage, container: str, signature: str) -> ContainerClient:
    return ContainerClient(stack.url, container, signature, connection_verify=stack.trust)


# --- what they open


def test_a_key_tells_whose_it_is_and_for_when(stack: Storage) -> None:
    start = clock.now().replace(microsecond=0)

    key = service(stack, "functions").get_user_delegation_key(start, start + HOUR)

    assert key.signed_oid == stack.home.object_id("functions")
    assert key.signed_tid == stack.home.object_id("tenant")
    assert datetime.fromisoformat(str(key.signed_start)) == start
    assert datetime.fromisoformat(str(key.signed_expiry)) == start + HOUR
    assert key.signed_service == "b"


def test_the_same_terms_have_the_same_key_and_nobody_else_has_it(stack: Storage) -> None:
    now = clock.now()

    keys = [
        service(stack, name).get_user_delegation_key(now, now + HOUR).value
        for name in ("functions", "functions", "runner")
    ]

    assert keys[0] == keys[1]
    assert keys[0] != keys[2]


def test_a_signature_for_a_blob_reads_that_blob(stack: Storage) -> None:
    signature = for_blob(key_of(stack), protocol="https")

    assert blob_at(stack, "room", "a/ü b", signature).download_blob().readall() == b"room"


def test_an_answer_has_the_headers_that_were_signed(stack: Storage) -> None:
    signature = for_blob(key_of(stack), content_disposition="attachment; filename=x")

    found = blob_at(stack, "room", "a/ü b", signature).get_blob_properties()

    assert found.content_settings.content_disposition == "attachment; filename=x"


def test_a_signature_for_a_blob_writes_it_and_the_write_is_told(stack: Storage) -> None:
    stack.events(3)

    signature = for_blob(key_of(stack), "cw", "new")
    blob_at(stack, "room", "new", signature).upload_blob(b"1")

    assert [event["subject"][-4:] for event in stack.events(1)] == ["/new"]
    assert stack.client().get_blob_client("room", "new").download_blob().readall() == b"1"
    stack.client().get_blob_client("room", "new").delete_blob()
    stack.events(1)


def test_a_signature_for_a_container_lists_reads_and_deletes_in_it(stack: Storage) -> None:
    key = key_of(stack)
    container = container_at(stack, "room", for_container(key, "racwdl"))

    container.upload_blob("b", b"2")
    container.get_blob_client("c").start_copy_from_url(container.get_blob_client("b").url)
    found = [blob.name for blob in container.list_blobs()]
    container.delete_blobs("b", "c")

    assert found == ["a/ü b", "b", "c"]
    assert [blob.name for blob in container.list_blobs()] == ["a/ü b"]


def test_a_source_may_have_such_a_signature(stack: Storage) -> None:
    source = blob_at(stack, "room", "a/ü b", for_blob(key_of(stack)))
    copy = service(stack, "runner").get_blob_client("other", "copy")

    copy.start_copy_from_url(source.url)

    assert copy.download_blob().readall() == b"room"


def test_the_account_s_key_copies_from_a_source_with_such_a_signature(stack: Storage) -> None:
    source = blob_at(stack, "room", "a/ü b", for_blob(key_of(stack)))
    copy = stack.client().get_blob_client("other", "copy-by-key")

    copy.start_copy_from_url(source.url)

    assert copy.download_blob().readall() == b"room"


# --- who gets a key


@pytest.mark.parametrize(
    ("name", "audience", "code"),
    [
        pytest.param(
            "north", tokens.STORAGE, "AuthorizationPermissionMismatch", id="one container"
        ),
        pytest.param("nobody", tokens.STORAGE, "AuthorizationPermissionMismatch", id="no role"),
        pytest.param("functions", tokens.KEY_VAULT, "InvalidAuthenticationInfo", id="other token"),
    ],
)
def test_a_key_is_for_those_with_a_role_in_the_whole_account(
    stack: Storage, name: str, audience: str, code: str
) -> None:
    now = clock.now()

    with pytest.raises(HttpResponseError) as refused:
        service(stack, name, audience).get_user_delegation_key(now, now + HOUR)

    assert code_of(refused.value) == code


def test_the_account_s_key_brings_no_other(stack: Storage) -> None:
    now = clock.now()

    with pytest.raises(ClientAuthenticationError) as refused:
        stack.client().get_user_delegation_key(now, now + HOUR)

    assert code_of(refused.value) == "AuthenticationFailed"


@pytest.mark.parametrize("end", [timedelta(days=8), -HOUR], ids=["too late", "over"])
def test_a_key_is_for_a_week_at_most(stack: Storage, end: timedelta) -> None:
    with pytest.raises(HttpResponseError) as refused:
        key_of(stack, start=-2 * HOUR, end=end)

    assert (refused.value.status_code, code_of(refused.value)) == (400, "InvalidXmlNodeValue")


@pytest.mark.parametrize(
    ("headers", "body", "found"),
    [
        pytest.param({}, b"", (401, "NoAuthenticationInformation"), id="nobody"),
        pytest.param(
            {"x-ms-version": "2026-10-06"}, b"<", (400, "InvalidXmlDocument"), id="no XML"
        ),
        pytest.param({}, b"x", (400, "InvalidHeaderValue"), id="no version"),
    ],
)
def test_what_asks_for_no_key_is_refused(
    stack: Storage, headers: dict[str, str], body: bytes, found: tuple[int, str]
) -> None:
    token = Identity(stack.home, "functions").get_token("").token
    proof = {"Authorization": f"Bearer {token}"} if body else {}
    link = http.client.HTTPSConnection(HOST, stack.port, context=trusting(stack.home))

    link.request(
        "POST", f"/{ACCOUNT}?restype=service&comp=userdelegationkey", body, headers | proof
    )
    answer = link.getresponse()

    assert (answer.status, answer.headers["x-ms-error-code"]) == found
    link.close()


# --- what they do not open


def changed(signature: str, name: str, value: str) -> str:
    parts = [part for part in signature.split("&") if not part.startswith(f"{name}=")]
    return "&".join([*parts, f"{name}={value}"])


@pytest.mark.parametrize("name", ["runner", None], ids=["by a token", "by the account's key"])
def test_a_source_with_a_forged_signature_is_not_copied(stack: Storage, name: str | None) -> None:
    forged = changed(for_blob(key_of(stack)), "skoid", stack.home.object_id("runner"))
    source = blob_at(stack, "room", "a/ü b", forged)
    client = service(stack, name) if name else stack.client()

    with pytest.raises(HttpResponseError) as refused:
        client.get_blob_client("other", "stolen").start_copy_from_url(source.url)

    assert code_of(refused.value) == "CannotVerifyCopySource"


ATTACKS: dict[str, Callable[[Storage, UserDelegationKey], object]] = {
    "another blob": lambda s, k: blob_at(s, "room", "b", for_blob(k)).download_blob(),
    "another container": lambda s, k: (
        blob_at(s, "other", "a/ü b", for_blob(k)).download_blob().readall()
    ),
    "a container's, in another": lambda s, k: (
        container_at(s, "other", for_container(k)).get_blob_client("a/ü b").download_blob()
    ),
    "expired": lambda s, k: blob_at(
        s, "room", "a/ü b", for_blob(k, expiry=clock.now() - HOUR / 60)
    ).download_blob(),
    "not begun": lambda s, k: blob_at(
        s, "room", "a/ü b", for_blob(k, start=clock.now() + HOUR / 2)
    ).download_blob(),
    "permission raised": lambda s, k: blob_at(
        s, "room", "a/ü b", changed(for_blob(k), "sp", "rcwd")
    ).upload_blob(b"stolen", overwrite=True),
    "made a container's": lambda s, k: list(
        container_at(s, "room", changed(for_blob(k, "rl"), "sr", "c")).list_blobs()
    ),
    "listed with a blob's": lambda s, k: list(
        container_at(s, "room", for_blob(k, "rl")).list_blobs()
    ),
    "another's object id": lambda s, k: blob_at(
        s, "room", "a/ü b", changed(for_blob(k), "skoid", s.home.object_id("runner"))
    ).download_blob(),
    "an earlier key": lambda s, k: blob_at(
        s, "room", "a/ü b", changed(for_blob(k), "skt", "2026-01-01T00%3A00%3A00Z")
    ).download_blob(),
    "a longer key": lambda s, k: blob_at(
        s, "room", "a/ü b", changed(for_blob(k), "ske", "2126-01-01T00%3A00%3A00Z")
    ).download_blob(),
    "beside a token": lambda s, k: BlobClient(
        f"{s.url}?{for_blob(k, 'rw')}",
        "room",
        "a/ü b",
        credential=Identity(s.home, "auditor"),
        connection_verify=s.trust,
    ).download_blob(),
}


@pytest.mark.parametrize("attack", ATTACKS.values(), ids=ATTACKS)
def test_an_attack_is_not_authentic(
    stack: Storage, attack: Callable[[Storage, UserDelegationKey], object]
) -> None:
    key = key_of(stack)

    with pytest.raises(HttpResponseError) as refused:
        attack(stack, key)

    assert (refused.value.status_code, code_of(refused.value)) == (403, "AuthenticationFailed")


def test_a_signature_ends_with_its_key(stack: Storage) -> None:
    key = key_of(stack)
    key.signed_expiry = str(key.signed_start)  # as if an hour had gone by

    with pytest.raises(ClientAuthenticationError):
        blob_at(stack, "room", "a/ü b", for_blob(key)).download_blob()


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.get_blob_client("a/ü b").delete_blob(), id="delete"),
        pytest.param(lambda c: c.upload_blob("new", b"1"), id="write"),
        pytest.param(lambda c: c.delete_blobs("a/ü b"), id="delete in a batch"),
    ],
)
def test_a_signature_allows_what_it_says(
    stack: Storage, ask: Callable[[ContainerClient], object]
) -> None:
    container = container_at(stack, "room", for_container(key_of(stack), "rl"))

    with pytest.raises(HttpResponseError):
        ask(container)


def test_a_signature_allows_no_more_than_who_made_it_may(stack: Storage) -> None:
    key = key_of(stack, "auditor")
    own = container_at(stack, "audits", for_container(key, "rcwl", "audits"))
    read_only = container_at(stack, "room", for_container(key, "rcwl"))
    writing = container_at(stack, "room", for_container(key, "cw"))

    own.upload_blob("note", b"1", overwrite=True)
    for container in (read_only, writing):
        with pytest.raises(HttpResponseError) as refused:
            container.upload_blob("new", b"1")
        assert code_of(refused.value) == MISMATCH

    assert read_only.download_blob("a/ü b").readall() == b"room"


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(lambda c: c.delete_container(), id="delete"),
        pytest.param(lambda c: c.set_container_metadata({"a": "b"}), id="change"),
        pytest.param(lambda c: c.set_container_access_policy({}), id="policy"),
        pytest.param(lambda c: c.acquire_lease(), id="lease"),
    ],
)
def test_a_signature_is_for_what_is_in_a_container_and_not_for_itself(
    stack: Storage, ask: Callable[[ContainerClient], object]
) -> None:
    container = container_at(stack, "room", for_container(key_of(stack), "racwdl"))

    with pytest.raises(HttpResponseError) as refused:
        ask(container)

    assert refused.value.status_code == 403


def test_what_cannot_be_honoured_is_not_taken_for_done(stack: Storage) -> None:
    signature = for_blob(key_of(stack), ip="10.0.0.1")

    with pytest.raises(HttpResponseError) as refused:
        blob_at(stack, "room", "a/ü b", signature).get_blob_properties()

    assert refused.value.status_code == 501
