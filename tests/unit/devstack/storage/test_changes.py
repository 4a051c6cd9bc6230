import pytest
from hypothesis import given, strategies
from multidict import CIMultiDict

from devstack.storage.changes import (
    CREATED,
    DELETED,
    Blob,
    Change,
    Target,
    change_of,
    is_unclear,
    source_of,
    unsigned,
)

BLOCK = {"x-ms-blob-type": "BlockBlob", "Content-Length": "3"}


def asked(
    method: str = "PUT", raw: str = "/cleanroom/north/a.csv", headers: dict[str, str] = BLOCK
) -> Change | None:
    target = Target.parse(raw)
    assert target is not None
    return change_of(method, target, CIMultiDict(headers))


@pytest.mark.parametrize(
    ("raw", "container", "name"),
    [
        pytest.param("/cleanroom/north/a.csv", "north", "a.csv", id="plain"),
        pytest.param("/cleanroom/north/a/b%20%C3%BC%23%3F%25", "north", "a/b ü#?%", id="escaped"),
        pytest.param("/cleanroom/north%2Fa", "north", "a", id="escaped slash"),
        pytest.param("/cleanroom/north/a%5Cb", "north", "a/b", id="backslash"),
        pytest.param("/cleanroom/north/a//b/", "north", "a//b/", id="empty parts"),
        pytest.param("/cleanroom/north?restype=container", "north", "", id="container"),
        pytest.param("/cleanroom?comp=list", "", "", id="account"),
    ],
)
def test_a_request_names_a_blob(raw: str, container: str, name: str) -> None:
    target = Target.parse(raw)

    assert target is not None
    assert (target.account, target.blob) == ("cleanroom", Blob(container, name))
    assert target.raw == raw


@pytest.mark.parametrize(
    "raw",
    ["", "*", "https://elsewhere/a", "/a b", "/a\r\nb", "/ü", "/a#b"],
    ids=["nothing", "asterisk", "whole url", "space", "lines", "not ascii", "fragment"],
)
def test_what_is_no_request_target_is_none(raw: str) -> None:
    assert Target.parse(raw) is None


@given(strategies.text(strategies.characters(max_codepoint=255)))
def test_whatever_comes_is_a_target_or_none(text: str) -> None:
    target = Target.parse(f"/{text}")

    assert target is None or target.raw == f"/{text}"


def test_parameters_are_found_whatever_their_case() -> None:
    target = Target.parse("/cleanroom/north/a?Comp=blocklist&x=a%26b&empty=")

    assert target is not None
    assert target.query == {"comp": "blocklist", "x": "a&b", "empty": ""}


@pytest.mark.parametrize("parameter", ["comp=block&comp=blocklist", "snapshot=1&SnapShot="])
def test_what_says_twice_what_is_asked_for_is_no_target(parameter: str) -> None:
    assert Target.parse(f"/cleanroom/north/a?{parameter}") is None


@pytest.mark.parametrize("host", ["https://127.0.0.1:10000", "http://localhost"])
def test_the_source_of_a_copy_is_found_here(host: str) -> None:
    source = source_of(f"{host}/cleanroom/north/a%20b?sig=c")

    assert source == Target.parse("/cleanroom/north/a%20b?sig=c")


@pytest.mark.parametrize(
    "host", ["https://169.254.169.254", "https://127.0.0.1@elsewhere", "https://127.0.0.1.org"]
)
def test_a_source_at_another_host_is_none(host: str) -> None:
    assert source_of(f"{host}/cleanroom/north/a") is None


@pytest.mark.parametrize(
    "path",
    ["../south/a", "b/./../../south/a", "%2e%2E/south/a", ".%2e/south/a", "..", "..\\south\\a"],
)
def test_a_source_that_azurite_would_look_for_elsewhere_is_none(path: str) -> None:
    assert source_of(f"https://127.0.0.1:1/cleanroom/north/{path}") is None


