"""What the service believes, and the attestation policy by which it refuses what is genuine."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cleanroom.attestation.acceptable import AZURE_PARAVISORS
from cleanroom.attestation.amd import AMD_ROOTS, TrustedRoots
from cleanroom.attestation.snp import SnpClaims
from cleanroom.attestation.uvm import UvmIssuer, microsoft
from cleanroom.errors import PolicyRefused
from cleanroom.jose import base64url_text


@dataclass(frozen=True, slots=True)
class AttestationPolicy:
    """A policy in Azure's language; the text is what tokens name, `debuggable` what we enforce."""

    text: str
    debuggable: bool

    @property
    def hash(self) -> str:
        """Give the name that tokens have for it."""
        return base64url_text(hashlib.sha256(base64url_text(self.text.encode()).encode()).digest())

    def check(self, snp: SnpClaims) -> None:
        """Refuse what the policy denies."""
        if snp.report.policy.debug and not self.debuggable:
            raise PolicyRefused("the attestation policy: expected a guest without debugging")


NO_DEBUG = AttestationPolicy(
    "version=1.0; authorizationrules{"
    ' [type=="x-ms-sevsnpvm-is-debuggable", value==true] => deny(); => permit(); };'
    " issuancerules{};",
    debuggable=False,
)
PERMIT_ALL = AttestationPolicy(
    "version=1.0; authorizationrules{ => permit(); }; issuancerules{};", debuggable=True
)


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose word is taken: of processors, of utility VMs, of paravisors."""

    roots: TrustedRoots
    issuers: Sequence[UvmIssuer]
    paravisors: Sequence[bytes]  # digests of the keys that sign them
    policy: AttestationPolicy


GENUINE = Trust(AMD_ROOTS, (microsoft(minimum_svn=0),), AZURE_PARAVISORS, NO_DEBUG)
