"""Certificates from anywhere: read whole, or refused by an error of ours, without a warning."""

import base64
import re
import warnings
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.attestation.certificates import LARGEST_PEM, Certificate, pem_certificates
from cleanroom.errors import Malformed
from devstack.hardware.amd import SyntheticAmd, pem, rsa_key
from tests.builders import NOW

SERIAL_AT = 13  # tag, length, then the number


def leaf(serial: int = 0) -> bytes:
    return SyntheticAmd.make().spoilt("leaf", serial=serial).der("leaf")


def with_serial(octets: bytes) -> bytes:
    """Write another serial number of the same length."""
    der = leaf(int.from_bytes(b"\x01" * len(octets), "big"))
    return der[: SERIAL_AT + 2] + octets + der[SERIAL_AT + 2 + len(octets) :]


def test_the_package_warns_of_serial_number_0() -> None:
    with pytest.warns(match="serial number"):  # the day this fails, `_with_positive_serial` can go
        x509.load_der_x509_certificate(leaf())


def test_a_certificate_with_serial_number_0_is_read_without_a_warning() -> None:
    der = leaf()

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = Certificate.parse(der, "leaf")

    assert caught == []
    assert (found.der, found.common_name) == (der, "SEV-VCEK")
    assert found.signed == der[4 : 4 + len(found.signed)]
    assert found.signed[9:12] == b"\x02\x01\x00"  # what was signed, not what was read


def test_the_same_bytes_are_read_once_and_refused_each_time() -> None:
    der = leaf()

    assert Certificate.parse(bytes(der), "vcek") is Certificate.parse(der, "vcek")
    for _ in range(2):
        with pytest.raises(Malformed):
            Certificate.parse(der[:-1], "vcek")


def test_a_positive_serial_number_is_left_as_it_is() -> None:
    found = Certificate.parse(leaf(serial=0x0102), "leaf")

    assert found.readable.serial_number == 0x0102


@pytest.mark.parametrize(
    "octets",
    [
        pytest.param(b"\x80", id="negative"),
        pytest.param(b"\xff\xff", id="negative of two bytes"),
    ],
)
def test_a_negative_serial_number_is_refused(octets: bytes) -> None:
    with pytest.raises(Malformed, match=r"^leaf.serial: expected 0 or more in at most 20 bytes$"):
        Certificate.parse(with_serial(octets), "leaf")


@pytest.mark.parametrize("length", [0, 21, 0x7F, 0x81, 0xFF])
def test_a_serial_number_of_unusual_length_is_refused(length: int) -> None:
    der = leaf()
    der = der[: SERIAL_AT + 1] + bytes((length,)) + der[SERIAL_AT + 2 :]

    with pytest.raises(Malformed, match=r"^leaf"):
        Certificate.parse(der, "leaf")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda _: b"", "leaf: expected a DER certificate of version 3", id="nothing"),
        pytest.param(
            lambda der: der[:14], "leaf: expected a DER certificate of version 3", id="only a head"
        ),
        pytest.param(
            lambda der: der[:15],
            "leaf: expected a DER certificate of version 3",
            id="no serial number",
        ),
        pytest.param(
            lambda der: der[:12] + b"\x01" + der[13:],
            "leaf: expected a DER certificate of version 3",
            id="version 2",
        ),
        pytest.param(lambda der: der[:-1], "leaf: expected an X.509 certificate", id="cut"),
        pytest.param(lambda der: der + b"\0", "leaf: expected an X.509 certificate", id="grown"),
        pytest.param(
            lambda der: der.ljust(8193, b"\0"),
            "leaf: expected a certificate of at most 8192 bytes, got 8193",
            id="large",
        ),
    ],
)
def test_what_is_no_certificate_is_refused(spoil: Callable[[bytes], bytes], message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}$"):
        Certificate.parse(spoil(leaf()), "leaf")


def test_a_certificate_with_an_extension_twice_is_refused() -> None:
    der = leaf()
    first, second = (
        bytes.fromhex("060a2b060104019c78010301"),
        bytes.fromhex("060a2b060104019c78010302"),
    )
    assert first in der

    with pytest.raises(Malformed, match=r"^leaf: expected an X.509 certificate$"):
        Certificate.parse(der.replace(second, first), "leaf")


