"""Verify a paper offline: each check in turn, and in words what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cleanroom import approval as approvals
from cleanroom import dsse, receipt
from cleanroom.attestation.evidence import FORMAT as EVIDENCE
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.canonical import parse_json
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unattested
from cleanroom.fields import instant_text
from cleanroom.ids import Digest
from cleanroom.release.binding import check_bound
from cleanroom.seal.layout import MAGIC
from cleanroom.seal.manifest import ResultOrigin
from cleanroom.statement import PAYLOAD_TYPE, Subject
from party import attesting, console, contracts, keyfiles, opening, quantities
from party.attesting import Line
from party.errors import Usage
from party.files import read_document
from party.sealed_files import as_json


class Kind(StrEnum):
    """What a paper can be."""

    SEALED = "sealed"
    APPROVAL = "approval"
    RECEIPT = "receipt"
    EVIDENCE = "evidence"

    @property
    def label(self) -> str:
        """Say it in a sentence."""
        match self:
            case Kind.SEALED:
                return "a sealed file"
            case Kind.APPROVAL:
                return "an approval"
            case Kind.RECEIPT:
                return "a receipt"
            case Kind.EVIDENCE:
                return "evidence"


_ENDED = {"completed": "completed", "failed": "failed", "refused": "was refused"}


@dataclass(frozen=True, slots=True)
class Papers:
    """What the verifier brings along."""

    owner: Path | None
    contract: Path | None
    approvals: tuple[Path, ...]
    results: tuple[Path, ...]
    synthetic_roots: tuple[Path, ...]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a paper proves; a refusal when that is not what was asked for."""

    kind: str
    headline: str
    lines: tuple[Line, ...]
    facts: Mapping[str, object]
    refusal: CleanroomError | None = None


def prove(path: Path, kind: Kind | None, papers: Papers, at: datetime) -> Verdict:
    """Find out what a paper is, and verify it as that; as `kind` only, if one is expected."""
    if _is_sealed(path):
        _expect(path, kind, Kind.SEALED)
        if papers.owner is None:
            raise Usage(f"{path}: a sealed file is verified against its owner's key").with_hint(
                "--from OWNER.signing.pub.pem"
            )
        return _sealed(path, papers.owner)
    if path.suffix == ".sealed":
        raise Tampered(f"{path}: does not end as a sealed file does; it may be cut")
    document = read_document(path, dsse.LARGEST_ENVELOPE)
    if _is_evidence(document, str(path)):
        _expect(path, kind, Kind.EVIDENCE)
        return _evidence(path, document, papers, at)
    match _predicate_type(document, str(path)):
        case approvals.PREDICATE_TYPE:
            _expect(path, kind, Kind.APPROVAL)
            if papers.contract is None:
                raise Usage(f"{path}: an approval is verified against its contract").with_hint(
                    "--contract contract.yaml"
                )
            return _approval(path, document, contracts.load(papers.contract), at)
        case receipt.PREDICATE_TYPE:
            _expect(path, kind, Kind.RECEIPT)
            return _receipt(path, document, papers)
        case _:
            raise Malformed(str(path), "a sealed file, an approval, a receipt or evidence")


def _expect(path: Path, wanted: Kind | None, found: Kind) -> None:
    if wanted not in (found, None):
        raise Malformed(str(path), wanted.label, found.label)


def _is_evidence(document: bytes, where: str) -> bool:
    value = parse_json(document, where, dsse.LARGEST_ENVELOPE)
    return isinstance(value, dict) and value.get("format") == EVIDENCE


def _is_sealed(path: Path) -> bool:
    with opening.opened(path) as fd:
        return opening.last_bytes(fd, len(MAGIC), str(path)) == MAGIC


def _predicate_type(envelope: bytes, where: str) -> object:
    signed = dsse.Signed.parse(envelope, where)
    if signed.payload_type != PAYLOAD_TYPE:
        raise Malformed(where, f"a payload of type {PAYLOAD_TYPE}", repr(signed.payload_type[:80]))
    statement = parse_json(signed.payload, where, dsse.LARGEST_PAYLOAD)
    return statement.get("predicateType") if isinstance(statement, dict) else None


def _sealed(path: Path, owner: Path) -> Verdict:
    with opening.opened(path) as fd:
        sealed = opening.SealedFile(fd, str(path), keyfiles.signing_key(owner))
        size = sealed.layout.plaintext_size
        with console.progress(f"verifying {path.name}", size) as progress:
            sealed.verify_regions(progress)
    manifest = sealed.manifest
    return Verdict(
        "sealed file",
        "a sealed file, whole and as its owner signed it",
        (
            Line(proven=True, text=f"signed with the key {keyfiles.signing_key(owner).id}"),
            Line(
                proven=True,
                text=f"every one of {sealed.layout.regions} regions is the one that was signed"
                f" ({quantities.size_text(size)})",
            ),
            Line(proven=True, text=f"this version's name is {manifest.digest}"),
            Line(proven=False, text="what is inside: only a reader's key can open it"),
            Line(proven=False, text="that no later version exists"),
        ),
        {"signer": keyfiles.signing_key(owner).id.text, **as_json(manifest)},
    )


