"""Inputs: sealed files in a storage that may lie, found by digest and verified before any key.

1. The file's tail has the manifest that the job names, signed by the dataset's owner.
2. The sizes it says are the real ones, its table of regions is the one it signed.
3. It is the dataset of the contract, in a version that may be used: none older, none too old.
4. It has exactly the contract's columns, and lets every reader of the result have it.
5. It is sealed for the owner's room key.

The regions themselves are verified when they are read, each against the table.
"""

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from cleanroom import dsse, fitting
from cleanroom.contract import Contract, Dataset, Party
from cleanroom.errors import Malformed, PolicyRefused
from cleanroom.ids import Digest
from cleanroom.job import Input
from cleanroom.keys import SigningKey
from cleanroom.seal import document
from cleanroom.seal.layout import Span, check_size, envelope_span
from cleanroom.seal.manifest import Manifest, WrappedKey
from cleanroom.seal.regions import RegionTable
from runner.room.places import Place
from runner.room.storage import Account, Accounts, Listed

_TAIL = 1 << 16  # what is read first: footer, most manifests and tables, small files whole
_MOST_LISTED = 5000
_MOST_LOOKED_AT = 256  # tails that are read to find one version
_MOST_REMEMBERED = 50_000
_MOST_TAILS = 64  # 4 MiB of them
_BELIEVED = 1.0  # seconds in which a file that was there is taken to be there


@dataclass(frozen=True, slots=True)
class SealedBlob:
    """A sealed file as it was when its manifest was verified: a changed blob is not read on."""

    account: Account
    container: str
    listed: Listed

    def part(self, span: Span) -> bytes:
        """Read a part of it."""
        return self.account.part(self.container, self.listed, span)

    def fill(self, offset: int, into: Sequence[memoryview]) -> Iterator[int]:
        """Read on from an offset into one piece of memory after the other."""
        return self.account.fill(self.container, self.listed, offset, into)

    def stands(self) -> bool:
        """Tell whether it is there, and unchanged."""
        return self.account.stands(self.container, self.listed)


@dataclass(frozen=True, slots=True)
class VerifiedInput:
    """An input of which everything is verified but the regions, which are when they are read."""

    dataset: Dataset
    owner: Party
    manifest: Manifest
    table: RegionTable
    wrapped: WrappedKey
    tail: "_Tail"

    @property
    def at_hand(self) -> bytes | None:
        """All stored regions, if they came with the file's end."""
        body = Span(0, self.manifest.layout.body_size)
        return self.tail.read(body) if self.tail.offset == 0 else None

    def region(self, index: int) -> bytes:
        """Read a stored region; whoever decrypts it compares it with the table."""
        return self.tail.read(self.manifest.layout.stored(index))

    def fill(self, first: int, into: Sequence[memoryview]) -> Iterator[int]:
        """Read regions on from one, each into its own memory; yield how long each is."""
        spans = [self.manifest.layout.stored(first + number) for number in range(len(into))]
        views = [view[: span.length] for view, span in zip(into, spans, strict=True)]
        return self.tail.fill(spans[0].offset, views)


