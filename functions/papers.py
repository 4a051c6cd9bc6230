"""What lies in a room, read: contracts and approvals that hold, and what is refused and why.

Everything here is checked again by the runner, which trusts none of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from cleanroom import approval as approvals
from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Tampered
from cleanroom.ids import Digest
from functions.names import ApprovalName
from functions.refusals import Reason, Refusal


@dataclass(frozen=True, slots=True)
class Agreement:
    """A contract of a room, and the standing words on it."""

    contract: Contract
    digest: Digest
    words: tuple[Approval, ...]

    def missing(self, now: datetime) -> tuple[str, ...]:
        """Name the parties whose approval does not stand; each word is on this contract."""
        who = approvals.standing(self.words, now)
        return tuple(party.name for party in self.contract.parties if party.name not in who)

    @property
    def complete_since(self) -> datetime:
        """Tell when the last party approved."""
        return max(word.issued for word in self.words)


def contract(data: bytes, digest: Digest, room: str) -> Contract | Reason:
    """Accept the bytes that a contract's name promises."""
    if not digest.matches(data):
        return Reason.DIGEST
    try:
        found = Contract.parse(data, "contract")
    except CleanroomError:
        return Reason.MALFORMED
    return found if found.room == room else Reason.ROOM


def approval(data: bytes, name: ApprovalName, agreed: Contract) -> Approval | Reason:
    """Accept a party's word on a contract."""
    try:
        said = approvals.verified(data, agreed, "approval")
    except Tampered:
        return Reason.SIGNATURE
    except CleanroomError:
        return Reason.MALFORMED
    return said if said.party == name.party else Reason.PARTY


def chained(
    found: Mapping[Digest, Contract], places: Mapping[Digest, tuple[str, str]]
) -> tuple[list[Digest], list[Refusal]]:
    """Take the contracts whose history is whole; one whose predecessor is missing only waits."""
    good: list[Digest] = []
    bad: list[Refusal] = []
    for digest, agreed in sorted(found.items(), key=lambda item: item[1].sequence):
        before = found.get(agreed.previous) if agreed.previous else None
        if before is not None and before.sequence + 1 != agreed.sequence:
            bad.append(Refusal(*places[digest], Reason.HISTORY))
        elif agreed.previous is None or agreed.previous in good:
            good.append(digest)
    return good, bad


def in_force(agreements: Sequence[Agreement], now: datetime) -> list[Agreement]:
    """Keep what may run: approved by all, not expired, not followed by another that is."""
    standing = [
        one for one in agreements if now < one.contract.limits.expires and not one.missing(now)
    ]
    over = _followed(agreements, standing)
    return [one for one in standing if one.digest not in over]


def _followed(agreements: Sequence[Agreement], standing: Iterable[Agreement]) -> set[Digest]:
    """Name what contracts that stand have followed: those in their history, of the same parties.

    Anybody may write a contract that names another as its history. It ends that other only if each
    party of it, by its signing key, is a party of the new one as well, and so has approved.
    """
    known = {one.digest: one.contract for one in agreements}
    over: set[Digest] = set()
    for one in standing:
        who, before = _signers(one.contract), one.contract.previous
        while before is not None and before in known:
            if _signers(known[before]) <= who:
                over.add(before)
            before = known[before].previous
    return over


def _signers(agreed: Contract) -> set[Digest]:
    return {party.signing_key.id for party in agreed.parties}


def current(
    agreements: Sequence[Agreement], running: Sequence[Agreement], now: datetime
) -> list[Agreement]:
    """Keep what is not over: not expired, and not followed by one in force."""
    over = _followed(agreements, running)
    return [
        one for one in agreements if now < one.contract.limits.expires and one.digest not in over
    ]