@pytest.mark.parametrize("name", ["...", ".a/b.", "a..b/c", "a%2F..%2Fb", "..%5Cb"])
def test_a_source_may_have_dots_in_its_name(name: str) -> None:
    assert source_of(f"https://127.0.0.1:1/cleanroom/north/{name}") is not None


@pytest.mark.parametrize(
    ("query", "kept"),
    [("", ""), ("?sv=1&sig=c", ""), ("?sv=1&snapshot=2026&sig=c", "?snapshot=2026")],
)
def test_a_source_is_told_without_its_signature(query: str, kept: str) -> None:
    assert unsigned(f"https://127.0.0.1:1/cleanroom/n/a{query}") == (
        f"https://127.0.0.1:1/cleanroom/n/a{kept}"
    )


def test_what_is_asked_of_a_blob_is_no_source() -> None:
    assert source_of("https://127.0.0.1:1/cleanroom/n/a?restype=account&comp=properties") is None


@pytest.mark.parametrize(
    ("method", "raw", "headers"),
    [
        pytest.param("PUT", "/cleanroom/n/a?comp=metadata", BLOCK, id="metadata and a blob"),
        pytest.param("PUT", "/cleanroom/n/a?Comp=any", BLOCK, id="nothing and a blob"),
        pytest.param("PUT", "/cleanroom/n/a?comp=lease", {"x-ms-copy-source": "u"}, id="copy"),
        pytest.param("DELETE", "/cleanroom/n/a?comp=metadata", {}, id="delete of what"),
        pytest.param("DELETE", "/cleanroom/n/a?versionid=2026", {}, id="delete a version"),
        pytest.param("GET", "/cleanroom/n/a", {"x-http-method": "DELETE"}, id="another method"),
    ],
)
def test_what_azurite_may_take_for_a_commit_is_unclear(
    method: str, raw: str, headers: dict[str, str]
) -> None:
    target = Target.parse(raw)

    assert target is not None
    assert is_unclear(method, target, CIMultiDict(headers))


@pytest.mark.parametrize(
    ("method", "raw", "headers"),
    [
        pytest.param("PUT", "/cleanroom/n/a", BLOCK, id="put"),
        pytest.param("PUT", "/cleanroom/n/a?comp=blocklist", {}, id="block list"),
        pytest.param("DELETE", "/cleanroom/n/a", {}, id="delete"),
        pytest.param("DELETE", "/cleanroom/n?restype=container&comp=lease", {}, id="container"),
        pytest.param("GET", "/cleanroom/n/a?comp=tags", {}, id="read"),
    ],
)
def test_what_clients_ask_is_clear(method: str, raw: str, headers: dict[str, str]) -> None:
    target = Target.parse(raw)

    assert target is not None
    assert not is_unclear(method, target, CIMultiDict(headers))


@pytest.mark.parametrize(
    "url", ["", "mailto:south", "/cleanroom/a/b", "https:///a", "http://a", "http://[::1/ü"]
)
def test_what_is_no_url_is_no_source(url: str) -> None:
    assert source_of(url) is None


def test_an_upload_says_what_it_brings() -> None:
    change = asked(headers={**BLOCK, "x-ms-client-request-id": "id", "Content-Type": "text/csv"})

    assert change == Change(Blob("north", "a.csv"), "PutBlob", "id", "text/csv", 3, "BlockBlob")
    assert change.event_type == CREATED


@pytest.mark.parametrize(
    ("headers", "kind", "length"),
    [
        pytest.param(BLOCK, "application/octet-stream", 3, id="default type"),
        pytest.param(
            {**BLOCK, "Content-Type": "a/b", "x-ms-blob-content-type": "c/d"},
            "c/d",
            3,
            id="own type",
        ),
        pytest.param(
            {"x-ms-blob-type": "BlockBlob"}, "application/octet-stream", None, id="unknown"
        ),
        pytest.param(
            {**BLOCK, "Content-Length": "three"}, "application/octet-stream", None, id="no number"
        ),
        pytest.param(
            {"x-ms-blob-type": "AppendBlob", "Content-Length": "0"},
            "application/octet-stream",
            0,
            id="append",
        ),
        pytest.param(
            {
                "x-ms-blob-type": "PageBlob",
                "Content-Length": "0",
                "x-ms-blob-content-length": "1024",
            },
            "application/octet-stream",
            1024,
            id="pages",
        ),
    ],
)
def test_type_and_length_are_where_the_service_has_them(
    headers: dict[str, str], kind: str, length: int | None
) -> None:
    change = asked(headers=headers)

    assert change is not None
    assert (change.content_type, change.content_length) == (kind, length)


