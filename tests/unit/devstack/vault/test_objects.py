"""Keys and secrets as the REST API has them: attributes, versions, pages, soft deletion."""

from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.builders import NOW
from tests.tokens import rsa_key
from tests.vaults import Asker, ec_jwk, rsa_jwk

AT = int(NOW.timestamp())
EC_KEY = {"kty": "EC"}
KINDS = [("keys", "Key"), ("secrets", "Secret")]


def make(owner: Asker, collection: str, name: str, **more: Any) -> Any:
    """Make a key or a secret, or a version of one."""
    if collection == "keys":
        return owner.good("POST", f"/keys/{name}/create", {"kty": "EC"} | more)
    return owner.good("PUT", f"/secrets/{name}", {"value": "v"} | more)


def address(bundle: Any) -> str:
    return str(bundle["key"]["kid"] if "key" in bundle else bundle["id"])


def names(page: Any) -> list[str]:
    return [str(item.get("kid") or item["id"]).rpartition("/")[2] for item in page["value"]]


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_attributes_are_what_was_asked(collection: str, noun: str, owner: Asker) -> None:
    del noun
    attributes = {"enabled": False, "nbf": AT - 1, "exp": AT + 1}

    made = make(owner, collection, "a", attributes=attributes, tags={"for": "tests"})

    assert made["tags"] == {"for": "tests"}
    assert made["attributes"].items() >= attributes.items()
    assert (made["attributes"]["created"], made["attributes"]["updated"]) == (AT, AT)
    assert made["attributes"]["recoveryLevel"] == "Recoverable+Purgeable"
    assert made["attributes"]["recoverableDays"] == 90


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_a_change_leaves_what_it_does_not_name(collection: str, noun: str, owner: Asker) -> None:
    del noun
    make(owner, collection, "a", attributes={"exp": AT + 9}, tags={"for": "tests"})

    changed = owner.good(
        "PATCH", f"/{collection}/a/", {"attributes": {"enabled": False}}, now=NOW + timedelta(1)
    )

    assert changed["tags"] == {"for": "tests"}
    assert changed["attributes"]["exp"] == AT + 9
    assert changed["attributes"]["enabled"] is False
    assert changed["attributes"]["created"] == AT
    assert changed["attributes"]["updated"] == AT + 86400


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_tags_are_replaced_whole(collection: str, noun: str, owner: Asker) -> None:
    del noun
    make(owner, collection, "a", tags={"a": "1"})

    changed = owner.good("PATCH", f"/{collection}/a", {"tags": {"b": "2"}})

    assert changed["tags"] == {"b": "2"}


@pytest.mark.parametrize("collection", ["keys", "secrets"])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"attributes": {"enabled": "yes"}}, id="enabled"),
        pytest.param({"attributes": {"nbf": -1}}, id="nbf"),
        pytest.param({"attributes": {"exp": 1 << 50}}, id="exp"),
        pytest.param({"attributes": {"nbf": AT, "exp": AT}}, id="no time"),
        pytest.param({"attributes": []}, id="attributes"),
        pytest.param({"tags": {"a": 1}}, id="tag"),
        pytest.param({"tags": {"a": "1" * 257}}, id="long tag"),
        pytest.param({"tags": {str(n): "" for n in range(16)}}, id="tags"),
        pytest.param(b"{", id="no JSON"),
        pytest.param(b'{"a":1,"a":2}', id="twice"),
        pytest.param(b"7", id="no object"),
    ],
)
def test_a_change_that_is_none_is_a_bad_parameter(collection: str, body: Any, owner: Asker) -> None:
    make(owner, collection, "a")

    assert owner.refused("PATCH", f"/{collection}/a", body)[:2] == (400, "BadParameter")


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_what_is_not_there_is_not_found(collection: str, noun: str, owner: Asker) -> None:
    status, code, message, inner = owner.refused("GET", f"/{collection}/a")

    assert (status, code, inner) == (404, f"{noun}NotFound", None)
    assert message.startswith(f"A {noun.lower()} with (name/id) a was not found in this key vault.")


