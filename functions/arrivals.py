"""Which version of a dataset a run would take, from what lies where its owner drops files.

- A file is taken for a version only if its owner signed it, for this contract's key and columns.
- The newest version wins, or the only one that the contract allows; the order in which files are
  seen does not matter.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from cleanroom import fitting
from cleanroom.contract import Contract, Dataset, Versions
from cleanroom.dsse import LARGEST_ENVELOPE
from cleanroom.errors import CleanroomError, Tampered
from cleanroom.fields import Fields, instant, instant_text, integer, text
from cleanroom.ids import Digest
from cleanroom.keys import ReaderKey, SigningKey
from cleanroom.seal import document
from cleanroom.seal.layout import FOOTER_BYTES, Span, check_size, envelope_span
from cleanroom.seal.manifest import DatasetOrigin, Manifest
from functions.refusals import Reason

TAIL = 1 << 16
"""Bytes at a file's end that nearly always hold the whole manifest."""
_name = text(1024)


class Wait(StrEnum):
    """Why a dataset is not there yet."""

    MISSING = "missing"
    TOO_OLD = "below_minimum"
    STALE = "too_long_ago"
    COUNTING = "being_listed"


@dataclass(frozen=True, slots=True)
class Version:
    """A sealed file that holds a version of a dataset."""

    manifest: Digest
    number: int
    created: datetime
    blob: str
    etag: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "Version":
        """Accept what `to_dict` wrote."""
        f = Fields(raw, where)
        version = cls(
            f.take("manifest", Digest.parse),
            f.take("number", integer(1)),
            f.take("created", instant),
            f.take("blob", _name),
            f.take("etag", text(256)),
        )
        f.end()
        return version

    def to_dict(self) -> Mapping[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "manifest": self.manifest.text,
            "number": self.number,
            "created": instant_text(self.created),
            "blob": self.blob,
            "etag": self.etag,
        }


@dataclass(frozen=True, slots=True)
class Expected:
    """What a contract expects of the files in one location."""

    dataset: Dataset
    owner: SigningKey
    room_key: ReaderKey

    @classmethod
    def of(cls, contract: Contract, dataset: Dataset) -> "Expected":
        """Say it of one dataset of a contract."""
        owner = next(party for party in contract.parties if party.name == dataset.owner)
        if owner.room_key is None:
            raise RuntimeError("a contract with an owner without a room key does not parse")
        return cls(dataset, owner.signing_key, owner.room_key.public)


def envelope_in(tail: bytes, size: int) -> Span | None:
    """Find the manifest's envelope from a file's end; none in what is no sealed file."""
    try:
        return envelope_span(tail[-FOOTER_BYTES:], size, "file", LARGEST_ENVELOPE)
    except CleanroomError:
        return None


def version(
    envelope: bytes, span: Span, blob: str, etag: str, expected: Expected
) -> Version | Reason:
    """Accept a file as a version of the dataset that is expected."""
    try:
        manifest = document.verified(envelope, expected.owner, "file")
    except Tampered:
        return Reason.SIGNATURE
    except CleanroomError:
        return Reason.MALFORMED
    try:
        check_size(manifest.layout, span, "file")
    except CleanroomError:
        return Reason.MALFORMED
    return _fits(manifest, expected) or _version(manifest, blob, etag)


def _fits(manifest: Manifest, expected: Expected) -> Reason | None:
    origin, dataset = manifest.origin, expected.dataset
    if not isinstance(origin, DatasetOrigin) or (origin.party, origin.dataset) != (
        dataset.owner,
        dataset.dataset,
    ):
        return Reason.DATASET
    if not fitting.fits(manifest.content, dataset.columns):
        return Reason.COLUMNS
    if all(reader.reader != expected.room_key.id for reader in manifest.readers):
        return Reason.READER
    return None


def _version(manifest: Manifest, blob: str, etag: str) -> Version:
    assert isinstance(manifest.origin, DatasetOrigin)  # noqa: S101  # _fits said so
    return Version(manifest.digest, manifest.origin.version, manifest.created, blob, etag)


def better(head: Version | None, found: Version, rule: Versions) -> bool:
    """Say whether a version takes the head's place."""
    if rule.only is not None and found.manifest != rule.only:
        return False
    return head is None or _rank(found) > _rank(head)


def waits(head: Version | None, rule: Versions, now: datetime) -> Wait | None:
    """Say why the newest version there is cannot be used, if so."""
    if head is None:
        return Wait.MISSING
    if head.number < rule.minimum:
        return Wait.TOO_OLD
    if rule.maximum_age and now - head.created > timedelta(seconds=rule.maximum_age):
        return Wait.STALE
    return None


def _rank(found: Version) -> tuple[int, datetime, str]:
    """Order versions; two files of one number are a mistake, and still have one order."""
    return found.number, found.created, found.manifest.text
