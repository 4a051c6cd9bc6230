"""A vault's answer is believed if the vault's own certificate signed it, for this request."""

import re
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.fields import base64_text
from cleanroom.release.response import LARGEST, Asked, Released, VaultTrust, verify
from cleanroom.release.wrapping import Wrapping
from tests import tokens
from tests.builders import NOW
from tests.tokens import OTHER_KEY, Certified, certified, encoded, rsa_key, signed
from tests.unit.cleanroom.release.policies import policy, value

HOST = "north.vault.azure.net"
KEY = f"https://{HOST}/keys/room-key"
VERSION = "0f" * 16
NONCE = "6e6f6e6365"
ENC = "RSA_AES_KEY_WRAP_256"
WRAPPED = bytes(300)
LEAF = {"claim": "a", "equals": "x"}

ROOT = certified("root")
BETWEEN = certified("between", ROOT)
VAULT = certified("vault.azure.net", BETWEEN, hosts=("*.vault.azure.net", "vault.azure.net"))
ASKED = Asked(KEY, None, Wrapping.SHA256, NONCE)
TRUST = VaultTrust((ROOT.der,), HOST)

type Spoil = Callable[[Any], object]


def key_hsm(**changes: Any) -> dict[str, Any]:
    return {
        "schema_version": "1.0",
        "header": {"kid": "TpmEphemeralEncryptionKey", "alg": "dir", "enc": ENC},
        "ciphertext": encoded(WRAPPED),
    } | changes


def payload(key_hsm_value: object = None) -> dict[str, Any]:
    """Give the answer that a real vault gives."""
    return {
        "request": {"api-version": "7.4", "enc": ENC, "kid": KEY, "nonce": NONCE},
        "response": {
            "key": {
                "key": {
                    "kid": f"{KEY}/{VERSION}",
                    "kty": "RSA-HSM",
                    "key_ops": ["encrypt", "decrypt"],
                    "n": "AQAB",
                    "e": "AAEAAQ",
                    "key_hsm": encoded(key_hsm() if key_hsm_value is None else key_hsm_value),
                },
                "attributes": {"enabled": True, "exportable": True, "created": 0},
                "tags": {},
                "release_policy": {
                    "contentType": "application/json; charset=utf-8",
                    "data": encoded(value(LEAF)),
                    "immutable": False,
                },
            }
        },
    }


def header(*chain: Certified, **changes: Any) -> dict[str, Any]:
    head = {"alg": "RS256", "kid": "0F" * 20, "x5t": "AAAA", "typ": "JWT", "x5t#S256": "AAAA"}
    return head | {"x5c": [each.x5c for each in chain]} | changes


def answer(body: object, chain: tuple[Certified, ...] = (VAULT, BETWEEN, ROOT)) -> str:
    return signed(header(*chain), body, chain[0].key)


def spoiled(spoil: Spoil) -> dict[str, Any]:
    found = payload()
    spoil(found)
    return found


def read(body: object, asked: Asked = ASKED) -> Released:
    return verify(answer(body), asked, TRUST, NOW)


def test_a_genuine_answer_gives_what_the_vault_released() -> None:
    assert read(payload()) == Released(VERSION, WRAPPED, policy(LEAF), immutable=False)


@pytest.mark.parametrize(
    ("said", "immutable"), [({"immutable": True}, True), ({"immutable": False}, False), ({}, False)]
)
def test_whether_the_policy_can_change_is_told(said: dict[str, bool], immutable: bool) -> None:
    body = payload()
    body["response"]["key"]["release_policy"] = {"data": encoded(value(LEAF))} | said

    assert read(body).immutable is immutable


# --- who says it


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param((VAULT, BETWEEN, ROOT), id="whole"),
        pytest.param((VAULT, BETWEEN), id="without the root"),
        pytest.param((VAULT, ROOT, BETWEEN), id="in another order"),
        pytest.param((VAULT, BETWEEN, certified("a stranger")), id="and a stranger"),
        pytest.param((certified("direct", ROOT, hosts=(HOST,)),), id="by the root itself"),
    ],
)
def test_a_chain_leads_to_an_anchor(chain: tuple[Certified, ...]) -> None:
    assert verify(answer(payload(), chain), ASKED, TRUST, NOW).version == VERSION


