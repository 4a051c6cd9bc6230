"""What a machine's evidence proves, in words; checked here, without asking any service."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanroom.attestation.acceptable import AZURE_PARAVISORS, Claims, accept, of_contract
from cleanroom.attestation.amd import TrustedRoots, synthetic_root
from cleanroom.attestation.certificates import LARGEST_PEM
from cleanroom.attestation.cvm import CvmClaims
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.attestation.uvm import microsoft
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Unattested
from cleanroom.ids import Digest
from cleanroom.release.binding import contract_bound
from party.files import read_document

SIMULATED = "SIMULATED HARDWARE: software signed this, so nothing here proves anything"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing, and whether it was proven."""

    proven: bool
    text: str


def roots(synthetic: Sequence[Path]) -> TrustedRoots:
    """Trust AMD, and the synthetic roots that were named one by one."""
    found = (synthetic_root(read_document(path, LARGEST_PEM), str(path)) for path in synthetic)
    return TrustedRoots(tuple(found))


def genuine(bundle: EvidenceBundle, trusted: TrustedRoots, at: datetime) -> Claims:
    """Verify evidence as of a time. Old utility VMs are genuine too; a contract says how old."""
    return bundle.verify(trusted, [microsoft(minimum_svn=0)], at)


def explained(claims: Claims) -> list[Line]:
    """Say what genuine claims prove, and what nobody may read into them."""
    snp = claims.snp
    policy, tcb = snp.report.policy, snp.reported
    made = "simulated" if snp.synthetic else "genuine"
    firmware = ", ".join(f"{name} {version}" for name, version in tcb.parts())
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
    vouched = "Microsoft vouches for the utility VM around the containers"
    return [
        Line(
            proven=endorsement is not None,
            text=vouched + (f", version {endorsement.svn}" if endorsement else ""),
        ),
        Line(proven=endorsement is not None, text=f"it runs under the policy {host_data}"),
        Line(proven=False, text="what that policy allows: read it, and compare its digest"),
    ]


def accepted(claims: Claims, contract: Contract) -> Line:
    """Hold claims against the runners that a contract accepts: any one of them will do."""
    refusals: list[CleanroomError] = []
    for i, runner in enumerate(contract.runners):
        try:
            accept(claims, of_contract(runner, AZURE_PARAVISORS))
        except Unattested as error:
            refusals.append(error)
        else:
            return Line(proven=True, text=f"acceptable as runner {i + 1} of the contract")
    raise Unattested(
        "no runner of the contract: "
        + "; ".join(f"runner {i + 1}: {error}" for i, error in enumerate(refusals))
    )


def about(claims: Claims, contract: Digest) -> Line:
    """Refuse evidence that was made for another contract."""
    found = contract_bound(claims)
    if found != contract:
        raise Unattested(f"made for the contract {found or 'of no name'}, not for {contract}")
    return Line(proven=True, text=f"made for exactly this contract: {contract}")
