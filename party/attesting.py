"""What a machine's evidence proves, in words; checked here, without asking any service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

from cleanroom.attestation import uvm
from cleanroom.attestation.acceptable import (
    AZURE_PARAVISORS,
    SYNTHETIC_PARAVISOR,
    Claims,
    accept,
    of_contract,
)
from cleanroom.attestation.amd import TrustedRoots, synthetic_root
from cleanroom.attestation.certificates import LARGEST_PEM, pem_certificates
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.uvm import UvmIssuer
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Unattested
from cleanroom.ids import Digest
from cleanroom.release.binding import contract_bound
from cleanroom.walls import ALL, Walls, names
from party.files import read_document

_MOST = 4  # certificates in a file of synthetic roots
SIMULATED = "SIMULATED HARDWARE: software signed this, so nothing here proves anything"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing, and whether it was proven."""

    proven: bool
    text: str


@dataclass(frozen=True, slots=True)
class Trusted:
    """AMD and Microsoft, always; simulated hardware and its endorser if they were named."""

    roots: TrustedRoots
    synthetic_issuers: tuple[UvmIssuer, ...]

    @classmethod
    def adding(cls, synthetic: Sequence[Path]) -> Self:
        """Read files of certificates: roots called ARK, and roots that endorse utility VMs."""
        roots, issuers = [], []
        for path in synthetic:
            for found in pem_certificates(read_document(path, LARGEST_PEM), _MOST, str(path)):
                if found.common_name.startswith("ARK-"):
                    roots.append(synthetic_root(found, str(path)))
                else:
                    issuers.append(uvm.synthetic(found))
        return cls(TrustedRoots(tuple(roots)), tuple(issuers))


def genuine(bundle: EvidenceBundle, trusted: Trusted, at: datetime) -> Claims:
    """Verify evidence as of a time. Old utility VMs are genuine too; a contract says how old."""
    issuers = [uvm.microsoft(minimum_svn=0), *trusted.synthetic_issuers]
    try:
        claims = bundle.verify(trusted.roots, issuers, at)
    except Unattested as error:
        if "0 trusted roots" in str(error):
            error.with_hint("is this simulated hardware? then name its root: --synthetic-root FILE")
        raise
    endorsement = None if isinstance(claims, CvmClaims) else claims.endorsement
    if endorsement and endorsement.issuer != issuers[0] and not claims.snp.synthetic:
        raise Unattested("a simulated issuer endorsed the utility VM of real hardware")
    return claims


def explained(claims: Claims) -> list[Line]:
    """Say what genuine claims prove, and what nobody may read into them."""
    snp = claims.snp
    policy, tcb = snp.report.policy, snp.reported
    made = "simulated" if snp.synthetic else "genuine"
    firmware = ", ".join(f"{name} {svn}" for name, svn in tcb.parts() if name != "fmc" or svn)
    lines = [Line(proven=False, text=SIMULATED)] if snp.synthetic else []
    lines += [
        Line(proven=True, text=f"a {made} AMD {snp.product} signed it ({snp.endorsed_by})"),
        Line(proven=True, text=f"its firmware: {firmware}"),
        Line(proven=not policy.debug, text="the host cannot debug the guest"),
        Line(proven=not policy.migration, text="the guest cannot be moved by an agent"),
    ]
    lines += _machine(claims) if isinstance(claims, CvmClaims) else _container(claims)
    contract = contract_bound(claims)
    lines.append(
        Line(proven=contract is not None, text=f"made for the contract {contract or 'of no name'}")
    )
    return lines


def _machine(claims: CvmClaims) -> list[Line]:
    known = claims.snp.report.id_key_digest in AZURE_PARAVISORS
    shown = ", ".join(str(index) for index in sorted(claims.quote.pcrs))
    return [
        Line(proven=known, text="Azure's own paravisor runs beside the guest"),
        Line(proven=True, text=f"its TPM signed the registers {shown}, with the nonce given"),
        Line(
            proven=False,
            text="which program runs: registers of a stock image prove a stock image, and nothing"
            " of what was installed later",
        ),
    ]


def _container(claims: Claims) -> list[Line]:
    endorsement = None if isinstance(claims, CvmClaims) else claims.endorsement
    host_data = claims.snp.report.host_data.hex()
    issuer = "a simulated issuer" if claims.snp.synthetic else "Microsoft"
    vouched = f"{issuer} vouches for the utility VM around the containers"
    return [
        Line(
            proven=endorsement is not None,
            text=vouched + (f", version {endorsement.svn}" if endorsement else ""),
        ),
        Line(proven=endorsement is not None, text=f"it runs under the policy {host_data}"),
        Line(proven=False, text="what that policy allows: read it, and compare its digest"),
    ]


def accepted(claims: Claims, contract: Contract, walls: Walls) -> int:
    """Hold claims and walls against the runners that a contract accepts; give the first that fits.

    The walls are the runner's word, and the code that gives it is what the claims pin.
    """
    refusals: list[CleanroomError] = []
    for i, runner in enumerate(contract.runners):
        simulated = runner.platform == "simulated"
        paravisors = (SYNTHETIC_PARAVISOR,) if simulated else AZURE_PARAVISORS
        try:
            accept(claims, of_contract(runner, paravisors))
            _check_walls(walls, runner.walls)
        except Unattested as error:
            refusals.append(error)
        else:
            return i
    raise Unattested(
        "no runner of the contract: "
        + "; ".join(f"runner {i + 1}: {error}" for i, error in enumerate(refusals))
    )


def accepted_untold(claims: Claims, contract: Contract) -> list[Line]:
    """Hold evidence alone against a contract: only a receipt tells which walls stood."""
    runner = accepted(claims, contract, ALL)
    demanded = names(contract.runners[runner].walls)
    said = f"that the walls stand which it demands (a receipt tells): {', '.join(demanded)}"
    return [acceptable(runner)] + ([Line(proven=False, text=said)] if demanded else [])


def _check_walls(stood: Walls, demanded: Walls) -> None:
    if missing := demanded - stood:
        raise Unattested(f"the walls are not those demanded, without {', '.join(names(missing))}")


def acceptable(runner: int) -> Line:
    """Say as which runner of the contract claims are accepted."""
    return Line(proven=True, text=f"acceptable as runner {runner + 1} of the contract")


def about(claims: Claims, contract: Digest) -> Line:
    """Refuse evidence that was made for another contract."""
    found = contract_bound(claims)
    if found != contract:
        raise Unattested(f"made for the contract {found or 'of no name'}, not for {contract}")
    return Line(proven=True, text=f"made for exactly this contract: {contract}")
