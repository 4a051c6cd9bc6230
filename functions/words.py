"""Take documents that parties hand in: a contract, and a party's word on it.

Each is verified before it is written into the room, so that who hands it in is told what is wrong.
A word replaces the one before only if it is later; contracts are never replaced.
"""

from dataclasses import dataclass

from cleanroom import approval as approvals
from cleanroom.approval import Approval
from cleanroom.contract import LARGEST, Contract
from cleanroom.dsse import LARGEST_ENVELOPE, Signed
from cleanroom.errors import PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.statement import PAYLOAD_TYPE
from functions import names
from functions.accounts import Accounts
from functions.scanning import places
from functions.storing import Container

_TRIES = 5


@dataclass(frozen=True, slots=True)
class Taken[T]:
    """A document that is in the room now, and whether it was not before."""

    document: T
    new: bool


class Desk:
    """Where documents are handed in."""

    def __init__(self, accounts: Accounts, rooms: Container) -> None:
        self._accounts = accounts
        self._rooms = rooms

    async def propose(self, room: str, data: bytes) -> Taken[Contract]:
        """Take a contract of this room; the same one again is no other."""
        contract = Contract.parse(data, "contract")
        if contract.room != room:
            raise PolicyRefused(f"the contract is of room {contract.room!r}, not of {room!r}")
        places(contract, self._accounts)  # each location may be asked
        if contract.previous is not None:
            before = await self.contract(room, contract.previous)
            if before.sequence + 1 != contract.sequence:
                raise PolicyRefused(
                    f"contract {contract.sequence} follows number {before.sequence} of the room"
                )
        new = await self._rooms.create(names.contract(room, contract.digest), data)
        return Taken(contract, new)

    async def deliver(self, room: str, contract: Digest, envelope: bytes) -> Taken[Approval]:
        """Take a party's word on a contract, unless a later one is there."""
        agreed = await self.contract(room, contract)
        said = approvals.verified(envelope, agreed, "approval")
        name = names.approval(room, contract, said.party)
        for _ in range(_TRIES):
            found = await self._rooms.read(name, LARGEST_ENVELOPE)
            if found is not None:
                before = approvals.verified(found.data, agreed, name)
                if before == said:
                    return Taken(said, new=False)
                if approvals.later(before, said) == before:
                    raise PolicyRefused(f"{said.party!r} said something later, at {before.issued}")
            etag = found.etag if found else None
            if await self._rooms.replace(name, envelope, etag) is not None:
                return Taken(said, new=True)
        raise Unavailable(f"{name}: others change it all the time")

    async def contract(self, room: str, digest: Digest) -> Contract:
        """Return a contract of a room."""
        found = await self._rooms.read(names.contract(room, digest), LARGEST)
        if found is None or not digest.matches(found.data):
            raise PolicyRefused(f"room {room!r} has no contract {digest}")
        return Contract.parse(found.data, "contract")


def contract_of(envelope: bytes) -> Digest:
    """Read which contract an approval claims to be about, before anything is verified."""
    signed = Signed.parse(envelope, "approval")
    if signed.payload_type != PAYLOAD_TYPE:
        raise PolicyRefused("approval: not a statement")
    return Approval.parse(signed.payload, "approval").contract
