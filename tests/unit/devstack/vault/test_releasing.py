"""A key goes to whom the policy asks for, wrapped to that machine, and every try is logged."""

import base64
from datetime import timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from cleanroom.errors import Tampered
from cleanroom.release.binding import CONTRACT
from cleanroom.release.response import Asked, Released, VaultTrust, verify
from cleanroom.release.wrapping import Wrapping, by_key, unwrap
from devstack.vault.releasing import UNMET, UNVERIFIED
from tests.builders import DIGEST, NOW
from tests.tokens import (
    ISSUER,
    OTHER_KEY,
    WRAPPING_KEY,
    common,
    container,
    header,
    rsa_key,
    signed,
    token,
    wrapping_jwk,
)
from tests.vaults import Asker, ec_jwk, pkcs8, policy, rsa_jwk, terms

ROOM_KEY = rsa_key()
KEY_BYTES = WRAPPING_KEY.key_size // 8
TYPE = {"claim": "x-ms-attestation-type", "equals": "sevsnpvm"}
NO_DEBUG = {"claim": "x-ms-sevsnpvm-is-debuggable", "equals": "false"}
NAMED = {"claim": f"x-ms-runtime.{CONTRACT}", "equals": DIGEST}
POLICY = policy(TYPE, NO_DEBUG, NAMED)
EXPORTABLE = {"attributes": {"exportable": True}, "release_policy": terms(POLICY)}
RELEASE = "/keys/room-key//release"


def imported(owner: Asker, **changes: Any) -> str:
    """Have a room key in the vault, and give its version."""
    body = {"key": rsa_jwk(ROOM_KEY), "Hsm": True} | EXPORTABLE | changes
    kid = owner.good("PUT", "/keys/room-key", body)["key"]["kid"]
    return str(kid.rpartition("/")[2])


def asking(target: str | None = None, **changes: Any) -> dict[str, Any]:
    return {"target": target or token(container()), "nonce": "6e6f"} | changes


def opened(owner: Asker, value: str, asked: Asked) -> tuple[Released, bytes]:
    trust = VaultTrust(tuple(owner.vault.signer.chain[1:]), "127.0.0.1")
    found = verify(value, asked, trust, NOW)
    return found, unwrap(found.wrapped, asked.algorithm, KEY_BYTES, by_key(WRAPPING_KEY))


def logged(owner: Asker) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = owner.good("GET", "/devstack/audit")["value"]
    return found


@pytest.mark.parametrize("algorithm", list(Wrapping))
@pytest.mark.parametrize("versioned", [False, True], ids=["latest", "version"])
def test_what_is_released_is_the_key(
    algorithm: Wrapping, versioned: bool, owner: Asker, runner: Asker
) -> None:
    version = imported(owner)
    path = f"/keys/room-key/{version if versioned else ''}/release"

    value = runner.good("POST", path, asking(enc=algorithm.value))["value"]

    key = f"{owner.vault.url}/keys/room-key"
    asked = Asked(key, version if versioned else None, algorithm, "6e6f")
    found, content = opened(owner, value, asked)
    assert content == pkcs8(ROOM_KEY)
    assert (found.version, found.immutable) == (version, False)
    assert found.policy.clauses[0].authority == ISSUER


def test_without_an_algorithm_it_is_azures_first(owner: Asker, runner: Asker) -> None:
    imported(owner)

    value = runner.good("POST", RELEASE, {"target": token(container())})["value"]

    asked = Asked(f"{owner.vault.url}/keys/room-key", None, Wrapping.CKM, "none was sent")
    assert opened(owner, value, asked)[1] == pkcs8(ROOM_KEY)


