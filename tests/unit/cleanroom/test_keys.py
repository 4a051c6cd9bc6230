"""Keys are of one kind each, have one spelling, and a data key stays where it is."""

import base64
import copy
import pickle
import re
from dataclasses import FrozenInstanceError
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.ids import Digest
from cleanroom.keys import OAEP_SHA256, DataKey, ReaderKey, SigningKey
from tests.builders import Keys

NO_SIGNING_KEY = "an ECDSA P-256 public key"
NO_READER_KEY = "an RSA public key of 2048, 3072 or 4096 bits, exponent 65537"
KEY_TYPES = [SigningKey, ReaderKey]

FOREIGN_KEYS = {
    "P-384": ec.generate_private_key(ec.SECP384R1()),
    "P-521": ec.generate_private_key(ec.SECP521R1()),
    "secp256k1": ec.generate_private_key(ec.SECP256K1()),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "X25519": x25519.X25519PrivateKey.generate(),
    "RSA-1024": rsa.generate_private_key(65537, 1024),  # noqa: S505  # to be refused
    "RSA-2560": rsa.generate_private_key(65537, 2560),
    "RSA, exponent 3": rsa.generate_private_key(3, 2048),
}
foreign = pytest.mark.parametrize(
    "key", [pytest.param(key, id=name) for name, key in FOREIGN_KEYS.items()]
)


