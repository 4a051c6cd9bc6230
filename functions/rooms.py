"""Read what lies in a room: its contracts, and every party's word on each.

A document is read once for each version of it, and only if its name and size allow; whatever else
lies there costs a line of a listing. So a room full of rubbish costs little, and only itself.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

from cleanroom.approval import Approval
from cleanroom.contract import LARGEST as LARGEST_CONTRACT
from cleanroom.contract import Contract
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.ids import Digest
from functions import names, papers
from functions.papers import Agreement
from functions.refusals import Reason, Refusal
from functions.remembering import Memory
from functions.storing import Container, Listed

MOST = 1000  # names that are looked at in a folder of a room
_MEMORY = 4096


@dataclass(frozen=True, slots=True)
class Room:
    """What was found."""

    name: str
    agreements: tuple[Agreement, ...]
    refusals: tuple[Refusal, ...]


class Reader:
    """Reads rooms, and remembers documents by their versions."""

    def __init__(self, rooms: Container) -> None:
        self._rooms = rooms
        self._contracts: Memory[Contract | Reason] = Memory(_MEMORY)
        self._words: Memory[Approval | Reason] = Memory(_MEMORY)

    async def read(self, room: str) -> Room:
        """Read a room.

        1. List contracts and approvals.
        2. Read the contracts that are new; each must be what its name says.
        3. Keep those whose history is whole.
        4. Read the approvals of those that are new.
        """
        listed, words = await asyncio.gather(  # 1
            self._names(names.contracts(room)), self._names(names.approvals(room))
        )
        contracts, bad = await self._all_contracts(room, listed)  # 2
        places = {
            digest: (self._document(file.name), file.etag)
            for file in listed
            if (digest := names.contract_in(file.name)) and digest in contracts
        }
        good, broken = papers.chained(contracts, places)  # 3
        said, unsaid = await self._all_words(contracts, words)  # 4
        return Room(
            room,
            tuple(Agreement(contracts[one], one, tuple(said.get(one, ()))) for one in good),
            (*bad, *broken, *unsaid),
        )

    async def _names(self, prefix: str) -> list[Listed]:
        found: list[Listed] = []
        async for file in self._rooms.listing(prefix):
            found.append(file)
            if len(found) >= MOST:
                break
        return found

    async def _all_contracts(
        self, room: str, listed: list[Listed]
    ) -> tuple[Mapping[Digest, Contract], list[Refusal]]:
        found = await asyncio.gather(*(self._contract(room, file) for file in listed))
        good: dict[Digest, Contract] = {}
        bad: list[Refusal] = []
        for file, one in zip(listed, found, strict=True):
            digest = names.contract_in(file.name)
            if isinstance(one, Contract) and digest:
                good[digest] = one
            elif isinstance(one, Reason):
                bad.append(self._refusal(file, one))
        return good, bad

    async def _contract(self, room: str, file: Listed) -> Contract | Reason | None:
        digest = names.contract_in(file.name)
        if digest is None:
            return Reason.NAME
        if file.size > LARGEST_CONTRACT:
            return Reason.SIZE
        known = self._contracts.get((file.name, file.etag))
        if known is None:
            data = await self._rooms.part(file.name, file.etag, 0, file.size) if file.size else b""
            if data is None:  # changed since it was listed: another event will say so
                return None
            found = papers.contract(data, digest, room)
            known = self._contracts.put((file.name, file.etag), found)
        return known

    async def _all_words(
        self, contracts: Mapping[Digest, Contract], listed: list[Listed]
    ) -> tuple[Mapping[Digest, list[Approval]], list[Refusal]]:
        found = await asyncio.gather(*(self._word(contracts, file) for file in listed))
        good: dict[Digest, list[Approval]] = {}
        bad: list[Refusal] = []
        for file, one in zip(listed, found, strict=True):
            if isinstance(one, Approval):
                good.setdefault(one.contract, []).append(one)
            elif isinstance(one, Reason):
                bad.append(self._refusal(file, one))
        return good, bad

    async def _word(
        self, contracts: Mapping[Digest, Contract], file: Listed
    ) -> Approval | Reason | None:
        name = names.approval_in(file.name)
        if name is None:
            return Reason.NAME
        if file.size > LARGEST_ENVELOPE:
            return Reason.SIZE
        agreed = contracts.get(name.contract)
        if agreed is None:  # its contract may still come
            return None
        known = self._words.get((file.name, file.etag))
        if known is None:
            data = await self._rooms.part(file.name, file.etag, 0, file.size) if file.size else b""
            if data is None:
                return None
            known = self._words.put((file.name, file.etag), papers.approval(data, name, agreed))
        return known

    def _refusal(self, file: Listed, reason: Reason) -> Refusal:
        return Refusal(self._document(file.name), file.etag, reason)

    def _document(self, name: str) -> str:
        return f"{self._rooms.name}/{quote(name)}"