def test_an_old_version_is_released_as_such(owner: Asker, runner: Asker) -> None:
    old = imported(owner)
    imported(owner, key=rsa_jwk(OTHER_KEY))

    value = runner.good(
        "POST", f"/keys/room-key/{old}/release", asking(enc="RSA_AES_KEY_WRAP_256")
    )["value"]

    asked = Asked(f"{owner.vault.url}/keys/room-key", old, Wrapping.SHA256, "6e6f")
    assert opened(owner, value, asked)[1] == pkcs8(ROOM_KEY)


def test_keys_of_elliptic_curves_are_released_too(owner: Asker, runner: Asker) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    imported(owner, key=ec_jwk(key))

    value = runner.good("POST", RELEASE, asking(enc="RSA_AES_KEY_WRAP_384"))["value"]

    asked = Asked(f"{owner.vault.url}/keys/room-key", None, Wrapping.SHA384, "6e6f")
    assert opened(owner, value, asked)[1] == pkcs8(key)


def test_a_key_of_another_time_is_released(owner: Asker, runner: Asker) -> None:
    attributes = {"exportable": True, "exp": int(NOW.timestamp()) - 1}
    imported(owner, attributes=attributes)

    assert runner.good("POST", RELEASE, asking())


def spoilt(**changes: Any) -> str:
    return token(container() | changes)


def runtime(**changes: Any) -> str:
    claims = container()
    return token(claims | {"x-ms-runtime": claims["x-ms-runtime"] | changes})


def at(moment: timedelta) -> str:
    begins = int((NOW + moment).timestamp())
    return token(container() | {"iat": begins, "nbf": begins, "exp": begins + 3600})


@pytest.mark.parametrize(
    ("target", "message", "reason"),
    [
        pytest.param(
            runtime(**{CONTRACT: "sha256:" + "00" * 32}), UNMET, CONTRACT, id="other contract"
        ),
        pytest.param(
            spoilt(**{"x-ms-sevsnpvm-is-debuggable": True}), UNMET, "is-debuggable", id="debug"
        ),
        pytest.param(token(common()), UNMET, "got nothing", id="no claims"),
        pytest.param(runtime(keys=[]), UNMET, "may encrypt", id="no key"),
        pytest.param(
            runtime(keys=[wrapping_jwk(key_ops=["sign"])]), UNMET, "may encrypt", id="signing key"
        ),
        pytest.param(runtime(keys=[wrapping_jwk(n="AQ")]), UNMET, "keys[0]", id="small key"),
        pytest.param(
            spoilt(iss="https://other.example"), UNVERIFIED, "token.iss", id="other authority"
        ),
        pytest.param(spoilt(iss=f"{ISSUER}.evil"), UNVERIFIED, "token.iss", id="longer name"),
        pytest.param(spoilt(iss=7), UNVERIFIED, "token.iss", id="no name"),
        pytest.param(at(timedelta(hours=-2)), UNVERIFIED, "expired", id="expired"),
        pytest.param(at(timedelta(hours=1)), UNVERIFIED, "valid from", id="of tomorrow"),
        pytest.param(
            signed(header(), container(), OTHER_KEY), UNVERIFIED, "signature", id="other signer"
        ),
        pytest.param(token(container(), kid="unknown"), UNVERIFIED, "kid", id="unknown key"),
        pytest.param(token(container(), alg="none"), UNVERIFIED, "alg", id="algorithm"),
        pytest.param(token(container())[:-3], UNVERIFIED, "", id="cut"),
        pytest.param(token(b"7"), UNVERIFIED, "token", id="no object"),
        pytest.param("a.b.c", UNVERIFIED, "token", id="garbage"),
        pytest.param("garbage", UNVERIFIED, "token", id="no token"),
    ],
)
def test_a_token_that_is_not_good_enough_gets_nothing(
    target: str, message: str, reason: str, owner: Asker, runner: Asker
) -> None:
    imported(owner)

    found = runner.refused("POST", RELEASE, asking(target))

    assert found == (403, "Forbidden", message, None)
    (entry,) = logged(owner)
    assert entry["verdict"] == "refused"
    assert reason in entry["reason"]
    assert entry["wrapped_to"] is None


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({}, id="nothing"),
        pytest.param({"target": 7}, id="a number"),
        pytest.param({"target": "a.b.c", "enc": "RSA-OAEP"}, id="algorithm"),
        pytest.param({"target": "a.b.c", "nonce": 7}, id="nonce"),
        pytest.param({"target": "a" * (1 << 17) + "a"}, id="long"),
        pytest.param(b"{", id="no JSON"),
    ],
)
def test_a_request_that_is_none_is_refused_and_logged(
    body: Any, owner: Asker, runner: Asker
) -> None:
    imported(owner)

    assert runner.refused("POST", RELEASE, body)[:2] == (400, "BadParameter")
    assert [entry["verdict"] for entry in logged(owner)] == ["refused"]


