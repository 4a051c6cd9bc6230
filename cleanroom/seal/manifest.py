"""The manifest of a sealed file (docs/spec/sealed-file.md §4): what it is, whose, and for whom.

Signed by the owner; its digest is the name of this version of the dataset.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cleanroom import dsse
from cleanroom.canonical import canonical, parse_canonical
from cleanroom.errors import Malformed, PolicyRefused
from cleanroom.fields import (
    Fields,
    base64_bytes,
    base64_text,
    exactly,
    instant,
    instant_text,
    integer,
    list_of,
    matching,
    one_of,
    optional,
    unique,
)
from cleanroom.ids import Digest, name
from cleanroom.keys import RSA_BITS
from cleanroom.rules import Rule, check_columns, rule
from cleanroom.seal.content import Bytes, Content, content
from cleanroom.seal.layout import MOST_REGIONS, Layout, region_size
from cleanroom.seal.regions import FILE_ID_BYTES
from cleanroom.urls import vault_secret_url

FORMAT = "cleanroom/sealed/v1"
PAYLOAD_TYPE = "application/vnd.cleanroom.sealed.v1+json"
CIPHER = "AES-256-GCM"
WRAPPING = "RSA-OAEP-256"
MOST_READERS = 64
_WRAPPED_BYTES = tuple(bits // 8 for bits in RSA_BITS)

media_type = matching(
    r"[a-z0-9][a-z0-9!#$&^_.+-]{0,62}/[a-z0-9][a-z0-9!#$&^_.+-]{0,62}",
    "a media type such as text/csv",
)
_table_digest = matching(r"blake3:[0-9a-f]{64}", "'blake3:' and 64 lower-case hexadecimal digits")


@dataclass(frozen=True, slots=True)
class DatasetOrigin:
    """A version of a party's dataset."""

    party: str
    dataset: str
    version: int
    kind: Literal["dataset"] = "dataset"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_origin` reads it."""
        return {
            "kind": self.kind,
            "party": self.party,
            "dataset": self.dataset,
            "version": self.version,
        }


@dataclass(frozen=True, slots=True)
class ResultOrigin:
    """An output of a job."""

    job: Digest
    output: str
    kind: Literal["result"] = "result"

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_origin` reads it."""
        return {"kind": self.kind, "job": self.job.text, "output": self.output}


type Origin = DatasetOrigin | ResultOrigin


@dataclass(frozen=True, slots=True)
class InlineKey:
    """The data key, wrapped for one reader, inside the manifest."""

    reader: Digest
    wrapped: bytes

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_reader` reads it."""
        return {
            "reader": self.reader.text,
            "algorithm": WRAPPING,
            "wrapped": base64_text(self.wrapped),
        }


@dataclass(frozen=True, slots=True)
class VaultKey:
    """The data key, wrapped for one reader, in a secret of the owner's vault."""

    reader: Digest
    secret: str

    def to_dict(self) -> dict[str, object]:
        """Spell it as `_reader` reads it."""
        return {"reader": self.reader.text, "algorithm": WRAPPING, "secret": self.secret}


type WrappedKey = InlineKey | VaultKey


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything about a sealed file but its content."""

    origin: Origin
    created: datetime
    media_type: str
    content: Content
    rule: Rule | None
    layout: Layout
    file_id: bytes
    table_digest: bytes
    readers: tuple[WrappedKey, ...]

    @classmethod
    def parse(cls, payload: bytes, where: str) -> "Manifest":
        """Accept the canonical manifest, consistent in itself."""
        f = Fields(parse_canonical(payload, where, dsse.LARGEST_PAYLOAD), where)
        f.take("format", exactly(FORMAT))
        f.take("cipher", exactly(CIPHER))
        manifest = cls(
            f.take("origin", _origin),
            f.take("created", instant),
            f.take("media_type", media_type),
            f.take("content", content),
            f.take("rule", optional(rule)),
            f.take("layout", _layout),
            f.take("file_id", _file_id),
            bytes.fromhex(f.take("regions", _table_digest).removeprefix("blake3:")),
            f.take("readers", list_of(_reader, 1, MOST_READERS)),
        )
        f.end()
        unique([reader.reader.text for reader in manifest.readers], f"{where}.readers")
        manifest._check_rule(where)
        return manifest

    def _check_rule(self, where: str) -> None:
        if self.rule is None:
            return
        if isinstance(self.content, Bytes):
            raise Malformed(f"{where}.rule", "null, because plain bytes have no columns")
        known = frozenset(column.name for column in self.content.columns)
        check_columns(self.rule, known, f"{where}.rule")

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        return canonical(
            {
                "format": FORMAT,
                "cipher": CIPHER,
                "origin": self.origin.to_dict(),
                "created": instant_text(self.created),
                "media_type": self.media_type,
                "content": self.content.to_dict(),
                "rule": self.rule.to_dict() if self.rule else None,
                "layout": {
                    "plaintext_size": self.layout.plaintext_size,
                    "region_size": self.layout.region_size,
                    "region_count": self.layout.regions,
                },
                "file_id": base64_text(self.file_id),
                "regions": "blake3:" + self.table_digest.hex(),
                "readers": [reader.to_dict() for reader in self.readers],
            },
            "manifest",
        )

    @property
    def digest(self) -> Digest:
        """The name of this version."""
        return Digest.of(self.to_bytes())

    def wrapped_for(self, reader: Digest) -> WrappedKey:
        """Find the wrapped key of one reader."""
        for wrapped in self.readers:
            if wrapped.reader == reader:
                return wrapped
        raise PolicyRefused(
            f"the file is not sealed for the key {reader}, only for "
            + ", ".join(wrapped.reader.text for wrapped in self.readers)
        ).with_hint("ask the owner to seal it for your reader key")


def _origin(raw: object, where: str) -> Origin:
    f = Fields(raw, where)
    origin: Origin
    if f.take("kind", one_of("dataset", "result")) == "dataset":
        origin = DatasetOrigin(
            f.take("party", name), f.take("dataset", name), f.take("version", integer(1))
        )
    else:
        origin = ResultOrigin(f.take("job", Digest.parse), f.take("output", name))
    f.end()
    return origin


def _layout(raw: object, where: str) -> Layout:
    f = Fields(raw, where)
    layout = Layout(f.take("plaintext_size", integer(0)), f.take("region_size", region_size))
    count = f.take("region_count", integer(0, MOST_REGIONS))
    f.end()
    if count != layout.regions:  # so the plaintext size is bounded too
        raise Malformed(f"{where}.region_count", str(layout.regions), str(count))
    return layout


def _file_id(raw: object, where: str) -> bytes:
    found = base64_bytes(FILE_ID_BYTES)(raw, where)
    if len(found) != FILE_ID_BYTES:
        raise Malformed(where, f"{FILE_ID_BYTES} bytes", str(len(found)))
    return found


def _reader(raw: object, where: str) -> WrappedKey:
    f = Fields(raw, where)
    reader = f.take("reader", Digest.parse)
    f.take("algorithm", exactly(WRAPPING))
    found: WrappedKey
    if isinstance(raw, dict) and "secret" in raw:
        found = VaultKey(reader, f.take("secret", vault_secret_url))
    else:
        found = InlineKey(reader, f.take("wrapped", wrapped_key))
    f.end()
    return found


def wrapped_key(raw: object, where: str) -> bytes:
    """Accept the base64 of a data key wrapped by RSA-OAEP."""
    found = base64_bytes(max(_WRAPPED_BYTES))(raw, where)
    if len(found) not in _WRAPPED_BYTES:
        raise Malformed(where, "256, 384 or 512 bytes", str(len(found)))
    return found
