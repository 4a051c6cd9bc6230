"""Read what lies in a room: its contracts, and every party's word on each.

A document is read once for each version of it, and only if its name and size allow; whatever else
lies there costs a line of a listing. So a room full of rubbish costs little, and only itself.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import accumulate
from urllib.parse import quote

from cleanroom.approval import Approval
from cleanroom.contract import LARGEST as LARGEST_CONTRACT
from cleanroom.contract import Contract
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.ids import Digest
from functions import names, papers
from functions.papers import Agreement
from functions.refusals import Reason, Refusal
from functions.remembering import Lately, Memory
from functions.storing import Container, Listed

MOST = 1000  # documents of a kind in a room, and as many that are none
MOST_BYTES = 32 << 20  # of all contracts of a room; the smallest are read first
_MOST_NAMES = 50_000  # that a listing may show
_MEMORY = 4096
_LIGHT = 1 << 13  # bytes that a document weighs at least in memory
_AT_ONCE = 8


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
        self._contracts: Memory[Contract | Reason] = Memory(MOST_BYTES)
        self._words: Memory[Approval | Reason] = Memory(_MEMORY)
        self._turns = asyncio.Semaphore(_AT_ONCE)
        self._rooms_read: Lately[Room] = Lately(_MEMORY)

    def lately(self, room: str) -> Room | None:
        """Recall a room that was read a moment ago."""
        return self._rooms_read.get(room)

    async def read(self, room: str) -> Room:
        """Read a room.

        1. List contracts and approvals.
        2. Read the contracts that are new; each must be what its name says.
        3. Keep those whose history is whole.
        4. Read the approvals of those that are new.

        What is no document crowds out none: so much of each is kept.
        """
        listed, words = await asyncio.gather(  # 1
            self._names(names.contracts(room), names.contract_in),
            self._names(names.approvals(room), names.approval_in),
        )
        contracts, bad = await self._all_contracts(room, listed)  # 2
        places = {
            digest: (self._document(file.name), file.etag)
            for file in listed
            if (digest := names.contract_in(file.name)) and digest in contracts
        }
        good, broken = papers.chained(contracts, places)  # 3
        said, unsaid = await self._all_words(contracts, words)  # 4
        found = Room(
            room,
            tuple(Agreement(contracts[one], one, tuple(said.get(one, ()))) for one in good),
            (*bad, *broken, *unsaid),
        )
        return self._rooms_read.put(room, found)

    async def _names(self, prefix: str, means: Callable[[str], object]) -> list[Listed]:
        good: list[Listed] = []
        bad: list[Listed] = []
        count = 0
        async for file in self._rooms.listing(prefix):
            kept = bad if means(file.name) is None else good
            if len(kept) < MOST:
                kept.append(file)
            count += 1
            if count >= _MOST_NAMES:
                break
        return good + bad

    async def _all_contracts(
        self, room: str, listed: list[Listed]
    ) -> tuple[Mapping[Digest, Contract], list[Refusal]]:
        listed = sorted(listed, key=lambda file: file.size)
        sizes = accumulate(file.size if names.contract_in(file.name) else 0 for file in listed)
        found = await asyncio.gather(
            *(
                self._contract(room, file, fits=size <= MOST_BYTES)
                for file, size in zip(listed, sizes, strict=True)
            )
        )
        good: dict[Digest, Contract] = {}
        bad: list[Refusal] = []
        for file, one in zip(listed, found, strict=True):
            digest = names.contract_in(file.name)
            if isinstance(one, Contract) and digest:
                good[digest] = one
            elif isinstance(one, Reason):
                bad.append(self._refusal(file, one))
        return good, bad

    async def _contract(self, room: str, file: Listed, *, fits: bool) -> Contract | Reason | None:
        digest = names.contract_in(file.name)
        if digest is None:
            return Reason.NAME
        if file.size > LARGEST_CONTRACT or not fits:
            return Reason.SIZE
        known = self._contracts.get((file.name, file.etag))
        if known is None:
            async with self._turns:
                data = await self._data(file)
                if data is None:  # changed since it was listed: another event will say so
                    return None
                found = papers.contract(data, digest, room)
            heavy = isinstance(found, Contract) and file.size > _LIGHT
            weight = file.size if heavy else _LIGHT
            known = self._contracts.put((file.name, file.etag), found, weight)
        return known

    async def _data(self, file: Listed) -> bytes | None:
        return await self._rooms.part(file.name, file.etag, 0, file.size) if file.size else b""

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
            async with self._turns:
                data = await self._data(file)
                if data is None:
                    return None
                said = papers.approval(data, name, agreed)
            known = self._words.put((file.name, file.etag), said)
        return known

    def _refusal(self, file: Listed, reason: Reason) -> Refusal:
        return Refusal(self._document(file.name), file.etag, reason)

    def _document(self, name: str) -> str:
        return f"{self._rooms.name}/{quote(name)}"
