"""A release policy as one sentence that a lawyer can read, with nothing left out.

A claim that is not known here, or has another value than the known one, is quoted as it stands.
"""

import re

from cleanroom.release.binding import CONTRACT, contract_of
from cleanroom.release.policy import AllOf, Condition, Leaf, ReleasePolicy

_SNP = "x-ms-sevsnpvm-"
_TEE = "x-ms-isolation-tee."
_HARDWARE = {
    ("x-ms-attestation-type", "sevsnpvm"): "is a genuine AMD SEV-SNP guest",
    (
        "x-ms-compliance-status",
        "azure-compliant-uvm",
    ): "was started as an Azure confidential container",
    ("x-ms-compliance-status", "azure-compliant-cvm"): "was started as an Azure confidential VM",
    (f"{_SNP}is-debuggable", "false"): "cannot be debugged by its host",
    (f"{_SNP}migration-allowed", "false"): "cannot be moved to another machine",
    (f"{_SNP}vmpl", "0"): "attests from its most privileged level",
}
_FIRMWARE = {
    f"{_SNP}bootloader-svn": "boot loader",
    f"{_SNP}tee-svn": "trusted execution environment",
    f"{_SNP}snpfw-svn": "SEV-SNP firmware",
    f"{_SNP}microcode-svn": "microcode",
}
_OPERATORS = {
    "equals": "is",
    "notEquals": "is there and is not",
    "less": "is less than",
    "lessOrEquals": "is at most",
    "greater": "is more than",
    "greaterOrEquals": "is at least",
}


def explain(policy: ReleasePolicy) -> str:
    """Say when the key is handed over."""
    clauses = [
        f"{clause.authority} attests that it {_said(clause.condition, whole=True)}"
        for clause in policy.clauses
    ]
    return f"The key is released only to a machine of which {'; or of which '.join(clauses)}."


def _said(condition: Condition, *, whole: bool) -> str:
    if isinstance(condition, Leaf):
        return _leaf(condition)
    word = "and" if isinstance(condition, AllOf) else "or"
    if len(condition.parts) == 1:
        return _said(condition.parts[0], whole=whole)
    parts = [_said(part, whole=False) for part in condition.parts]
    said = f"{', '.join(parts[:-1])} {word} {parts[-1]}"
    return said if whole else f"({said})"  # so that "and" and "or" cannot be read two ways


def _leaf(leaf: Leaf) -> str:
    claim = leaf.claim.removeprefix(_TEE)
    if leaf.operator == "equals":
        known = _known(leaf, claim)
        if known is not None:
            return known
    if leaf.operator == "greaterOrEquals" and claim in _FIRMWARE:
        return f"has {_FIRMWARE[claim]} of security version {leaf.value} or later"
    if leaf.operator == "exists":
        return f"has {'a' if leaf.value == 'true' else 'no'} claim {leaf.claim!r}"
    return f"has a claim {leaf.claim!r} that {_OPERATORS[leaf.operator]} {leaf.value!r}"


def _known(leaf: Leaf, claim: str) -> str | None:
    if leaf.claim == "x-ms-attestation-type" and leaf.value == "azurevm":
        return "is an Azure virtual machine"
    if claim == f"{_SNP}hostdata" and re.fullmatch("[0-9a-f]{64}", leaf.value):
        return f"runs the container policy {leaf.value}"
    if leaf.claim == f"x-ms-runtime.{CONTRACT}" and re.fullmatch("sha256:[0-9a-f]{64}", leaf.value):
        return f"works for contract {leaf.value}"
    if leaf.claim == f"{_TEE}x-ms-runtime.user-data" and re.fullmatch("[0-9A-F]{128}", leaf.value):
        contract = contract_of(bytes.fromhex(leaf.value))
        return f"works for contract {contract}" if contract else None
    return _HARDWARE.get((claim, leaf.value))
