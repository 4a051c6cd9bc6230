"""Signatures by user delegation keys: the SDK's are believed, and whatever differs is not."""

import base64
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
from azure.storage.blob import UserDelegationKey, generate_blob_sas, generate_container_sas
from azure.storage.blob import _shared_access_signature as sdk

from devstack.storage import delegated
from devstack.storage.changes import Target
from devstack.storage.delegated import Delegated, verified
from devstack.storage.delegation import Delegation, Terms
from devstack.storage.refusals import NOT_AUTHENTIC, NOT_IMPLEMENTED, Refusal
from tests.builders import NOW

TENANT, FUNCTIONS, RUNNER = "tenant", "id-of-functions", "id-of-runner"
KEYS = Delegation(TENANT, {FUNCTIONS: "functions", RUNNER: "runner"}, b"secret")
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def spelled(when: datetime) -> str:
    return when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def user_key(owner: str = FUNCTIONS, start: timedelta = -HOUR, end: timedelta = DAY) -> Any:
    terms = Terms(owner, TENANT, spelled(NOW + start), spelled(NOW + end), "2026-10-06")
    made = UserDelegationKey()  # type: ignore[no-untyped-call]  # theirs
    made.signed_oid, made.signed_tid = terms.object_id, terms.tenant
    made.signed_start, made.signed_expiry = terms.start, terms.expiry
    made.signed_service, made.signed_version = "b", terms.version
    made.value = base64.b64encode(KEYS.key(terms)).decode()
    return made


def of_blob(key: Any = None, **options: Any) -> dict[str, str]:
    given: dict[str, Any] = {"permission": "r", "expiry": NOW + HOUR} | options
    made = generate_blob_sas(
        "cleanroom", "room", "a/b", user_delegation_key=key or user_key(), **given
    )
    return dict(parse_qsl(made))


def of_container(**options: Any) -> dict[str, str]:
    given: dict[str, Any] = {"permission": "rl", "expiry": NOW + HOUR} | options
    made = generate_container_sas("cleanroom", "room", user_delegation_key=user_key(), **given)
    return dict(parse_qsl(made))


def read(fields: Mapping[str, str], path: str = "/cleanroom/room/a/b") -> Delegated | Refusal:
    target = Target.parse(f"{path}?{urlencode(fields)}")
    assert target is not None
    return verified(target, KEYS, NOW)


def test_a_signature_for_a_blob_says_what_it_allows() -> None:
    until = NOW.replace(microsecond=0) + HOUR

    assert read(of_blob()) == Delegated("functions", "b", "r", until, {})


@pytest.mark.parametrize("path", ["/cleanroom/room", "/cleanroom/room/a/b", "/cleanroom/room/c"])
def test_a_signature_for_a_container_is_for_all_that_is_in_it(path: str) -> None:
    found = read(of_container(), path)

    assert isinstance(found, Delegated)
    assert (found.kind, found.permissions) == ("c", "rl")


def test_a_signature_ends_with_its_key() -> None:
    found = read(of_blob(user_key(end=HOUR), expiry=NOW + DAY))

    assert isinstance(found, Delegated)
    assert spelled(found.until) == spelled(NOW + HOUR)


def test_headers_of_the_answer_are_signed_too() -> None:
    fields = of_blob(cache_control="no-store", content_disposition="attachment")

    found = read(fields)

    assert isinstance(found, Delegated)
    assert found.overrides == {"rscc": "no-store", "rscd": "attachment"}
    assert read(fields | {"rscc": "public"}) == NOT_AUTHENTIC
    assert read(fields | {"rsct": "text/html"}) == NOT_AUTHENTIC


@pytest.mark.parametrize(
    ("version", "more"),
    [("2020-12-06", 0), ("2025-05-05", 0), ("2025-07-05", 2), ("2026-02-06", 2), ("2026-04-06", 4)],
)
def test_what_is_signed_has_grown_by_version(version: str, more: int) -> None:
    target = Target.parse(f"/cleanroom/room/a/b?{urlencode(of_blob() | {'sv': version})}")
    assert target is not None

    lines = delegated.signed(target).split("\n")

    assert len(lines) == 24 + more
    assert lines[15 + min(more, 2)] == version