def test_a_key_that_may_not_leave_stays(owner: Asker, runner: Asker) -> None:
    owner.good("PUT", "/keys/room-key", {"key": rsa_jwk(ROOM_KEY)})

    found = runner.refused("POST", RELEASE, asking())

    assert (found[0], found[3]) == (403, "KeyOperationForbidden")
    assert logged(owner)[0]["reason"] == "not exportable"


def test_a_disabled_key_stays(owner: Asker, runner: Asker) -> None:
    imported(owner, attributes={"exportable": True, "enabled": False})

    assert runner.refused("POST", RELEASE, asking())[3] == "KeyDisabled"
    assert logged(owner)[0]["reason"] == "disabled"


def test_who_has_no_role_gets_nothing_and_is_logged(owner: Asker, stranger: Asker) -> None:
    imported(owner)

    assert stranger.refused("POST", RELEASE, asking())[3] == "ForbiddenByRbac"
    (entry,) = logged(owner)
    assert entry["who"]["name"] == "stranger"
    assert entry["reason"] == "no role allows it"


def test_a_role_for_one_key_releases_that_key(owner: Asker, stranger: Asker) -> None:
    imported(owner)
    role = {"identity": "stranger", "role": "Key Vault Crypto Service Release User"}

    owner.good("PUT", "/devstack/roles/one", role | {"scope": "/keys/other"})
    denied = stranger.ask("POST", RELEASE, asking())
    owner.good("PUT", "/devstack/roles/one", role | {"scope": "/keys/room-key"})
    granted = stranger.ask("POST", RELEASE, asking())

    assert (denied.status, granted.status) == (403, 200)


@pytest.mark.parametrize("version", ["", "0" * 32])
def test_a_key_that_is_not_there_is_not_found_and_logged(
    version: str, owner: Asker, runner: Asker
) -> None:
    found = runner.refused("POST", f"/keys/none/{version}/release", asking())

    assert found[:2] == (404, "KeyNotFound")
    assert logged(owner)[0]["reason"] == "no such key"


def test_the_log_says_what_was_released_to_whom_on_what_grounds(
    owner: Asker, runner: Asker
) -> None:
    version = imported(owner)
    runner.good("POST", RELEASE, asking(enc="RSA_AES_KEY_WRAP_256"))

    (entry,) = logged(owner)

    assert entry["claims"] == {
        "x-ms-attestation-type": "sevsnpvm",
        "x-ms-sevsnpvm-is-debuggable": "false",
        f"x-ms-runtime.{CONTRACT}": DIGEST,
    }
    expected = {
        "number": 1,
        "at": "2026-11-21T09:30:00Z",
        "key": "room-key",
        "version": version,
        "verdict": "released",
        "reason": None,
        "authority": ISSUER,
        "algorithm": "RSA_AES_KEY_WRAP_256",
        "wrapped_to": wrapping_jwk()["kid"],
    }
    assert entry.items() >= expected.items()
    assert entry["who"]["name"] == "runner"


