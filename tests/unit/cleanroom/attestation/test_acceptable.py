"""What is genuine is not yet acceptable: each requirement asks one question."""

import re
from collections.abc import Sequence
from dataclasses import replace

import pytest

from cleanroom.attestation import container, cvm
from cleanroom.attestation.acceptable import (
    AZURE_PARAVISORS,
    Claims,
    Endorsed,
    Grant,
    HostDataIs,
    IdKey,
    Measurement,
    MinimumTcb,
    NoDebug,
    NoMigration,
    Nonce,
    NoSmt,
    Pcr,
    Requirement,
    RuntimeData,
    Shape,
    SingleSocket,
    Synthetic,
    UserData,
    Vmpl,
    accept,
    of_contract,
)
from cleanroom.attestation.container import ContainerClaims
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.report import Product
from cleanroom.errors import Unattested
from cleanroom.requirements import HostData, MinimumSvn, Pcrs, RunnerRequirement
from devstack.hardware.amd import TCB
from devstack.hardware.paravisor import ID_KEY_DIGEST
from devstack.hardware.snp import DEBUG, MIGRATION, POLICY, SINGLE_SOCKET, SMT, Chip, raw_tcb
from tests.hardware import NOW, group, guest, paravisor

USER_DATA = bytes(range(64))
RUNTIME_DATA = b"{}"
SVN = MinimumSvn("Milan", 0, bootloader=4, tee=0, snp=24, microcode=219)


def vm(chip: Chip | None = None) -> CvmClaims:
    made = paravisor(chip).write_user_data(USER_DATA)
    return cvm.verify(made.evidence(b"nonce"), made.chip.amd.roots, NOW)


def containers(chip: Chip | None = None, *, endorsed: bool = True) -> ContainerClaims:
    made = group(chip)
    evidence = made.evidence(RUNTIME_DATA)
    if not endorsed:
        evidence = replace(evidence, endorsement=None)
    return container.verify(evidence, made.chip.amd.roots, [made.endorser.issuer()], NOW)


def older(field: str, **parts: int) -> Chip:
    """A chip one of whose TCBs is older than the rest."""
    return guest(**{field: raw_tcb(replace(TCB, **parts), Product.MILAN)})


PCR_7 = paravisor().tpm.pcrs[7]
HOST_DATA = group().chip.template.host_data

GOOD = [
    pytest.param(vm(), Shape(CvmClaims), id="a machine"),
    pytest.param(containers(), Shape(ContainerClaims), id="containers"),
    pytest.param(vm(), Synthetic(expected=True), id="synthetic"),
    pytest.param(
        replace(vm(), snp=replace(vm().snp, synthetic=False)), Synthetic(expected=False), id="AMD"
    ),
    pytest.param(vm(), NoDebug(), id="no debug"),
    pytest.param(vm(), NoMigration(), id="no migration"),
    pytest.param(vm(guest(policy=POLICY & ~SMT)), NoSmt(), id="no SMT"),
    pytest.param(vm(guest(policy=POLICY | SINGLE_SOCKET)), SingleSocket(), id="single socket"),
    pytest.param(vm(), Vmpl(0), id="VMPL 0"),
    pytest.param(vm(guest(vmpl=2)), Vmpl(2), id="VMPL 2"),
    pytest.param(vm(), MinimumTcb(SVN), id="just new enough"),
    pytest.param(vm(), MinimumTcb(MinimumSvn("Milan", 0, 0, 0, 0, 0)), id="no minimum"),
    pytest.param(vm(), Measurement((bytes(48), b"\x4d" * 48)), id="measurement"),
    pytest.param(vm(), IdKey((bytes(48), b"\x1d" * 48)), id="id key"),
    pytest.param(containers(), HostDataIs(HOST_DATA), id="host data"),
    pytest.param(containers(), Endorsed(100), id="endorsed"),
    pytest.param(containers(), RuntimeData(RUNTIME_DATA), id="runtime data"),
    pytest.param(vm(), UserData(USER_DATA), id="user data"),
    pytest.param(vm(), Nonce(b"nonce"), id="nonce"),
    pytest.param(vm(), Pcr(7, PCR_7), id="PCR"),
]


@pytest.mark.parametrize(("claims", "requirement"), GOOD)
def test_claims_that_meet_a_requirement_are_acceptable(
    claims: Claims, requirement: Requirement
) -> None:
    assert accept(claims, [requirement]) == Grant(claims, (requirement,))


def forbids(what: str) -> str:
    return f"the guest policy allows {what}, expected it forbidden"


