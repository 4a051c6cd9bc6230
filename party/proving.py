"""Verify a paper offline: each check in turn, and in words what it proves."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from cleanroom import approval as approvals
from cleanroom import dsse, receipt
from cleanroom.approval import Approval
from cleanroom.attestation.evidence import FORMAT as EVIDENCE
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.canonical import parse_json
from cleanroom.contract import FORMAT as CONTRACT
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unattested
from cleanroom.fields import instant_text
from cleanroom.ids import Digest
from cleanroom.release.binding import check_bound
from cleanroom.seal.layout import MAGIC
from cleanroom.seal.manifest import ResultOrigin
from cleanroom.statement import PAYLOAD_TYPE, Subject
from cleanroom.walls import names
from party import attesting, comparing, console, contracts, keyfiles, opening, quantities
from party.attesting import Line
from party.errors import Usage
from party.files import read_document
from party.sealed_files import as_json


class Kind(StrEnum):
    """What a paper can be; a revocation is read as an approval is."""

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
_SHOW = "cleanroom contract show FILE"
_WANTED = "a sealed file, an approval, a receipt or evidence"
_TAKES = {  # which papers and options say something about which kind
    Kind.SEALED: {"--from", "--contract", "--at"},
    Kind.APPROVAL: {"--contract", "--at"},
    Kind.RECEIPT: {"--contract", "--approval", "--result", "--synthetic-root"},
    Kind.EVIDENCE: {"--contract", "--at", "--synthetic-root"},
}


@dataclass(frozen=True, slots=True)
class Papers:
    """What the verifier brings along."""

    owner: Path | None
    contract: Path | None
    approvals: tuple[Path, ...]
    results: tuple[Path, ...]
    at: datetime | None
    synthetic_roots: tuple[Path, ...]
    believed: tuple[Path, ...] = ()  # more such roots, whatever is verified: a profile's

    @property
    def roots(self) -> tuple[Path, ...]:
        """All roots of simulated hardware to accept."""
        return tuple(dict.fromkeys((*self.synthetic_roots, *self.believed)))

    def check_for(self, path: Path, kind: Kind) -> None:
        """Refuse what says nothing about this kind: it would look as if it had been checked."""
        for option, given in (
            ("--from", self.owner),
            ("--contract", self.contract),
            ("--approval", self.approvals),
            ("--result", self.results),
            ("--at", self.at),
            ("--synthetic-root", self.synthetic_roots),
        ):
            if given and option not in _TAKES[kind]:
                raise Usage(f"{option}: says nothing about {kind.label}, which {path} is")
        for needs, option, given in (
            (Kind.SEALED, "--at", self.at),
            (Kind.RECEIPT, "--approval", self.approvals),
        ):
            if kind == needs and given and self.contract is None:
                hint = "--contract contract.yaml"
                raise Usage(f"{option}: is compared with a contract").with_hint(hint)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a paper proves; a refusal when that is not what was asked for."""

    kind: str
    headline: str
    lines: tuple[Line, ...]
    facts: Mapping[str, object]
    refusal: CleanroomError | None = None


def prove(path: Path, kind: Kind | None, papers: Papers, now: datetime) -> Verdict:
    """Find out what a paper is, and verify it as that; as `kind` only, if one is expected."""
    at = papers.at or now
    if _is_sealed(path):
        _expect(path, kind, Kind.SEALED, papers)
        if papers.owner is None:
            raise Usage(f"{path}: a sealed file is verified against its owner's key").with_hint(
                "--from OWNER.signing.pub.pem"
            )
        return _sealed(path, papers.owner, papers.contract, at)
    if path.suffix == ".sealed":
        raise Tampered(f"{path}: does not end as a sealed file does; it may be cut")
    document = _document(path)
    if _format(document, str(path)) == EVIDENCE:
        _expect(path, kind, Kind.EVIDENCE, papers)
        return _evidence(path, document, papers, at)
    match _predicate_type(document, str(path)):
        case approvals.PREDICATE_TYPE:
            _expect(path, kind, Kind.APPROVAL, papers)
            if papers.contract is None:
                raise Usage(f"{path}: an approval is verified against its contract").with_hint(
                    "--contract contract.yaml"
                )
            return _approval(path, document, contracts.load(papers.contract), kind, at)
        case receipt.PREDICATE_TYPE:
            _expect(path, kind, Kind.RECEIPT, papers)
            return _receipt(path, document, papers)
        case _:
            raise Malformed(str(path), _WANTED, "another statement")


