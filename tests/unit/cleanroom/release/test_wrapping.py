"""What a vault wraps opens with the right key, the right algorithm, and not otherwise."""

import json
import os
from base64 import urlsafe_b64decode
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.attestation.token import TokenClaims
from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.keys import ReaderKey
from cleanroom.release.wrapping import (
    LARGEST,
    Wrapping,
    by_key,
    room_key,
    unwrap,
    unwrap_padded,
    wrap,
)
from tests.builders import Keys
from tests.tokens import ISSUED, ISSUER, OTHER_KEY, WRAPPING_KEY, rsa_key

EVIDENCE = Path(
    os.environ.get("CLEANROOM_REAL_EVIDENCE")
    or Path(__file__).parents[5] / "shared" / "vectors" / "attestation"
)
AES_KEY = bytes(range(32))
SECRET = b"the room key"
OAEP = {
    Wrapping.CKM: hashes.SHA1(),  # noqa: S303
    Wrapping.SHA256: hashes.SHA256(),
    Wrapping.SHA384: hashes.SHA384(),
}
EVERY = pytest.mark.parametrize("algorithm", Wrapping, ids=lambda each: each.value)


def pkcs8(
    key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey,
    encryption: KeySerializationEncryption | None = None,
) -> bytes:
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, encryption or NoEncryption())


def opened(wrapped: bytes, algorithm: Wrapping, key: rsa.RSAPrivateKey = WRAPPING_KEY) -> bytes:
    return unwrap(wrapped, algorithm, key.key_size // 8, by_key(key))


@EVERY
@pytest.mark.parametrize("bits", [2048, 3072, 4096])
def test_what_is_wrapped_opens(algorithm: Wrapping, bits: int) -> None:
    key = rsa_key(bits)

    wrapped = wrap(SECRET, algorithm, key.public_key(), AES_KEY)

    assert opened(wrapped, algorithm, key) == SECRET


@EVERY
def test_the_form_is_an_aes_key_by_oaep_and_the_secret_under_it(algorithm: Wrapping) -> None:
    """Take apart by the primitives alone what `wrap` made."""
    wrapped = wrap(SECRET, algorithm, WRAPPING_KEY.public_key(), AES_KEY)
    oaep = padding.OAEP(padding.MGF1(OAEP[algorithm]), OAEP[algorithm], None)

    assert WRAPPING_KEY.decrypt(wrapped[:256], oaep) == AES_KEY
    assert keywrap.aes_key_unwrap_with_padding(AES_KEY, wrapped[256:]) == SECRET


def test_the_algorithms_have_the_names_that_vaults_use() -> None:
    assert [each.value for each in Wrapping] == [
        "CKM_RSA_AES_KEY_WRAP",
        "RSA_AES_KEY_WRAP_256",
        "RSA_AES_KEY_WRAP_384",
    ]


@pytest.mark.parametrize(
    ("secret", "wrapped"),
    [
        pytest.param(
            "c37b7e6492584340bed12207808941155068f738",
            "138bdeaa9b8fa7fc61f97742e72248ee5ae6ae5360d1ae6a5f54f373fa543b6a",
            id="20 bytes",
        ),
        pytest.param("466f7250617369", "afbeb0f07dfbf5419200f2ccb50bb24f", id="7 bytes"),
    ],
)
def test_the_examples_of_rfc_5649_open(secret: str, wrapped: str) -> None:
    key = bytes.fromhex("5840df6e29b02af1ab493b705bf16ea1ae8338f4dcc176a8")

    assert unwrap_padded(key, bytes.fromhex(wrapped)).hex() == secret


# --- what does not open


def made(algorithm: Wrapping = Wrapping.SHA256, aes_key: bytes = AES_KEY) -> bytes:
    return wrap(SECRET, algorithm, WRAPPING_KEY.public_key(), aes_key)


@EVERY
def test_another_algorithm_does_not_open(algorithm: Wrapping) -> None:
    for other in set(Wrapping) - {algorithm}:
        with pytest.raises(Tampered, match=r"^wrapped key: not made for this key, or by this"):
            opened(made(algorithm), other)


def test_mgf1_has_the_hash_of_the_algorithm() -> None:
    """A library's default for MGF1 is often SHA-1, whatever the hash."""
    oaep = padding.OAEP(padding.MGF1(hashes.SHA1()), hashes.SHA256(), None)  # noqa: S303
    mixed = WRAPPING_KEY.public_key().encrypt(AES_KEY, oaep) + made()[256:]

    with pytest.raises(Tampered, match=r"^wrapped key: not made for this key, or by this"):
        opened(mixed, Wrapping.SHA256)


def test_another_key_does_not_open() -> None:
    with pytest.raises(Tampered, match=r"^wrapped key: not made for this key, or by this"):
        opened(made(), Wrapping.SHA256, OTHER_KEY)


@pytest.mark.parametrize("size", [16, 24, 31, 33], ids=lambda size: f"{size} bytes")
def test_the_key_between_is_aes_256(size: int) -> None:
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    short = WRAPPING_KEY.public_key().encrypt(bytes(size), oaep) + made()[256:]

    with pytest.raises(
        Tampered, match=f"^wrapped key: expected an AES key of 32 bytes, got {size}$"
    ):
        opened(short, Wrapping.SHA256)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda tail: tail[:-8], id="cut"),
        pytest.param(lambda tail: tail[:-1], id="cut within a block"),
        pytest.param(lambda tail: tail + bytes(8), id="longer"),
        pytest.param(lambda tail: bytes([tail[0] ^ 1]) + tail[1:], id="first bit"),
        pytest.param(lambda tail: tail[:-1] + bytes([tail[-1] ^ 1]), id="last bit"),
        pytest.param(
            lambda _: keywrap.aes_key_wrap(AES_KEY, SECRET.ljust(16)), id="without padding"
        ),
        pytest.param(
            lambda _: keywrap.aes_key_wrap_with_padding(bytes(32), SECRET), id="by another AES key"
        ),
    ],
)
def test_what_was_changed_under_the_aes_key_does_not_open(spoil: object) -> None:
    whole = made()
    assert callable(spoil)

    with pytest.raises(Tampered, match=r"^wrapped key: does not open with the AES key before it$"):
        opened(whole[:256] + spoil(whole[256:]), Wrapping.SHA256)


