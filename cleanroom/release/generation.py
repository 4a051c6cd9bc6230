"""The release policy that lets a contract's runners, and nobody else, have a party's key.

Each leaf is there against an attack: docs/spec/release-policy.md §6 has the list. What a policy
cannot ask for, because tokens do not carry it, is which image a virtual machine booted (its PCRs).
"""

from collections.abc import Sequence

from cleanroom.ids import Digest
from cleanroom.release.binding import CONTRACT, user_data
from cleanroom.release.policy import AllOf, Clause, Leaf, ReleasePolicy
from cleanroom.requirements import HostData, RunnerRequirement

_SNP = "x-ms-sevsnpvm-"
_TEE = "x-ms-isolation-tee."


def release_policy(
    contract: Digest, runners: Sequence[RunnerRequirement], authority: str, *, svns: bool
) -> ReleasePolicy:
    """Give the policy under which any one of the runners gets the key, for this contract only.

    `svns` makes the vault demand the minimum firmware. That needs numeric operators, which not
    every vault has; without them, old firmware is for readers of evidence and receipts to refuse.
    """
    clauses = [
        Clause(authority, AllOf((*_leaves(contract, runner), *_firmware(runner, svns=svns))))
        for runner in runners
    ]
    return ReleasePolicy(tuple(dict.fromkeys(clauses)))  # machines may differ in PCRs only


def _leaves(contract: Digest, runner: RunnerRequirement) -> tuple[Leaf, ...]:
    """Ask by how the code is pinned: a simulated runner answers as what it simulates."""
    if isinstance(runner.code, HostData):
        return (
            _equals("x-ms-attestation-type", "sevsnpvm"),
            _equals("x-ms-compliance-status", "azure-compliant-uvm"),
            *_hardware(""),
            _equals(f"{_SNP}hostdata", runner.code.value),
            _equals(f"x-ms-runtime.{CONTRACT}", contract.text),
        )
    return (
        _equals("x-ms-attestation-type", "azurevm"),
        _equals(f"{_TEE}x-ms-attestation-type", "sevsnpvm"),
        _equals(f"{_TEE}x-ms-compliance-status", "azure-compliant-cvm"),
        *_hardware(_TEE),
        _equals(f"{_TEE}x-ms-runtime.user-data", user_data(contract).hex().upper()),
    )


def _hardware(at: str) -> tuple[Leaf, ...]:
    return (
        _equals(f"{at}{_SNP}is-debuggable", "false"),
        _equals(f"{at}{_SNP}migration-allowed", "false"),
        _equals(f"{at}{_SNP}vmpl", "0"),
    )


def _firmware(runner: RunnerRequirement, *, svns: bool) -> tuple[Leaf, ...]:
    if not svns:
        return ()
    at = "" if isinstance(runner.code, HostData) else _TEE
    least = runner.minimum_svn
    return (
        _at_least(f"{at}{_SNP}bootloader-svn", least.bootloader),
        _at_least(f"{at}{_SNP}tee-svn", least.tee),
        _at_least(f"{at}{_SNP}snpfw-svn", least.snp),
        _at_least(f"{at}{_SNP}microcode-svn", least.microcode),
    )


def _equals(claim: str, value: str) -> Leaf:
    return Leaf(claim, "equals", value)


def _at_least(claim: str, number: int) -> Leaf:
    return Leaf(claim, "greaterOrEquals", str(number))
