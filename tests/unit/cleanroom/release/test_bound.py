"""Genuine evidence is held against the contract and the receipt that it should be for."""

import re
from dataclasses import replace

import pytest

from cleanroom.attestation import container, cvm
from cleanroom.attestation.acceptable import Claims
from cleanroom.attestation.container import ContainerClaims
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.errors import Malformed, Unattested
from cleanroom.ids import Digest
from cleanroom.release.binding import (
    check_bound,
    contract_bound,
    qualifying_data,
    runtime_data,
    user_data,
)
from tests.builders import HEX
from tests.hardware import NOW, group, paravisor
from tests.tokens import CONTRACT_DIGEST, WRAPPING_KEY

KEY = Digest(f"sha256:{HEX}")
OTHER = Digest.of(b"something else")
WRAPPING = WRAPPING_KEY.public_key()


def machine(contract: Digest, receipt_key: Digest) -> CvmClaims:
    nonce = qualifying_data(contract, receipt_key)
    made = paravisor().write_user_data(user_data(contract))
    return cvm.verify(made.evidence(nonce), made.chip.amd.roots, NOW)


def containers(runtime: bytes) -> ContainerClaims:
    made = group()
    evidence = made.evidence(runtime)
    return container.verify(evidence, made.chip.amd.roots, [made.endorser.issuer()], NOW)


@pytest.mark.parametrize(
    "claims",
    [
        pytest.param(machine(CONTRACT_DIGEST, KEY), id="machine"),
        pytest.param(containers(runtime_data(CONTRACT_DIGEST, KEY, WRAPPING)), id="containers"),
    ],
)
def test_evidence_is_bound_to_its_contract_and_receipt(claims: Claims) -> None:
    check_bound(claims, CONTRACT_DIGEST, KEY)

    assert contract_bound(claims) == CONTRACT_DIGEST


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        pytest.param(
            machine(OTHER, KEY),
            f"the contract in the user data is {user_data(OTHER).hex()}, expected ",
            id="machine for another contract",
        ),
        pytest.param(
            machine(CONTRACT_DIGEST, OTHER),
            "the contract and key in the quote is ",
            id="machine for another receipt",
        ),
        pytest.param(
            replace(machine(CONTRACT_DIGEST, KEY), user_data=None),
            "the contract in the user data is nothing, expected ",
            id="paravisor without user data",
        ),
        pytest.param(
            containers(runtime_data(OTHER, KEY, WRAPPING)),
            f"cleanroom-contract: expected {CONTRACT_DIGEST}, got ",
            id="containers for another contract",
        ),
        pytest.param(
            containers(runtime_data(CONTRACT_DIGEST, OTHER, WRAPPING)),
            f"cleanroom-receipt-key: expected {KEY}, got ",
            id="containers for another receipt",
        ),
        pytest.param(
            containers(b"{}"), "cleanroom-contract: expected ", id="containers for no contract"
        ),
    ],
)
def test_evidence_made_for_something_else_is_refused(claims: Claims, message: str) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}"):
        check_bound(claims, CONTRACT_DIGEST, KEY)


@pytest.mark.parametrize("runtime", [b"[]", b"", b"\xff", b'{"cleanroom-contract":"x"}'])
def test_runtime_data_of_others_names_no_contract(runtime: bytes) -> None:
    assert contract_bound(containers(runtime)) is None


def test_user_data_of_others_names_no_contract() -> None:
    claims = machine(CONTRACT_DIGEST, KEY)

    assert contract_bound(replace(claims, user_data=None)) is None
    assert contract_bound(replace(claims, user_data=bytes(64))) is None


@pytest.mark.parametrize("runtime", [b"[]", b"", b"\xff"])
def test_runtime_data_that_is_no_object_is_refused(runtime: bytes) -> None:
    with pytest.raises(Malformed, match=r"^runtime data: expected "):
        check_bound(containers(runtime), CONTRACT_DIGEST, KEY)
