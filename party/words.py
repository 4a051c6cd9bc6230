"""Giving one's word online: a person reads what a contract does, and then says yes or no."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused
from cleanroom.fields import instant_text
from party import approving, console, contracts, explaining, quantities, telling
from party.approving import Given
from party.errors import Usage
from party.online import Online

_YES = "yes"


@dataclass(frozen=True, slots=True)
class Wish:
    """What the command was given."""

    contract: str
    party: str | None
    expires: str
    output: Path | None
    profile: str | None

    def online(self) -> Online:
        """Be the party that speaks."""
        if self.output is not None:
            raise Usage("--output: a word is written to a file only with --sign-with")
        found = Online.of(self.profile)
        ours = found.profile.name
        if self.party not in (None, ours):
            raise Usage(f"--party: you are {ours!r} here, not {self.party!r}").with_hint(
                f"--profile {self.party}"
            )
        return found


@dataclass(frozen=True, slots=True)
class Word:
    """What was said, for people and for programs."""

    headline: str
    rows: Sequence[tuple[str, object]]
    as_json: Mapping[str, object]


def approve(wish: Wish, now: datetime, *, yes: bool, svns: bool) -> Word:
    """Check the contract, explain it, ask, and approve it."""
    online = wish.online()
    contract = online.contract(wish.contract)
    until = min(quantities.until(wish.expires, now), contract.limits.expires)
    ours = approving.check(online, contract, now)
    if not yes:
        _ask(contract, ours.name)
    elif not _names_one(wish.contract):  # the operator says which one is a room's latest
        raise Usage(
            "--yes approves what was read before; a room's latest may be another by now"
        ).with_hint(f"cleanroom approve {contract.room}/DIGEST --yes, or the contract's file")
    if contracts.is_file(wish.contract):
        online.api.propose(contract)  # whoever approves a file means the room to have it
    given = approving.approve(online, contract, until, now, svns=svns)
    kept = "your vault releases it for this contract, and for no other"
    return _said("approve", contract, given, kept)


def revoke(wish: Wish, now: datetime) -> Word:
    """Take an approval back."""
    online = wish.online()
    contract = online.contract(wish.contract)
    given = approving.revoke(online, contract, quantities.until(wish.expires, now), now)
    if given.elsewhere and not _names_one(
        wish.contract
    ):  # whoever names the room means its key to be closed
        raise still_released(contract, given)
    said = "your vault releases it no more" if given.before else "it was not for this contract"
    said += ", and is for another one still" if given.elsewhere else ""
    return _said("revoke", contract, given, said)


def _names_one(named: str) -> bool:
    """Tell whether a contract was named, instead of whatever is a room's latest."""
    return "/" in named or contracts.is_file(named)


def still_released(contract: Contract, given: Given) -> PolicyRefused:
    """Say that another contract of the room than its latest has the key."""
    return PolicyRefused(
        f"contract {contract.sequence} is revoked, but {given.room_key} is released for another one"
    ).with_hint(
        f"cleanroom revoke {contract.room}/DIGEST;"
        f" cleanroom status {contract.room} --json names the room's contracts"
    )


def _ask(contract: Contract, party: str) -> None:
    """Explain a contract, and go on only if a person says so."""
    if sys.stdin is None or not sys.stdin.isatty():
        raise Usage("nobody is there to ask whether to approve").with_hint(
            "read it with cleanroom explain, then approve what you read: --yes, for a room with its"
            " digest, ROOM/DIGEST"
        )
    console.aside(
        f"{contract.room}, contract {contract.sequence}",
        [*telling.sentences(contract, party), ("", ""), *explaining.rows(contract)],
    )
    if console.answer(f"approve this as {party}? [yes/no] ") != _YES:
        raise Usage("not approved: only 'yes' does it")


def _said(decision: str, contract: Contract, given: Given, room_key: str) -> Word:
    rows: list[tuple[str, object]] = [
        ("contract", contract.digest),
        ("words", contract.digest.words),
        ("until", instant_text(given.until)),
        ("statement", given.statement),
    ]
    if given.room_key:
        rows.append(("room key", f"{given.room_key}\n{room_key}"))
    if decision == "approve":
        rows += explaining.warnings(contract)
    as_json = {
        "decision": decision,
        "room": contract.room,
        "contract": contract.digest.text,
        "words": contract.digest.words,
        "until": instant_text(given.until),
        "statement": given.statement.text,
        "room_key": given.room_key,
    }
    return Word(f"{decision} {contract.room}, contract {contract.sequence}", rows, as_json)