CHANGES: dict[str, Callable[[], dict[str, str]]] = {
    "another identity": lambda: of_blob() | {"skoid": RUNNER},
    "nobody": lambda: of_blob() | {"skoid": "id-of-nobody"},
    "another tenant": lambda: of_blob() | {"sktid": "other"},
    "an earlier key": lambda: of_blob() | {"skt": spelled(NOW - DAY)},
    "a longer key": lambda: of_blob() | {"ske": spelled(NOW + 2 * DAY)},
    "the same end, spelled otherwise": lambda: (
        of_blob() | {"ske": spelled(NOW + DAY).replace("Z", "+00:00")}
    ),
    "another version of the key": lambda: of_blob() | {"skv": "2020-12-06"},
    "a key for queues": lambda: of_blob() | {"sks": "q"},
    "more permissions": lambda: of_blob() | {"sp": "rw"},
    "a later end": lambda: of_blob() | {"se": spelled(NOW + 2 * HOUR)},
    "an earlier begin": lambda: of_blob(start=NOW - HOUR) | {"st": spelled(NOW - DAY)},
    "another version": lambda: of_blob() | {"sv": "2026-04-06"},
    "an older way to sign": lambda: of_blob() | {"sv": "2020-12-06"},
    "no version": lambda: of_blob() | {"sv": "z"},
    "the whole container": lambda: of_blob() | {"sr": "c"},
    "another protocol": lambda: of_blob(protocol="https") | {"spr": "https,http"},
    "no protocol of ours": lambda: of_blob(protocol="http"),
    "another signature": lambda: of_blob() | {"sig": "MQ=="},
    "a signature that is no ASCII": lambda: of_blob() | {"sig": "ü"},
    "a policy": lambda: of_blob(policy_id="p"),
    "a snapshot": lambda: of_blob() | {"snapshot": "2026-01-01T00:00:00.0000000Z"},
    "ended": lambda: of_blob(expiry=NOW),
    "not begun": lambda: of_blob(start=NOW + timedelta(minutes=1)),
    "no time": lambda: of_blob(expiry="soon"),
    "no begin's time": lambda: of_blob(start="soon"),
    "a key that ended": lambda: of_blob(user_key(end=timedelta())),
    "a key that has not begun": lambda: of_blob(user_key(start=HOUR)),
}


@pytest.mark.parametrize("fields", CHANGES.values(), ids=CHANGES)
def test_what_differs_is_not_authentic(fields: Callable[[], dict[str, str]]) -> None:
    assert read(fields()) == NOT_AUTHENTIC


@pytest.mark.parametrize("name", ["sv", "sr", "sp", "se", "sig", "sktid", "skt", "ske", "skv"])
def test_what_is_missing_is_not_authentic(name: str) -> None:
    fields = of_blob()
    del fields[name]

    assert read(fields) == NOT_AUTHENTIC


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/cleanroom/room/a/c", id="another blob"),
        pytest.param("/cleanroom/room/a/b/c", id="a longer name"),
        pytest.param("/cleanroom/room/a", id="a shorter name"),
        pytest.param("/cleanroom/other/a/b", id="another container"),
        pytest.param("/cleanroom/room", id="the container"),
        pytest.param("/cleanroom", id="the account"),
        pytest.param("/another/room/a/b", id="another account"),
    ],
)
def test_a_signature_for_a_blob_is_for_that_blob(path: str) -> None:
    assert read(of_blob(), path) == NOT_AUTHENTIC


@pytest.mark.parametrize("path", ["/cleanroom/other", "/cleanroom/room2/a", "/cleanroom/roo/m"])
def test_a_signature_for_a_container_is_for_that_container(path: str) -> None:
    assert read(of_container(), path) == NOT_AUTHENTIC


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({"ip": "127.0.0.1"}, id="an address"),
        pytest.param({"user_delegation_oid": "id"}, id="one user alone"),
        pytest.param({"request_headers": {"a": "b"}}, id="headers"),
        pytest.param({"request_query_params": {"a": "b"}}, id="parameters"),
        pytest.param({"encryption_scope": "e"}, id="a scope"),
        pytest.param({"correlation_id": "c"}, id="a correlation"),
        pytest.param({"version_id": "v"}, id="a version of the blob"),
        pytest.param({"snapshot": "s"}, id="a snapshot"),
        pytest.param({"is_directory": True}, id="a directory"),
    ],
)
def test_what_is_not_done_here_is_said(options: dict[str, Any]) -> None:
    assert read(of_blob(**options)) == NOT_IMPLEMENTED


def test_signatures_of_old_versions_are_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sdk, "X_MS_VERSION", "2019-12-12")

    assert read(of_blob()) == NOT_IMPLEMENTED


@pytest.mark.parametrize(
    ("raw", "left"),
    [
        ("/a/b?sv=1&sig=2&comp=metadata&skoid=3", "/a/b?comp=metadata"),
        ("/a/b?SIG=1&s%69g=2&%73p=3", "/a/b"),
        ("/a/b?timeout=5", "/a/b?timeout=5"),
        ("/a/b", "/a/b"),
    ],
)
def test_a_signature_is_taken_out_however_it_is_spelled(raw: str, left: str) -> None:
    assert delegated.without_signature(raw) == left