@pytest.mark.parametrize(("collection", "noun"), KINDS)
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/a/" + "0" * 32),
        ("PATCH", "/b"),
        ("DELETE", "/b"),
    ],
)
def test_a_version_that_is_not_there_is_not_found(
    method: str, path: str, collection: str, noun: str, owner: Asker
) -> None:
    make(owner, collection, "a")

    assert owner.refused(method, f"/{collection}{path}")[:2] == (404, f"{noun}NotFound")


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_lists_come_in_pages(collection: str, noun: str, owner: Asker) -> None:
    del noun
    for name in ("c", "a", "b"):
        make(owner, collection, name)

    first = owner.good("GET", f"/{collection}?api-version=7.4&maxresults=2")
    rest = owner.good("GET", first["nextLink"].removeprefix(owner.vault.url))

    assert (names(first), names(rest), rest["nextLink"]) == (["a", "b"], ["c"], None)


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_versions_come_in_pages_the_oldest_first(collection: str, noun: str, owner: Asker) -> None:
    del noun
    made = [address(make(owner, collection, "a")).rpartition("/")[2] for _ in range(3)]

    first = owner.good("GET", f"/{collection}/a/versions?api-version=7.4&maxresults=2")
    rest = owner.good("GET", first["nextLink"].removeprefix(owner.vault.url))

    assert names(first) + names(rest) == made


@pytest.mark.parametrize("collection", ["keys", "secrets"])
@pytest.mark.parametrize("name", ["deleted", "never-there"])
def test_what_is_not_there_has_no_versions(name: str, collection: str, owner: Asker) -> None:
    make(owner, collection, "deleted")
    owner.good("DELETE", f"/{collection}/deleted")

    found = owner.good("GET", f"/{collection}/{name}/versions")

    assert found == {"value": [], "nextLink": None}


@pytest.mark.parametrize("query", ["maxresults=0", "maxresults=26", "maxresults=x"])
def test_a_page_of_no_size_is_a_bad_parameter(query: str, owner: Asker) -> None:
    assert owner.refused("GET", f"/keys?api-version=7.4&{query}")[:2] == (400, "BadParameter")


@pytest.mark.parametrize("mark", ["x", "9" * 19, "-1"])
def test_a_made_up_page_is_a_bad_parameter(mark: str, owner: Asker) -> None:
    query = f"?api-version=7.4&$skiptoken={mark}"

    assert owner.refused("GET", f"/keys/a/versions{query}")[:2] == (400, "BadParameter")


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_what_is_deleted_can_be_seen_until_it_is_purged(
    collection: str, noun: str, owner: Asker
) -> None:
    del noun
    make(owner, collection, "a")

    gone = owner.good("DELETE", f"/{collection}/a")

    assert gone["recoveryId"] == f"{owner.vault.url}/deleted{collection}/a"
    assert gone["scheduledPurgeDate"] - gone["deletedDate"] == 90 * 86400
    assert "value" not in gone
    assert owner.good("GET", f"/deleted{collection}/a") == gone
    assert names(owner.good("GET", f"/deleted{collection}")) == ["a"]
    assert names(owner.good("GET", f"/{collection}")) == []


@pytest.mark.parametrize(
    ("collection", "noun", "method", "path"),
    [
        ("keys", "Key", "POST", "/keys/a/create"),
        ("keys", "Key", "PUT", "/keys/a"),
        ("secrets", "Secret", "PUT", "/secrets/a"),
    ],
)
def test_the_name_of_what_is_deleted_is_taken(
    collection: str, noun: str, method: str, path: str, owner: Asker
) -> None:
    make(owner, collection, "a")
    owner.good("DELETE", f"/{collection}/a")

    found = owner.refused(method, path, {"value": "v", "kty": "EC"})

    message = (
        f"{noun} a is currently in a deleted but recoverable state, and its name cannot be reused;"
        f" in this state, the {noun.lower()} can only be recovered or purged."
    )
    assert found == (409, "Conflict", message, "ObjectIsDeletedButRecoverable")


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_what_is_recovered_is_as_it_was(collection: str, noun: str, owner: Asker) -> None:
    del noun
    made = make(owner, collection, "a")
    owner.good("DELETE", f"/{collection}/a")

    owner.good("POST", f"/deleted{collection}/a/recover")

    assert owner.good("GET", f"/{collection}/a") == made