def test_the_log_holds_no_token_and_no_key(owner: Asker, runner: Asker) -> None:
    imported(owner)
    good = asking()
    runner.good("POST", RELEASE, good)

    text = str(logged(owner))

    assert good["target"] not in text
    assert good["target"].rpartition(".")[2] not in text
    assert text.count("sha256:") == 3  # of the policy, of the token, and the contract's


# --- the terms of a key

MUTABLE, IMMUTABLE = terms(POLICY), terms(POLICY, immutable=True)
OTHER = terms(policy(TYPE))
LEAVING = {"attributes": {"exportable": True}, "release_policy": MUTABLE}
FIXED = LEAVING | {"release_policy": IMMUTABLE}
STAYING: dict[str, Any] = {}


def made(owner: Asker, how: dict[str, Any]) -> Any:
    return owner.good("POST", "/keys/a/create", {"kty": "EC-HSM"} | how)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        pytest.param({"attributes": {"exportable": True}}, "AKV.SKR.1004: Exportable", id="1004"),
        pytest.param({"release_policy": MUTABLE}, "AKV.SKR.1005: Non-exportable", id="1005"),
        pytest.param(EXPORTABLE | {"kty": "EC"}, "AKV.SKR.1006: ", id="1006"),
        pytest.param(EXPORTABLE | {"release_policy": {"data": "e30"}}, "release_policy", id="{}"),
        pytest.param(EXPORTABLE | {"release_policy": {"data": "*"}}, "base64url", id="base64"),
        pytest.param(EXPORTABLE | {"release_policy": {"immutable": True}}, "data", id="none"),
        pytest.param(
            EXPORTABLE | {"release_policy": MUTABLE | {"immutable": "yes"}}, "true or", id="yes"
        ),
        pytest.param(
            EXPORTABLE | {"release_policy": MUTABLE | {"contentType": 7}}, "contentType", id="type"
        ),
        pytest.param({"attributes": {"exportable": "yes"}}, "exportable", id="exportable"),
    ],
)
def test_terms_that_make_no_sense_are_refused(body: Any, message: str, owner: Asker) -> None:
    status, code, found, _ = owner.refused("POST", "/keys/a/create", {"kty": "EC-HSM"} | body)

    assert (status, code) == (400, "BadParameter")
    assert message in found


def test_a_policy_is_given_back_in_the_vaults_own_spelling(owner: Asker) -> None:
    spelled = b'{"anyOf":[{"allOf":[{"equals":true,"claim":"a"}],'
    spelled += b'"authority":"https://authority.example/"}],"version":"0.2"}'
    given = {"release_policy": {"data": base64.b64encode(spelled).decode()}}

    found = made(owner, LEAVING | given)["release_policy"]["data"]

    assert base64.urlsafe_b64decode(found + "==") == (
        b'{"version":"1.0.0","anyOf":[{"authority":"https://authority.example",'
        b'"allOf":[{"claim":"a","equals":"true"}]}]}'
    )


@pytest.mark.parametrize(
    ("first", "second"), [(STAYING, LEAVING), (LEAVING, STAYING)], ids=["leaves", "stays"]
)
def test_all_versions_of_a_key_are_exportable_or_none(
    first: dict[str, Any], second: dict[str, Any], owner: Asker
) -> None:
    owner.good("POST", "/keys/a/create", {"kty": "EC-HSM"} | first)

    found = owner.refused("POST", "/keys/a/create", {"kty": "EC-HSM"} | second)

    assert found[2].startswith("AKV.SKR.1003")


EXPORT, STAY = {"attributes": {"exportable": True}}, {"attributes": {"exportable": False}}
CHANGE, AGAIN = {"release_policy": OTHER}, {"release_policy": MUTABLE}


