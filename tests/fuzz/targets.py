"""What is fuzzed: here sealed files and documents, beside it hardware's evidence and releases."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from cleanroom import approval, dsse, receipt
from cleanroom.approval import Approval
from cleanroom.canonical import canonical, parse_canonical, parse_json
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import JobRequest, Outcome
from cleanroom.keys import DataKey
from cleanroom.receipt import Receipt
from cleanroom.seal import document, layout
from cleanroom.seal.content import Bytes
from cleanroom.seal.layout import DIGEST_BYTES, MOST_REGIONS, TAG_BYTES, Layout, Span
from cleanroom.seal.manifest import PAYLOAD_TYPE, DatasetOrigin, InlineKey, Manifest
from cleanroom.seal.regions import RegionCipher, RegionTable, region_digest
from party import explaining, opening, sealed_files
from party.opening import SealedFile
from tests.fuzz import certificate_targets, hardware_targets, release_targets
from tests.fuzz.accepting import Accepted, Accepting, Target
from tests.sealing import memory_file
from tests.vectors import keys
from tests.vectors.vector import Vector

VECTORS = Path(__file__).parents[1] / "vectors"
HEAD_BYTES = 18  # of the input of `regions`
HONEST_SIZE, HONEST_TABLE, HONEST_DIGEST, ENCRYPTED, MISPLACED = 1, 2, 4, 8, 16

_CONTRACT = Contract.parse(Vector.read(VECTORS / "contract" / "good.vector").data, "contract")
_WRAPPED = InlineKey(keys.reader_key("reader").id, bytes(256))
_KEY = DataKey(keys.stream("fuzz data key", 32))
_FILE_ID = keys.stream("fuzz file id", 16)
_OWNER = keys.signing_key("owner")
_SIGNER = keys.DeterministicSigner("owner")


def tail(data: bytes) -> Accepted:
    """Read bytes as a sealed file: footer, envelope, manifest, region table."""
    accepted = Accepting()
    with memory_file(data) as fd:
        found = accepted("envelope", lambda: opening.read_envelope(fd, "file"))
        if found is None:
            return accepted.names
        envelope, span = found
        assert data[span.offset : span.end] == envelope
        assert span.end + layout.FOOTER_BYTES == len(data)
        accepted("unverified", lambda: document.unverified(envelope, "file"))
        manifest = accepted("verified", lambda: document.verified(envelope, _OWNER, "file"))
        file = accepted("file", lambda: SealedFile(fd, "file", _OWNER))
        assert file is None or file.manifest == manifest
        assert file is None or file.layout.table.end == span.offset
    return accepted.names


def manifest(data: bytes) -> Accepted:
    """Read bytes as a manifest that its owner signed, and put it into words."""
    accepted = Accepting()
    found = accepted("manifest", lambda: Manifest.parse(data, "file"))
    if found is not None:
        assert found.to_bytes() == data
        envelope = dsse.sign(data, PAYLOAD_TYPE, _SIGNER)
        assert document.verified(envelope, _OWNER, "file") == found
        accepted("version", lambda: document.check_version(found, 2))
        sealed_files.summary(found)
        sealed_files.as_json(found)
        with memory_file(document.trailer(RegionTable(b""), envelope)) as fd:
            accepted("file", lambda: SealedFile(fd, "file", _OWNER))
    return accepted.names


def documents(data: bytes) -> Accepted:
    """Read bytes as JSON, and as every kind of document there is."""
    accepted = Accepting()
    accepted("JSON", lambda: parse_json(data, "file", len(data)))
    value = accepted("canonical JSON", lambda: (parse_canonical(data, "file", len(data)),))
    assert value is None or canonical(*value, "file") == data
    for name in _likely(data):
        if name in _SIGNED:
            accepted(name, partial(_SIGNED[name], data, "file"))
            continue
        found = accepted(name, partial(_SPELLED[name], data, "file"))
        assert found is None or found.to_bytes() == data
        if isinstance(found, Contract):
            explaining.rows(found)
    if value is not None and isinstance(value[0], dict) and "job" in value[0]:
        named = _named(value[0])
        accepted("job, named rightly", lambda: JobRequest.parse(named, "file"))
    return accepted.names


def _likely(data: bytes) -> list[str]:
    """Name the documents that these bytes may be, to be quick; all of them for others."""
    return [name for name, mark in _MARKS.items() if mark in data] or list(_MARKS)


def regions(data: bytes) -> Accepted:
    """Open regions by a manifest that is signed and lies: see `lie` for the bytes' meaning."""
    accepted = Accepting()
    head, body = data[:HEAD_BYTES].ljust(HEAD_BYTES, b"\0"), data[HEAD_BYTES:]
    plain, sealed = lie(head, body)
    with memory_file(sealed) as fd:
        file = accepted("file", lambda: SealedFile(fd, "file", _OWNER))
        if file is None:
            return accepted.names
        _, span = opening.read_envelope(fd, "file")
        assert file.layout.table.end == span.offset
        size = file.layout.plaintext_size
        start = int.from_bytes(head[10:14], "big") % (size + 1)
        wanted = Span(start, int.from_bytes(head[14:18], "big") % (size - start + 1))
        opened = accepted("span", lambda: (file.reader(_KEY).read(wanted),))
        assert opened is None or opened[0] == plain[wanted.offset : wanted.end]
    return accepted.names


