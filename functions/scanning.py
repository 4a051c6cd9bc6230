"""Look at what owners dropped: single files that events name, and whole locations.

- A location is listed whole once, and again by the sweep; then only files that are new since are
  looked at. A file is looked at by its end only, whatever its size.
- At most so many files in one go: what is left is taken up where it was left, and until all have
  been seen the dataset waits, so that the order of events decides nothing.
- A party's own account that does not answer keeps the dataset waiting, and nothing else.
"""

import asyncio
import hashlib
import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from cleanroom.contract import Contract
from cleanroom.errors import Malformed, Unavailable
from cleanroom.fields import text
from cleanroom.ids import Digest
from cleanroom.seal.layout import Span
from functions.accounts import Accounts
from functions.arrivals import TAIL, Expected, Version, better, envelope_in, version
from functions.names import SEALED, Blob, Location
from functions.refusals import Reason, Refusal
from functions.remembering import Memory
from functions.state import Watch
from functions.storing import Container, Listed

MOST = 500  # files in one go
_AT_ONCE = 8
_LATE = timedelta(minutes=10)
"""How much later than others a file may show in a listing, or clocks may differ."""
_LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)
_MEMORY = 20_000
_printable = text(1024)


@dataclass(frozen=True, slots=True)
class Place:
    """Where one dataset of a contract is expected, and what to expect of a file there."""

    location: Location
    container: Container
    expected: Expected

    def covers(self, other: Location, name: str) -> bool:
        """Say whether a file of another location lies in this one, too."""
        mine = self.location
        return (mine.account, mine.container) == (other.account, other.container) and (
            name.startswith(mine.folder)
        )


type Places = Mapping[str, Place]


def places(contract: Contract, accounts: Accounts) -> Places:
    """Say where each dataset of a contract is expected."""
    found: dict[str, Place] = {}
    for dataset in contract.datasets:
        location, container = accounts.at(dataset.location, contract.room)
        found[dataset.alias] = Place(location, container, Expected.of(contract, dataset))
    return found


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a file is: a version of some datasets of the contract, or refused."""

    versions: Mapping[str, Version]
    refusal: Refusal | None
    read: frozenset[tuple[str, str]] = frozenset()  # nothing, if it was remembered


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known after a look, what was refused, and which files were read just now."""

    watches: Mapping[str, Watch]
    refusals: tuple[Refusal, ...]
    read: frozenset[tuple[str, str]] = frozenset()  # name and version


class Scanner:
    """Reads the ends of files, and remembers what they were."""

    def __init__(self) -> None:
        self._memory: Memory[Verdict] = Memory(_MEMORY)
        self._turns = asyncio.Semaphore(_AT_ONCE)

    async def seen(
        self,
        contract: Digest,
        watches: Mapping[str, Watch],
        places: Places,
        now: datetime,
        files: Sequence[tuple[Blob, Listed]] = (),
        *,
        thorough: bool = False,
    ) -> Seen:
        """See which versions of a contract's datasets are there."""
        seen = await self.arrived(contract, watches, places, files)
        for alias in places:
            if thorough or not seen.watches[alias].listed:
                found = await self.listed(contract, seen.watches, places, alias, now)
                refusals, read = seen.refusals + found.refusals, seen.read | found.read
                seen = Seen(found.watches, refusals, read)
        return seen

    async def arrived(
        self,
        contract: Digest,
        watches: Mapping[str, Watch],
        places: Places,
        files: Sequence[tuple[Blob, Listed]],
    ) -> Seen:
        """Take single files into account, wherever they lie."""
        seen = Seen(watches, ())
        for alias, place in places.items():
            here = [
                file
                for blob, file in files
                if (blob.account, blob.container)
                == (place.location.account, place.location.container)
                and blob.name.startswith(place.location.folder)
            ]
            verdicts = await self._look_at(contract, alias, places, here)
            seen = _taken(seen, places, verdicts)
        return seen

    async def listed(
        self,
        contract: Digest,
        watches: Mapping[str, Watch],
        places: Places,
        alias: str,
        now: datetime,
    ) -> Seen:
        """List one dataset's location, and take into account what is new in it."""
        before, place = watches[alias], places[alias]
        since = before.since - _LATE if before.since else _LONG_AGO
        after = before.cursor or (_LONG_AGO, "")
        try:
            files = await _oldest(place, since, after)
        except Unavailable:
            if place.container.ours:
                raise
            return Seen(watches, ())
        verdicts = await self._look_at(contract, alias, places, files[:MOST])
        seen = _taken(Seen(watches, ()), places, verdicts)
        watch = seen.watches[alias]
        if len(files) > MOST:
            watch = replace(watch, cursor=_order(files[MOST - 1]))
        else:
            watch = replace(watch, since=now, cursor=None)
        return replace(seen, watches={**seen.watches, alias: watch})

    async def _look_at(
        self, contract: Digest, alias: str, places: Places, files: Sequence[Listed]
    ) -> list[Verdict]:
        return await asyncio.gather(
            *(self._look(contract, places[alias], places, file) for file in files)
        )

    async def _look(self, contract: Digest, place: Place, places: Places, file: Listed) -> Verdict:
        key = (contract, place.location, file.name, file.etag, file.size)
        known = self._memory.get(key)
        if known is not None:
            return known
        there = {
            alias: other.expected
            for alias, other in places.items()
            if other.covers(place.location, file.name)
        }
        try:
            async with self._turns:
                verdict = await _read(place, file, there)
        except Unavailable:
            if place.container.ours:
                raise
            return Verdict({}, None)
        if verdict is None:
            return Verdict({}, None)
        self._memory.put(key, verdict)
        return replace(verdict, read=frozenset([(file.name, file.etag)]))