def _expect(path: Path, wanted: Kind | None, found: Kind, papers: Papers) -> None:
    if wanted not in (found, None):
        raise Malformed(str(path), wanted.label, found.label)
    papers.check_for(path, found)


def _document(path: Path) -> bytes:
    """Read what may be a signed document or evidence, or say what else it seems to be."""
    try:
        data = read_document(path, dsse.LARGEST_ENVELOPE)
    except Malformed as error:
        got = f"a file of more than {dsse.LARGEST_ENVELOPE:,} bytes"
        raise Malformed(str(path), _WANTED, got) from error
    if data.startswith(b"-----BEGIN "):
        hint = "cleanroom keys show FILE"
        raise Malformed(str(path), _WANTED, "a key or a certificate").with_hint(hint)
    if not data.lstrip().startswith(b"{"):
        yaml = path.suffix in (".yaml", ".yml")
        refusal = Malformed(str(path), _WANTED, "YAML" if yaml else "something else")
        raise refusal.with_hint(f"is it a contract? {_SHOW}") if yaml else refusal
    return data


def _format(document: bytes, where: str) -> object:
    """Tell which format a document says it has; a signed one says so inside of its envelope."""
    value = parse_json(document, where, dsse.LARGEST_ENVELOPE)
    found = value.get("format") if isinstance(value, dict) else None
    if found == CONTRACT:
        raise Malformed(where, _WANTED, "a contract").with_hint(_SHOW)
    if found != EVIDENCE and not (isinstance(value, dict) and "payload" in value):
        raise Malformed(where, _WANTED, "another document")
    return found


def _is_sealed(path: Path) -> bool:
    with opening.opened(path) as fd:
        return opening.last_bytes(fd, len(MAGIC), str(path)) == MAGIC


def _predicate_type(envelope: bytes, where: str) -> object:
    signed = dsse.Signed.parse(envelope, where)
    if signed.payload_type != PAYLOAD_TYPE:
        raise Malformed(where, f"a payload of type {PAYLOAD_TYPE}", repr(signed.payload_type[:80]))
    statement = parse_json(signed.payload, where, dsse.LARGEST_PAYLOAD)
    return statement.get("predicateType") if isinstance(statement, dict) else None


def _sealed(path: Path, owner: Path, agreed: Path | None, at: datetime) -> Verdict:
    key = keyfiles.signing_key(owner)
    contract = contracts.load(agreed) if agreed is not None else None
    with opening.opened(path) as fd:
        sealed = opening.SealedFile(fd, str(path), key)
        size = sealed.layout.plaintext_size
        with console.progress(f"verifying {path.name}", size) as progress:
            sealed.verify_regions(progress)
    manifest = sealed.manifest
    lines = [
        Line(proven=True, text=f"signed with the key {key.id}"),
        Line(proven=True, text=f"{_whole(sealed)} ({quantities.size_text(size)})"),
        Line(proven=True, text=f"this version's name is {manifest.digest}"),
    ]
    if contract is not None:
        lines += comparing.dataset(manifest, key, contract, at, str(path))
    return Verdict(
        "sealed file",
        "a sealed file, whole and as its owner signed it",
        (
            *lines,
            Line(proven=False, text="what is inside: only a reader's key can open it"),
            Line(proven=False, text="that no later version exists"),
        ),
        {"signer": key.id.text, **as_json(manifest)},
    )


def _whole(sealed: opening.SealedFile) -> str:
    match sealed.layout.regions:
        case 0:
            return "it holds nothing, as was signed"
        case 1:
            return "its one region is the one that was signed"
        case count:
            return f"every one of {count} regions is the one that was signed"


