"""Whether a report was signed by a genuine processor about the guest it describes."""

from dataclasses import dataclass
from datetime import datetime

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA384

from cleanroom.attestation.amd import Endorser, Kind, TrustedRoots, verify_chain
from cleanroom.attestation.report import Product, Report, Tcb
from cleanroom.errors import Unattested

_ECDSA_P384_SHA384 = 1
_SIGNING_KEY: dict[Kind, int] = {"VCEK": 0, "VLEK": 1}


@dataclass(frozen=True, slots=True)
class SnpClaims:
    """GENUINE: a processor said this. Only `verify` makes one (tests/unit/…/test_claims.py)."""

    report: Report
    product: Product
    reported: Tcb
    committed: Tcb
    current: Tcb
    launch: Tcb
    endorsed_by: Kind
    synthetic: bool


def verify(report: bytes, chain: bytes, roots: TrustedRoots, now: datetime) -> SnpClaims:
    """Check a report against the certificates for it (docs/spec/attestation.md §4).

    1. The report parses, and the chain leads from a trusted root to an endorsement key.
    2. The report names the one signature algorithm there is, and that kind of endorsement key;
       a masked chip key signs nothing.
    3. The signature holds.
    4. The processor is of the root's product.
    5. The endorsement key is that of the reported TCB, part by part.
    6. A VCEK is of this chip. (A VLEK is of many, and the chip's name may be masked.)
    7. Reported <= committed <= current TCB, part by part.

    What a genuine guest may be, such as debuggable or old, is for `acceptable` to say.
    """
    found = Report.parse(report, "report")  # 1
    endorser = verify_chain(chain, roots, now)
    _check_algorithm(found, endorser.kind)  # 2
    try:
        endorser.key.verify(found.signature, found.signed, ec.ECDSA(SHA384()))  # 3
    except InvalidSignature as error:
        raise Unattested(f"the signature of the report by {endorser.kind} fails") from error
    _check_product(found, endorser.product)  # 4
    reported, committed, current, launch = _tcbs(found, endorser.product)
    _check_endorser(found, reported, endorser)  # 5, 6
    committed.check_at_least(reported, "committed tcb", "the reported tcb")  # 7
    current.check_at_least(committed, "current tcb", "the committed tcb")
    return SnpClaims(
        report=found,
        product=endorser.product,
        reported=reported,
        committed=committed,
        current=current,
        launch=launch,
        endorsed_by=endorser.kind,
        synthetic=endorser.synthetic,
    )


def _check_algorithm(report: Report, kind: Kind) -> None:
    if report.signature_algorithm != _ECDSA_P384_SHA384:
        raise Unattested(
            f"the report's signature algorithm is {report.signature_algorithm},"
            f" expected {_ECDSA_P384_SHA384}"
        )
    if report.signing_key != _SIGNING_KEY[kind]:
        raise Unattested(
            f"the report says signing key {report.signing_key},"
            f" expected {_SIGNING_KEY[kind]} of {kind}"
        )
    if kind == "VCEK" and report.chip_key_masked:
        raise Unattested("the report says that the chip's key is masked, expected it to sign")


def _check_product(report: Report, product: Product) -> None:
    if report.product not in (product, None):  # version 2 does not say
        raise Unattested(f"the report is of a {report.product}, expected {product} of the chain")


def _tcbs(report: Report, product: Product) -> tuple[Tcb, Tcb, Tcb, Tcb]:
    return (
        Tcb.parse(report.reported_tcb, product, "report.reported_tcb"),
        Tcb.parse(report.committed_tcb, product, "report.committed_tcb"),
        Tcb.parse(report.current_tcb, product, "report.current_tcb"),
        Tcb.parse(report.launch_tcb, product, "report.launch_tcb"),
    )


def _check_endorser(report: Report, reported: Tcb, endorser: Endorser) -> None:
    for (part, said), (_, signed) in zip(reported.parts(), endorser.tcb.parts(), strict=True):
        if said != signed:
            raise Unattested(
                f"the reported tcb has {part} {said}, expected {signed} of {endorser.kind}"
            )
    if endorser.chip_id not in (report.chip_id, None):
        raise Unattested(
            f"the report is of chip {report.chip_id.hex()[:16]}...,"
            f" expected that of {endorser.kind}"
        )