async def _oldest(place: Place, since: datetime, after: tuple[datetime, str]) -> list[Listed]:
    """Return the files that were not looked at yet, the oldest first, and one more than enough."""
    found: list[Listed] = []
    async for file in place.container.listing(place.location.folder):
        if file.modified >= since and _order(file) > after:
            found.append(file)
        if len(found) > 4 * MOST:
            found = heapq.nsmallest(MOST + 1, found, key=_order)
    return heapq.nsmallest(MOST + 1, found, key=_order)


def _order(file: Listed) -> tuple[datetime, str]:
    """Order files by age; a name is anything that somebody made up, so it is not remembered."""
    return file.modified, hashlib.sha256(file.name.encode("utf-8", "surrogatepass")).hexdigest()


async def _read(place: Place, file: Listed, there: Mapping[str, Expected]) -> Verdict | None:
    """Judge a file by its end; none if another has taken its place since."""
    document = f"{place.location.container}/{quote(file.name)}"
    reason = _misnamed(file.name)
    if reason is not None:
        return Verdict({}, Refusal(document, file.etag, reason))
    start = max(0, file.size - TAIL)
    tail = await place.container.part(file.name, file.etag, start, TAIL) if file.size else b""
    span = envelope_in(tail, file.size) if tail is not None else None
    if tail is not None and span is None:
        return Verdict({}, Refusal(document, file.etag, Reason.NOT_SEALED))
    if tail is None or span is None:
        return None
    envelope: bytes | None = tail[span.offset - start :][: span.length]
    if span.offset < start:
        envelope = await place.container.part(file.name, file.etag, span.offset, span.length)
    return _judged(envelope, span, file, there, document) if envelope is not None else None


def _misnamed(name: str) -> Reason | None:
    """Refuse by its name what cannot be a sealed file."""
    try:
        _printable(name, "name")
    except Malformed:
        return Reason.NAME
    return None if name.endswith(SEALED) else Reason.NOT_SEALED


def _judged(
    envelope: bytes, span: Span, file: Listed, there: Mapping[str, Expected], document: str
) -> Verdict:
    """Say which datasets a file is a version of, or why of none."""
    found = {
        alias: version(envelope, span, file.name, file.etag, expected)
        for alias, expected in there.items()
    }
    versions = {alias: one for alias, one in found.items() if isinstance(one, Version)}
    reasons = [one for one in found.values() if isinstance(one, Reason)]
    if versions or not reasons:
        return Verdict(versions, None)
    # Of several datasets in one folder, a file is at most one: say what is wrong with it as that.
    telling = [reason for reason in reasons if reason is not Reason.DATASET] or reasons
    return Verdict({}, Refusal(document, file.etag, telling[0]))


def _taken(seen: Seen, places: Places, verdicts: Sequence[Verdict]) -> Seen:
    """Put the best of what was found at the head of each dataset."""
    watches = dict(seen.watches)
    for verdict in verdicts:
        for alias, found in verdict.versions.items():
            rule = places[alias].expected.dataset.versions
            if better(watches[alias].head, found, rule):
                watches[alias] = watches[alias].headed(found)
    refused = tuple(one.refusal for one in verdicts if one.refusal)
    read = seen.read.union(*(one.read for one in verdicts))
    return Seen(watches, seen.refusals + refused, read)
