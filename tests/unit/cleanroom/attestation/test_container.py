"""A container group is believed when hardware and issuer vouch for what it shows."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import replace

import pytest

from cleanroom.attestation import container
from cleanroom.attestation.amd import AMD_ROOTS
from cleanroom.attestation.container import ContainerClaims, ContainerEvidence
from cleanroom.errors import Unattested
from devstack.hardware.uvm import Endorser
from tests.hardware import NOW, group

DATA = b'{"keys":[]}'

type Spoil = Callable[[ContainerEvidence], ContainerEvidence]


def verified(evidence: ContainerEvidence) -> ContainerClaims:
    made = group()
    return container.verify(evidence, made.chip.amd.roots, [made.endorser.issuer()], NOW)


def test_a_genuine_container_group_becomes_claims() -> None:
    found = verified(group().evidence(DATA))

    assert found.snp.synthetic
    assert found.runtime_data == DATA
    assert found.endorsement is not None
    assert found.endorsement.svn == 100
    assert found.snp.report.host_data == hashlib.sha256(group().policy).digest()


def test_policy_and_endorsement_may_be_missing() -> None:
    found = verified(replace(group().evidence(DATA), policy=None, endorsement=None))

    assert found.endorsement is None


def hexed(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


CHECKS = [
    pytest.param(
        lambda e: replace(e, runtime_data=DATA + b" "),
        f"the report data is {hexed(DATA)}{'00' * 32}, expected {hexed(DATA + b' ')}{'00' * 32}"
        " of the runtime data",
        id="runtime data",
    ),
    pytest.param(
        lambda e: replace(
            e, report=group().chip.report(hashlib.sha256(DATA).digest() + bytes(31) + b"\1")
        ),
        f"the report data is {hexed(DATA)}{'00' * 31}01, expected {hexed(DATA)}{'00' * 32}"
        " of the runtime data",
        id="more report data",
    ),
    pytest.param(
        lambda e: replace(e, policy=b"allow all"),
        f"the host data is {hexed(group().policy)}, expected {hexed(b'allow all')} of the policy",
        id="policy",
    ),
    pytest.param(
        lambda e: replace(e, policy=b""),
        f"the host data is {hexed(group().policy)}, expected {hexed(b'')} of the policy",
        id="empty policy",
    ),
    pytest.param(
        lambda e: replace(e, endorsement=Endorser.make().endorse(bytes(48))),
        "the uvm endorsement is for measurement ",
        id="endorsement of another guest",
    ),
]


@pytest.mark.parametrize(("spoil", "message"), CHECKS)
def test_each_check_of_a_container_group_refuses_alone(spoil: Spoil, message: str) -> None:
    evidence = group().evidence(DATA)

    verified(evidence)
    with pytest.raises(Unattested, match=f"^{re.escape(message)}"):
        verified(spoil(evidence))


def test_an_endorsement_by_nobody_trusted_is_refused() -> None:
    made = group()

    with pytest.raises(Unattested, match=r"^the uvm endorsement's issuer and feed are not those"):
        container.verify(made.evidence(DATA), made.chip.amd.roots, [], NOW)


def test_a_synthetic_container_group_is_not_genuine() -> None:
    made = group()

    with pytest.raises(Unattested, match=r"^the chain has 0 trusted roots"):
        container.verify(made.evidence(DATA), AMD_ROOTS, [made.endorser.issuer()], NOW)