def lie(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """Build a sealed file of hostile or honest parts; return the plaintext it has, if any.

    head: 1 byte of flags (what is honest), 1 of region size, 8 of claimed size, 8 of the span to
    read. ENCRYPTED makes of the body plaintext that is sealed as it should be; MISPLACED gives the
    digest of the bytes that stand where the claimed size puts the table, if they are that many.
    """
    flags, region_size = head[0], layout.SMALLEST_REGION << head[1] % 11
    plain = b""
    if flags & ENCRYPTED:
        plain, body = body, _encrypted(body, region_size)
    claimed = Layout(int.from_bytes(head[2:10], "big") % (MOST_REGIONS * region_size), region_size)
    if flags & HONEST_SIZE:
        claimed = Layout(_plaintext_size(len(body), region_size), region_size)
    table = body[-DIGEST_BYTES:]
    if flags & HONEST_TABLE:
        step = region_size + TAG_BYTES
        stored = [body[start : start + step] for start in range(0, len(body), step)]
        table = b"".join(region_digest(region) for region in stored)
    digest = region_digest(table) if flags & HONEST_DIGEST else bytes(DIGEST_BYTES)
    if flags & MISPLACED and claimed.table.end <= len(body):
        digest = region_digest(body[claimed.table.offset : claimed.table.end])
    found = Manifest(
        origin=DatasetOrigin("owner", "fuzz", 1),
        created=datetime(2026, 11, 21, tzinfo=UTC),
        media_type="text/plain",
        content=Bytes(),
        rule=None,
        layout=claimed,
        file_id=_FILE_ID,
        table_digest=digest,
        readers=(_WRAPPED,),
    )
    envelope = dsse.sign(found.to_bytes(), PAYLOAD_TYPE, _SIGNER)
    return plain, body + document.trailer(RegionTable(table), envelope)


def _encrypted(plain: bytes, region_size: int) -> bytes:
    cipher = RegionCipher(_KEY, _FILE_ID)
    body = b""
    for index, start in enumerate(range(0, len(plain), region_size)):
        piece = plain[start : start + region_size]
        stored = bytearray(len(piece) + TAG_BYTES)
        cipher.seal(index, piece, stored)
        body += stored
    return body


def _plaintext_size(body_size: int, region_size: int) -> int:
    whole, rest = divmod(body_size, region_size + TAG_BYTES)
    return whole * region_size + max(0, rest - TAG_BYTES)


def _named(value: Mapping[str, object]) -> bytes:
    """Spell a job's request under its right name, so that the rest of it is looked at."""
    rest = {key: item for key, item in value.items() if key != "job"}
    return canonical(rest | {"job": Digest.of(canonical(rest, "job")).text}, "job")


_SPELLED: Mapping[
    str, Callable[[bytes, str], Contract | Approval | JobRequest | Outcome | Receipt]
] = {
    "contract": Contract.parse,
    "approval": Approval.parse,
    "job": JobRequest.parse,
    "outcome": Outcome.parse,
    "receipt": Receipt.parse,
}
_SIGNED: Mapping[str, Callable[[bytes, str], object]] = {
    "envelope": dsse.Signed.parse,
    "signed approval": lambda data, where: approval.verified(data, _CONTRACT, where),
    "signed receipt": receipt.unchanged,
}
_MARKS: Mapping[str, bytes] = {
    "contract": b"cleanroom/contract/v1",
    "approval": b"urn:cleanroom:approval:v1",
    "job": b"cleanroom/job/v1",
    "outcome": b"cleanroom/outcome/v1",
    "receipt": b"urn:cleanroom:receipt:v1",
    "envelope": b"payloadType",
    "signed approval": b"payloadType",
    "signed receipt": b"payloadType",
}
TARGETS: Mapping[str, Target] = {
    "tail": tail,
    "manifest": manifest,
    "documents": documents,
    "regions": regions,
    **certificate_targets.TARGETS,
    **hardware_targets.TARGETS,
    **release_targets.TARGETS,
}