def _approval(
    path: Path, envelope: bytes, contract: Contract, wanted: Kind | None, now: datetime
) -> Verdict:
    found = approvals.verified(envelope, contract, str(path))
    until = instant_text(found.expires)
    approves = found.decision == "approve"
    later = "did not change its mind later" if approves else "did not approve again later"
    return Verdict(
        "approval" if approves else "revocation",
        "a party's approval" if approves else "a party's revocation",
        (
            Line(
                proven=True, text=f"signed by {found.party}, with the key that the contract names"
            ),
            Line(proven=True, text=f"about exactly this contract: {contract.digest}"),
            Line(proven=True, text=f"issued {instant_text(found.issued)}, stands until {until}"),
            Line(proven=False, text=f"that the party {later}"),
        ),
        {
            "party": found.party,
            "decision": found.decision,
            "contract": found.contract.text,
            "issued": instant_text(found.issued),
            "expires": until,
            "statement": Digest.of(found.to_bytes()).text,
        },
        _refused_word(path, found, contract, wanted, now),
    )


def _refused_word(
    path: Path, found: Approval, contract: Contract, wanted: Kind | None, now: datetime
) -> PolicyRefused | None:
    """Say why a word that was surely given does not stand, or is not the one asked for."""
    whose = f"{path}: the word of {found.party!r}"
    if wanted is not None and found.decision != "approve":
        return PolicyRefused(f"{whose} is a revocation, not an approval")
    if now < found.issued:
        return PolicyRefused(f"{whose} stands from {instant_text(found.issued)} on")
    if now >= found.expires:
        return PolicyRefused(f"{whose} expired at {instant_text(found.expires)}")
    if found.decision == "approve" and now >= contract.limits.expires:
        expired = instant_text(contract.limits.expires)
        return PolicyRefused(f"{whose} ended with its contract, at {expired}")
    return None


def _evidence(path: Path, document: bytes, papers: Papers, at: datetime) -> Verdict:
    bundle = EvidenceBundle.parse(document, str(path))
    claims = attesting.genuine(bundle, attesting.Trusted.adding(papers.roots), at)
    lines = attesting.explained(claims)
    if papers.contract is None:
        lines.append(Line(proven=False, text="that a contract accepts it (--contract)"))
    else:
        contract = contracts.load(papers.contract)
        lines += [
            attesting.about(claims, contract.digest),
            *attesting.accepted_untold(claims, contract),
        ]
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
        attesting.Trusted.adding(papers.roots),
        found.finished,
    )
    check_bound(claims, found.contract, found.runner.key.id)
    lines = attesting.explained(claims)
    lines += [
        Line(proven=True, text="the key that signed it lived in that machine"),
        Line(proven=True, text="unchanged since it was signed"),
        comparing.walls(found),
    ]
    refusal = None
    if papers.contract is None:
        said = f"what the contract says (--contract): {found.contract}"
        lines.append(Line(proven=False, text=said))
        lines += _result_lines(path, found, papers.results)
        lines.append(Line(proven=False, text="that the contract accepts this runner"))
        refusal = Unattested(f"{path}: not compared with what its contract demands of a runner")
        refusal = refusal.with_hint("--contract contract.yaml")
    else:
        contract = contracts.load(papers.contract)
        lines += comparing.receipt(found, contract, str(path))
        lines += _approval_lines(path, found, contract, papers.approvals)
        lines += _result_lines(path, found, papers.results)
        runner = attesting.accepted(claims, contract, found.runner.walls)
        comparing.platform(found, contract.runners[runner].platform, str(path))
        lines.append(attesting.acceptable(runner))
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
            "walls": names(found.runner.walls),
            "synthetic": claims.snp.synthetic,
            "finished": instant_text(found.finished),
        },
        refusal,
    )


def _approval_lines(
    path: Path, found: receipt.Receipt, contract: Contract, given: tuple[Path, ...]
) -> list[Line]:
    lines = []
    named = {ref.party: ref.statement for ref in found.approvals}
    for one in given:
        word = approvals.verified(read_document(one, dsse.LARGEST_ENVELOPE), contract, str(one))
        if named.get(word.party) != Digest.of(word.to_bytes()):
            raise Tampered(f"{path}: does not rest on the approval {one}")
        comparing.standing(word, found.started, str(one))
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
