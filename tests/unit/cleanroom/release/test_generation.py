"""The policy for a contract's runners: an honest one meets it, and each lie fails one leaf."""

import json
from typing import Any

import pytest

from cleanroom.ids import Digest
from cleanroom.release.evaluation import unmet
from cleanroom.release.generation import release_policy
from cleanroom.release.meaning import equal
from cleanroom.release.policy import ReleasePolicy
from cleanroom.requirements import HostData, MinimumSvn, Pcrs, RunnerRequirement
from tests.builders import DIGEST, HEX
from tests.tokens import (
    CONTRACT_DIGEST,
    ISSUER,
    USER_DATA,
    Spoil,
    container,
    genuine,
    machine,
)
from tests.unit.cleanroom.release.policies import OTHER_ISSUER

SVN = MinimumSvn("Milan", 0, bootloader=4, tee=0, snp=24, microcode=219)
ACI = RunnerRequirement("aci", HostData(HEX, 100), SVN, frozenset())
CVM = RunnerRequirement("azure-cvm", Pcrs(((4, HEX),)), SVN, frozenset())
OTHER = Digest(f"sha256:{HEX}")


def made(*runners: RunnerRequirement, svns: bool = True) -> ReleasePolicy:
    return release_policy(CONTRACT_DIGEST, runners, ISSUER, svns=svns)


def leaves(policy: ReleasePolicy) -> Any:
    (clause,) = json.loads(policy.to_bytes())["anyOf"]
    return clause["allOf"]


def test_a_containers_policy() -> None:
    assert leaves(made(ACI)) == [
        {"claim": "x-ms-attestation-type", "equals": "sevsnpvm"},
        {"claim": "x-ms-compliance-status", "equals": "azure-compliant-uvm"},
        {"claim": "x-ms-sevsnpvm-is-debuggable", "equals": "false"},
        {"claim": "x-ms-sevsnpvm-migration-allowed", "equals": "false"},
        {"claim": "x-ms-sevsnpvm-vmpl", "equals": "0"},
        {"claim": "x-ms-sevsnpvm-hostdata", "equals": HEX},
        {"claim": "x-ms-runtime.cleanroom-contract", "equals": DIGEST},
        {"claim": "x-ms-sevsnpvm-bootloader-svn", "greaterOrEquals": 4},
        {"claim": "x-ms-sevsnpvm-tee-svn", "greaterOrEquals": 0},
        {"claim": "x-ms-sevsnpvm-snpfw-svn", "greaterOrEquals": 24},
        {"claim": "x-ms-sevsnpvm-microcode-svn", "greaterOrEquals": 219},
    ]


def test_a_machines_policy() -> None:
    at = "x-ms-isolation-tee."

    assert leaves(made(CVM)) == [
        {"claim": "x-ms-attestation-type", "equals": "azurevm"},
        {"claim": f"{at}x-ms-attestation-type", "equals": "sevsnpvm"},
        {"claim": f"{at}x-ms-compliance-status", "equals": "azure-compliant-cvm"},
        {"claim": f"{at}x-ms-sevsnpvm-is-debuggable", "equals": "false"},
        {"claim": f"{at}x-ms-sevsnpvm-migration-allowed", "equals": "false"},
        {"claim": f"{at}x-ms-sevsnpvm-vmpl", "equals": "0"},
        {"claim": f"{at}x-ms-runtime.user-data", "equals": USER_DATA},
        {"claim": f"{at}x-ms-sevsnpvm-bootloader-svn", "greaterOrEquals": 4},
        {"claim": f"{at}x-ms-sevsnpvm-tee-svn", "greaterOrEquals": 0},
        {"claim": f"{at}x-ms-sevsnpvm-snpfw-svn", "greaterOrEquals": 24},
        {"claim": f"{at}x-ms-sevsnpvm-microcode-svn", "greaterOrEquals": 219},
    ]