@pytest.mark.parametrize(("collection", "noun"), KINDS)
@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("DELETE", ""), ("POST", "/recover")])
def test_what_is_not_deleted_is_not_found_as_deleted(
    method: str, path: str, collection: str, noun: str, owner: Asker
) -> None:
    make(owner, collection, "a")

    found = owner.refused(method, f"/deleted{collection}/a{path}")

    assert found == (404, f"{noun}NotFound", f"Deleted {noun} not found: a", None)


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_what_is_purged_is_gone(collection: str, noun: str, owner: Asker) -> None:
    del noun
    before = address(make(owner, collection, "a"))
    owner.good("DELETE", f"/{collection}/a")

    owner.good("DELETE", f"/deleted{collection}/a")

    assert owner.refused("GET", f"/deleted{collection}/a")[0] == 404
    assert address(make(owner, collection, "a")) != before


@pytest.mark.parametrize(("collection", "noun"), KINDS)
def test_what_was_deleted_for_90_days_is_purged(collection: str, noun: str, owner: Asker) -> None:
    del noun
    make(owner, collection, "a")
    owner.good("DELETE", f"/{collection}/a")

    later = owner.ask("GET", f"/deleted{collection}/a", now=NOW + timedelta(days=90))

    assert later.status == 404


# --- secrets


def test_a_disabled_secret_has_no_value_to_see(owner: Asker) -> None:
    make(owner, "secrets", "a", attributes={"enabled": False})

    assert owner.refused("GET", "/secrets/a") == (
        403,
        "Forbidden",
        "Operation get is not allowed on a disabled secret.",
        "SecretDisabled",
    )


def test_a_secret_of_another_time_can_be_seen(owner: Asker) -> None:
    make(owner, "secrets", "a", attributes={"exp": AT - 1})

    assert owner.good("GET", "/secrets/a")["value"] == "v"


@pytest.mark.parametrize(
    "value",
    ["", "ü\n\x00\r\t", "x" * 25 * 1024],
    ids=["empty", "any characters", "25 KiB"],
)
def test_a_value_is_any_text(value: str, owner: Asker) -> None:
    make(owner, "secrets", "a", value=value, contentType="text/plain")

    found = owner.good("GET", "/secrets/a")

    assert (found["value"], found["contentType"]) == (value, "text/plain")


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="none"),
        pytest.param({"value": 7}, id="a number"),
        pytest.param({"value": "x" * (25 * 1024 + 1)}, id="long"),
        pytest.param(b'{"value":"\\ud800"}', id="half a character"),
        pytest.param({"value": "v", "contentType": "x" * 256}, id="content type"),
    ],
)
def test_a_value_that_is_none_is_a_bad_parameter(body: Any, owner: Asker) -> None:
    assert owner.refused("PUT", "/secrets/a", body)[:2] == (400, "BadParameter")


def test_a_value_is_no_part_of_a_change(owner: Asker) -> None:
    make(owner, "secrets", "a")

    changed = owner.good("PATCH", "/secrets/a", {"value": "w", "contentType": "text/plain"})

    assert "value" not in changed
    assert owner.good("GET", "/secrets/a")["value"] == "v"
    assert owner.good("GET", "/secrets/a")["contentType"] == "text/plain"


# --- keys


@pytest.mark.parametrize(
    ("body", "kind", "public"),
    [
        pytest.param({"kty": "EC"}, "EC", {"crv": "P-256"}, id="EC"),
        pytest.param({"kty": "EC-HSM", "crv": "P-384"}, "EC-HSM", {"crv": "P-384"}, id="P-384"),
        pytest.param({"kty": "EC", "crv": "P-521"}, "EC", {"crv": "P-521"}, id="P-521"),
        pytest.param({"kty": "EC", "crv": "P-256K"}, "EC", {"crv": "P-256K"}, id="P-256K"),
        pytest.param({"kty": "RSA"}, "RSA", {"e": "AQAB"}, id="RSA"),
        pytest.param({"kty": "RSA-HSM", "key_size": 3072}, "RSA-HSM", {"e": "AQAB"}, id="RSA-HSM"),
    ],
)
def test_a_key_is_of_the_kind_that_was_asked(
    body: Any, kind: str, public: dict[str, str], owner: Asker
) -> None:
    made = owner.good("POST", "/keys/a/create", body)

    assert made["key"]["kty"] == kind
    assert made["key"].items() >= public.items()
    assert made["attributes"]["exportable"] is False
    assert "d" not in made["key"]


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="no kind"),
        pytest.param({"kty": "oct"}, id="oct"),
        pytest.param({"kty": "RSA", "key_size": 1024}, id="small"),
        pytest.param({"kty": "RSA", "key_size": "2048"}, id="text"),
        pytest.param({"kty": "RSA", "key_size": 1 << 40}, id="huge"),
        pytest.param({"kty": "RSA", "public_exponent": 3}, id="exponent"),
        pytest.param({"kty": "EC", "crv": "P-1"}, id="curve"),
        pytest.param({"kty": "EC", "key_ops": ["dance"]}, id="operation"),
        pytest.param({"kty": "EC", "key_ops": "sign"}, id="operations"),
    ],
)
def test_a_key_that_there_cannot_be_is_a_bad_parameter(body: Any, owner: Asker) -> None:
    assert owner.refused("POST", "/keys/a/create", body)[:2] == (400, "BadParameter")