def test_any_one_of_the_anchors_will_do() -> None:
    trust = VaultTrust((certified("another").der, ROOT.der), HOST)

    assert verify(answer(payload()), ASKED, trust, NOW).version == VERSION


def test_now_may_be_told_in_any_zone() -> None:
    end = NOW + timedelta(days=1)

    for zone in (timezone(timedelta(hours=14)), timezone(timedelta(hours=-12))):
        assert verify(answer(payload()), ASKED, TRUST, end.astimezone(zone)).version == VERSION


OTHER_ROOT = certified("root", key=rsa_key())


@pytest.mark.parametrize(
    "chain",
    [
        pytest.param((VAULT,), id="cut"),
        pytest.param((certified("vault.azure.net", hosts=(HOST,)),), id="certified by itself"),
        pytest.param(
            (certified("vault.azure.net", OTHER_ROOT, hosts=(HOST,)), OTHER_ROOT),
            id="another root of the same name",
        ),
        pytest.param(
            (certified("x", BETWEEN, hosts=("north.vault.azure.net.evil.example",)), BETWEEN),
            id="a name that begins alike",
        ),
        pytest.param(
            (certified("x", BETWEEN, hosts=("south.vault.azure.net",)), BETWEEN),
            id="another vault",
        ),
        pytest.param(
            (certified("x", BETWEEN, hosts=("*.azure.net",)), BETWEEN), id="a name too wide"
        ),
        pytest.param((BETWEEN, ROOT), id="an authority, not a server"),
        pytest.param(
            (certified("x", VAULT, hosts=(HOST,)), VAULT, BETWEEN), id="certified by a server"
        ),
    ],
)
def test_a_certificate_of_somebody_else_is_refused(chain: tuple[Certified, ...]) -> None:
    with pytest.raises(
        Tampered, match=f"^answer: no certificate of {HOST} that an anchor vouches for$"
    ):
        verify(answer(payload(), chain), ASKED, TRUST, NOW)


@pytest.mark.parametrize(
    "moment",
    [
        pytest.param(NOW - timedelta(days=1, seconds=1), id="not yet valid"),
        pytest.param(NOW + timedelta(days=1, seconds=1), id="expired"),
    ],
)
def test_certificates_hold_for_a_time(moment: Any) -> None:
    with pytest.raises(Tampered, match=r"^answer: no certificate of"):
        verify(answer(payload()), ASKED, TRUST, moment)


def test_a_certificate_between_that_expired_is_refused() -> None:
    old = certified("between", ROOT, days=0)
    chain = (certified("vault.azure.net", old, hosts=(HOST,)), old, ROOT)

    with pytest.raises(Tampered, match=r"^answer: no certificate of"):
        verify(answer(payload(), chain), ASKED, TRUST, NOW + timedelta(hours=1))


@pytest.mark.parametrize(
    "private",
    [
        pytest.param(ec.generate_private_key(ec.SECP256R1()), id="another kind"),
        pytest.param(rsa_key(1024), id="1024 bits"),
    ],
)
def test_a_server_with_a_key_that_cannot_sign_safely_is_refused(private: Any) -> None:
    server = certified("x", BETWEEN, hosts=(HOST,), key=private)
    made = signed(header(server, BETWEEN), payload(), VAULT.key)

    with pytest.raises(Malformed, match=r"^answer.header.x5c\[0\]: expected an RSA key"):
        verify(made, ASKED, TRUST, NOW)


def test_an_answer_by_another_key_is_refused() -> None:
    forged = signed(header(VAULT, BETWEEN), payload(), OTHER_KEY)

    with pytest.raises(Tampered, match=r"^answer: the signature is not one of its certificate$"):
        verify(forged, ASKED, TRUST, NOW)