@pytest.mark.parametrize("size", [0, 256, 256 + 15, LARGEST + 1], ids=lambda size: f"{size} bytes")
def test_the_size_is_checked_before_the_key_is_used(size: int) -> None:
    def never(_: bytes, __: hashes.HashAlgorithm) -> bytes:
        raise AssertionError("the key was used")

    with pytest.raises(Malformed, match=f"^wrapped key: expected 272 to 4096 bytes, got {size}$"):
        unwrap(bytes(size), Wrapping.SHA256, 256, never)


@given(st.binary(max_size=300).map(lambda tail: bytes(256 - 8) + tail))
def test_any_bytes_are_opened_or_refused(data: bytes) -> None:
    with suppress(CleanroomError):
        opened(data, Wrapping.SHA256)


@given(st.binary(max_size=100))
def test_any_bytes_under_the_aes_key_are_opened_or_refused(tail: bytes) -> None:
    with suppress(CleanroomError):
        unwrap_padded(AES_KEY, tail)


# --- the released key


def test_the_released_key_is_the_contracts(north: Keys) -> None:
    found = room_key(pkcs8(north.private_reader), north.reader)

    assert found.private_numbers() == north.private_reader.private_numbers()


def test_another_released_key_is_refused(north: Keys, south: Keys) -> None:
    message = f"^released key: expected {north.reader.id}, got {south.reader.id}$"

    with pytest.raises(Tampered, match=message):
        room_key(pkcs8(south.private_reader), north.reader)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        pytest.param(b"", "a private key in PKCS#8", id="nothing"),
        pytest.param(SECRET, "a private key in PKCS#8", id="other bytes"),
        pytest.param(pkcs8(OTHER_KEY)[:-1], "a private key in PKCS#8", id="cut"),
        pytest.param(
            bytes.fromhex("302e020100300506032b657104220420") + bytes(32),
            "a private key in PKCS#8",
            id="Ed448 of 32 bytes",
        ),
        pytest.param(
            pkcs8(OTHER_KEY, BestAvailableEncryption(b"x")),
            "a private key in PKCS#8",
            id="password",
        ),
        pytest.param(
            pkcs8(ec.generate_private_key(ec.SECP256R1())), "an RSA key", id="another kind"
        ),
        pytest.param(pkcs8(rsa_key(1024)), "an RSA public key of 2048", id="1024 bits"),
    ],
)
def test_a_released_key_of_another_kind_is_refused(data: bytes, expected: str, north: Keys) -> None:
    with pytest.raises(Malformed, match=f"^released key: expected {expected}"):
        room_key(data, north.reader)


