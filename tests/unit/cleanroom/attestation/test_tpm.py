"""A quote is believed for exactly the key, nonce and PCRs that somebody expects."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest

from cleanroom.attestation.tpm import Quote, RsaPublic, verify_certified, verify_quote
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import rsa_key
from devstack.hardware.paravisor import Tpm, pcr_values, rsa_public, sized

NONCE = b"a nonce"
SELECTED = (0, 7, 8, 23)
NULL = b"\x00\x10"


def tpm() -> Tpm:
    return Tpm(rsa_key("ak", 2048), pcr_values())


def selected(indices: tuple[int, ...] = SELECTED) -> dict[int, bytes]:
    return {n: tpm().pcrs[n] for n in indices}


def quoted(made: Tpm, pcrs: Mapping[int, bytes], nonce: bytes = NONCE) -> Quote:
    message = made.quote(NONCE, SELECTED)
    return verify_quote(message, made.sign(message), made.key.public_key(), nonce, pcrs)


def verified(message: bytes) -> Quote:
    return verify_quote(message, tpm().sign(message), tpm().key.public_key(), NONCE, selected())


def test_a_quote_tells_what_the_tpm_measured() -> None:
    found = quoted(tpm(), selected())

    assert found == Quote(
        NONCE, selected(), clock=123_456, resets=3, restarts=1, firmware=0x2020031200120003
    )


@pytest.mark.parametrize("indices", [(), (0,), (23,), tuple(range(24))])
def test_any_choice_of_pcrs_can_be_quoted(indices: tuple[int, ...]) -> None:
    message = tpm().quote(NONCE, indices)

    found = verify_quote(
        message, tpm().sign(message), tpm().key.public_key(), NONCE, selected(indices)
    )

    assert set(found.pcrs) == set(indices)


@pytest.mark.parametrize("nonce", [b"", bytes(64)])
def test_any_nonce_can_be_asked_with(nonce: bytes) -> None:
    message = tpm().quote(nonce, SELECTED)

    found = verify_quote(message, tpm().sign(message), tpm().key.public_key(), nonce, selected())

    assert found.nonce == nonce


def test_another_key_is_refused() -> None:
    message = tpm().quote(NONCE, SELECTED)
    other = rsa_key("ek", 2048).public_key()

    with pytest.raises(
        Unattested, match=r"^the signature of the TPM's attestation key does not hold$"
    ):
        verify_quote(message, tpm().sign(message), other, NONCE, selected())


@pytest.mark.parametrize("spoil", [lambda _: b"", lambda s: s[:-1], lambda s: s + b"\0"])
def test_another_signature_is_refused(spoil: Callable[[bytes], bytes]) -> None:
    message = tpm().quote(NONCE, SELECTED)

    with pytest.raises(
        Unattested, match=r"^the signature of the TPM's attestation key does not hold$"
    ):
        verify_quote(message, spoil(tpm().sign(message)), tpm().key.public_key(), NONCE, selected())


@pytest.mark.parametrize("nonce", [b"", b"a nonc", b"a nonce ", b"A nonce"])
def test_a_quote_for_another_nonce_is_refused(nonce: bytes) -> None:
    message = f"the TPM was asked with nonce {NONCE.hex()}, expected {nonce.hex()}"

    with pytest.raises(Unattested, match=f"^{message}$"):
        quoted(tpm(), selected(), nonce)


@pytest.mark.parametrize(
    "indices",
    [
        pytest.param((0, 7, 8), id="one less"),
        pytest.param((0, 1, 7, 8, 23), id="one more"),
        pytest.param((0, 7, 9, 23), id="another"),
        pytest.param((), id="none"),
    ],
)
def test_a_quote_of_other_pcrs_is_refused(indices: tuple[int, ...]) -> None:
    message = re.escape(f"the quote selects PCRs {list(SELECTED)}, expected {list(indices)}")

    with pytest.raises(Unattested, match=f"^{message}$"):
        quoted(tpm(), selected(indices))


@pytest.mark.parametrize("index", SELECTED)
def test_another_value_of_a_pcr_is_refused(index: int) -> None:
    with pytest.raises(
        Unattested, match=r"^the digest in the quote is not that of the PCR values$"
    ):
        quoted(tpm(), selected() | {index: bytes(32)})


def test_values_of_two_pcrs_exchanged_are_refused() -> None:
    values = selected()
    values[0], values[7] = values[7], values[0]

    with pytest.raises(
        Unattested, match=r"^the digest in the quote is not that of the PCR values$"
    ):
        quoted(tpm(), values)


def test_values_may_come_in_any_order() -> None:
    values = dict(reversed(selected().items()))

    assert quoted(tpm(), values).pcrs == values


@pytest.mark.parametrize(
    ("index", "value"), [(24, bytes(32)), (-1, bytes(32)), (0, bytes(31)), (0, bytes(33)), (0, b"")]
)
def test_a_pcr_is_32_bytes_of_one_of_24(index: int, value: bytes) -> None:
    message = re.escape(f"pcrs[{index}]: expected 32 bytes of a PCR below 24")

    with pytest.raises(Malformed, match=f"^{message}$"):
        quoted(tpm(), selected() | {index: value})


@pytest.mark.parametrize(
    ("lie", "message"),
    [
        pytest.param(
            replace(tpm(), magic=b"\xffTCH"),
            "magic and type (ff5443478018), got ff5443488018",
            id="not made inside the TPM",
        ),
        pytest.param(
            replace(tpm(), quote_type=b"\x80\x17"),
            "magic and type (ff5443478018), got ff5443478017",
            id="a certified key",
        ),
        pytest.param(
            replace(tpm(), banks=2),
            "one selection of 24 SHA-256 PCRs (00000001000b03), got 00000002000b03",
            id="two banks",
        ),
        pytest.param(
            replace(tpm(), banks=0),
            "one selection of 24 SHA-256 PCRs (00000001000b03), got 00000000000b03",
            id="no bank",
        ),
        pytest.param(
            replace(tpm(), bank=b"\x00\x04"),
            "one selection of 24 SHA-256 PCRs (00000001000b03), got 00000001000403",
            id="SHA-1",
        ),
    ],
)
def test_a_message_of_another_kind_is_refused(lie: Tpm, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(f'TPM attestation: expected {message}')}$"):
        quoted(lie, selected())


def test_a_message_that_is_cut_or_grown_is_refused() -> None:
    message = tpm().quote(NONCE, SELECTED)

    for cut in range(len(message)):
        with pytest.raises(CleanroomError):
            verified(message[:cut])
    with pytest.raises(Malformed, match=r"^TPM attestation: expected to end at "):
        verified(message + b"\0")


def test_a_claimed_length_is_not_believed() -> None:
    message = tpm().quote(NONCE, SELECTED)
    message = message[:6] + b"\xff\xff" + message[8:]

    with pytest.raises(
        Malformed, match=r"^TPM attestation: expected at most 68 bytes at 8, got 65535$"
    ):
        verified(message)


# --- certified keys


def certified(made: Tpm, public: bytes, shown: bytes | None = None) -> RsaPublic:
    message = made.certify(NONCE, public)
    key = made.key.public_key()
    return verify_certified(message, made.sign(message), key, NONCE, shown or public)


def ephemeral() -> bytes:
    return rsa_public(rsa_key("ek", 2048).public_key(), policy=bytes(32))


def test_a_certified_key_is_the_one_that_the_tpm_named() -> None:
    found = certified(tpm(), ephemeral())

    assert found.key == rsa_key("ek", 2048).public_key()
    assert (found.attributes, found.policy) == (0x20432, bytes(32))


def test_another_key_than_the_certified_is_refused() -> None:
    other = rsa_public(rsa_key("ek", 2048).public_key(), attributes=0x20433, policy=bytes(32))

    with pytest.raises(Unattested, match=r"^the TPM certified key 000b[0-9a-f]{64}, expected 000b"):
        certified(tpm(), ephemeral(), other)


def test_a_quote_certifies_no_key() -> None:
    with pytest.raises(Malformed, match=r"^TPM attestation: expected magic and type"):
        certified(replace(tpm(), certify_type=b"\x80\x18"), ephemeral())


def test_behind_the_names_there_is_nothing() -> None:
    message = tpm().certify(NONCE, ephemeral()) + b"\0"

    with pytest.raises(Malformed, match=r"^TPM attestation: expected to end at "):
        verify_certified(message, tpm().sign(message), tpm().key.public_key(), NONCE, ephemeral())


@pytest.mark.parametrize(
    "parameters",
    [
        pytest.param(NULL + NULL, id="none"),
        pytest.param(b"\x00\x06\x00\x80\x00\x43" + NULL, id="AES, as a storage key"),
        pytest.param(NULL + b"\x00\x14\x00\x0b", id="RSASSA, as an attestation key"),
        pytest.param(NULL + b"\x00\x17\x00\x0b", id="OAEP"),
    ],
)
def test_keys_for_other_purposes_are_read(parameters: bytes) -> None:
    data = rsa_public(rsa_key("ek", 2048).public_key(), parameters=parameters, exponent=65537)

    assert RsaPublic.parse(data, "key").key == rsa_key("ek", 2048).public_key()


def key(**changes: object) -> bytes:
    return rsa_public(rsa_key("ek", 2048).public_key(), **changes)  # type: ignore[arg-type]  # knobs


@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "4 bytes at 0, got 0", id="nothing"),
        pytest.param(
            key(head=b"\x00\x23\x00\x0b"),
            "an RSA key named by SHA-256 (0001000b), got 0023000b",
            id="no RSA",
        ),
        pytest.param(
            key(head=b"\x00\x01\x00\x04"),
            "an RSA key named by SHA-256 (0001000b), got 00010004",
            id="SHA-1",
        ),
        pytest.param(
            key(parameters=NULL + b"\x00\x14\x00\x04"),
            "a scheme with SHA-256 (000b), got 0004",
            id="scheme with SHA-1",
        ),
        pytest.param(
            key(parameters=NULL + b"\x00\x15"),
            "the scheme RSASSA, OAEP or none, got 0x0015",
            id="RSAES",
        ),
        pytest.param(key(bits=1024), "a key of 1024 bits, got 2048", id="bits"),
        pytest.param(key(exponent=2), "an RSA key", id="exponent"),
        pytest.param(key() + b"\0", "to end at 278, got 279 bytes", id="grown"),
        pytest.param(key(policy=bytes(69)), "at most 68 bytes at 10, got 69", id="long policy"),
        pytest.param(key()[:20] + sized(b""), "an RSA key", id="no modulus"),
    ],
)
def test_what_is_no_rsa_key_is_refused(data: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(f'key: expected {message}')}$"):
        RsaPublic.parse(data, "key")
