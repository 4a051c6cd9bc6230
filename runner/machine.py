"""Which hardware this runner has, and whether what it proves is what a contract accepts."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Protocol, Self

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.attestation import uvm
from cleanroom.attestation.acceptable import (
    AZURE_PARAVISORS,
    SYNTHETIC_PARAVISOR,
    accept,
    of_contract,
)
from cleanroom.attestation.amd import AMD_ROOTS, TrustedRoots, synthetic_root
from cleanroom.attestation.certificates import LARGEST_PEM, pem_certificates
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.uvm import UvmIssuer
from cleanroom.contract import Contract
from cleanroom.errors import Malformed, PolicyRefused, Unattested, Unavailable
from cleanroom.ids import Digest
from cleanroom.release.binding import check_bound
from cleanroom.requirements import RunnerRequirement
from cleanroom.tpm import Tpm
from cleanroom.walls import Wall, Walls, names
from runner.attest.attester import Attestation, Attester
from runner.attest.authority import AttestationService
from runner.attest.certificates import SecurityContext
from runner.attest.container import ContainerAttester
from runner.attest.cvm import ALL_PCRS, CvmAttester
from runner.attest.snp_guest import REPORT_DATA_BYTES, ReportDevice
from runner.attest.wrapping import WrappingKeys

_MOST = 4  # certificates in a file of synthetic roots


class Machine(Protocol):
    """The hardware, whichever authority is asked to read its evidence."""

    def attester(self, authority: AttestationService) -> Attester:
        """Give what proves this machine to an authority."""
        ...

    def check(self) -> None:
        """Ask the hardware for something."""
        ...


@dataclass(frozen=True, slots=True)
class Container:
    """A confidential container, or a simulated one."""

    device: ReportDevice
    context: SecurityContext
    wrapping_keys: WrappingKeys[rsa.RSAPrivateKey]

    def attester(self, authority: AttestationService) -> Attester:
        """Prove by reports of the processor."""
        return ContainerAttester(self.device, self.context, authority, self.wrapping_keys.of)

    def check(self) -> None:
        """Have the processor sign nothing in particular."""
        self.device.report(bytes(REPORT_DATA_BYTES))


class ConfidentialVm:
    """A confidential VM: one TPM, and one place for user data, so one proof at a time."""

    def __init__(self, tpm: Tpm, chain: bytes) -> None:
        self._tpm = tpm
        self._chain = chain
        self._lock = threading.Lock()

    def attester(self, authority: AttestationService) -> Attester:
        """Prove by the paravisor's report and the TPM's quotes."""
        return _InTurn(CvmAttester(self._tpm, self._chain, authority), self._lock)

    def check(self) -> None:
        """Read the TPM's registers."""
        with self._lock:
            self._tpm.pcrs(ALL_PCRS)


class _InTurn:
    def __init__(self, attester: Attester, lock: threading.Lock) -> None:
        self._attester = attester
        self._lock = lock
        self._commands = threading.Lock()

    def attest(self, contract: Digest, receipt_key: Digest) -> AbstractContextManager[Attestation]:
        """Prove, and have the TPM decrypt, one after the other."""
        return self._attested(contract, receipt_key)

    @contextmanager
    def _attested(self, contract: Digest, receipt_key: Digest) -> Iterator[Attestation]:
        with self._lock, self._attester.attest(contract, receipt_key) as made:

            def decrypt(sealed: bytes, oaep: hashes.HashAlgorithm) -> bytes:
                with self._commands:
                    return made.decrypt(sealed, oaep)

            yield replace(made, decrypt=decrypt)


@dataclass(frozen=True, slots=True)
class Believed:
    """Whose hardware is taken for genuine: AMD's; and simulated hardware, if it was named."""

    roots: TrustedRoots
    issuers: tuple[UvmIssuer, ...]

    @classmethod
    def genuine(cls) -> Self:
        """Believe nothing that software made."""
        return cls(AMD_ROOTS, (uvm.microsoft(minimum_svn=0),))

    @classmethod
    def adding(cls, synthetic: Path) -> Self:
        """Believe the roots in a file too: those called ARK, and those that endorse utility VMs."""
        roots, issuers = [], [uvm.microsoft(minimum_svn=0)]
        for found in pem_certificates(_read(synthetic), _MOST, synthetic.name):
            if found.common_name.startswith("ARK-"):
                roots.append(synthetic_root(found, synthetic.name))
            else:
                issuers.append(uvm.synthetic(found))
        return cls(TrustedRoots(tuple(roots)), tuple(issuers))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_PEM + 1)
    except OSError as error:
        raise Unavailable(f"{path}: not readable") from error
    if len(data) > LARGEST_PEM:
        raise Malformed(str(path), f"at most {LARGEST_PEM} bytes", "more")
    return data


def accepted(
    evidence: bytes,
    agreed: Contract,
    receipt_key: Digest,
    walls: Walls,
    believed: Believed,
    now: datetime,
) -> RunnerRequirement:
    """Say as which of the contract's runners a machine is accepted, or refuse.

    1. The evidence is genuine. 2. It was made for this contract and this receipt's key. 3. One of
    the contract's runners is such a machine. 4. The walls stand that this one demands.
    """
    bundle = EvidenceBundle.parse(evidence, "evidence")
    claims = bundle.verify(believed.roots, believed.issuers, now)  # 1
    check_bound(claims, agreed.digest, receipt_key)  # 2
    lacking: set[Wall] = set()
    for runner in agreed.runners:
        try:
            accept(claims, of_contract(runner, _paravisors(runner)))  # 3
        except Unattested:
            continue
        if runner.walls <= walls:  # 4
            return runner
        lacking |= runner.walls - walls
    if lacking:
        raise PolicyRefused(
            f"walls that the contract demands are not there: {', '.join(names(lacking))}"
        )
    raise Unattested("this machine is none of the contract's runners")


def _paravisors(runner: RunnerRequirement) -> Sequence[bytes]:
    return (SYNTHETIC_PARAVISOR,) if runner.platform == "simulated" else AZURE_PARAVISORS
