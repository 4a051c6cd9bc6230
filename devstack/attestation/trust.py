"""What the service believes, and the attestation policy by which it refuses what is genuine."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from cleanroom.attestation.acceptable import AZURE_PARAVISORS
from cleanroom.attestation.amd import AMD_ROOTS, TrustedRoots
from cleanroom.attestation.snp import SnpClaims
from cleanroom.attestation.uvm import UvmIssuer, microsoft
from cleanroom.errors import PolicyRefused


@dataclass(frozen=True, slots=True)
class AttestationPolicy:
    """A policy in Azure's language; the text is what tokens name, `debuggable` what we enforce."""

    text: str
    debuggable: bool

    @property
    def hash(self) -> str:
        """Give the name that tokens have for it."""
        return _url64(hashlib.sha256(_url64(self.text.encode()).encode()).digest())

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


def _url64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