@pytest.mark.parametrize(
    ("before", "path", "change", "message"),
    [
        pytest.param(LEAVING, "/keys/a", STAY, "AKV.SKR.1014: Cannot modify", id="1014"),
        pytest.param(STAYING, "/keys/a", EXPORT, "AKV.SKR.1014: Cannot modify", id="1014 too"),
        pytest.param(STAYING, "/keys/a", CHANGE, "AKV.SKR.1005: Non-exportable", id="1005"),
        pytest.param(LEAVING, "version", CHANGE, "AKV.SKR.1016: Key Release", id="1016"),
        pytest.param(FIXED, "/keys/a", CHANGE, "AKV.SKR.1020: Immutable Key", id="1020"),
        pytest.param(FIXED, "/keys/a", AGAIN, "AKV.SKR.1020: Immutable Key", id="1020 too"),
    ],
)
def test_terms_that_cannot_change_stay(
    before: dict[str, Any], path: str, change: dict[str, Any], message: str, owner: Asker
) -> None:
    bundle = made(owner, before)
    version = bundle["key"]["kid"].removeprefix(owner.vault.url)

    status, code, found, _ = owner.refused("PATCH", path.replace("version", version), change)

    assert (status, code) == (400, "BadParameter")
    assert found.startswith(message)
    assert owner.good("GET", "/keys/a") == bundle


def test_a_policy_can_change_and_become_immutable(owner: Asker) -> None:
    made(owner, LEAVING)

    owner.good("PATCH", "/keys/a/", {"release_policy": OTHER | {"immutable": True}})

    after = owner.good("GET", "/keys/a")["release_policy"]
    assert after == OTHER | {
        "immutable": True,
        "contentType": "application/json; charset=utf-8",
    }


def test_a_policy_is_the_keys_and_so_of_its_older_versions_too(owner: Asker) -> None:
    first = made(owner, LEAVING)["key"]["kid"].removeprefix(owner.vault.url)
    second = made(owner, LEAVING | CHANGE)["key"]["kid"].removeprefix(owner.vault.url)

    followed = owner.good("GET", first)["release_policy"]["data"]
    owner.good("PATCH", "/keys/a", {"release_policy": MUTABLE})

    assert followed == OTHER["data"]
    assert owner.good("GET", first)["release_policy"]["data"] == MUTABLE["data"]
    assert owner.good("GET", second)["release_policy"]["data"] == MUTABLE["data"]


@pytest.mark.parametrize("how", [LEAVING, FIXED | CHANGE], ids=["mutable", "another"])
def test_no_new_version_gets_round_an_immutable_policy(how: dict[str, Any], owner: Asker) -> None:
    made(owner, FIXED)

    found = owner.refused("POST", "/keys/a/create", {"kty": "EC-HSM"} | how)

    assert found[2].startswith("AKV.SKR.1020")


def test_a_new_version_may_repeat_an_immutable_policy(owner: Asker) -> None:
    before = made(owner, FIXED)

    assert made(owner, FIXED)["release_policy"] == before["release_policy"]


def test_other_changes_leave_an_immutable_policy_alone(owner: Asker) -> None:
    made(owner, FIXED)

    changed = owner.good("PATCH", "/keys/a", {"attributes": {"enabled": False, "exportable": True}})

    assert changed["release_policy"]["immutable"] is True


def test_a_rotated_key_has_the_terms_of_the_one_before(owner: Asker) -> None:
    before = made(owner, FIXED)

    after = owner.good("POST", "/keys/a/rotate")

    assert after["release_policy"] == before["release_policy"]
    assert after["attributes"]["exportable"] is True


def test_a_key_that_is_not_what_was_stored_is_not_released_and_the_try_is_logged(
    owner: Asker, runner: Asker
) -> None:
    imported(owner)
    owner.vault.store._run("UPDATE versions SET sealed = zeroblob(99)")

    with pytest.raises(Tampered, match="not what was stored there"):
        runner.ask("POST", RELEASE, asking())

    (entry,) = logged(owner)
    assert (entry["verdict"], entry["who"]["name"]) == ("refused", "runner")
    assert entry["reason"].endswith("a row is not what was stored there")
