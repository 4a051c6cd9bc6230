"""Take documents that parties hand in: a contract, and a party's word on it.

Each is verified before it is written into the room, so that who hands it in is told what is wrong.
A word replaces the one before only if it is later; contracts are never replaced.
"""

from dataclasses import dataclass

from cleanroom import approval as approvals
from cleanroom.approval import Approval
from cleanroom.contract import LARGEST, Contract
from cleanroom.dsse import LARGEST_ENVELOPE, Signed
from cleanroom.errors import CleanroomError, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.statement import PAYLOAD_TYPE
from functions import names
from functions.accounts import Accounts
from functions.owned import Owned
from functions.refusals import Declined, Why
from functions.scanning import places

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Taken[T]:
    """A document that is in the room now, and whether it was not before."""

    document: T
    new: bool


class Desk:
    """Where documents are handed in."""

    def __init__(self, accounts: Accounts, rooms: Owned) -> None:
        self._accounts = accounts
        self._rooms = rooms

    async def propose(self, room: str, data: bytes) -> Taken[Contract]:
        """Take a contract of this room; the same one again is no other."""
        contract = await self.checked(room, data)
        new = await self._rooms.create(names.contract(room, contract.digest), data)
        return Taken(contract, new)

    async def checked(self, room: str, data: bytes) -> Contract:
        """Read a contract that this room could take."""
        contract = Contract.parse(data, "contract")
        if contract.room != room:
            message = f"the contract is of room {contract.room!r}, not of {room!r}"
            raise Declined(Why.OTHER_ROOM, message)
        places(contract, self._accounts)  # each location may be asked
        if contract.previous is not None:
            before = await self.contract(room, contract.previous)
            if before.sequence + 1 != contract.sequence:
                raise Declined(
                    Why.BROKEN_HISTORY,
                    f"contract {contract.sequence} follows number {before.sequence} of the room",
                )
        return contract

    async def deliver(self, room: str, contract: Digest, envelope: bytes) -> Taken[Approval]:
        """Take a party's word on a contract, unless a later one is there."""
        agreed = await self.contract(room, contract)
        said = approvals.verified(envelope, agreed, "approval")
        name = names.approval(room, contract, said.party)
        for _ in range(_TRIES):
            found = await self._rooms.read(name, LARGEST_ENVELOPE)
            before = _word(found.data, agreed) if found else None
            if before is not None:
                if before == said:
                    return Taken(said, new=False)
                if approvals.later(before, said) == before:
                    message = f"{said.party!r} said something later, at {before.issued}"
                    raise Declined(Why.LATER_WORD, message)
            etag = found.etag if found else None
            if await self._rooms.replace(name, envelope, etag) is not None:
                return Taken(said, new=True)
        raise Unavailable(f"{name}: others change it all the time")

    async def contract(self, room: str, digest: Digest) -> Contract:
        """Return a contract of a room."""
        found = await self._rooms.read(names.contract(room, digest), LARGEST)
        if found is None or not digest.matches(found.data):
            raise Declined(Why.NO_CONTRACT, f"room {room!r} has no contract {digest}")
        return Contract.parse(found.data, "contract")


def contract_of(envelope: bytes) -> Digest:
    """Read which contract an approval claims to be about, before anything is verified."""
    signed = Signed.parse(envelope, "approval")
    if signed.payload_type != PAYLOAD_TYPE:
        raise PolicyRefused("approval: not a statement")
    return Approval.parse(signed.payload, "approval").contract


def _word(envelope: bytes, agreed: Contract) -> Approval | None:
    """Read a word that lies in the room; what is none gives way to one that is."""
    try:
        return approvals.verified(envelope, agreed, "approval")
    except CleanroomError:
        return None