@pytest.mark.parametrize("runner", [ACI, CVM], ids=["container", "machine"])
def test_without_firmware_a_policy_only_asks_for_equality(runner: RunnerRequirement) -> None:
    every = leaves(made(runner, svns=True))

    assert leaves(made(runner, svns=False)) == [leaf for leaf in every if "equals" in leaf]
    assert len(every) == 11


@pytest.mark.parametrize("svns", [True, False])
@pytest.mark.parametrize(
    ("runner", "claims"), [(ACI, container()), (CVM, machine())], ids=["container", "machine"]
)
def test_an_honest_runner_gets_the_key(
    runner: RunnerRequirement, claims: dict[str, Any], svns: bool
) -> None:
    assert unmet(made(runner, svns=svns), genuine(claims)) == ()


SNP = "x-ms-sevsnpvm-"
TEE = "x-ms-isolation-tee"
AT = f"{TEE}."


@pytest.mark.parametrize(
    ("lie", "leaf"),
    [
        pytest.param({"x-ms-attestation-type": "tdxvm"}, "x-ms-attestation-type", id="hardware"),
        pytest.param(
            {"x-ms-compliance-status": "azure-compliant-cvm"},
            "x-ms-compliance-status",
            id="a machine",
        ),
        pytest.param({f"{SNP}is-debuggable": True}, f"{SNP}is-debuggable", id="debugged"),
        pytest.param({f"{SNP}migration-allowed": True}, f"{SNP}migration-allowed", id="movable"),
        pytest.param({f"{SNP}vmpl": 1}, f"{SNP}vmpl", id="less privileged"),
        pytest.param({f"{SNP}hostdata": "00" * 32}, f"{SNP}hostdata", id="other code"),
        pytest.param(
            {"x-ms-runtime": {"cleanroom-contract": OTHER.text}},
            "x-ms-runtime.cleanroom-contract",
            id="another contract",
        ),
        pytest.param(
            {"x-ms-runtime": {"client-payload": {"cleanroom-contract": DIGEST}}},
            "x-ms-runtime.cleanroom-contract",
            id="contract elsewhere",
        ),
        pytest.param({f"{SNP}bootloader-svn": 3}, f"{SNP}bootloader-svn", id="old boot loader"),
        pytest.param({f"{SNP}tee-svn": -1}, f"{SNP}tee-svn", id="old TEE"),
        pytest.param({f"{SNP}snpfw-svn": 23}, f"{SNP}snpfw-svn", id="old firmware"),
        pytest.param({f"{SNP}microcode-svn": 218}, f"{SNP}microcode-svn", id="old microcode"),
    ],
)
def test_no_key_for_a_lying_container(lie: dict[str, Any], leaf: str) -> None:
    (failed,) = unmet(made(ACI), genuine(container() | lie))

    assert failed.startswith(f"{leaf}: ")


def under_tee(**changes: Any) -> Spoil:
    return lambda claims: claims[TEE].update({k.replace("_", "-"): v for k, v in changes.items()})