RSA_JWK = rsa_jwk(rsa_key())
EC_JWK = ec_jwk(ec.generate_private_key(ec.SECP256R1()))
OTHER_JWK = ec_jwk(ec.generate_private_key(ec.SECP256R1()))


@pytest.mark.parametrize("jwk", [RSA_JWK, EC_JWK], ids=["RSA", "EC"])
@pytest.mark.parametrize(
    ("hsm", "suffix"), [({"Hsm": True}, "-HSM"), ({"hsm": True}, "-HSM"), ({}, "")]
)
def test_a_key_is_imported_with_its_operations(
    jwk: Any, hsm: Any, suffix: str, owner: Asker
) -> None:
    made = owner.good("PUT", "/keys/a", {"key": jwk | {"key_ops": ["sign"]}} | hsm)

    assert made["key"]["kty"] == jwk["kty"] + suffix
    assert made["key"]["key_ops"] == ["sign"]
    assert {name: made["key"].get(name) for name in ("n", "x")} == {
        name: jwk.get(name) for name in ("n", "x")
    }


@pytest.mark.parametrize(
    "jwk",
    [
        pytest.param({}, id="nothing"),
        pytest.param(RSA_JWK | {"kty": "oct"}, id="kind"),
        pytest.param(RSA_JWK | {"d": RSA_JWK["p"]}, id="numbers of two keys"),
        pytest.param(RSA_JWK | {"e": "Aw"}, id="exponent"),
        pytest.param(RSA_JWK | {"n": RSA_JWK["p"]}, id="small"),
        pytest.param(RSA_JWK | {"n": "AQAB" * 200}, id="large"),
        pytest.param(RSA_JWK | {"q": "*"}, id="base64"),
        pytest.param(RSA_JWK | {"q": ""}, id="empty"),
        pytest.param({name: RSA_JWK[name] for name in ("kty", "n", "e")}, id="public"),
        pytest.param(EC_JWK | {"crv": "P-384"}, id="curve"),
        pytest.param(EC_JWK | {"crv": "P-1"}, id="no curve"),
        pytest.param(EC_JWK | {"x": EC_JWK["y"]}, id="no point"),
        pytest.param(EC_JWK | {"d": OTHER_JWK["d"]}, id="halves of two keys"),
    ],
)
def test_a_key_that_is_none_is_not_imported(jwk: Any, owner: Asker) -> None:
    assert owner.refused("PUT", "/keys/a", {"key": jwk})[:2] == (400, "BadParameter")


def test_a_rotated_key_is_another_like_it(owner: Asker) -> None:
    before = make(owner, "keys", "a", crv="P-384", tags={"a": "1"}, key_ops=["verify"])
    imported = owner.good("PUT", "/keys/b", {"key": RSA_JWK})

    after = owner.good("POST", "/keys/a/rotate")
    rsa = owner.good("POST", "/keys/b/rotate")

    assert after["key"]["kid"] != before["key"]["kid"]
    assert after["key"]["x"] != before["key"]["x"]
    assert (after["key"]["crv"], after["key"]["key_ops"]) == ("P-384", ["verify"])
    assert after["tags"] == {"a": "1"}
    assert len(rsa["key"]["n"]) == len(imported["key"]["n"])


def test_operations_of_a_key_can_be_changed(owner: Asker) -> None:
    make(owner, "keys", "a")

    changed = owner.good("PATCH", "/keys/a", {"key_ops": ["verify"]})

    assert changed["key"]["key_ops"] == ["verify"]


def test_a_key_that_came_meanwhile_is_not_overwritten(owner: Asker) -> None:
    first, second = (make(owner, "keys", "a")["key"]["kid"] for _ in range(2))

    assert owner.good("GET", first.removeprefix(owner.vault.url))["key"]["kid"] == first
    assert owner.good("GET", "/keys/a")["key"]["kid"] == second
