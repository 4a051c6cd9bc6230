"""Evidence as a document, so that it can lie in a receipt or a file and be checked years later.

Canonical JSON, strict. The platform says the shape; whether the hardware was real is for the roots
to say, not for the document.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cleanroom.attestation import container, cvm
from cleanroom.attestation.acceptable import Claims
from cleanroom.attestation.amd import TrustedRoots
from cleanroom.attestation.certificates import LARGEST_PEM
from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.cvm import CvmEvidence
from cleanroom.attestation.hcl import LARGEST_HCL, USER_DATA_BYTES
from cleanroom.attestation.report import REPORT_BYTES
from cleanroom.attestation.tpm import PCRS
from cleanroom.attestation.uvm import LARGEST_ENDORSEMENT, UvmIssuer
from cleanroom.canonical import canonical, parse_canonical
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    base64_bytes,
    base64_text,
    exactly,
    integer,
    list_of,
    one_of,
    optional,
)
from cleanroom.ids import sha256_hex

FORMAT = "cleanroom/evidence/v1"
LARGEST_BUNDLE = 256 * 1024  # what a receipt has room for
LARGEST_RUNTIME_DATA = 32 * 1024
LARGEST_POLICY = 64 * 1024
_LARGEST_CERTIFICATE = 4096
_LARGEST_QUOTE = 1024
_LARGEST_SIGNATURE = 512

type Platform = Literal["aci", "azure-cvm"]


@dataclass(frozen=True, slots=True)
class EvidenceBundle:
    """The evidence of one machine; nothing in it is trusted."""

    evidence: CvmEvidence | ContainerEvidence

    @classmethod
    def parse(cls, data: bytes, where: str) -> "EvidenceBundle":
        """Accept the canonical document."""
        f = Fields(parse_canonical(data, where, LARGEST_BUNDLE), where)
        f.take("format", exactly(FORMAT))
        if f.take("platform", one_of("aci", "azure-cvm")) == "aci":
            bundle = cls(_container(f))
        else:
            bundle = cls(_cvm(f))
        f.end()
        return bundle

    @property
    def platform(self) -> Platform:
        """Which shape the evidence has."""
        return "azure-cvm" if isinstance(self.evidence, CvmEvidence) else "aci"

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        found = self.evidence
        parts = (
            _container_parts(found) if isinstance(found, ContainerEvidence) else _cvm_parts(found)
        )
        return canonical({"format": FORMAT, "platform": self.platform, **parts}, "evidence")

    def verify(self, roots: TrustedRoots, issuers: Sequence[UvmIssuer], now: datetime) -> Claims:
        """Check it as its shape demands."""
        if isinstance(self.evidence, CvmEvidence):
            return cvm.verify(self.evidence, roots, now)
        return container.verify(self.evidence, roots, issuers, now)


def _container(f: Fields) -> ContainerEvidence:
    return ContainerEvidence(
        report=f.take("report", base64_bytes(REPORT_BYTES)),
        chain=f.take("chain", base64_bytes(LARGEST_PEM)),
        runtime_data=f.take("runtime_data", base64_bytes(LARGEST_RUNTIME_DATA)),
        policy=f.take("policy", optional(base64_bytes(LARGEST_POLICY))),
        endorsement=f.take("endorsement", optional(base64_bytes(LARGEST_ENDORSEMENT))),
    )


def _container_parts(evidence: ContainerEvidence) -> dict[str, object]:
    return {
        "report": base64_text(evidence.report),
        "chain": base64_text(evidence.chain),
        "runtime_data": base64_text(evidence.runtime_data),
        "policy": _optional_text(evidence.policy),
        "endorsement": _optional_text(evidence.endorsement),
    }


def _cvm(f: Fields) -> CvmEvidence:
    return CvmEvidence(
        hcl=f.take("hcl", base64_bytes(LARGEST_HCL)),
        chain=f.take("chain", base64_bytes(LARGEST_PEM)),
        ak_certificate=f.take("ak_certificate", optional(base64_bytes(_LARGEST_CERTIFICATE))),
        quote=f.take("quote", base64_bytes(_LARGEST_QUOTE)),
        quote_signature=f.take("quote_signature", base64_bytes(_LARGEST_SIGNATURE)),
        nonce=f.take("nonce", base64_bytes(USER_DATA_BYTES)),
        pcrs=dict(f.take("pcrs", _pcrs)),
    )


def _cvm_parts(evidence: CvmEvidence) -> dict[str, object]:
    return {
        "hcl": base64_text(evidence.hcl),
        "chain": base64_text(evidence.chain),
        "ak_certificate": _optional_text(evidence.ak_certificate),
        "quote": base64_text(evidence.quote),
        "quote_signature": base64_text(evidence.quote_signature),
        "nonce": base64_text(evidence.nonce),
        "pcrs": [
            {"index": index, "sha256": evidence.pcrs[index].hex()}
            for index in sorted(evidence.pcrs)
        ],
    }


def _pcrs(raw: object, where: str) -> tuple[tuple[int, bytes], ...]:
    found = list_of(_pcr, 1, PCRS)(raw, where)
    indices = [index for index, _ in found]
    if indices != sorted(set(indices)):
        raise Malformed(where, "each PCR once, in ascending order")
    return found


def _pcr(raw: object, where: str) -> tuple[int, bytes]:
    f = Fields(raw, where)
    found = f.take("index", integer(0, PCRS - 1)), bytes.fromhex(f.take("sha256", sha256_hex))
    f.end()
    return found


def _optional_text(data: bytes | None) -> str | None:
    return None if data is None else base64_text(data)