def public_der(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def public_pem(key: PrivateKeyTypes) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def spelled(der: bytes) -> str:
    return base64.b64encode(der).decode()


def tlv(tag: int, value: bytes) -> bytes:
    """Spell a short DER element."""
    return bytes([tag, len(value)]) + value


def point(key: Keys, form: PublicFormat) -> bytes:
    return key.private_signing.public_key().public_bytes(Encoding.X962, form)


def p256(spelled_point: bytes) -> bytes:
    """Spell a P-256 key with any encoding of its point."""
    ecdsa, curve = bytes.fromhex("06072a8648ce3d0201"), bytes.fromhex("06082a8648ce3d030107")
    return tlv(0x30, tlv(0x30, ecdsa + curve) + tlv(0x03, b"\0" + spelled_point))


# --- public keys


def test_a_signing_key_comes_back_from_json_and_from_pem(north: Keys) -> None:
    key = north.signing

    assert SigningKey.parse(key.to_json(), "x") == key
    assert SigningKey.from_pem(key.pem.encode(), "x") == key


def test_a_reader_key_comes_back_from_json_and_from_pem(north: Keys) -> None:
    key = north.reader

    assert ReaderKey.parse(key.to_json(), "x") == key
    assert ReaderKey.from_pem(key.pem.encode(), "x") == key


def test_a_key_is_spelled_and_named_by_its_der(north: Keys) -> None:
    der = public_der(north.private_signing)

    assert north.signing.to_json() == spelled(der)
    assert north.signing.id == Digest.of(der)
    assert north.signing.pem.encode() == public_pem(north.private_signing)


def test_keys_of_two_parties_and_purposes_differ(north: Keys, south: Keys) -> None:
    assert north.signing != south.signing
    assert north.reader != south.reader
    assert len({north.signing.id, south.signing.id, north.reader.id, south.reader.id}) == 4


@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_a_reader_key_has_a_size_that_a_vault_makes(bits: int) -> None:
    key = rsa.generate_private_key(65537, bits).public_key()

    assert ReaderKey.from_crypto(key, "x").pem.startswith("-----BEGIN PUBLIC KEY-----\n")


@foreign
def test_a_signing_key_of_another_kind_is_refused(key: PrivateKeyTypes) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {NO_SIGNING_KEY}$"):
        SigningKey.parse(spelled(public_der(key)), "x")


@foreign
def test_a_reader_key_of_another_kind_is_refused(key: PrivateKeyTypes) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {NO_READER_KEY}$"):
        ReaderKey.parse(spelled(public_der(key)), "x")


@foreign
def test_a_foreign_key_in_a_pem_file_is_refused(key: PrivateKeyTypes) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {NO_SIGNING_KEY}$"):
        SigningKey.from_pem(public_pem(key), "x")
    with pytest.raises(Malformed, match=f"^x: expected {NO_READER_KEY}$"):
        ReaderKey.from_pem(public_pem(key), "x")


def test_a_key_for_the_other_purpose_is_refused(north: Keys) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {NO_SIGNING_KEY}$"):
        SigningKey.parse(north.reader.to_json(), "x")
    with pytest.raises(Malformed, match=f"^x: expected {NO_READER_KEY}$"):
        ReaderKey.parse(north.signing.to_json(), "x")


def test_a_private_key_object_is_no_public_key(north: Keys) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {NO_SIGNING_KEY}$"):
        SigningKey.from_crypto(north.private_signing, "x")
    with pytest.raises(Malformed, match=f"^x: expected {NO_READER_KEY}$"):
        ReaderKey.from_crypto(north.private_reader, "x")


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize(
    ("raw", "message"),
    [
        pytest.param(None, "base64 of at most 1024 bytes", id="null"),
        pytest.param(7, "base64 of at most 1024 bytes", id="number"),
        pytest.param("A" * 1372, "base64 of at most 1024 bytes", id="too long"),
        pytest.param("AAA", "standard base64", id="no base64"),
        pytest.param("AAB=", "canonical base64", id="stray bits"),
        pytest.param("", "a DER public key", id="empty"),
        pytest.param("AAAA", "a DER public key", id="no DER"),
        pytest.param("LS0t", "a DER public key", id="PEM for DER"),
    ],
)
def test_what_is_no_key_is_refused(
    key_type: type[SigningKey | ReaderKey], raw: object, message: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}$"):
        key_type.parse(raw, "x")


def test_the_point_of_a_signing_key_is_spelled_uncompressed(north: Keys) -> None:
    der = p256(point(north, PublicFormat.UncompressedPoint))

    assert SigningKey.parse(spelled(der), "x") == north.signing


def test_a_signing_key_with_a_compressed_point_is_refused(north: Keys) -> None:
    der = p256(point(north, PublicFormat.CompressedPoint))

    with pytest.raises(Malformed, match=r"^x: expected the canonical DER of a public key$"):
        SigningKey.parse(spelled(der), "x")


def test_a_signing_key_with_a_hybrid_point_is_refused(north: Keys) -> None:
    uncompressed = point(north, PublicFormat.UncompressedPoint)
    der = p256(bytes([6 + uncompressed[-1] % 2]) + uncompressed[1:])

    with pytest.raises(Malformed, match=r"^x: expected the canonical DER of a public key$"):
        SigningKey.parse(spelled(der), "x")


@pytest.mark.parametrize(
    "spelled_point",
    [
        pytest.param(b"", id="no point"),
        pytest.param(b"\0", id="point at infinity"),
        pytest.param(b"\x04" + b"\x01" * 64, id="point off the curve"),
        pytest.param(b"\x04" + b"\xff" * 64, id="coordinates beyond the field"),
        pytest.param(b"\x04" + b"\x01" * 63, id="point cut short"),
    ],
)
def test_a_signing_key_that_is_no_point_of_the_curve_is_refused(spelled_point: bytes) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a DER public key$"):
        SigningKey.parse(spelled(p256(spelled_point)), "x")


def test_der_with_bytes_after_it_is_refused(north: Keys) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a DER public key$"):
        SigningKey.parse(spelled(north.signing.der + b"\0"), "x")
    with pytest.raises(Malformed, match=r"^x: expected a DER public key$"):
        ReaderKey.parse(spelled(north.reader.der + b"\0"), "x")


def test_der_with_a_long_length_is_refused(north: Keys) -> None:
    der = north.signing.der

    with pytest.raises(Malformed, match=r"^x: expected a DER public key$"):
        SigningKey.parse(spelled(der[:1] + b"\x81" + der[1:]), "x")


def test_an_rsa_key_for_pss_only_is_refused(north: Keys) -> None:
    any_use, pss_only = bytes.fromhex("2a864886f70d010101"), bytes.fromhex("2a864886f70d01010a")

    with pytest.raises(Malformed, match=r"^x: expected "):
        ReaderKey.parse(spelled(north.reader.der.replace(any_use, pss_only)), "x")


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize(
    "pem",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\0\xff", id="binary"),
        pytest.param(b"-----BEGIN PUBLIC KEY-----\n", id="cut short"),
        pytest.param(
            b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", id="no key inside"
        ),
        pytest.param(
            b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", id="certificate"
        ),
        pytest.param(
            b"ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTY= me", id="OpenSSH's format"
        ),
    ],
)
def test_a_file_without_a_public_key_is_refused(
    key_type: type[SigningKey | ReaderKey], pem: bytes
) -> None:
    with pytest.raises(Malformed, match=r"^key.pem: expected a PEM public key$"):
        key_type.from_pem(pem, "key.pem")


def test_a_pem_file_of_the_largest_size_is_read(north: Keys) -> None:
    pem = north.signing.pem.encode().ljust(4096, b"\n")

    assert SigningKey.from_pem(pem, "x") == north.signing


def test_a_pem_file_that_is_too_large_is_refused_unread(north: Keys) -> None:
    pem = north.signing.pem.encode().ljust(4097, b"\n")

    with pytest.raises(Malformed, match=r"^x: expected a PEM public key of at most 4096 bytes"):
        SigningKey.from_pem(pem, "x")