@pytest.mark.parametrize(
    ("from_end", "octet"),
    [pytest.param(513, 1, id="bits that do not count"), pytest.param(530, 9, id="algorithm")],
)
def test_what_is_not_signed_has_one_spelling(from_end: int, octet: int) -> None:
    der = bytearray(leaf())
    while der[-1] & 1:  # else the package itself refuses a bit that counts and should not
        der = bytearray(leaf())
    der[-from_end] = octet

    with pytest.raises(Malformed, match=r"^leaf: expected an X.509 certificate$"):
        Certificate.parse(bytes(der), "leaf")


def named(subject: str, issuer: str) -> bytes:
    """Make a certificate between organizations."""
    key = rsa_key("uvm signer", 2048)
    attribute = x509.NameOID.ORGANIZATION_NAME
    made = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(attribute, subject)]))
        .issuer_name(x509.Name([x509.NameAttribute(attribute, issuer)]))
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(NOW)
        .not_valid_after(NOW)
    )
    return made.sign(key, SHA256()).public_bytes(Encoding.DER)


LONGEST = 1024 - 21  # bytes, less what DER adds


def test_a_name_of_usual_length_is_read() -> None:
    found = Certificate.parse(named("a" * LONGEST, "b" * LONGEST), "leaf")

    assert found.issuer.rfc4514_string() == "O=" + "b" * LONGEST


@pytest.mark.parametrize(
    ("subject", "issuer"),
    [
        pytest.param("a" * (LONGEST + 1), "b", id="subject"),
        pytest.param("a", "b" * (LONGEST + 1), id="issuer"),
    ],
)
def test_a_name_that_would_make_a_message_long_is_refused(subject: str, issuer: str) -> None:
    with pytest.raises(Malformed, match=r"^leaf: expected an X.509 certificate$"):
        Certificate.parse(named(subject, issuer), "leaf")


def test_a_name_given_twice_names_nobody() -> None:
    amd = SyntheticAmd.make()
    der = amd.der("leaf")
    organization, common = bytes.fromhex("060355040a"), bytes.fromhex("0603550403")

    found = Certificate.parse(der.replace(organization, common), "leaf")

    assert found.common_name == ""


def test_an_extension_that_the_package_reads_gives_no_raw_bytes() -> None:
    found = Certificate.parse(SyntheticAmd.make().der("ask"), "ask")

    assert found.octets("2.5.29.19") is None
    assert found.octets("1.2.3") is None
    assert found.purposes == frozenset()


# --- PEM


def test_certificates_come_out_in_their_order() -> None:
    amd = SyntheticAmd.make()

    found = pem_certificates(b"\n" + amd.pem("ark", "leaf") + b"\n", 2, "chain")

    assert [c.common_name for c in found] == ["ARK-Milan", "SEV-VCEK"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(pem(b"")[:-5], id="cut"),
        pytest.param(b"Bag Attributes\n" + pem(bytes(9)), id="words before"),
        pytest.param(b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", id="empty"),
        pytest.param(pem(bytes(9)).replace(b"CERTIFICATE", b"PUBLIC KEY"), id="a key"),
        pytest.param(b"\0", id="a byte"),
    ],
)
def test_what_is_not_pem_is_refused(text: bytes) -> None:
    with pytest.raises(Malformed, match=r"^chain: expected 1 to 6 PEM certificates"):
        pem_certificates(text, 6, "chain")


def test_words_between_certificates_are_refused() -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Malformed, match=r"^chain: expected 1 to 6 PEM certificates"):
        pem_certificates(amd.pem("leaf") + b"words\n" + amd.pem("ask"), 6, "chain")


def test_one_certificate_too_many_is_refused() -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Malformed, match=r"^chain: expected 1 to 1 PEM certificates"):
        pem_certificates(amd.pem("leaf", "leaf"), 1, "chain")


def test_bad_base64_is_refused() -> None:
    text = pem(b"abc").replace(base64.b64encode(b"abc"), b"YWJj=YWJj")

    with pytest.raises(Malformed, match=r"^chain: expected base64 in PEM certificates$"):
        pem_certificates(text, 6, "chain")


def test_text_that_is_too_long_is_refused_before_it_is_read() -> None:
    with pytest.raises(Malformed, match=f"^chain: expected at most {LARGEST_PEM} bytes"):
        pem_certificates(b" " * (LARGEST_PEM + 1), 6, "chain")


def test_a_block_in_a_chain_is_named_by_its_place() -> None:
    amd = SyntheticAmd.make()

    with pytest.raises(Malformed, match=r"^chain\[1\]: expected a DER certificate"):
        pem_certificates(amd.pem("leaf") + pem(b"no certificate"), 6, "chain")
