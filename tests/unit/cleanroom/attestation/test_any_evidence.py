"""Whatever bytes arrive as evidence: refused by an error of ours, or exactly what was sent."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.attestation import container, cvm, snp, uvm
from cleanroom.attestation.amd import verify_chain
from cleanroom.attestation.certificates import Certificate, pem_certificates
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.hcl import HclReport
from cleanroom.attestation.report import Report
from cleanroom.attestation.tpm import RsaPublic, verify_certified, verify_quote
from cleanroom.errors import CleanroomError
from devstack.hardware.amd import pem, rsa_key
from devstack.hardware.paravisor import rsa_public
from devstack.hardware.uvm import Endorser
from tests.hardware import NOW, group, paravisor

MACHINE = paravisor()
GROUP = group()
CHIP = MACHINE.chip
AMD = CHIP.amd
ROOTS = AMD.roots
ISSUER = GROUP.endorser.issuer()
EVIDENCE, CONTAINERS = MACHINE.evidence(b"nonce"), GROUP.evidence(b"{}")
TPM = MACHINE.tpm
AK = TPM.key.public_key()
PUBLIC = rsa_public(rsa_key("ek", 2048).public_key())


def quote(data: bytes) -> object:
    """What a hostile TPM could sign."""
    return verify_quote(data, TPM.sign(data), AK, b"nonce", EVIDENCE.pcrs)


def certify(data: bytes) -> object:
    return verify_certified(data, TPM.sign(data), AK, b"", PUBLIC)


def endorsed_payload(data: bytes) -> object:
    """What a careless issuer could sign."""
    return uvm.verify(GROUP.endorser.sign(data), [ISSUER], bytes(48))


def chained(data: bytes) -> object:
    return verify_chain(pem(data) + AMD.pem("ask", "ark"), ROOTS, NOW)


def bundle(data: bytes) -> object:
    found = EvidenceBundle.parse(data, "x")
    assert found.to_bytes() == data
    return found.verify(ROOTS, [ISSUER], NOW)


def reported(data: bytes) -> object:
    """Sign whatever the report holds."""
    resigned = CHIP.template
    for at in range(0, min(len(data), 0x2A0), 8):
        resigned = resigned.patched(at, data[at : min(at + 8, 0x2A0)])
    return snp.verify(CHIP.launched(resigned).report(b""), AMD.pem(), ROOTS, NOW)


KINDS: dict[str, tuple[bytes, Callable[[bytes], object]]] = {
    "report": (CONTAINERS.report, lambda data: Report.parse(data, "x")),
    "signed report": (CONTAINERS.report, reported),
    "certificate": (AMD.der("leaf"), lambda data: Certificate.parse(data, "x")),
    "pem": (AMD.pem(), lambda data: pem_certificates(data, 6, "x")),
    "leaf": (AMD.der("leaf"), chained),
    "chain": (AMD.pem(), lambda data: verify_chain(data, ROOTS, NOW)),
    "hcl": (EVIDENCE.hcl, lambda data: HclReport.parse(data, "x")),
    "vm": (EVIDENCE.hcl, lambda data: cvm.verify(replace(EVIDENCE, hcl=data), ROOTS, NOW)),
    "quote": (EVIDENCE.quote, quote),
    "certify": (TPM.certify(b"", PUBLIC), certify),
    "public": (PUBLIC, lambda data: RsaPublic.parse(data, "x")),
    "containers": (
        CONTAINERS.runtime_data,
        lambda data: container.verify(replace(CONTAINERS, runtime_data=data), ROOTS, [ISSUER], NOW),
    ),
    "endorsement": (
        Endorser.make().endorse(bytes(48)),
        lambda data: uvm.verify(data, [ISSUER], bytes(48)),
    ),
    "payload": (b'{"x-ms-sevsnpvm-guestsvn":"1"}', endorsed_payload),
    "bundle": (EvidenceBundle(EVIDENCE).to_bytes(), bundle),
}
every_kind = pytest.mark.parametrize(("valid", "read"), KINDS.values(), ids=KINDS)
splices = st.lists(
    st.tuples(st.integers(0, 1 << 16), st.integers(0, 4), st.binary(max_size=4)),
    min_size=1,
    max_size=4,
)


def check(read: Callable[[bytes], object], data: bytes) -> None:
    try:
        read(data)
    except CleanroomError:
        return


@every_kind
@given(data=st.binary(max_size=2000))
@settings(max_examples=60, deadline=None)
def test_random_bytes(valid: bytes, read: Callable[[bytes], object], data: bytes) -> None:
    assert valid

    check(read, data)


@every_kind
@given(changes=splices)
@settings(max_examples=150, deadline=None)
def test_bytes_changed_here_and_there(
    valid: bytes, read: Callable[[bytes], object], changes: list[tuple[int, int, bytes]]
) -> None:
    data = valid
    for place, length, new in changes:
        start = place % (len(data) + 1)
        data = data[:start] + new + data[start + length :]

    check(read, data)


@every_kind
def test_every_beginning_of_valid_bytes(valid: bytes, read: Callable[[bytes], object]) -> None:
    for end in range(0, len(valid), 1 + len(valid) // 200):
        check(read, valid[:end])


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(
    field=st.sampled_from(["keys", "vm-configuration", "user-data"]),
    value=json_values,
)
@settings(max_examples=100, deadline=None)
def test_any_claims_of_a_paravisor(field: str, value: object) -> None:
    claims = json.loads(MACHINE.claims) | {field: value}
    made = replace(MACHINE, claims=json.dumps(claims).encode())

    check(lambda data: HclReport.parse(data, "x"), made.hcl())


headers: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63)
    | st.binary(max_size=8)
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.integers(), inner, max_size=3),
    max_leaves=8,
)


@given(label=st.sampled_from([1, 2, 3, 33, "iss", "feed", "signingtime"]), value=headers)
@settings(max_examples=100, deadline=None)
def test_any_header_of_an_endorsement(label: object, value: object) -> None:
    made = replace(GROUP.endorser, header={label: value})

    check(lambda data: uvm.verify(data, [ISSUER], bytes(48)), made.endorse(bytes(48)))


def test_valid_bytes_are_valid() -> None:
    """Else the changed ones would be refused for another reason."""
    for name in ("report", "certificate", "pem", "leaf", "chain", "hcl", "vm", "quote", "certify"):
        valid, read = KINDS[name]
        assert read(valid)