@pytest.mark.parametrize("key_type", KEY_TYPES)
@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
def test_a_private_key_file_is_refused_with_advice(
    key_type: type[SigningKey | ReaderKey], form: PrivateFormat, north: Keys
) -> None:
    pem = north.private_signing.private_bytes(Encoding.PEM, form, NoEncryption())

    with pytest.raises(Malformed, match=r"^x: expected a public key, got a private key$") as caught:
        key_type.from_pem(pem, "x")

    assert caught.value.hint.startswith("give the file that ends in .pub.pem")
    assert "BEGIN" not in str(caught.value)


@given(data=st.binary(max_size=100))
@settings(max_examples=100, deadline=None)
def test_no_bytes_make_a_key_parser_raise_anything_of_others(data: bytes) -> None:
    for key_type in KEY_TYPES:
        with pytest.raises(CleanroomError):
            key_type.parse(spelled(data), "x")
        with pytest.raises(CleanroomError):
            key_type.from_pem(data, "x")


@given(place=st.integers(0, 90), byte=st.binary(max_size=2))
@settings(max_examples=300, deadline=None)
def test_a_signing_key_with_changed_bytes_is_refused_or_another_key(
    north: Keys, place: int, byte: bytes
) -> None:
    der = north.signing.der[:place] + byte + north.signing.der[place + 1 :]

    try:
        key = SigningKey.parse(spelled(der), "x")
    except Malformed:
        return

    assert key.der == der
    assert key.public.curve.name == "secp256r1"


def test_a_signing_key_gives_the_key_to_verify_with(north: Keys) -> None:
    assert north.signing.public == north.private_signing.public_key()


def test_keys_do_not_change(north: Keys) -> None:
    key: Any = north.signing
    data_key: Any = DataKey(bytes(32))

    with pytest.raises(FrozenInstanceError):
        key.der = north.reader.der
    with pytest.raises(FrozenInstanceError):
        data_key._secret = bytes(31)


def test_keys_made_around_the_constructors_do_not_work(north: Keys) -> None:
    with pytest.raises(TypeError, match=r"a signing key is ECDSA"):
        _ = SigningKey(north.reader.der).public
    with pytest.raises(TypeError, match=r"a reader key is RSA"):
        ReaderKey(north.signing.der).wrap(DataKey(bytes(32)))


# --- data keys


def test_a_reader_key_that_nothing_can_be_encrypted_to_is_refused(north: Keys) -> None:
    even = rsa.RSAPublicNumbers(65537, north.private_reader.private_numbers().public_numbers.n + 1)

    with pytest.raises(Malformed, match=r"^x: expected an RSA public key"):
        ReaderKey.from_crypto(even.public_key(), "x")


def test_a_wrapped_data_key_opens_for_its_reader(north: Keys) -> None:
    data_key = DataKey(bytes(range(32)))

    wrapped = north.reader.wrap(data_key)

    assert north.unwrap(wrapped) == data_key.expose()


def test_a_data_key_is_never_wrapped_to_the_same_bytes(north: Keys) -> None:
    data_key = DataKey(bytes(32))

    assert north.reader.wrap(data_key) != north.reader.wrap(data_key)


def test_a_wrapped_data_key_does_not_open_for_another_reader(north: Keys, south: Keys) -> None:
    wrapped = north.reader.wrap(DataKey(bytes(32)))

    with pytest.raises(ValueError, match=r"Decryption failed|Encryption/decryption failed"):
        south.private_reader.decrypt(wrapped, OAEP_SHA256)


@pytest.mark.parametrize("length", [0, 16, 31, 33, 64])
def test_a_data_key_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(Tampered, match=r"^the wrapped key does not hold a data key of 32 bytes$"):
        DataKey(bytes(length))


def test_a_data_key_does_not_print() -> None:
    data_key = DataKey(b"secret secret secret secret key!")

    shown = f"{data_key} {data_key!r} {[data_key]}"

    assert "secret" not in shown
    assert not re.search("[0-9a-f]{8}", shown)


def test_a_data_key_does_not_pickle_or_copy() -> None:
    data_key = DataKey(bytes(32))

    with pytest.raises(TypeError, match=r"a data key does not leave the process"):
        pickle.dumps(data_key)
    with pytest.raises(TypeError, match=r"a data key does not leave the process"):
        copy.deepcopy(data_key)


def test_data_keys_do_not_compare() -> None:
    one, other = DataKey(bytes(32)), DataKey(bytes(32))

    assert one != other
    assert len({one, other}) == 2