def spoiled(key: rsa.RSAPrivateKey, spoil: Callable[[dict[str, int]], object]) -> bytes:
    """Spell a private key with other parts, as no tool would."""
    numbers, public = key.private_numbers(), key.private_numbers().public_numbers
    parts = {name: getattr(numbers, name) for name in ("d", "p", "q", "dmp1", "dmq1", "iqmp")}
    spoil(parts)
    whole = (0, public.n, public.e, *parts.values())
    private = der(0x30, b"".join(der_integer(number) for number in whole))
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d010101") + der(0x05, b""))
    return der(0x30, der_integer(0) + algorithm + der(0x04, private))


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    length = size.to_bytes((size.bit_length() + 7) // 8 or 1, "big")
    return bytes([tag, *([] if size < 0x80 else [0x80 | len(length)])]) + length + content


def der_integer(number: int) -> bytes:
    return der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def test_a_key_spelled_here_is_a_key(north: Keys) -> None:
    data = spoiled(north.private_reader, lambda _: None)

    assert data == pkcs8(north.private_reader)


def only_for(one: str, other: str) -> Callable[[dict[str, int]], None]:
    """Make a private exponent that is right for one prime and wrong for the other."""

    def spoil(parts: dict[str, int]) -> None:
        step = parts[one] - 1
        parts["d"] += step * (1 + ((parts[other] - 1) // step == 0))
        parts |= {"dmp1": parts["d"] % (parts["p"] - 1), "dmq1": parts["d"] % (parts["q"] - 1)}

    return spoil


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda parts: parts.update(p=parts["p"] + 2), id="another product"),
        pytest.param(
            lambda parts: parts.update(p=1, q=parts["p"] * parts["q"], dmp1=1, dmq1=1, iqmp=1),
            id="one is no prime",
        ),
        pytest.param(only_for("q", "p"), id="not for p"),
        pytest.param(only_for("p", "q"), id="not for q"),
        pytest.param(lambda parts: parts.update(dmp1=parts["dmp1"] + 2), id="dmp1"),
        pytest.param(lambda parts: parts.update(dmq1=parts["dmq1"] + 2), id="dmq1"),
        pytest.param(lambda parts: parts.update(iqmp=parts["iqmp"] + 1), id="iqmp"),
    ],
)
def test_a_released_key_whose_parts_do_not_belong_together_is_refused(
    spoil: Callable[[dict[str, int]], object], north: Keys
) -> None:
    data = spoiled(north.private_reader, spoil)

    with pytest.raises(Malformed, match=r"^released key: expected an RSA key whose parts"):
        room_key(data, north.reader)


@given(st.binary(max_size=100))
def test_any_bytes_are_a_key_or_refused(data: bytes) -> None:
    with suppress(CleanroomError):
        room_key(data, ReaderKey.from_crypto(OTHER_KEY.public_key(), "x"))


# --- a key that a real report binds


@pytest.mark.real_evidence
@pytest.mark.skipif(
    not (EVIDENCE / "encryption-key").is_dir(), reason=f"no real evidence at {EVIDENCE.name}/"
)
@EVERY
def test_a_key_wrapped_to_a_real_report_opens_with_its_published_key(
    algorithm: Wrapping, north: Keys
) -> None:
    request = json.loads((EVIDENCE / "encryption-key" / "maa-request.json").read_bytes())
    runtime = json.loads(urlsafe_b64decode(request["runtimeData"]["data"] + "=="))
    token = TokenClaims(ISSUER, ISSUED, ISSUED + 1, {"x-ms-runtime": runtime})
    published = (EVIDENCE / "encryption-key" / "published-test-key.pk8.der").read_bytes()
    private = load_der_private_key(published, None)
    assert isinstance(private, rsa.RSAPrivateKey)

    wrapped = wrap(
        pkcs8(north.private_reader), algorithm, token.wrapping_key().public, os.urandom(32)
    )

    pem = opened(wrapped, algorithm, private)
    assert room_key(pem, north.reader).public_key() == north.private_reader.public_key()
    assert token.wrapping_key().id == "96478d5f"
