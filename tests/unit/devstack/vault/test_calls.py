"""Paths and methods are calls, as the genuine clients spell them."""

import pytest

from devstack.vault.access import action_of
from devstack.vault.calls import Call, route
from devstack.vault.wire import Answer

QUERY = "?api-version=7.4"
VERSION = "0123456789abcdef0123456789abcdef"


@pytest.mark.parametrize(
    ("method", "path", "operation", "name", "version"),
    [
        ("GET", "/keys", "list", "", None),
        ("GET", "/keys/", "list", "", None),
        ("GET", "/secrets", "list", "", None),
        ("GET", "/keys/a/versions", "list versions", "a", None),
        ("GET", "/keys/a", "get", "a", None),
        ("GET", "/keys/a/", "get", "a", None),
        ("GET", f"/secrets/a/{VERSION}", "get", "a", VERSION),
        ("PATCH", "/keys/a/", "update", "a", None),
        ("PATCH", f"/keys/a/{VERSION}", "update", "a", VERSION),
        ("DELETE", "/keys/a", "delete", "a", None),
        ("PUT", "/keys/a", "import", "a", None),
        ("PUT", "/secrets/a", "set", "a", None),
        ("POST", "/keys/a/create", "create", "a", None),
        ("POST", "/keys/a/rotate", "rotate", "a", None),
        ("POST", "/keys/a/release", "release", "a", None),
        ("POST", "/keys/a//release", "release", "a", None),
        ("POST", f"/keys/a/{VERSION}/release", "release", "a", VERSION),
        ("POST", f"/keys/a/{VERSION}/wrapkey", "wrapkey", "a", VERSION),
        ("POST", "/keys/a/sign", "sign", "a", None),
        ("GET", "/deletedkeys", "list deleted", "", None),
        ("GET", "/deletedsecrets/a", "get deleted", "a", None),
        ("DELETE", "/deletedkeys/a", "purge", "a", None),
        ("POST", "/deletedkeys/a/recover", "recover", "a", None),
        ("GET", "/keys/%61", "get", "a", None),
    ],
)
def test_a_call_is_found(
    method: str, path: str, operation: str, name: str, version: str | None
) -> None:
    found = route(method, path + QUERY)

    assert isinstance(found, Call)
    assert (found.operation, found.name, found.version) == (operation, name, version)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/"),
        ("GET", ""),
        ("GET", "//keys"),
        ("GET", "/certificates"),
        ("POST", "/keys/a"),
        ("POST", "/secrets/a/create"),
        ("POST", "/keys/a/b/c/sign"),
        ("PUT", "/keys/a/b"),
        ("DELETE", f"/keys/a/{VERSION}"),
        ("POST", f"/keys/a/{VERSION}/SIGN"),
        ("HEAD", "/keys"),
        ("GET", "https://127.0.0.1/keys"),
    ],
)
def test_what_is_no_call_is_not_found(method: str, path: str) -> None:
    found = route(method, path + QUERY)

    assert isinstance(found, Answer)
    assert found.status == 404


@pytest.mark.parametrize(
    "path",
    ["/keys/a_b", "/keys/a%2Fb", "/keys/a%00", "/keys/" + "a" * 128, "/keys/a/b-c", "/keys/ä"],
)
def test_a_name_that_none_can_have_is_a_bad_parameter(path: str) -> None:
    found = route("GET", path + QUERY)

    assert isinstance(found, Answer)
    assert found.body is not None
    assert found.body["error"]["code"] == "BadParameter"  # type: ignore[index]  # JSON


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("", "api-version must be specified"),
        ("?api-version=", "api-version must be specified"),
        ("?api-version=2016-10-01", "The specified version (2016-10-01) is not recognized."),
        ("?" + "&".join("a=1" for _ in range(17)), "api-version must be specified"),
    ],
    ids=["none", "empty", "old", "too many"],
)
def test_an_unknown_version_of_the_interface_is_refused(query: str, message: str) -> None:
    found = route("GET", f"/keys{query}")

    assert isinstance(found, Answer)
    assert message in str(found.body)


@pytest.mark.parametrize(
    ("method", "path", "action"),
    [
        ("GET", "/keys", "keys/read"),
        ("GET", "/deletedkeys/a", "keys/read"),
        ("GET", "/secrets/a", "secrets/getSecret/action"),
        ("GET", "/secrets", "secrets/readMetadata/action"),
        ("GET", "/deletedsecrets/a", "secrets/readMetadata/action"),
        ("PUT", "/secrets/a", "secrets/setSecret/action"),
        ("PUT", "/keys/a", "keys/import/action"),
        ("DELETE", "/secrets/a", "secrets/delete"),
        ("DELETE", "/deletedsecrets/a", "secrets/purge/action"),
        ("POST", "/keys/a//wrapkey", "keys/wrap/action"),
        ("POST", "/keys/a//release", "keys/release/action"),
        ("PATCH", "/keys/a", "keys/update/action"),
    ],
)
def test_a_call_needs_an_action_that_azure_names(method: str, path: str, action: str) -> None:
    found = route(method, path + QUERY)

    assert isinstance(found, Call)
    assert action_of(found) == action
