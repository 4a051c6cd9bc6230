"""Whether an Azure confidential VM is genuine: hardware, paravisor, virtual TPM, what it booted."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation import snp
from cleanroom.attestation.amd import TrustedRoots
from cleanroom.attestation.certificates import Certificate
from cleanroom.attestation.hcl import HclReport, VmConfiguration
from cleanroom.attestation.snp import SnpClaims
from cleanroom.attestation.tpm import Quote, verify_quote
from cleanroom.errors import Unattested


@dataclass(frozen=True, slots=True)
class CvmEvidence:
    """What a VM sends; nothing in it is trusted."""

    hcl: bytes
    chain: bytes  # PEM
    ak_certificate: bytes | None  # DER
    quote: bytes  # TPMS_ATTEST
    quote_signature: bytes
    nonce: bytes  # that the quote was asked with
    pcrs: Mapping[int, bytes]


@dataclass(frozen=True, slots=True)
class CvmClaims:
    """GENUINE: processor, paravisor and TPM said this. Only `verify` makes one."""

    snp: SnpClaims
    attestation_key: rsa.RSAPublicKey
    user_data: bytes | None
    configuration: VmConfiguration
    quote: Quote


def verify(evidence: CvmEvidence, roots: TrustedRoots, now: datetime) -> CvmClaims:
    """Check the evidence of one VM (docs/spec/attestation.md §5).

    1. The hardware report inside the paravisor's is genuine.
    2. Its report data is the digest of the paravisor's claims, byte for byte.
    3. If the TPM's certificate for its attestation key is there, it is for the key in the claims.
       (Its issuer is not checked: the hardware vouches for the key already.)
    4. That key signed a quote over the nonce and exactly the PCR values given.

    That the paravisor is one to believe, and the nonce a fresh one, is for `acceptable` to say.
    """
    hcl = HclReport.parse(evidence.hcl, "hcl")
    claims = snp.verify(hcl.report, evidence.chain, roots, now)  # 1
    hcl.check_bound(claims.report.report_data)  # 2
    if evidence.ak_certificate is not None:
        certificate = Certificate.parse(evidence.ak_certificate, "ak_certificate")
        if certificate.key != hcl.attestation_key:  # 3
            raise Unattested("the certificate of the attestation key is for another key")
    quote = verify_quote(  # 4
        evidence.quote,
        evidence.quote_signature,
        hcl.attestation_key,
        evidence.nonce,
        evidence.pcrs,
    )
    return CvmClaims(claims, hcl.attestation_key, hcl.user_data, hcl.configuration, quote)
