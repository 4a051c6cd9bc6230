"""A party's signed word on a contract: approve or revoke (docs/spec/statements.md §2).

The subject is the contract's digest. Per party the latest word counts; at the same second, a
revocation does.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cleanroom import dsse
from cleanroom.contract import Contract
from cleanroom.errors import Malformed, Tampered
from cleanroom.fields import Fields, instant, instant_text, one_of
from cleanroom.ids import Digest, name
from cleanroom.statement import PAYLOAD_TYPE, Subject, parse_statement, statement

PREDICATE_TYPE = "urn:cleanroom:approval:v1"
_SUBJECT = "contract"


@dataclass(frozen=True, slots=True)
class Approval:
    """What a party says of a contract, from one moment to another."""

    contract: Digest
    party: str
    decision: str  # approve or revoke
    issued: datetime
    expires: datetime

    @classmethod
    def parse(cls, payload: bytes, where: str) -> "Approval":
        """Accept the canonical statement."""
        subjects, predicate = parse_statement(payload, PREDICATE_TYPE, where)
        if len(subjects) != 1 or subjects[0].name != _SUBJECT:
            raise Malformed(f"{where}.subject", f"exactly one, named {_SUBJECT!r}")
        f = Fields(predicate, f"{where}.predicate")
        approval = cls(
            subjects[0].digest,
            f.take("party", name),
            f.take("decision", one_of("approve", "revoke")),
            f.take("issued", instant),
            f.take("expires", instant),
        )
        f.end()
        if approval.expires <= approval.issued:
            raise Malformed(f"{where}.predicate.expires", "a time after 'issued'")
        return approval

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        return statement(
            (Subject(_SUBJECT, self.contract),),
            PREDICATE_TYPE,
            {
                "party": self.party,
                "decision": self.decision,
                "issued": instant_text(self.issued),
                "expires": instant_text(self.expires),
            },
        )

    def sign(self, signer: dsse.Signer) -> bytes:
        """Write the envelope that goes into the room."""
        return dsse.sign(self.to_bytes(), PAYLOAD_TYPE, signer)


def verified(envelope: bytes, contract: Contract, where: str) -> Approval:
    """Return a party's word on this contract, if that party signed it."""
    signed = dsse.Signed.parse(envelope, where)
    party = contract.party_of_key(signed.key_id)
    if party is None:
        raise Tampered(f"{where}: signed by {signed.key_id}, which no party of the contract has")
    payload = signed.verify(PAYLOAD_TYPE, party.signing_key, where)
    approval = Approval.parse(payload, where)
    if approval.party != party.name:
        raise Tampered(f"{where}: {party.name!r} signed in the name of {approval.party!r}")
    if approval.contract != contract.digest:
        raise Tampered(f"{where}: is about {approval.contract}, not {contract.digest}")
    return approval


def missing(approvals: Iterable[Approval], contract: Contract, now: datetime) -> tuple[str, ...]:
    """Name the parties whose approval does not stand now: never given, revoked or expired."""
    digest = contract.digest  # another contract's approval is no approval of this one
    who = standing((said for said in approvals if said.contract == digest), now)
    return tuple(party.name for party in contract.parties if party.name not in who)


def standing(approvals: Iterable[Approval], now: datetime) -> frozenset[str]:
    """Name the parties whose approval stands now; all approvals are of one contract."""
    latest: dict[str, Approval] = {}
    for approval in approvals:
        latest[approval.party] = later(latest.get(approval.party, approval), approval)
    return frozenset(
        said.party
        for said in latest.values()
        if said.decision == "approve" and said.issued <= now < said.expires
    )


def later(one: Approval, other: Approval) -> Approval:
    """Say which of two words of a party counts."""
    return other if _rank(other) > _rank(one) else one


def _rank(approval: Approval) -> tuple[datetime, bool, datetime]:
    return approval.issued, approval.decision == "revoke", approval.expires