BAD = [
    pytest.param(
        vm(),
        Shape(ContainerClaims),
        "the kind of claims is CvmClaims, expected ContainerClaims",
        id="not containers",
    ),
    pytest.param(
        containers(),
        Shape(CvmClaims),
        "the kind of claims is ContainerClaims, expected CvmClaims",
        id="not a machine",
    ),
    pytest.param(
        vm(),
        Synthetic(expected=False),
        "the hardware is synthetic, expected genuine AMD",
        id="synthetic",
    ),
    pytest.param(
        replace(vm(), snp=replace(vm().snp, synthetic=False)),
        Synthetic(expected=True),
        "the hardware is genuine AMD, expected synthetic",
        id="AMD",
    ),
    pytest.param(vm(guest(policy=POLICY | DEBUG)), NoDebug(), forbids("debugging"), id="debug"),
    pytest.param(
        vm(guest(policy=POLICY | MIGRATION)), NoMigration(), forbids("migration"), id="migration"
    ),
    pytest.param(vm(), NoSmt(), forbids("simultaneous multithreading"), id="SMT"),
    pytest.param(vm(), SingleSocket(), forbids("several sockets"), id="sockets"),
    pytest.param(vm(guest(vmpl=1)), Vmpl(0), "the vmpl is 1, expected 0", id="VMPL 1"),
    pytest.param(
        vm(guest(vmpl=0xFFFFFFFF)), Vmpl(0), "the vmpl is 4294967295, expected 0", id="host asked"
    ),
    *(
        pytest.param(
            vm(),
            MinimumTcb(replace(SVN, **{part: getattr(SVN, part) + 1})),
            f"reported tcb has {part} {getattr(SVN, part)}, expected at least"
            f" {getattr(SVN, part) + 1} of the requirement",
            id=f"old {part}",
        )
        for part in ("bootloader", "tee", "snp", "microcode")
    ),
    pytest.param(
        vm(),
        MinimumTcb(replace(SVN, fmc=1)),
        "reported tcb has fmc 0, expected at least 1 of the requirement",
        id="old fmc",
    ),
    pytest.param(
        vm(),
        MinimumTcb(replace(SVN, product="Genoa")),
        "the processor is Milan, expected Genoa",
        id="another processor",
    ),
    pytest.param(
        vm(older("launch", microcode=218)),
        MinimumTcb(SVN),
        "launch tcb has microcode 218, expected at least 219 of the requirement",
        id="launched before an update",
    ),
    pytest.param(
        replace(vm(), snp=replace(vm().snp, committed=replace(TCB, snp=23))),
        MinimumTcb(SVN),
        "committed tcb has snp 23, expected at least 24 of the requirement",
        id="could be rolled back",
    ),
    pytest.param(
        vm(),
        Measurement((bytes(48), b"\1" * 48)),
        f"the measurement is {'4d' * 48}, expected {'00' * 48} or {'01' * 48}",
        id="measurement",
    ),
    pytest.param(
        vm(),
        Measurement(()),
        f"the measurement is {'4d' * 48}, expected one of none",
        id="no measurement allowed",
    ),
    pytest.param(
        vm(),
        IdKey((bytes(48),)),
        f"the id key digest is {'1d' * 48}, expected {'00' * 48}",
        id="id key",
    ),
    pytest.param(
        containers(),
        HostDataIs(bytes(32)),
        f"the host data is {HOST_DATA.hex()}, expected {'00' * 32}",
        id="host data",
    ),
    pytest.param(
        containers(endorsed=False),
        Endorsed(0),
        "the utility vm is not endorsed, expected an endorsement",
        id="not endorsed",
    ),
    pytest.param(
        containers(),
        Endorsed(101),
        "the utility vm is version 100, expected at least 101",
        id="old utility VM",
    ),
    pytest.param(
        vm(),
        Endorsed(0),
        "the utility vm is not endorsed, expected an endorsement",
        id="no utility VM",
    ),
    pytest.param(
        containers(),
        RuntimeData(b"[]"),
        "the runtime data is 7b7d, expected 5b5d",
        id="runtime data",
    ),
    pytest.param(
        vm(),
        RuntimeData(RUNTIME_DATA),
        "the runtime data is not there, expected 7b7d",
        id="no runtime data",
    ),
    pytest.param(
        vm(),
        UserData(bytes(64)),
        f"the user data is {USER_DATA.hex()}, expected {'00' * 64}",
        id="user data",
    ),
    pytest.param(
        replace(vm(), user_data=None),
        UserData(bytes(64)),
        f"the user data is not there, expected {'00' * 64}",
        id="older paravisor",
    ),
    pytest.param(
        containers(),
        UserData(bytes(64)),
        f"the user data is not there, expected {'00' * 64}",
        id="no paravisor",
    ),
    pytest.param(vm(), Nonce(b"other"), "the nonce is 6e6f6e6365, expected 6f74686572", id="nonce"),
    pytest.param(containers(), Nonce(b"n"), "the nonce is not there, expected 6e", id="no quote"),
    pytest.param(
        vm(), Pcr(7, bytes(32)), f"the pcr 7 is {PCR_7.hex()}, expected {'00' * 32}", id="PCR"
    ),
    pytest.param(
        vm(),
        Pcr(24, bytes(32)),
        f"the pcr 24 is not there, expected {'00' * 32}",
        id="unquoted PCR",
    ),
    pytest.param(
        containers(), Pcr(7, PCR_7), f"the pcr 7 is not there, expected {PCR_7.hex()}", id="no TPM"
    ),
]


