"""Envelopes hold what one key signed as one type, and nothing else."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import (
    decode_dss_signature,
    encode_dss_signature,
)
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

from cleanroom import dsse
from cleanroom.canonical import canonical
from cleanroom.errors import Malformed, Tampered
from tests.builders import DIGEST, Keys

TYPE = "application/test"
PAYLOAD = b"payload"
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256's group


def value() -> Any:
    return {
        "payload": base64.b64encode(PAYLOAD).decode(),
        "payloadType": TYPE,
        "signatures": [{"keyid": DIGEST, "sig": "AAAA"}],
    }


def signed(key: Keys) -> dsse.Signed:
    return dsse.Signed.parse(dsse.sign(PAYLOAD, TYPE, key.signer), "x")


def signature_over(data: bytes, key: Keys, algorithm: hashes.HashAlgorithm) -> bytes:
    return key.private_signing.sign(data, ec.ECDSA(algorithm))


def test_what_is_signed_comes_back(north: Keys) -> None:
    envelope = dsse.sign(PAYLOAD, TYPE, north.signer)

    assert dsse.verify(envelope, TYPE, north.signing, "x") == PAYLOAD


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(bytes(range(256)), id="any bytes"),
        pytest.param(bytes(dsse.LARGEST_PAYLOAD), id="largest"),
    ],
)
def test_any_bytes_can_be_signed(payload: bytes, north: Keys) -> None:
    envelope = dsse.sign(payload, TYPE, north.signer)

    assert len(envelope) <= dsse.LARGEST_ENVELOPE
    assert dsse.verify(envelope, TYPE, north.signing, "x") == payload


def test_an_envelope_is_taken_apart_before_anything_is_verified(north: Keys) -> None:
    found = signed(north)

    assert (found.payload, found.payload_type, found.key_id) == (PAYLOAD, TYPE, north.signing.id)


def test_other_implementations_of_dsse_read_the_envelope(north: Keys) -> None:
    envelope = Envelope.from_dict(json.loads(dsse.sign(PAYLOAD, TYPE, north.signer)))
    key = SSlibKey.from_crypto(north.private_signing.public_key(), north.signing.id.text)

    assert list(envelope.verify([key], 1)) == [north.signing.id.text]


# --- what does not verify


def test_a_payload_signed_by_another_key_is_refused(north: Keys, south: Keys) -> None:
    message = f"x: signed by {south.signing.id}, not by the expected {north.signing.id}"

    with pytest.raises(Tampered, match=f"^{message}$"):
        signed(south).verify(TYPE, north.signing, "x")


def test_a_payload_signed_by_another_key_in_this_keys_name_is_refused(
    north: Keys, south: Keys
) -> None:
    forged = replace(signed(south), key_id=north.signing.id)

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        forged.verify(TYPE, north.signing, "x")


def test_a_payload_signed_as_another_type_is_refused(north: Keys) -> None:
    message = "x: signed as 'application/test', not 'application/other'"

    with pytest.raises(Tampered, match=f"^{message}$"):
        signed(north).verify("application/other", north.signing, "x")


def test_a_payload_renamed_to_another_type_is_refused(north: Keys) -> None:
    renamed = replace(signed(north), payload_type="application/other")

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        renamed.verify("application/other", north.signing, "x")


def test_a_byte_moved_from_the_payload_to_the_type_is_noticed(north: Keys) -> None:
    found = dsse.Signed.parse(dsse.sign(b" payload", TYPE, north.signer), "x")
    moved = replace(found, payload=b"payload", payload_type=f"{TYPE} ")

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        moved.verify(f"{TYPE} ", north.signing, "x")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"Payload", id="changed"),
        pytest.param(b"payloa", id="cut short"),
        pytest.param(b"payload\0", id="longer"),
    ],
)
def test_another_payload_under_the_signature_is_refused(payload: bytes, north: Keys) -> None:
    changed = replace(signed(north), payload=payload)

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        changed.verify(TYPE, north.signing, "x")


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda _: b"", id="none"),
        pytest.param(lambda _: b"\0", id="no DER"),
        pytest.param(lambda _: encode_dss_signature(0, 0), id="zeros"),
        pytest.param(lambda _: encode_dss_signature(1, 1), id="ones"),
        pytest.param(lambda _: encode_dss_signature(ORDER, ORDER), id="the order of the group"),
        pytest.param(lambda sig: sig[:-1], id="cut short"),
        pytest.param(lambda sig: sig + b"\0", id="longer"),
        pytest.param(lambda sig: b"\x30\x80" + sig[2:] + b"\0\0", id="indefinite length"),
        pytest.param(lambda sig: b"\x30\x81" + sig[1:], id="long length"),
        pytest.param(
            lambda sig: encode_dss_signature(*reversed(decode_dss_signature(sig))), id="swapped"
        ),
        pytest.param(
            lambda sig: encode_dss_signature(
                decode_dss_signature(sig)[0], decode_dss_signature(sig)[1] + ORDER
            ),
            id="second number plus the order",
        ),
    ],
)
def test_a_signature_that_does_not_hold_is_refused(
    spoil: Callable[[bytes], bytes], north: Keys
) -> None:
    found = signed(north)
    spoiled = replace(found, signature=spoil(found.signature))

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        spoiled.verify(TYPE, north.signing, "x")


@pytest.mark.parametrize(
    ("data", "algorithm"),
    [
        pytest.param(PAYLOAD, hashes.SHA256(), id="the payload without its type"),
        pytest.param(
            b"DSSEv1 16 application/test 7 payload", hashes.SHA384(), id="with another digest"
        ),
        pytest.param(b"DSSEv1 7 payload 16 application/test", hashes.SHA256(), id="swapped"),
    ],
)
def test_a_signature_over_something_else_is_refused(
    data: bytes, algorithm: hashes.HashAlgorithm, north: Keys
) -> None:
    other = replace(signed(north), signature=signature_over(data, north, algorithm))

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        other.verify(TYPE, north.signing, "x")


def test_a_signature_made_by_the_specification_holds(north: Keys) -> None:
    data = b"DSSEv1 16 application/test 7 payload"
    made = replace(signed(north), signature=signature_over(data, north, hashes.SHA256()))

    assert made.verify(TYPE, north.signing, "x") == PAYLOAD


def test_the_key_is_checked_before_the_signature(north: Keys, south: Keys) -> None:
    broken = replace(signed(north), signature=b"")

    with pytest.raises(Tampered, match=r"not by the expected"):
        broken.verify(TYPE, south.signing, "x")


# --- what does not parse


def test_the_envelope_that_the_cases_below_spoil_is_accepted() -> None:
    found = dsse.Signed.parse(canonical(value(), "x"), "x")

    assert (found.key_id.text, found.signature) == (DIGEST, b"\0\0\0")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda e: e.pop("payload"), "x: expected a field 'payload'", id="no payload"),
        pytest.param(
            lambda e: e.pop("payloadType"), "x: expected a field 'payloadType'", id="no type"
        ),
        pytest.param(
            lambda e: e.pop("signatures"), "x: expected a field 'signatures'", id="no signatures"
        ),
        pytest.param(
            lambda e: e.update(more=1), "x: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            lambda e: e.update(payload={}), "x.payload: expected base64", id="payload not encoded"
        ),
        pytest.param(
            lambda e: e.update(payload="_-AA"),
            "x.payload: expected standard base64",
            id="payload in the URL alphabet",
        ),
        pytest.param(
            lambda e: e.update(payload="AAB="),
            "x.payload: expected canonical base64",
            id="stray bits in the payload",
        ),
        pytest.param(
            lambda e: e.update(payload="A" * (4 * ((1 << 20) // 3 + 2))),
            "x.payload: expected base64 of at most 1048576 bytes",
            id="payload too large",
        ),
        pytest.param(
            lambda e: e.update(payloadType=""),
            "x.payloadType: expected 1 to 200 characters, got 0",
            id="empty type",
        ),
        pytest.param(
            lambda e: e.update(payloadType="a" * 201),
            "x.payloadType: expected 1 to 200 characters, got 201",
            id="type too long",
        ),
        pytest.param(
            lambda e: e.update(payloadType="a\0"),
            "x.payloadType: expected only characters that can be seen, got U+0000",
            id="zero byte in the type",
        ),
        pytest.param(
            lambda e: e.update(signatures=[]),
            "x.signatures: expected 1 to 1 entries, got 0",
            id="unsigned",
        ),
        pytest.param(
            lambda e: e.update(signatures=e["signatures"] * 2),
            "x.signatures: expected 1 to 1 entries, got 2",
            id="signed twice",
        ),
        pytest.param(
            lambda e: e.update(signatures=e["signatures"][0]),
            "x.signatures: expected a list, got an object",
            id="signature not in a list",
        ),
        pytest.param(
            lambda e: e.update(signatures=["AAAA"]),
            "x.signatures[0]: expected an object with named fields, got text",
            id="signature as text",
        ),
        pytest.param(
            lambda e: e["signatures"][0].pop("keyid"),
            "x.signatures[0]: expected a field 'keyid'",
            id="no key id",
        ),
        pytest.param(
            lambda e: e["signatures"][0].pop("sig"),
            "x.signatures[0]: expected a field 'sig'",
            id="no signature",
        ),
        pytest.param(
            lambda e: e["signatures"][0].update(cert="a"),
            "x.signatures[0]: expected no other field, got 'cert'",
            id="a certificate beside it",
        ),
        pytest.param(
            lambda e: e["signatures"][0].update(keyid=""),
            "x.signatures[0].keyid: expected 'sha256:'",
            id="empty key id",
        ),
        pytest.param(
            lambda e: e["signatures"][0].update(keyid=DIGEST.upper()),
            "x.signatures[0].keyid: expected 'sha256:'",
            id="key id in upper case",
        ),
        pytest.param(
            lambda e: e["signatures"][0].update(sig="AAB="),
            "x.signatures[0].sig: expected canonical base64",
            id="stray bits in the signature",
        ),
        pytest.param(
            lambda e: e["signatures"][0].update(sig="A" * 100),
            "x.signatures[0].sig: expected base64 of at most 72 bytes",
            id="signature too long",
        ),
    ],
)
def test_an_envelope_with_one_thing_wrong_is_refused(
    spoil: Callable[[Any], object], message: str
) -> None:
    spoiled = value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        dsse.Signed.parse(canonical(spoiled, "x"), "x")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "JSON in UTF-8", id="nothing"),
        pytest.param(PAYLOAD, "JSON in UTF-8", id="the payload alone"),
        pytest.param(b"[]", "an object with named fields, got a list", id="a list"),
        pytest.param(json.dumps(value()).encode(), "canonical JSON", id="another spelling"),
        pytest.param(canonical(value(), "x") + b"\n", "canonical JSON", id="line feed after"),
        pytest.param(
            canonical(value(), "x")[:-1] + b',"payload":""}', "each field once", id="payload twice"
        ),
        pytest.param(bytes(dsse.LARGEST_ENVELOPE + 1), "at most 1402200 bytes", id="too large"),
    ],
)
def test_bytes_that_are_no_envelope_are_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}"):
        dsse.Signed.parse(data, "x")