def test_an_answer_changed_after_signing_is_refused() -> None:
    head, _, signature = answer(payload()).split(".")
    changed = payload()
    changed["response"]["key"]["release_policy"]["immutable"] = True

    with pytest.raises(Tampered, match=r"^answer: the signature is not one of its certificate$"):
        verify(f"{head}.{encoded(changed)}.{signature}", ASKED, TRUST, NOW)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        pytest.param({"alg": "RS256"}, "answer.header: expected a field 'x5c'", id="none"),
        pytest.param(
            header(x5c=[base64_text(b"not a certificate")]),
            r"answer.header.x5c\[0\]: expected a DER certificate",
            id="no certificate",
        ),
        pytest.param(
            header(x5c=[VAULT.x5c, base64_text(b"not a certificate")]),
            r"answer.header.x5c\[1\]: expected a DER certificate",
            id="no certificate after",
        ),
    ],
)
def test_an_answer_brings_certificates(head: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{message}"):
        verify(signed(head, payload(), VAULT.key), ASKED, TRUST, NOW)


def test_an_answer_has_a_bounded_size() -> None:
    with pytest.raises(Malformed, match=f"^answer: expected at most {LARGEST} characters"):
        verify("A" * (LARGEST + 1), ASKED, TRUST, NOW)


# --- what it answers


def in_key(**changes: Any) -> Spoil:
    return lambda body: body["response"]["key"]["key"].update(changes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda b: b["request"].update(enc="CKM_RSA_AES_KEY_WRAP"),
            f"answer: expected {ENC}, got 'CKM_RSA_AES_KEY_WRAP'",
            id="another algorithm",
        ),
        pytest.param(
            lambda b: b["request"].pop("enc"),
            f"answer: expected {ENC}, got nothing",
            id="no algorithm",
        ),
        pytest.param(
            lambda b: b["request"].update(nonce="other"),
            "answer: the nonce is not the one of this request",
            id="another request",
        ),
        pytest.param(
            lambda b: b["request"].update(nonce=None),
            "answer: the nonce is not the one of this request",
            id="nonce null",
        ),
        pytest.param(
            lambda b: b["request"].update(kid=f"{KEY}-2"),
            f"answer: expected a request for {KEY}, got",
            id="another key",
        ),
        pytest.param(
            lambda b: b["request"].pop("kid"),
            f"answer: expected a request for {KEY}, got nothing",
            id="no key",
        ),
        pytest.param(
            lambda b: b["request"].update(kid=f"{KEY}/{VERSION}"),
            f"answer: expected a request for {KEY}, got",
            id="a version that nobody asked for",
        ),
        pytest.param(
            in_key(kid=f"https://south.vault.azure.net/keys/room-key/{VERSION}"),
            f"answer: expected a version of {KEY}, got",
            id="another vault's key",
        ),
        pytest.param(
            in_key(kid=f"{KEY}-2/{VERSION}"),
            f"answer: expected a version of {KEY}, got",
            id="another key in the vault",
        ),
        pytest.param(in_key(kid=KEY), f"answer: expected a version of {KEY}, got", id="no version"),
        pytest.param(
            in_key(kid=f"{KEY}/"), f"answer: expected a version of {KEY}, got", id="empty version"
        ),
        pytest.param(
            in_key(kid=f"{KEY}/../other/{VERSION}"),
            f"answer: expected a version of {KEY}, got",
            id="a way around",
        ),
        pytest.param(
            in_key(key_hsm=encoded(key_hsm(header={"enc": "CKM_RSA_AES_KEY_WRAP"}))),
            f"answer.key_hsm: expected {ENC}, got 'CKM_RSA_AES_KEY_WRAP'",
            id="wrapped by another algorithm",
        ),
    ],
)
def test_an_answer_to_another_request_is_refused(spoil: Spoil, message: str) -> None:
    with pytest.raises(Tampered, match=f"^{re.escape(message)}"):
        read(spoiled(spoil))


def test_not_every_vault_repeats_the_nonce() -> None:
    body = spoiled(lambda body: body["request"].pop("nonce"))

    assert read(body) == read(payload())


@pytest.mark.parametrize("repeated", [KEY, f"{KEY}/{VERSION}"], ids=["name", "version"])
def test_the_version_that_was_asked_for_comes(repeated: str) -> None:
    body = spoiled(lambda body: body["request"].update(kid=repeated))

    assert read(body, replace(ASKED, version=VERSION)).version == VERSION


