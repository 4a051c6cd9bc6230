"""A confidential VM is believed when hardware, paravisor and TPM agree."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from cleanroom.attestation import cvm
from cleanroom.attestation.amd import AMD_ROOTS
from cleanroom.attestation.cvm import CvmClaims, CvmEvidence
from cleanroom.errors import CleanroomError, Malformed, Unattested
from devstack.hardware.amd import SyntheticAmd, rsa_key
from devstack.hardware.paravisor import Paravisor
from tests.hardware import DAY, NOW, paravisor

NONCE = b"nonce"
USER_DATA = bytes(range(64))

type Spoil = Callable[[CvmEvidence], CvmEvidence]


def ak_certificate(name: str) -> bytes:
    """A certificate for a TPM's key, by whom does not matter."""
    return SyntheticAmd.make().spoilt("leaf", key=rsa_key(name, 2048), serial=7).der("leaf")


def machine() -> Paravisor:
    return replace(paravisor(), ak_certificate=ak_certificate("ak")).write_user_data(USER_DATA)


def verified(evidence: CvmEvidence) -> CvmClaims:
    return cvm.verify(evidence, machine().chip.amd.roots, NOW)


def test_a_genuine_machine_becomes_claims() -> None:
    found = verified(machine().evidence(NONCE))

    assert found.snp.synthetic
    assert found.user_data == USER_DATA
    assert found.attestation_key == rsa_key("ak", 2048).public_key()
    assert found.configuration.secure_boot
    assert (found.quote.nonce, found.quote.pcrs) == (NONCE, dict(machine().tpm.pcrs))


def test_the_certificate_of_the_attestation_key_may_be_missing() -> None:
    found = verified(replace(machine().evidence(NONCE), ak_certificate=None))

    assert found.user_data == USER_DATA


CHECKS = [
    pytest.param(
        lambda e: replace(e, hcl=replace(machine(), hash_type=2, header={1228: 1}).hcl()),
        "the report data is ",
        id="report data of another digest",
    ),
    pytest.param(
        lambda e: replace(e, hcl=e.hcl.replace(b"-000000000001", b"-000000000002")),
        "the report data is ",
        id="other claims",
    ),
    pytest.param(
        lambda e: replace(e, ak_certificate=ak_certificate("ek")),
        "the certificate of the attestation key is for another key",
        id="certificate for another key",
    ),
    pytest.param(
        lambda e: replace(e, quote_signature=bytes(256)),
        "the signature of the TPM's attestation key does not hold",
        id="quote not signed",
    ),
    pytest.param(
        lambda e: replace(e, nonce=b"other"),
        f"the TPM was asked with nonce {NONCE.hex()}, expected {b'other'.hex()}",
        id="nonce",
    ),
    pytest.param(
        lambda e: replace(e, pcrs=dict(e.pcrs) | {0: bytes(32)}),
        "the digest in the quote is not that of the PCR values",
        id="PCR",
    ),
    pytest.param(
        lambda e: replace(e, chain=SyntheticAmd.make().spoilt("leaf", not_after=NOW - DAY).pem()),
        "the certificate 'SEV-VCEK' is valid from ",
        id="chain",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), CHECKS)
def test_each_check_of_a_machine_refuses_alone(spoil: Spoil, message: str) -> None:
    evidence = machine().evidence(NONCE)

    verified(evidence)
    with pytest.raises(Unattested, match=f"^{re.escape(message)}"):
        verified(spoil(evidence))


def test_a_quote_by_the_tpm_of_another_machine_is_refused() -> None:
    other = replace(machine(), tpm=replace(machine().tpm, key=rsa_key("ek", 2048)))
    theirs = other.evidence(NONCE)

    with pytest.raises(Unattested, match=r"^the signature of the TPM's attestation key"):
        verified(
            replace(
                machine().evidence(NONCE),
                quote=theirs.quote,
                quote_signature=theirs.quote_signature,
            )
        )


def test_user_data_written_by_nobody_is_refused() -> None:
    evidence = machine().evidence(NONCE)
    forged = evidence.hcl.replace(USER_DATA.hex().upper().encode(), b"AB" * 64)

    with pytest.raises(Unattested, match=r"^the report data is "):
        verified(replace(evidence, hcl=forged))


def test_what_is_no_certificate_is_refused() -> None:
    with pytest.raises(Malformed, match=r"^ak_certificate: expected a DER certificate"):
        verified(replace(machine().evidence(NONCE), ak_certificate=b"none"))


def test_a_synthetic_machine_is_not_genuine() -> None:
    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots"):
        cvm.verify(machine().evidence(NONCE), AMD_ROOTS, NOW)


REPORT_SIZE = range(8, 12)  # of the paravisor's report: has two meanings, so it is not read


@pytest.mark.parametrize(
    ("part", "step"), [("hcl", 3), ("hcl", 5), ("quote", 1), ("quote_signature", 1)]
)
def test_every_byte_of_the_evidence_counts(part: str, step: int) -> None:
    evidence = machine().evidence(NONCE)
    data, believed = getattr(evidence, part), []

    for at in range(0, len(data), step):
        spoilt = data[:at] + bytes((data[at] ^ 1,)) + data[at + 1 :]
        try:
            verified(replace(evidence, **{part: spoilt}))
            believed.append(at)
        except CleanroomError:
            pass

    assert [at for at in believed if part != "hcl" or at not in REPORT_SIZE] == []
