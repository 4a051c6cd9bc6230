"""Synthetic hardware behaves like the real one: quirks included, and nobody's by default."""

import warnings

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes

from cleanroom.attestation.amd import Kind
from cleanroom.attestation.report import Product
from devstack.hardware.amd import SyntheticAmd, der_integer, rsa_key
from devstack.hardware.paravisor import NV_BYTES, Paravisor, rsa_public, sized
from devstack.hardware.snp import Chip
from tests.hardware import PRODUCTS, chip, paravisor


def loaded(der: bytes) -> x509.Certificate:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of serial number 0
        return x509.load_der_x509_certificate(der)


def test_a_leaf_has_the_serial_number_that_amd_gives() -> None:
    found = loaded(SyntheticAmd.make().der("leaf"))

    assert found.tbs_certificate_bytes[9:12] == b"\x02\x01\x00"


def test_a_serial_number_0_is_signed_as_it_stands() -> None:
    amd = SyntheticAmd.make()

    loaded(amd.der("leaf")).verify_directly_issued_by(loaded(amd.der("ask")))


@pytest.mark.parametrize("role", ["ark", "ask", "leaf"])
def test_certificates_are_signed_as_amd_does(role: str) -> None:
    found = loaded(SyntheticAmd.make().der(role))  # type: ignore[arg-type]  # of str

    parameters = found.signature_algorithm_parameters
    assert isinstance(found.signature_hash_algorithm, hashes.SHA384)
    assert getattr(parameters, "_salt_length", None) == 48


@pytest.mark.parametrize("kind", ["VCEK", "VLEK"])
@pytest.mark.parametrize("product", PRODUCTS)
def test_names_are_those_that_amd_gives(product: Product, kind: Kind) -> None:
    amd = SyntheticAmd.make(product, kind)

    middle = f"SEV-VLEK-{product}" if kind == "VLEK" else f"SEV-{product}"
    assert (amd.ark.name, amd.ask.name, amd.leaf.name) == (f"ARK-{product}", middle, f"SEV-{kind}")


def test_a_root_is_the_same_certificate_each_time() -> None:
    assert SyntheticAmd.make().roots == SyntheticAmd.make().roots
    assert SyntheticAmd.make().roots != SyntheticAmd.make(Product.GENOA).roots


def test_a_key_is_made_once() -> None:
    assert rsa_key("ak", 2048) is rsa_key("ak", 2048)
    assert rsa_key("ak", 2048) is not rsa_key("ek", 2048)


@pytest.mark.parametrize(
    ("value", "octets"), [(0, "020100"), (127, "02017f"), (128, "02020080"), (219, "020200db")]
)
def test_numbers_are_spelled_in_der(value: int, octets: str) -> None:
    assert der_integer(value).hex() == octets


def test_a_report_needs_a_key_for_ecdsa() -> None:
    spoilt = chip().amd.spoilt("leaf", key=rsa_key("other"))

    with pytest.raises(TypeError, match=r"^a report is signed by ECDSA$"):
        Chip(spoilt, chip().template).report(b"")


def test_a_report_is_made_anew_when_user_data_is_written() -> None:
    before = paravisor()
    after = before.write_user_data(b"contract")

    assert len(before.hcl()) == len(after.hcl()) == NV_BYTES
    assert before.hcl()[32 + 0x50 : 32 + 0x70] != after.hcl()[32 + 0x50 : 32 + 0x70]
    assert b"contract".hex().upper().encode() + b"00" * 56 in after.claims


def test_the_index_of_the_tpm_has_the_real_ones_layout() -> None:
    hcl = paravisor().hcl()

    claims = int.from_bytes(hcl[1232:1236], "little")
    assert hcl[:8] == b"HCLA\x02\0\0\0"
    assert int.from_bytes(hcl[8:12], "little") == 1236 + claims
    assert int.from_bytes(hcl[1216:1220], "little") == 20 + claims


def test_a_quote_has_the_length_of_a_real_one() -> None:
    made: Paravisor = paravisor()

    assert len(made.tpm.quote(bytes(48), range(24))) == 161  # azure-cvm/evidence-v2.json


def test_a_tpms_sizes_are_big_endian() -> None:
    assert sized(b"ab") == b"\0\2ab"
    assert len(rsa_public(rsa_key("ek", 2048).public_key())) == 278
