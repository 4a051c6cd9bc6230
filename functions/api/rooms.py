"""Rooms, contracts, and the words of parties."""

import asyncio
from http import HTTPStatus

from cleanroom.approval import Approval
from cleanroom.contract import LARGEST, Contract
from cleanroom.dsse import Signed
from cleanroom.ids import Digest
from functions import clock, names
from functions.api import operations, paging, problems, views
from functions.api.auth import Caller
from functions.api.door import Answer, Asked, saying, serves
from functions.api.means import Means
from functions.api.problems import Problem
from functions.reconciling import Wish
from functions.state import LARGEST as LARGEST_STATE
from functions.state import State

_NOT_NAMED = Problem("forbidden", "the contract names no party that you act for")
_NOT_YOURS = Problem("forbidden", "only the party itself hands in its word")


@serves(operations.LIST_ROOMS)
async def list_rooms(asked: Asked) -> Answer | Problem:
    """Name rooms, in the order of their names."""
    parts, page = asked.means.parts, asked.page
    if asked.caller.operator:
        folders = await parts.rooms.folder_page("", page.after, page.limit)
        found = [room for room in folders.names if names.room_in(f"{room}/")]
        return _rooms(found, folders.next)
    if asked.caller.party is None:
        return _rooms([], None)
    prefix = names.rooms_of(asked.caller.party)
    listed = await parts.control.page(prefix, page.after, page.limit)
    return _rooms([blob.name.removeprefix(prefix) for blob in listed.blobs], listed.next)


def _rooms(found: list[str], marker: str | None) -> Answer:
    return saying({"rooms": found, "next": paging.token(marker)})


@serves(operations.GET_ROOM)
async def get_room(asked: Asked) -> Answer | Problem:
    """Tell of a room."""
    found = await asked.means.parts.reconciler.read(asked.room)
    digests = [one.digest for one in found.agreements]
    states = await asyncio.gather(*(_state(asked, digest) for digest in digests))
    known = {digest: state for digest, state in zip(digests, states, strict=True) if state}
    return saying(views.room(found, known, clock.now()))


async def _state(asked: Asked, digest: Digest) -> State | None:
    name = names.state(asked.room, digest)
    found = await asked.means.parts.control.read(name, LARGEST_STATE)
    return State.parse(found.data, name) if found else None


@serves(operations.PROPOSE_CONTRACT)
async def propose_contract(asked: Asked) -> Answer | Problem:
    """Take a contract into the room.

    1. A room that is not the caller's is not there; one that nobody has, anybody may begin.
    2. The contract could be of the room, and names the caller.
    3. Of two who begin the same room, one does.
    """
    made, room = asked.means, asked.room
    is_theirs = await made.members.sees(asked.caller, room)
    if not is_theirs and await made.members.exists(room):
        return problems.NOT_FOUND  # 1
    contract = await made.parts.desk.checked(room, asked.body)
    if not _names(contract, asked.caller):
        return _NOT_NAMED  # 2
    if not is_theirs and not await made.members.claim(room, contract.digest):
        return problems.NOT_FOUND  # 3
    taken = await made.parts.desk.propose(room, asked.body)
    await made.parts.reconciler.reconcile(room, Wish(trace=asked.trace))
    place = f"{operations.PREFIX}/rooms/{room}/contracts/{contract.digest.hex}"
    said = {"contract": contract.digest.text, "new": taken.new}
    status = HTTPStatus.CREATED if taken.new else HTTPStatus.OK
    return saying(said, status, {"Location": place})


def _names(contract: Contract, caller: Caller) -> bool:
    return any(caller.acts_for(party.name) for party in contract.parties)


@serves(operations.GET_CONTRACT)
async def get_contract(asked: Asked) -> Answer | Problem:
    """Return a contract as it was proposed."""
    data = await _contract(asked.means, asked.room, asked.digests["contract"])
    return Answer(data) if data else problems.NOT_FOUND


@serves(operations.DELIVER_APPROVAL)
async def deliver_approval(asked: Asked) -> Answer | Problem:
    """Take a party's word on a contract, from that party."""
    made, room, digest = asked.means, asked.room, asked.digests["contract"]
    if await _contract(made, room, digest) is None:
        return problems.NOT_FOUND
    party = asked.names["party"]
    if not asked.caller.acts_for(party) or _speaker(asked.body) != party:
        return _NOT_YOURS
    taken = await made.parts.desk.deliver(room, digest, asked.body)
    await made.parts.reconciler.reconcile(room, Wish(trace=asked.trace))
    status = HTTPStatus.CREATED if taken.new else HTTPStatus.OK
    return saying(views.word(taken.document), status)


def _speaker(envelope: bytes) -> str:
    """Read whose word it claims to be; that it is, is verified when it is delivered."""
    return Approval.parse(Signed.parse(envelope, "body").payload, "body.payload").party


async def _contract(made: Means, room: str, digest: Digest) -> bytes | None:
    found = await made.parts.rooms.read(names.contract(room, digest), LARGEST)
    return found.data if found and digest.matches(found.data) else None
