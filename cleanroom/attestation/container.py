"""Whether a confidential container group (or any guest with /dev/sev-guest) is genuine."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanroom.attestation import snp, uvm
from cleanroom.attestation.amd import TrustedRoots
from cleanroom.attestation.snp import SnpClaims
from cleanroom.attestation.uvm import Endorsement, UvmIssuer
from cleanroom.errors import Unattested


@dataclass(frozen=True, slots=True)
class ContainerEvidence:
    """What a container group sends; nothing in it is trusted."""

    report: bytes
    chain: bytes  # PEM
    runtime_data: bytes
    policy: bytes | None  # that the utility VM enforces, if it was sent
    endorsement: bytes | None  # of the utility VM, COSE_Sign1


@dataclass(frozen=True, slots=True)
class ContainerClaims:
    """GENUINE: the processor said this, and the issuer that. Only `verify` makes one."""

    snp: SnpClaims
    runtime_data: bytes
    endorsement: Endorsement | None


def verify(
    evidence: ContainerEvidence, roots: TrustedRoots, issuers: Sequence[UvmIssuer], now: datetime
) -> ContainerClaims:
    """Check the evidence of one container group (docs/spec/attestation.md §6).

    1. The hardware report is genuine.
    2. Its report data is SHA-256 of the runtime data and 32 zeros.
    3. Its host data is SHA-256 of the policy, if the policy was sent.
    4. A trusted issuer endorsed its measurement, if an endorsement was sent.

    That there is an endorsement, and which policy it may be, is for `acceptable` to say.
    """
    claims = snp.verify(evidence.report, evidence.chain, roots, now)  # 1
    report, digest = claims.report, hashlib.sha256(evidence.runtime_data).digest()
    _check_same("report data", report.report_data, digest + bytes(32), "the runtime data")  # 2
    if evidence.policy is not None:
        digest = hashlib.sha256(evidence.policy).digest()
        _check_same("host data", report.host_data, digest, "the policy")  # 3
    endorsement = None
    if evidence.endorsement is not None:
        endorsement = uvm.verify(evidence.endorsement, issuers, report.measurement)  # 4
    return ContainerClaims(claims, evidence.runtime_data, endorsement)


def _check_same(what: str, found: bytes, expected: bytes, of: str) -> None:
    if not hmac.compare_digest(found, expected):
        raise Unattested(f"the {what} is {found.hex()}, expected {expected.hex()} of {of}")
