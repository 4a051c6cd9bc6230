"""A token is believed if the pinned authority made it and it holds now; nothing in it is a key."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.token import (
    LARGEST_TOKEN,
    Authority,
    Svns,
    TokenClaims,
    issuer,
    jwks_url,
    verify,
)
from cleanroom.errors import CleanroomError, Malformed, Unattested
from cleanroom.jose import jwk
from tests import tokens
from tests.builders import DIGEST, HEX, NOW
from tests.tokens import (
    AUTHORITY_KEY,
    ISSUED,
    ISSUER,
    LEEWAY,
    LIFE,
    OTHER_KEY,
    USER_DATA,
    WRAPPING_KEY,
    Spoil,
    authority,
    certified,
    common,
    container,
    encoded,
    genuine,
    header,
    machine,
    signed,
    token,
    wrapping_jwk,
)

CERTIFIED = certified("authority", key=AUTHORITY_KEY)


def spoiled(claims: dict[str, Any], spoil: Spoil) -> dict[str, Any]:
    spoil(claims)
    return claims


# --- who says it


@pytest.mark.parametrize("claims", [container(), machine()], ids=["container", "machine"])
def test_what_the_authority_signed_is_believed(claims: dict[str, Any]) -> None:
    found = verify(token(claims), authority(), NOW, LEEWAY)

    assert found == TokenClaims(ISSUER, ISSUED, ISSUED + LIFE, claims)


def test_one_slash_after_the_issuer_is_no_other_issuer() -> None:
    assert genuine(container() | {"iss": f"{ISSUER}/"}).issuer == ISSUER


@pytest.mark.parametrize(
    ("issued_by", "message"),
    [
        pytest.param(f"{ISSUER}//", "token.iss: expected", id="two slashes"),
        pytest.param(f"{ISSUER}.evil", "token.iss: expected", id="longer"),
        pytest.param(ISSUER[:-1], "token.iss: expected", id="shorter"),
        pytest.param(ISSUER.upper(), "token.iss: expected", id="upper case"),
        pytest.param(ISSUER.replace("https", "http"), "token.iss: expected", id="http"),
        pytest.param("https://sharedneu.neu.attest.azure.net", "token.iss: expected", id="another"),
    ],
)
def test_a_token_in_another_name_is_refused(issued_by: str, message: str) -> None:
    with pytest.raises(Unattested, match=f"^{message} {ISSUER}, got "):
        genuine(container() | {"iss": issued_by})


def test_a_token_by_another_key_is_refused() -> None:
    forged = signed(header(), container(), OTHER_KEY)

    with pytest.raises(Unattested, match=f"^token: the signature is not one of {ISSUER}$"):
        verify(forged, authority(), NOW, LEEWAY)


def test_a_claim_changed_after_signing_is_refused() -> None:
    head, _, signature = token(container()).split(".")
    changed = f"{head}.{encoded(container() | {'x-ms-sevsnpvm-vmpl': 1})}.{signature}"

    with pytest.raises(Unattested, match=r"^token: the signature is not one of"):
        verify(changed, authority(), NOW, LEEWAY)


def test_a_header_changed_after_signing_is_refused() -> None:
    _, payload, signature = token(container()).split(".")
    changed = f"{encoded(header(jku='https://evil.example/certs'))}.{payload}.{signature}"

    with pytest.raises(Unattested, match=r"^token: the signature is not one of"):
        verify(changed, authority(), NOW, LEEWAY)


@pytest.mark.parametrize(
    ("head", "got"),
    [
        pytest.param(header(kid="another"), "'another'", id="unknown"),
        pytest.param({"alg": "RS256", "typ": "JWT"}, "nothing", id="none"),
        pytest.param(
            header(kid="another", x5c=[CERTIFIED.x5c], jku=f"{ISSUER}/certs"),
            "'another'",
            id="brings its own certificate",
        ),
    ],
)
def test_a_key_that_the_authority_does_not_have_is_not_taken_from_the_token(
    head: dict[str, Any], got: str
) -> None:
    made = signed(head, container(), AUTHORITY_KEY)

    with pytest.raises(
        Unattested, match=f"^token.header.kid: expected a key of {ISSUER}, got {got}$"
    ):
        verify(made, authority(), NOW, LEEWAY)


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"[]", "token: expected an object with named fields", id="a list"),
        pytest.param(b'{"iss":"a","iss":"b"}', "token: expected each field once", id="twice"),
        pytest.param(b"{", "token: expected JSON in UTF-8", id="no JSON"),
        pytest.param(b'{"a":1.5}', "token: expected integers only", id="a fraction"),
        pytest.param(b"[" * 40, "token: expected at most 32 levels", id="deep"),
    ],
)
def test_a_payload_that_can_be_read_two_ways_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        genuine(payload)


@pytest.mark.parametrize("name", ["iss", "iat", "nbf", "exp"])
def test_what_every_token_says_must_be_there(name: str) -> None:
    with pytest.raises(Malformed, match=f"^token: expected a field '{name}'$"):
        genuine(spoiled(container(), lambda claims: claims.pop(name)))


def test_a_token_has_a_bounded_size() -> None:
    with pytest.raises(Malformed, match=f"^token: expected at most {LARGEST_TOKEN} characters"):
        verify("A" * (LARGEST_TOKEN + 1), authority(), NOW, LEEWAY)


# --- when it holds


@pytest.mark.parametrize(
    ("times", "message"),
    [
        pytest.param({"nbf": ISSUED + 61}, f"token: valid from {ISSUED + 61}, and", id="not yet"),
        pytest.param(
            {"iat": ISSUED + 61}, f"token: valid from {ISSUED + 61}, and", id="issued later"
        ),
        pytest.param(
            {"iat": ISSUED - 999, "exp": ISSUED - 60},
            f"token: expired at {ISSUED - 60}, and now is {ISSUED}$",
            id="expired",
        ),
        pytest.param(
            {"exp": ISSUED + 86_401},
            "token: expected 1 to 86400 seconds of life, got 86401",
            id="lives too long",
        ),
        pytest.param(
            {"iat": ISSUED + 5, "exp": ISSUED + 5},
            "token: expected 1 to 86400 seconds of life, got 0",
            id="lives not at all",
        ),
        pytest.param(
            {"exp": ISSUED - 1},
            "token: expected 1 to 86400 seconds of life, got -1",
            id="backwards",
        ),
    ],
)
def test_a_token_outside_its_time_is_refused(times: dict[str, int], message: str) -> None:
    with pytest.raises(Unattested, match=f"^{message}"):
        genuine(container() | times)


@pytest.mark.parametrize(
    "times",
    [
        pytest.param({"nbf": ISSUED + 60}, id="a clock that runs before ours"),
        pytest.param({"iat": ISSUED - 999, "exp": ISSUED - 59}, id="a clock that runs after ours"),
        pytest.param({"exp": ISSUED + 86_400}, id="the longest life"),
    ],
)
def test_clocks_may_differ_by_the_leeway(times: dict[str, int]) -> None:
    claims = container() | times

    assert genuine(claims).claims == claims


def test_without_leeway_the_limits_are_the_tokens_own() -> None:
    made = token(container())
    end = NOW + timedelta(seconds=LIFE)

    assert verify(made, authority(), end - timedelta(microseconds=1), timedelta(0)) == genuine(
        container()
    )
    with pytest.raises(Unattested, match=r"^token: expired"):
        verify(made, authority(), end, timedelta(0))


def test_now_may_be_told_in_any_zone() -> None:
    far = NOW.astimezone(timezone(timedelta(hours=-11)))

    assert verify(token(container()), authority(), far, timedelta(0)).issued == ISSUED


@pytest.mark.parametrize("name", ["iat", "nbf", "exp"])
@pytest.mark.parametrize(
    "value",
    [
        pytest.param(str(ISSUED), id="text"),
        pytest.param(True, id="true"),
        pytest.param(-1, id="negative"),
        pytest.param(None, id="null"),
    ],
)
def test_times_are_whole_numbers(name: str, value: object) -> None:
    with pytest.raises(Malformed, match=f"^token.{name}: expected a whole number"):
        genuine(container() | {name: value})


# --- the authority


@pytest.mark.parametrize(
    "key",
    [
        pytest.param(jwk(AUTHORITY_KEY.public_key()), id="as numbers"),
        pytest.param({"kty": "RSA", "x5c": [CERTIFIED.x5c]}, id="as a certificate"),
        pytest.param(jwk(AUTHORITY_KEY.public_key()) | {"x5c": [CERTIFIED.x5c]}, id="as both"),
    ],
)
def test_an_authoritys_key_is_read_however_it_is_spelled(key: dict[str, Any]) -> None:
    document = {"keys": [key | {"kid": "a+key=", "alg": "RS256", "use": "sig"}]}

    found = Authority.parse_keys(f"{ISSUER}/", json.dumps(document).encode(), "keys")

    assert found.issuer == ISSUER
    assert verify(token(container()), found, NOW, LEEWAY) == genuine(container())


def test_keys_of_other_algorithms_are_not_used() -> None:
    document = {"keys": [jwk(AUTHORITY_KEY.public_key()), {"kid": "other", "kty": "EC"}]}

    found = Authority.parse_keys(ISSUER, json.dumps(document).encode(), "keys")

    assert list(found.keys) == [jwk(AUTHORITY_KEY.public_key())["kid"]]


def key_set(**changes: Any) -> dict[str, Any]:
    return {"keys": [jwk(AUTHORITY_KEY.public_key()) | {"kid": "a"} | changes]}


def certificate_of(key: Any) -> str:
    return certified("authority", key=key).x5c


@pytest.mark.parametrize(
    ("document", "message"),
    [
        pytest.param([], "keys: expected an object with named fields", id="a list"),
        pytest.param({}, "keys: expected a field 'keys'", id="no keys"),
        pytest.param({"keys": []}, "keys.keys: expected 1 to 64 entries, got 0", id="empty"),
        pytest.param(
            {"keys": key_set()["keys"] * 65}, "keys.keys: expected 1 to 64 entries", id="too many"
        ),
        pytest.param(
            {"keys": key_set()["keys"] * 2},
            "keys.keys: expected each name once, got 'a'",
            id="twice",
        ),
        pytest.param(
            {"keys": [*key_set()["keys"], {"kid": "a", "kty": "EC"}]},
            "keys.keys: expected each name once, got 'a'",
            id="twice in two algorithms",
        ),
        pytest.param({"keys": ["a"]}, "keys.keys[0]: expected an object", id="text"),
        pytest.param(key_set(kid=None), "keys.keys[0].kid: expected text", id="no name"),
        pytest.param(key_set(kty=1), "keys.keys[0].kty: expected text", id="no type"),
        pytest.param(key_set(n="AAAA"), "keys.keys[0].n: expected a number", id="no number"),
        pytest.param(
            key_set(**jwk(tokens.rsa_key(1024).public_key())),
            "keys.keys[0]: expected an RSA key of 2048 to 4096 bits",
            id="a short key",
        ),
        pytest.param(
            key_set(x5c=[certificate_of(tokens.rsa_key(1024))]),
            "keys.keys[0].x5c[0]: expected an RSA key of 2048 to 4096 bits",
            id="a short key in a certificate",
        ),
        pytest.param(
            key_set(x5c=[certificate_of(ec.generate_private_key(ec.SECP256R1()))]),
            "keys.keys[0].x5c[0]: expected an RSA key",
            id="another kind of key in a certificate",
        ),
        pytest.param(
            key_set(x5c=[certificate_of(rsa.generate_private_key(3, 2048))]),
            "keys.keys[0].x5c[0]: expected an RSA key of 2048 to 4096 bits, exponent 65537",
            id="exponent 3 in a certificate",
        ),
        pytest.param(
            key_set(x5c=[certificate_of(OTHER_KEY)]),
            "keys.keys[0].n: expected the key of the certificate",
            id="two keys",
        ),
        pytest.param(
            key_set(x5c=["AAAA"]),
            "keys.keys[0].x5c[0]: expected a DER certificate",
            id="no certificate",
        ),
        pytest.param(
            key_set(x5c=[]), "keys.keys[0].x5c: expected 1 to 64 entries", id="empty chain"
        ),
    ],
)
def test_a_key_set_with_one_thing_wrong_is_refused(document: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Authority.parse_keys(ISSUER, json.dumps(document).encode(), "keys")


@pytest.mark.parametrize(
    "spelling",
    [
        pytest.param("http://a.example", id="http"),
        pytest.param("https://a.example//", id="two slashes"),
        pytest.param("https://a.example/path", id="a path"),
        pytest.param("https://A.example", id="upper case"),
        pytest.param("https://user@a.example", id="a user"),
        pytest.param("/", id="only a slash"),
        pytest.param(None, id="nothing"),
    ],
)
def test_an_authority_is_an_https_origin(spelling: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected an https URL without path"):
        issuer(spelling, "x")


@pytest.mark.parametrize("said", [{}, {"issuer": ISSUER}, {"issuer": f"{ISSUER}/"}])
def test_an_authority_says_where_its_keys_are(said: dict[str, str]) -> None:
    configuration = said | {"jwks_uri": f"{ISSUER}/certs", "response_types_supported": ["token"]}

    assert jwks_url(f"{ISSUER}/", json.dumps(configuration).encode(), "x") == f"{ISSUER}/certs"


@pytest.mark.parametrize(
    ("said", "error", "message"),
    [
        pytest.param(
            {"issuer": "https://evil.example"},
            Unattested,
            f"x.issuer: expected {ISSUER}, got",
            id="another issuer",
        ),
        pytest.param(
            {"issuer": None}, Malformed, "x.issuer: expected an https URL", id="issuer null"
        ),
        pytest.param(
            {"jwks_uri": "https://evil.example/certs"},
            Unattested,
            f"x.jwks_uri: expected an address at {ISSUER}, got",
            id="keys elsewhere",
        ),
        pytest.param(
            {"jwks_uri": f"{ISSUER}.evil.example/certs"},
            Unattested,
            "x.jwks_uri: expected an address at",
            id="an address that begins alike",
        ),
        pytest.param(
            {"jwks_uri": f"{ISSUER}:444/certs"},
            Unattested,
            "x.jwks_uri: expected an address at",
            id="another port",
        ),
        pytest.param(
            {"jwks_uri": f"{ISSUER}/certs".replace("https", "http")},
            Malformed,
            "x.jwks_uri: expected an https URL",
            id="http",
        ),
        pytest.param(
            {"jwks_uri": f"{ISSUER}/certs?next=evil"},
            Malformed,
            "x.jwks_uri: expected an https URL",
            id="a query",
        ),
        pytest.param(
            {"jwks_uri": ISSUER},
            Malformed,
            "x.jwks_uri: expected an https URL with a path",
            id="no path",
        ),
    ],
)
def test_a_configuration_that_leads_elsewhere_is_refused(
    said: dict[str, object], error: type[CleanroomError], message: str
) -> None:
    configuration = {"jwks_uri": f"{ISSUER}/certs"} | said

    with pytest.raises(error, match=f"^{message}"):
        jwks_url(ISSUER, json.dumps(configuration).encode(), "x")


def test_a_configuration_without_keys_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^x: expected a field 'jwks_uri'$"):
        jwks_url(ISSUER, b"{}", "x")


# --- what it says


def test_a_containers_hardware_claims_are_at_the_top() -> None:
    found = genuine(container()).snp()

    assert found.svns == Svns(bootloader=4, tee=0, snp=24, microcode=219, guest=65547)
    assert (found.host_data.hex(), found.compliance) == (HEX, "azure-compliant-uvm")
    assert (found.measurement, found.report_data) == (b"\x0a" * 48, b"\x0b" * 64)
    assert (found.debuggable, found.migration_allowed, found.vmpl) == (False, False, 0)
    assert found.runtime["cleanroom-contract"] == DIGEST


def test_a_machines_hardware_claims_are_under_the_paravisor() -> None:
    token = genuine(machine())

    found = token.snp()

    assert token.attestation_type == "azurevm"
    assert found.compliance == "azure-compliant-cvm"
    assert found.user_data == bytes.fromhex(USER_DATA)
    assert "client-payload" in token.runtime
    assert "client-payload" not in found.runtime


def test_user_data_that_a_guest_wrote_itself_is_not_user_data() -> None:
    claims = container()
    claims["x-ms-runtime"]["user-data"] = USER_DATA

    assert genuine(claims).snp().user_data is None


def test_a_paravisor_need_not_carry_user_data() -> None:
    claims = machine()
    del claims["x-ms-isolation-tee"]["x-ms-runtime"]

    found = genuine(claims).snp()

    assert (found.user_data, found.runtime) == (None, {})


def test_an_authority_need_not_vouch_for_compliance() -> None:
    claims = container()
    del claims["x-ms-compliance-status"]

    assert genuine(claims).snp().compliance is None


def tee(claims: dict[str, Any]) -> Any:
    return claims["x-ms-isolation-tee"]


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        pytest.param(
            container() | {"x-ms-attestation-type": "sgx"},
            "token: expected claims of SEV-SNP hardware, got 'sgx' without them",
            id="other hardware",
        ),
        pytest.param(
            spoiled(machine(), lambda claims: claims.pop("x-ms-isolation-tee")),
            "token: expected claims of SEV-SNP hardware, got 'azurevm' without them",
            id="a virtual machine that nothing isolates",
        ),
        pytest.param(
            container() | {"x-ms-attestation-type": "tdxvm", "x-ms-isolation-tee": {}},
            "token: expected claims of SEV-SNP hardware, got 'tdxvm' without them",
            id="other hardware with a paravisor",
        ),
        pytest.param(
            spoiled(
                machine(), lambda claims: tee(claims).update({"x-ms-attestation-type": "tdxvm"})
            ),
            "token.x-ms-isolation-tee.x-ms-attestation-type: expected 'sevsnpvm', got 'tdxvm'",
            id="isolated otherwise",
        ),
        pytest.param(
            spoiled(machine(), lambda claims: tee(claims).pop("x-ms-attestation-type")),
            "token.x-ms-isolation-tee.x-ms-attestation-type: expected 'sevsnpvm', got nothing",
            id="isolated by it does not say what",
        ),
    ],
)
def test_a_token_without_snp_hardware_has_no_snp_claims(
    claims: dict[str, Any], message: str
) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}$"):
        genuine(claims).snp()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param("hostdata", HEX.upper(), id="host data in upper case"),
        pytest.param("hostdata", HEX[:-2], id="host data too short"),
        pytest.param("launchmeasurement", HEX, id="measurement too short"),
        pytest.param("reportdata", None, id="no report data"),
        pytest.param("bootloader-svn", 256, id="boot loader"),
        pytest.param("tee-svn", -1, id="negative"),
        pytest.param("snpfw-svn", True, id="true"),
        pytest.param("microcode-svn", "219", id="text"),
        pytest.param("guestsvn", 1 << 32, id="guest"),
        pytest.param("is-debuggable", "false", id="debug as text"),
        pytest.param("migration-allowed", 0, id="migration as number"),
        pytest.param("vmpl", "0", id="level as text"),
    ],
)
def test_a_hardware_claim_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises(Malformed, match=f"^token.x-ms-sevsnpvm-{name}: expected "):
        genuine(container() | {f"x-ms-sevsnpvm-{name}": value}).snp()


@pytest.mark.parametrize(
    ("spoil", "place"),
    [
        pytest.param(
            lambda c: c.pop("x-ms-attestation-type"), "token: expected a field", id="no type"
        ),
        pytest.param(
            lambda c: c.pop("x-ms-sevsnpvm-vmpl"), "token: expected a field", id="no level"
        ),
        pytest.param(
            lambda c: c.update({"x-ms-runtime": []}),
            "token.x-ms-runtime: expected an object",
            id="runtime a list",
        ),
        pytest.param(
            lambda c: c.update({"x-ms-compliance-status": 1}),
            "token.x-ms-compliance-status: expected text",
            id="compliance a number",
        ),
    ],
)
def test_hardware_claims_are_all_there(spoil: Spoil, place: str) -> None:
    with pytest.raises(Malformed, match=f"^{place}"):
        genuine(spoiled(container(), spoil)).snp()


@pytest.mark.parametrize(
    "value",
    [
        pytest.param(USER_DATA.lower(), id="lower case"),
        pytest.param(USER_DATA[:-2], id="short"),
        pytest.param(None, id="null"),
    ],
)
def test_user_data_has_one_spelling(value: object) -> None:
    claims = machine()
    tee(claims)["x-ms-runtime"]["user-data"] = value

    with pytest.raises(Malformed, match=r"user-data: expected 128 upper-case hexadecimal digits"):
        genuine(claims).snp()


def test_what_isolates_a_machine_is_an_object() -> None:
    with pytest.raises(Malformed, match=r"^token.x-ms-isolation-tee: expected an object"):
        genuine(machine() | {"x-ms-isolation-tee": "sevsnpvm"}).snp()


# --- the key that a vault wraps to


def with_keys(*keys: object) -> TokenClaims:
    return genuine(container() | {"x-ms-runtime": {"keys": list(keys)}})


OTHER = jwk(OTHER_KEY.public_key())


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([wrapping_jwk()], id="may encrypt"),
        pytest.param([wrapping_jwk(key_ops="encrypt")], id="as one word"),
        pytest.param([wrapping_jwk(key_ops=[], use="enc")], id="by its use"),
        pytest.param([wrapping_jwk(use="sig")], id="says both"),
        pytest.param([wrapping_jwk(key_ops=["decrypt", "encrypt"])], id="among others"),
        pytest.param([OTHER | {"key_ops": ["sign"]}, wrapping_jwk()], id="after a signing key"),
        pytest.param([OTHER | {"key_ops": "encrypted"}, wrapping_jwk()], id="no part of a word"),
        pytest.param([OTHER, wrapping_jwk()], id="after one that says nothing"),
        pytest.param([OTHER | {"use": "encrypt"}, wrapping_jwk()], id="no other word for use"),
        pytest.param(
            [{"kty": "EC", "key_ops": ["encrypt"]}, wrapping_jwk()], id="after another kind"
        ),
        pytest.param([wrapping_jwk(), OTHER | {"key_ops": ["encrypt"]}], id="the first of two"),
    ],
)
def test_a_vault_wraps_to_the_first_key_that_may_encrypt(keys: list[object]) -> None:
    found = with_keys(*keys).wrapping_key()

    assert found.public.public_numbers() == WRAPPING_KEY.public_key().public_numbers()
    assert found.id == wrapping_jwk()["kid"]


def test_the_paravisors_keys_are_not_for_wrapping() -> None:
    found = genuine(machine()).wrapping_key()

    assert found.id == "TpmEphemeralEncryptionKey"


def test_a_wrapping_key_may_be_nameless() -> None:
    nameless = wrapping_jwk()
    del nameless["kid"]

    assert with_keys(nameless).wrapping_key().id is None


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(container() | {"x-ms-runtime": {}}, id="no keys"),
        pytest.param(container() | {"x-ms-runtime": {"keys": []}}, id="empty"),
        pytest.param(container() | {"x-ms-runtime": {"keys": [OTHER]}}, id="none that may encrypt"),
        pytest.param(machine() | {"x-ms-runtime": {}}, id="only the paravisor's"),
    ],
)
def test_without_a_key_that_may_encrypt_there_is_none(claims: dict[str, Any]) -> None:
    with pytest.raises(
        Unattested, match=r"^token.x-ms-runtime.keys: expected an RSA key that may encrypt"
    ):
        genuine(claims).wrapping_key()


@pytest.mark.parametrize(
    ("key", "message"),
    [
        pytest.param("text", "token.x-ms-runtime.keys[0]: expected an object", id="text"),
        pytest.param(wrapping_jwk(e="Aw"), "token.x-ms-runtime.keys[0].e: expected", id="weak"),
        pytest.param(wrapping_jwk(kid=""), "token.x-ms-runtime.keys[0].kid: expected", id="kid"),
    ],
)
def test_a_wrapping_key_that_cannot_be_read_is_not_passed_over(key: object, message: str) -> None:
    claims = with_keys(key, wrapping_jwk())

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        claims.wrapping_key()


# --- whatever comes

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)
NAMES = st.sampled_from(
    [*container(), "x-ms-isolation-tee", "keys", "kid", "kty", "n", "e", "x5c", "use", "key_ops"]
)
CLAIMS: st.SearchStrategy[Any] = st.recursive(
    JSON | st.sampled_from(["sevsnpvm", "azurevm", "RSA", "enc", "AQAB", HEX]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=12,
)


@given(st.dictionaries(NAMES, CLAIMS))
def test_signed_claims_of_any_kind_are_read_or_refused(claims: Mapping[str, object]) -> None:
    found = TokenClaims(ISSUER, ISSUED, ISSUED + LIFE, claims)

    for read in (found.snp, found.wrapping_key):
        with suppress(CleanroomError):
            read()


@given(st.dictionaries(NAMES, CLAIMS))
def test_any_signed_payload_is_read_or_refused(claims: dict[str, object]) -> None:
    with suppress(CleanroomError):
        assert genuine(common() | claims).claims == common() | claims


@given(st.binary() | CLAIMS.map(lambda value: json.dumps({"keys": [value]}).encode()))
def test_any_bytes_are_keys_or_refused(data: bytes) -> None:
    with suppress(CleanroomError):
        Authority.parse_keys(ISSUER, data, "x")
    with suppress(CleanroomError):
        jwks_url(ISSUER, data, "x")