class Datasets:
    """Finds inputs, and remembers which blob has which manifest: a long past costs nothing."""

    def __init__(self, accounts: Accounts, believed: float = _BELIEVED) -> None:
        self.accounts = accounts
        self._believed = believed
        self._known: dict[tuple[str, str], Digest] = {}
        self._tails: dict[tuple[Place, Digest], tuple[_Tail, float]] = {}

    def verified(self, agreed: Contract, item: Input, now: datetime) -> VerifiedInput:
        """Find an input of the contract, and verify it."""
        dataset = next(each for each in agreed.datasets if each.alias == item.alias)
        owner = next(party for party in agreed.parties if party.name == dataset.owner)
        where = f"dataset {dataset.alias}"
        tail = self._found(dataset, item.manifest)
        manifest = _verified(tail.envelope(where), owner.signing_key, where)  # 1
        check_size(manifest.layout, tail.envelope_span(where), where)  # 2
        table = document.region_table(manifest, tail.read(manifest.layout.table))
        fitting.check(manifest, agreed, dataset, now, where)  # 3, 4
        if owner.room_key is None:  # no contract that parses has such a dataset
            raise PolicyRefused(f"{where}: its owner has no room key")
        wrapped = manifest.wrapped_for(owner.room_key.public.id)  # 5
        return VerifiedInput(dataset, owner, manifest, table, wrapped, tail)

    def _found(self, dataset: Dataset, wanted: Digest) -> "_Tail":
        place = Place.parse(dataset.location)
        account = self.accounts.at(place.account)
        if kept := self._standing((place, wanted)):
            return kept
        asked = time.monotonic()
        listed = account.listed(place.container, place.folder, _MOST_LISTED)
        looked_at = 0
        for each in _likely_first(listed, wanted):
            key = f"{place.account}/{place.container}/{each.name}", each.etag
            if self._known.get(key) not in (None, wanted):
                continue
            if (looked_at := looked_at + 1) > _MOST_LOOKED_AT:
                break
            tail = _Tail.of(SealedBlob(account, place.container, each))
            self._remember(key, digest := tail.digest(dataset.alias))
            if digest == wanted:
                self._keep((place, wanted), tail, asked)
                return tail
        raise PolicyRefused(f"dataset {dataset.alias}: its version {wanted} is not there")

    def _standing(self, key: tuple[Place, Digest]) -> "_Tail | None":
        """Give the end of a file that was kept, if the file stands: a question, and no listing."""
        tail, seen = self._tails.get(key, (None, 0.0))
        if tail is None or time.monotonic() < seen + self._believed:
            return tail
        asked = time.monotonic()
        if not tail.blob.stands():
            return None
        self._tails[key] = tail, asked
        return tail

    def _keep(self, key: tuple[Place, Digest], tail: "_Tail", seen: float) -> None:
        """Keep the end of a file that was asked for; every job holds it to its own contract."""
        if len(self._tails) >= _MOST_TAILS:
            self._tails.clear()
        self._tails[key] = tail, seen

    def _remember(self, key: tuple[str, str], digest: Digest) -> None:
        if len(self._known) >= _MOST_REMEMBERED:
            self._known.clear()
        self._known[key] = digest


@dataclass(frozen=True, slots=True)
class _Tail:
    """The last bytes of a blob, read once."""

    blob: SealedBlob
    offset: int
    data: bytes

    @classmethod
    def of(cls, blob: SealedBlob) -> "_Tail":
        size = max(0, blob.listed.size)
        span = Span(max(0, size - _TAIL), min(size, _TAIL))
        return cls(blob, span.offset, blob.part(span) if span.length else b"")

    def read(self, span: Span) -> bytes:
        """Give a part of the file, from what was read already if it is there."""
        if span.length == 0:
            return b""
        if span.offset < self.offset:
            return self.blob.part(span)
        return self.data[span.offset - self.offset : span.end - self.offset]

    def fill(self, offset: int, into: Sequence[memoryview]) -> Iterator[int]:
        """Read on from an offset, out of what was read already if it is there."""
        if offset < self.offset:
            yield from self.blob.fill(offset, into)
            return
        for view in into:
            view[:] = self.read(Span(offset, len(view)))
            offset += len(view)
            yield len(view)

    def envelope_span(self, where: str) -> Span:
        """Say where the envelope stands."""
        return envelope_span(self.data, self.blob.listed.size, where, dsse.LARGEST_ENVELOPE)

    def envelope(self, where: str) -> bytes:
        """Give the manifest's envelope."""
        return self.read(self.envelope_span(where))

    def digest(self, where: str) -> Digest:
        """Name the version that the file claims to be, or none if it is no sealed file."""
        try:
            return Digest.of(dsse.Signed.parse(self.envelope(where), where).payload)
        except Malformed:
            return _NONE


_NONE = Digest.of(b"")


@lru_cache(maxsize=_MOST_TAILS)
def _verified(envelope: bytes, owner: SigningKey, where: str) -> Manifest:
    """Verify the very same bytes by the very same key once."""
    return document.verified(envelope, owner, where)


def _likely_first(listed: Iterable[Listed], wanted: Digest) -> list[Listed]:
    """Order what may be the file: what has its name first, then what is newest."""
    sealed = [each for each in listed if each.name.endswith(".sealed")]
    return sorted(
        sealed, key=lambda each: (wanted.hex in each.name, each.modified, each.name), reverse=True
    )