@pytest.mark.parametrize(
    ("lie", "leaf"),
    [
        pytest.param(
            lambda c: c.update({"x-ms-attestation-type": "sevsnpvm"}),
            "x-ms-attestation-type",
            id="asked by another way",
        ),
        pytest.param(
            under_tee(x_ms_attestation_type="tdxvm"), f"{AT}x-ms-attestation-type", id="hardware"
        ),
        pytest.param(
            under_tee(x_ms_compliance_status="azure-compliant-uvm"),
            f"{AT}x-ms-compliance-status",
            id="a container",
        ),
        pytest.param(
            under_tee(x_ms_sevsnpvm_is_debuggable=True), f"{AT}{SNP}is-debuggable", id="debugged"
        ),
        pytest.param(
            under_tee(x_ms_sevsnpvm_migration_allowed=True),
            f"{AT}{SNP}migration-allowed",
            id="movable",
        ),
        pytest.param(under_tee(x_ms_sevsnpvm_vmpl=2), f"{AT}{SNP}vmpl", id="less privileged"),
        pytest.param(
            under_tee(x_ms_runtime={"user-data": "00" * 64}),
            f"{AT}x-ms-runtime.user-data",
            id="no contract",
        ),
        pytest.param(
            under_tee(x_ms_runtime={"user-data": USER_DATA[:64] + "00" * 32}),
            f"{AT}x-ms-runtime.user-data",
            id="the digest without what it is",
        ),
        pytest.param(
            under_tee(x_ms_runtime={"user-data": USER_DATA.lower()}),
            f"{AT}x-ms-runtime.user-data",
            id="lower case",
        ),
        pytest.param(
            under_tee(x_ms_sevsnpvm_bootloader_svn=3),
            f"{AT}{SNP}bootloader-svn",
            id="old boot loader",
        ),
        pytest.param(under_tee(x_ms_sevsnpvm_tee_svn=-1), f"{AT}{SNP}tee-svn", id="old TEE"),
        pytest.param(under_tee(x_ms_sevsnpvm_snpfw_svn=23), f"{AT}{SNP}snpfw-svn", id="firmware"),
        pytest.param(
            under_tee(x_ms_sevsnpvm_microcode_svn=218), f"{AT}{SNP}microcode-svn", id="microcode"
        ),
    ],
)
def test_no_key_for_a_lying_machine(lie: Spoil, leaf: str) -> None:
    claims = machine()
    lie(claims)

    (failed,) = unmet(made(CVM), genuine(claims))

    assert failed.startswith(f"{leaf}: ")


def test_user_data_that_a_guest_asserts_itself_gives_no_key() -> None:
    """A guest that asks for itself writes all of `x-ms-runtime`, as it likes."""
    claims = container()
    claims["x-ms-runtime"] |= {"user-data": USER_DATA, TEE: machine()[TEE]}

    failed = unmet(made(CVM), genuine(claims))

    assert len(failed) == 11  # everything: nothing of it stands where a machine's policy looks


def test_a_client_payload_gives_no_key() -> None:
    claims = machine()
    claims[TEE]["x-ms-runtime"]["user-data"] = "00" * 64
    claims["x-ms-runtime"]["client-payload"] = {"user-data": USER_DATA}

    (failed,) = unmet(made(CVM), genuine(claims))

    assert failed.startswith(f"{AT}x-ms-runtime.user-data: ")


def test_no_key_on_the_word_of_another_authority() -> None:
    policy = release_policy(CONTRACT_DIGEST, (ACI,), OTHER_ISSUER, svns=True)

    assert unmet(policy, genuine(container())) == (
        f"issuer: expected {OTHER_ISSUER}, got {ISSUER}",
    )


def test_any_one_of_a_contracts_runners_gets_the_key() -> None:
    policy = made(ACI, CVM)

    assert len(policy.clauses) == 2
    assert unmet(policy, genuine(container())) == ()
    assert unmet(policy, genuine(machine())) == ()


def test_machines_that_differ_in_their_image_only_have_one_clause() -> None:
    """No token has PCR values, so a vault cannot tell them apart."""
    other = RunnerRequirement("azure-cvm", Pcrs(((4, "00" * 32),)), SVN, frozenset())

    assert made(CVM, other) == made(CVM)


@pytest.mark.parametrize("code", [ACI, CVM], ids=["container", "machine"])
def test_a_simulated_runner_is_asked_as_what_it_simulates(code: RunnerRequirement) -> None:
    simulated = RunnerRequirement("simulated", code.code, SVN, frozenset())

    assert made(simulated) == made(code)


def test_a_policy_is_for_one_contract() -> None:
    other = release_policy(OTHER, (ACI,), ISSUER, svns=True)

    assert not equal(made(ACI), other)
    assert unmet(other, genuine(container())) != ()