def _approval(path: Path, envelope: bytes, contract: Contract, now: datetime) -> Verdict:
    found = approvals.verified(envelope, contract, str(path))
    until = instant_text(found.expires)
    lines = [
        Line(proven=True, text=f"signed by {found.party}, with the key that the contract names"),
        Line(proven=True, text=f"about exactly this contract: {contract.digest}"),
        Line(proven=True, text=f"issued {instant_text(found.issued)}, stands until {until}"),
        Line(proven=False, text="that the party did not change its mind later"),
    ]
    refusal = None
    if now < found.issued:
        from_then = instant_text(found.issued)
        refusal = PolicyRefused(f"{path}: the word of {found.party!r} stands from {from_then} on")
    if now >= found.expires:
        refusal = PolicyRefused(f"{path}: the word of {found.party!r} expired at {until}")
    return Verdict(
        "approval",
        "a party's approval" if found.decision == "approve" else "a party's revocation",
        tuple(lines),
        {
            "party": found.party,
            "decision": found.decision,
            "contract": found.contract.text,
            "issued": instant_text(found.issued),
            "expires": until,
            "statement": Digest.of(found.to_bytes()).text,
        },
        refusal,
    )


def _evidence(path: Path, document: bytes, papers: Papers, at: datetime) -> Verdict:
    bundle = EvidenceBundle.parse(document, str(path))
    claims = attesting.genuine(bundle, attesting.Trusted.adding(papers.synthetic_roots), at)
    lines = attesting.explained(claims)
    if papers.contract is None:
        lines.append(Line(proven=False, text="that a contract accepts it (--contract)"))
    else:
        contract = contracts.load(papers.contract)
        lines += [attesting.about(claims, contract.digest), attesting.accepted(claims, contract)]
    made = "SIMULATED" if claims.snp.synthetic else "genuine"
    return Verdict(
        "evidence",
        f"evidence of {made} hardware ({bundle.platform})",
        tuple(lines),
        {
            "platform": bundle.platform,
            "synthetic": claims.snp.synthetic,
            "product": claims.snp.product,
            "at": instant_text(at),
            "measurement": claims.snp.report.measurement.hex(),
            "host_data": claims.snp.report.host_data.hex(),
            "chip_id": claims.snp.report.chip_id.hex(),
            "reported_tcb": dict(claims.snp.reported.parts()),
        },
    )


def _receipt(path: Path, envelope: bytes, papers: Papers) -> Verdict:
    """Verify a receipt: its signature, what it names, and the evidence for the key that signed it.

    The evidence is looked at as of the time the job finished, so that a receipt of years ago can
    still be verified.
    """
    found = receipt.unchanged(envelope, str(path))
    where = f"{path}: evidence"
    claims = attesting.genuine(
        EvidenceBundle.parse(found.runner.evidence, where),
        attesting.Trusted.adding(papers.synthetic_roots),
        found.finished,
    )
    check_bound(claims, found.contract, found.runner.key.id)
    lines = attesting.explained(claims)
    lines += [
        Line(proven=True, text="the key that signed it lived in that machine"),
        Line(proven=True, text="unchanged since it was signed"),
        *_contract_lines(path, found, papers),
        *_result_lines(path, found, papers.results),
    ]
    refusal = None
    if papers.contract is None:
        lines.append(Line(proven=False, text="that the contract accepts this runner"))
        refusal = Unattested(f"{path}: not compared with what its contract demands of a runner")
        refusal = refusal.with_hint("--contract contract.yaml")
    else:
        lines.append(attesting.accepted(claims, contracts.load(papers.contract)))
    return Verdict(
        "receipt",
        f"a receipt of a job that {_ENDED[found.ending.status]}"
        + (", on SIMULATED hardware" if claims.snp.synthetic else ""),
        tuple(lines),
        {
            "room": found.room,
            "job": found.job.text,
            "contract": found.contract.text,
            "status": found.ending.status,
            "reason": found.ending.reason,
            "platform": found.runner.platform,
            "synthetic": claims.snp.synthetic,
            "finished": instant_text(found.finished),
        },
        refusal,
    )


def _contract_lines(path: Path, found: receipt.Receipt, papers: Papers) -> list[Line]:
    if papers.contract is None:
        return [Line(proven=False, text=f"what the contract says (--contract): {found.contract}")]
    contract = contracts.load(papers.contract)
    if contract.digest != found.contract:
        raise Tampered(f"{path}: is about {found.contract}, not {contract.digest}")
    lines = [Line(proven=True, text=f"about exactly this contract: {contract.digest}")]
    named = {ref.party: ref.statement for ref in found.approvals}
    for given in papers.approvals:
        word = approvals.verified(read_document(given, dsse.LARGEST_ENVELOPE), contract, str(given))
        if named.get(word.party) != Digest.of(word.to_bytes()):
            raise Tampered(f"{path}: does not rest on the approval {given}")
        lines.append(Line(proven=True, text=f"rests on the approval that {word.party} signed"))
        del named[word.party]
    lines += [
        Line(proven=False, text=f"the approval of {party} (--approval): {statement}")
        for party, statement in named.items()
    ]
    return lines


def _result_lines(path: Path, found: receipt.Receipt, results: tuple[Path, ...]) -> list[Line]:
    named = {subject.name: subject for subject in found.results}
    lines = []
    for given in results:
        with opening.opened(given) as fd:
            sealed = opening.SealedFile(fd, str(given), found.runner.key)
            sealed.verify_regions(lambda _done: None)
        origin = sealed.manifest.origin
        if not isinstance(origin, ResultOrigin) or origin.job != found.job:
            raise Tampered(f"{given}: is not a result of the job {found.job}")
        if named.get(origin.output) != Subject(origin.output, sealed.manifest.digest):
            raise Tampered(f"{path}: does not name the result {given}")
        lines.append(Line(proven=True, text=f"{given} is its result {origin.output!r}, whole"))
        del named[origin.output]
    lines += [
        Line(proven=False, text=f"its result {subject.name!r} (--result): {subject.digest}")
        for subject in named.values()
    ]
    return lines
