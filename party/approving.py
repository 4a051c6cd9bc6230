"""What `approve` and `revoke` do online: a vault is the ballot box.

A run needs two things of a party: its signed word, which the runner checks, and its room key, which
its vault releases by a policy that names the contract. Whoever stores the word may hide it or bring
it back; nobody but the party changes the policy. So:

- To approve: sign, then set the policy, and hand in the word last. A word that is there before the
  policy would start a run whose key is refused, and so end it.
- To revoke: the policy first, since only that surely stops further runs; then the word.
"""

from dataclasses import dataclass
from datetime import datetime

from cleanroom.approval import Approval, verified
from cleanroom.contract import Contract, Party, RoomKey
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.release import meaning
from cleanroom.release.generation import release_policy
from cleanroom.release.policy import AllOf, AnyOf, Condition, Leaf, ReleasePolicy
from party import contracts, signers
from party.cloud.vault import closed, room_key_name
from party.errors import Usage
from party.online import Online

_BINDS = ("x-ms-runtime.cleanroom-contract", "x-ms-runtime.user-data")
"""Claims that say which contract a machine runs, wherever in a token they stand."""
_OURS = "whoever wrote the contract has an old card of yours, or no genuine one"


@dataclass(frozen=True, slots=True)
class Given:
    """A word that was handed in, and what the vault demands from now on."""

    statement: Digest
    until: datetime
    room_key: str | None
    before: bool  # whether the key was for this contract before
    elsewhere: bool = False  # whether it is for another one still


def member(contract: Contract, party: str) -> Party:
    """Find the party in a contract."""
    for found in contract.parties:
        if found.name == party:
            return found
    names = ", ".join(found.name for found in contract.parties)
    raise Usage(f"{party!r} is no party of this contract; its parties are {names}").with_hint(
        "which party are you? --profile"
    )


def check(online: Online, contract: Contract, now: datetime) -> Party:
    """Refuse a contract that this party could not stand by, before anybody reads it.

    1. It names the party, and has not expired. 2. With the key that its vault signs with, and this
    room's key, no other room's. 3. With the attestation service that it chose itself.
    """
    ours = member(contract, online.profile.name)  # 1
    contracts.check_expiry(contract, now)
    check_keys(online, contract, ours)  # 2
    if ours.room_key is not None:  # 3
        authority = online.profile.need("authority").authority
        if ours.room_key.authority != authority:
            raise PolicyRefused(
                f"the contract has your vault believe {ours.room_key.authority}, and your profile"
                f" says {authority}"
            ).with_hint("an attestation service of somebody else's could vouch for any machine")
    return ours


def check_keys(online: Online, contract: Contract, ours: Party) -> None:
    """Refuse a contract with other keys of this party than its vault has for the room."""
    if online.vault.signing() != ours.signing_key:
        raise PolicyRefused(
            f"the contract says that you sign with {ours.signing_key.id}, and your vault has"
            " another key"
        ).with_hint(_OURS)
    if ours.room_key is not None:
        online.vault.check_room_key(ours.room_key)
        wanted = room_key_name(contract.room)
        if ours.room_key.url.rpartition("/")[2] != wanted:
            raise PolicyRefused(
                f"{ours.room_key.url}: is not {wanted}, your key for the room {contract.room!r}"
            ).with_hint(
                "a room's key is for that room's data only: your card for the room names it"
            )


def approve(
    online: Online, contract: Contract, until: datetime, now: datetime, *, svns: bool
) -> Given:
    """Sign, have the vault release the room key for this contract, hand the word in."""
    ours = check(online, contract, now)
    approval = Approval(contract.digest, ours.name, "approve", now, until)
    envelope = _signed(online, approval, contract)
    before = False
    if ours.room_key is not None:
        wanted = release_policy(
            contract.digest, contract.runners, ours.room_key.authority, svns=svns
        )
        before = meaning.equal(online.vault.policy(ours.room_key.url), wanted)
        if not before:
            online.vault.set_policy(ours.room_key.url, wanted)
    try:
        online.api.deliver(contract.room, contract.digest, ours.name, envelope)
    except CleanroomError as error:
        if ours.room_key is None:
            raise
        raise Unavailable(
            f"your vault releases the key for this contract already, but: {error}"
        ).with_hint(
            "approve again when it answers; or have the vault release it no more: cleanroom revoke"
        ) from error
    return Given(_statement(approval), until, _url(ours.room_key), before)


def revoke(online: Online, contract: Contract, until: datetime, now: datetime) -> Given:
    """Have the vault release the room key for nobody, then sign and hand the word in.

    A key that is for another contract by now stays so: it is not this one's to take.
    """
    ours = member(contract, online.profile.name)
    released = elsewhere = False
    if ours.room_key is not None:
        nobody, policy = closed(ours.room_key.authority), _policy(online, ours.room_key)
        released = policy is None or is_for(policy, contract, ours.room_key)
        elsewhere = policy is not None and not released and not meaning.equal(policy, nobody)
        if released:
            online.vault.set_policy(ours.room_key.url, nobody)
    approval = Approval(contract.digest, ours.name, "revoke", now, until)
    try:
        envelope = _signed(online, approval, contract)
        online.api.deliver(contract.room, contract.digest, ours.name, envelope)
    except CleanroomError as error:  # a control plane that refuses is as bad as one that is away
        if ours.room_key is None:
            raise
        raise Unavailable(f"your vault releases the key no more, but: {error}").with_hint(
            "no further run can open your data; revoke again when it answers, so that all see it"
        ) from error
    return Given(_statement(approval), until, _url(ours.room_key), released, elsewhere)


def is_for(policy: ReleasePolicy, contract: Contract, key: RoomKey) -> bool:
    """Tell whether a policy could be met for a contract; one that we do not know counts as met.

    It surely cannot if each way of it asks for another contract, or for none.
    """
    if meaning.equal(policy, closed(key.authority)):
        return False
    return not all(_excludes(clause.condition, contract.digest) for clause in policy.clauses)


def _excludes(condition: Condition, digest: Digest) -> bool:
    match condition:
        case AllOf(parts):
            return any(_excludes(part, digest) for part in parts)
        case AnyOf(parts):
            return all(_excludes(part, digest) for part in parts)
        case Leaf(claim, "equals", value):
            return claim.endswith(_BINDS) and digest.hex not in value.lower()
        case Leaf():
            return False


def _policy(online: Online, key: RoomKey) -> ReleasePolicy | None:
    """Read a policy back; nothing if somebody wrote one by other means that we cannot read."""
    try:
        return online.vault.policy(key.url)
    except Malformed:
        return None


def _signed(online: Online, approval: Approval, contract: Contract) -> bytes:
    envelope = approval.sign(signers.identity(online.signer).signer)
    verified(envelope, contract, "your word")  # the key is the one that the contract names
    return envelope


def _statement(approval: Approval) -> Digest:
    return Digest.of(approval.to_bytes())


def _url(key: RoomKey | None) -> str | None:
    return key.url if key else None
