"""A confidential container, or any guest that can ask the processor itself.

1. Take a key that vaults will wrap to; it never leaves this process.
2. Write the runtime data: the contract, the receipt's key, the wrapping key.
3. Have the processor sign its digest; add the certificates that the host handed in.
4. Hand all of it to the authority; the token repeats the runtime data as claims.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation.container import ContainerEvidence
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.ids import Digest
from cleanroom.release.binding import runtime_data
from cleanroom.release.wrapping import by_key
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService, ContainerProof
from runner.attest.certificates import SecurityContext
from runner.attest.snp_guest import ReportDevice
from runner.attest.wrapping import for_one_job


class ContainerAttester:
    """Attests by a report of its own."""

    def __init__(
        self,
        device: ReportDevice,
        context: SecurityContext,
        authority: AttestationService,
        wrapping_key: Callable[[Digest], rsa.RSAPrivateKey] = for_one_job,
    ) -> None:
        self._device = device
        self._context = context
        self._authority = authority
        self._wrapping_key = wrapping_key

    @contextmanager
    def attest(self, contract: Digest, receipt_key: Digest) -> Iterator[Attestation]:
        """Prove what this container is, for one contract and one receipt."""
        wrapping = self._wrapping_key(contract)  # 1
        said = runtime_data(contract, receipt_key, wrapping.public_key())  # 2
        report = self._device.report(hashlib.sha256(said).digest() + bytes(32))  # 3
        chain, endorsement = self._context.chain, self._context.endorsement
        token = self._authority.attest_container(
            ContainerProof(report, chain, said, endorsement)
        )  # 4
        evidence = ContainerEvidence(report, chain, said, self._context.policy, endorsement)
        yield Attestation(
            token,
            EvidenceBundle(evidence),
            wrapping.key_size // 8,
            by_key(wrapping),
        )