@pytest.mark.parametrize(
    ("method", "raw", "headers", "api"),
    [
        pytest.param("PUT", "/cleanroom/n/a?comp=blocklist", {}, "PutBlockList", id="block list"),
        pytest.param("PUT", "/cleanroom/n/a", {"x-ms-copy-source": "u"}, "CopyBlob", id="copy"),
        pytest.param(
            "PUT", "/cleanroom/n/a", {**BLOCK, "x-ms-copy-source": "u"}, "PutBlob", id="from url"
        ),
        pytest.param("DELETE", "/cleanroom/n/a", {}, "DeleteBlob", id="delete"),
        pytest.param("DELETE", "/cleanroom/n/a?snapshot=", {}, "DeleteBlob", id="no snapshot"),
        pytest.param(
            "DELETE", "/cleanroom/n/a", {"x-ms-delete-snapshots": "include"}, "DeleteBlob", id="all"
        ),
    ],
)
def test_other_changes_leave_the_rest_to_be_asked(
    method: str, raw: str, headers: dict[str, str], api: str
) -> None:
    change = asked(method, raw, headers)

    assert change == Change(Blob("n", "a"), api, "")


def test_a_deletion_is_told_as_one() -> None:
    change = asked("DELETE", headers={})

    assert change is not None
    assert change.event_type == DELETED


@pytest.mark.parametrize(
    ("method", "raw", "headers"),
    [
        pytest.param("PUT", "/cleanroom/n/a?comp=block&blockid=MQ==", BLOCK, id="stage a block"),
        pytest.param("PUT", "/cleanroom/n/a?comp=metadata", {}, id="metadata"),
        pytest.param("PUT", "/cleanroom/n/a?comp=tags", {}, id="tags"),
        pytest.param("PUT", "/cleanroom/n/a?comp=lease", {}, id="lease"),
        pytest.param("PUT", "/cleanroom/n/a?comp=appendblock", BLOCK, id="append"),
        pytest.param("PUT", "/cleanroom/n/a?comp=page", BLOCK, id="pages"),
        pytest.param("PUT", "/cleanroom/n/a", {}, id="nothing said"),
        pytest.param("PUT", "/cleanroom/n?restype=container", {}, id="container"),
        pytest.param("PUT", "/cleanroom/$logs/a", BLOCK, id="the service's own container"),
        pytest.param("GET", "/cleanroom/n/a", {}, id="read"),
        pytest.param("HEAD", "/cleanroom/n/a", {}, id="look"),
        pytest.param("DELETE", "/cleanroom/n/a?snapshot=2026", {}, id="snapshot"),
        pytest.param("DELETE", "/cleanroom/n?restype=container", {}, id="delete container"),
        pytest.param(
            "DELETE", "/cleanroom/n/a", {"x-ms-delete-snapshots": "Only"}, id="only snapshots"
        ),
    ],
)
def test_what_commits_no_blob_is_no_change(method: str, raw: str, headers: dict[str, str]) -> None:
    assert asked(method, raw, headers) is None


@pytest.mark.parametrize(
    ("method", "raw", "deletes"),
    [
        ("DELETE", "/cleanroom/n?restype=container", True),
        ("DELETE", "/cleanroom/n/a", False),
        ("PUT", "/cleanroom/n?restype=container", False),
        ("DELETE", "/cleanroom/n?restype=container&comp=lease", False),
    ],
)
def test_a_container_goes_by_its_own_request(method: str, raw: str, deletes: bool) -> None:
    target = Target.parse(raw)

    assert target is not None
    assert target.deletes_container(method) is deletes
