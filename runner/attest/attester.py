"""What an attester gives: a token, the evidence behind it, and the way to open what it brings."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from cryptography.hazmat.primitives import hashes

from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.ids import Digest

type Decrypt = Callable[[bytes, hashes.HashAlgorithm], bytes]


@dataclass(frozen=True, slots=True)
class Attestation:
    """The proof of one job.

    The evidence is as old as the job: the report (or the quote) was made for this job's receipt
    key, so it says nothing of what the machine becomes afterwards, and need not: the keys that come
    of it live as long as the job.
    """

    token: str
    evidence: EvidenceBundle
    key_bytes: int  # of the RSA key that a vault wraps to
    decrypt: Decrypt


class Attester(Protocol):
    """One kind of hardware."""

    def attest(self, contract: Digest, receipt_key: Digest) -> AbstractContextManager[Attestation]:
        """Prove what this machine is; what vaults wrap can be opened until the context ends."""
        ...