def test_another_version_is_refused() -> None:
    asked = replace(ASKED, version="ab" * 16)

    with pytest.raises(Tampered, match=f"^answer: expected version {'ab' * 16}, got {VERSION}$"):
        read(payload(), asked)


def in_policy(**changes: Any) -> Spoil:
    return lambda body: body["response"]["key"]["release_policy"].update(changes)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda b: b.pop("request"), "answer: expected a field 'request'", id="no request"
        ),
        pytest.param(
            lambda b: b.update(request=[]), "answer.request: expected an object", id="request"
        ),
        pytest.param(
            lambda b: b.pop("response"), "answer: expected a field 'response'", id="no response"
        ),
        pytest.param(
            lambda b: b["response"].pop("key"),
            "answer.response: expected a field 'key'",
            id="no bundle",
        ),
        pytest.param(
            lambda b: b["response"]["key"].pop("key"),
            "answer.response.key: expected a field 'key'",
            id="no key",
        ),
        pytest.param(
            lambda b: b["response"]["key"].pop("release_policy"),
            "answer.response.key: expected a field 'release_policy'",
            id="no policy",
        ),
        pytest.param(in_key(kid=1), "answer.response.key.key.kid: expected text", id="kid"),
        pytest.param(
            in_key(key_hsm="{}"),
            "answer.response.key.key.key_hsm: expected base64url",
            id="key not encoded",
        ),
        pytest.param(
            in_key(key_hsm=encoded([])), "answer.key_hsm: expected an object", id="key a list"
        ),
        pytest.param(
            in_key(key_hsm=encoded({"header": {}})),
            "answer.key_hsm.header: expected a field",
            id="no algorithm",
        ),
        pytest.param(
            in_key(key_hsm=encoded(key_hsm(ciphertext="A="))),
            "answer.key_hsm.ciphertext: expected base64url without padding",
            id="padded",
        ),
        pytest.param(
            in_key(key_hsm=encoded(key_hsm(ciphertext=encoded(bytes(4097))))),
            "answer.key_hsm.ciphertext: expected base64url of at most 4096 bytes",
            id="large",
        ),
        pytest.param(
            in_policy(data="A="), "answer.release_policy.data: expected base64url", id="data padded"
        ),
        pytest.param(
            in_policy(data=encoded({})),
            "answer.release_policy: expected a field 'version'",
            id="no policy in it",
        ),
        pytest.param(
            in_policy(immutable="yes"),
            "answer.release_policy.immutable: expected true or false",
            id="immutable, perhaps",
        ),
    ],
)
def test_an_answer_with_one_thing_wrong_is_refused(spoil: Spoil, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        read(spoiled(spoil))


@given(
    st.recursive(
        st.sampled_from([None, True, 0, "", ENC, KEY, f"{KEY}/{VERSION}", encoded(key_hsm())]),
        lambda inner: (
            st.dictionaries(
                st.sampled_from(
                    [
                        "request",
                        "response",
                        "key",
                        "kid",
                        "enc",
                        "key_hsm",
                        "release_policy",
                        "data",
                    ]
                ),
                inner,
            )
            | st.lists(inner, max_size=2)
        ),
        max_leaves=10,
    )
    | st.binary(min_size=1)
)
def test_any_signed_payload_is_read_or_refused(body: object) -> None:
    with suppress(CleanroomError):
        read(body)


@given(st.binary(min_size=1, max_size=60), st.integers(0, len(VAULT.der) - 1), st.integers(1, 255))
def test_any_certificate_is_read_or_refused(data: bytes, at: int, flip: int) -> None:
    flipped = VAULT.der[:at] + bytes([VAULT.der[at] ^ flip]) + VAULT.der[at + 1 :]

    for certificate in (data, flipped):
        head = header(x5c=[base64_text(certificate), BETWEEN.x5c])
        with suppress(CleanroomError):
            verify(signed(head, payload(), tokens.AUTHORITY_KEY), ASKED, TRUST, NOW)