@pytest.mark.parametrize(("claims", "requirement", "message"), BAD)
def test_each_requirement_refuses_alone(
    claims: Claims, requirement: Requirement, message: str
) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}$"):
        accept(claims, [requirement])


def test_every_requirement_counts() -> None:
    with pytest.raises(Unattested, match=r"^the vmpl is 0, expected 3$"):
        accept(vm(), [NoDebug(), Vmpl(3)])


def test_nothing_required_accepts_nobody() -> None:
    with pytest.raises(ValueError, match=r"^accepting needs at least one requirement$"):
        accept(vm(), [])


# --- what a contract demands


def demand(platform: str, svn: MinimumSvn = SVN) -> RunnerRequirement:
    return RunnerRequirement(platform, Pcrs(((7, PCR_7.hex()),)), svn, frozenset())


def container_demand(platform: str) -> RunnerRequirement:
    return RunnerRequirement(platform, HostData(HOST_DATA.hex(), 100), SVN, frozenset())


def amd(claims: Claims) -> Claims:
    """The same, had the hardware been real."""
    return replace(claims, snp=replace(claims.snp, synthetic=False))


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        pytest.param(vm(), demand("simulated"), id="simulated machine"),
        pytest.param(amd(vm()), demand("azure-cvm"), id="machine"),
        pytest.param(containers(), container_demand("simulated"), id="simulated containers"),
        pytest.param(amd(containers()), container_demand("aci"), id="containers"),
    ],
)
def test_the_runner_that_a_contract_demands_is_acceptable(
    claims: Claims, wanted: RunnerRequirement
) -> None:
    assert accept(claims, of_contract(wanted, [ID_KEY_DIGEST])).claims == claims


@pytest.mark.parametrize(
    ("claims", "wanted", "message"),
    [
        pytest.param(vm(), demand("azure-cvm"), "the hardware is synthetic", id="simulated"),
        pytest.param(amd(vm()), demand("simulated"), "the hardware is genuine", id="not simulated"),
        pytest.param(containers(), container_demand("aci"), "the hardware is synthetic", id="aci"),
        pytest.param(
            amd(containers()),
            demand("azure-cvm"),
            "the kind of claims is ContainerClaims",
            id="kind",
        ),
        pytest.param(
            amd(vm()), container_demand("aci"), "the kind of claims is CvmClaims", id="other kind"
        ),
        pytest.param(
            vm(guest(policy=POLICY | DEBUG)), demand("simulated"), forbids("debugging"), id="debug"
        ),
        pytest.param(
            vm(guest(policy=POLICY | MIGRATION)),
            demand("simulated"),
            forbids("migration"),
            id="migration",
        ),
        pytest.param(vm(guest(vmpl=1)), demand("simulated"), "the vmpl is 1", id="VMPL"),
        pytest.param(
            vm(),
            demand("simulated", replace(SVN, snp=25)),
            "reported tcb has snp 24, expected at least 25",
            id="old firmware",
        ),
        pytest.param(
            vm(guest(id_key_digest=bytes(48))),
            demand("simulated"),
            f"the id key digest is {'00' * 48}",
            id="a paravisor of somebody's own",
        ),
        pytest.param(
            containers(endorsed=False),
            container_demand("simulated"),
            "the utility vm is not endorsed",
            id="a utility VM of somebody's own",
        ),
        pytest.param(
            vm(),
            RunnerRequirement(
                "simulated", Pcrs(((7, PCR_7.hex()), (8, "00" * 32))), SVN, frozenset()
            ),
            "the pcr 8 is ",
            id="another boot",
        ),
        pytest.param(
            containers(),
            RunnerRequirement("simulated", HostData("00" * 32, 100), SVN, frozenset()),
            f"the host data is {HOST_DATA.hex()}",
            id="another policy",
        ),
    ],
)
def test_another_runner_than_the_contract_demands_is_refused(
    claims: Claims, wanted: RunnerRequirement, message: str
) -> None:
    with pytest.raises(Unattested, match=f"^{re.escape(message)}"):
        accept(claims, of_contract(wanted, [ID_KEY_DIGEST]))


@pytest.mark.parametrize("paravisors", [(), AZURE_PARAVISORS])
def test_azure_does_not_vouch_for_the_synthetic_paravisor(paravisors: Sequence[bytes]) -> None:
    with pytest.raises(Unattested, match=r"^the id key digest is "):
        accept(vm(), of_contract(demand("simulated"), paravisors))
