"""Vectors of the sealed file: some open, and each of the others must fail in its own way."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from cleanroom import dsse
from cleanroom.canonical import canonical, parse_json
from cleanroom.fields import base64_text
from cleanroom.ids import Digest
from cleanroom.keys import DataKey
from cleanroom.rules import rule
from cleanroom.schema import columns
from cleanroom.seal.content import Bytes, CsvTable, Dialect
from cleanroom.seal.document import trailer
from cleanroom.seal.layout import FOOTER_BYTES, MAGIC, TAG_BYTES, Layout
from cleanroom.seal.manifest import (
    PAYLOAD_TYPE,
    DatasetOrigin,
    InlineKey,
    Manifest,
    VaultKey,
)
from cleanroom.seal.regions import RegionCipher, RegionTable
from cleanroom.statement import PAYLOAD_TYPE as STATEMENT
from tests import builders
from tests.vectors import keys
from tests.vectors.vector import CREATED, Vector

HELLO = b"hello, clean room\n"
TABLE = b"customer,amount\nab12,12.50\ncd34,\n"
REGION = 1 << 16


@dataclass(frozen=True)
class SealedParts:
    """A sealed file before it is put together."""

    manifest: Manifest
    body: bytes
    table: bytes
    data_key: bytes

    def together(self, signer: str = "owner", payload_type: str = PAYLOAD_TYPE) -> bytes:
        return self.with_payload(self.manifest.to_bytes(), signer, payload_type)

    def with_payload(
        self, payload: bytes, signer: str = "owner", payload_type: str = PAYLOAD_TYPE
    ) -> bytes:
        envelope = dsse.sign(payload, payload_type, keys.DeterministicSigner(signer))
        return self.body + trailer(RegionTable(self.table), envelope)

    def with_changed(self, **changes: Any) -> bytes:
        """Sign a manifest in which fields of the JSON differ; None takes one away."""
        value: Any = parse_json(self.manifest.to_bytes(), "manifest", 1 << 20)
        value = {k: v for k, v in (value | changes).items() if v is not DROP}
        return self.with_payload(canonical(value, "manifest"))


DROP = object()


def seal(label: str, plain: bytes, **changes: Any) -> SealedParts:
    """Seal with keys, ids and seeds from the label."""
    data_key = keys.stream(f"{label} data key", 32)
    file_id = keys.stream(f"{label} file id", 16)
    cipher = RegionCipher(DataKey(data_key), file_id)
    layout = Layout(len(plain), REGION)
    body, table = b"", b""
    for index in range(layout.regions):
        span = layout.plain(index)
        stored = bytearray(span.length + TAG_BYTES)
        table += cipher.seal(index, plain[span.offset : span.end], stored)
        body += bytes(stored)
    manifest = Manifest(
        origin=DatasetOrigin("owner", "greetings", 1),
        created=CREATED,
        media_type="text/plain",
        content=Bytes(),
        rule=None,
        layout=layout,
        file_id=file_id,
        table_digest=RegionTable(table).digest,
        readers=(InlineKey(keys.reader_key("reader").id, keys.wrap("reader", data_key, label)),),
    )
    return SealedParts(replace(manifest, **changes), body, table, data_key)


def sealed_vectors() -> Iterator[Vector]:
    """Sealed files that open, and sealed files that must not."""
    hello = seal("hello", HELLO)
    yield _opens("hello", "one region, any file", hello, HELLO)
    yield _opens("empty", "no regions at all", seal("empty", b""), b"")
    exact = keys.stream("exact plain", REGION)
    yield _opens("exactly-one-region", "a full last region", seal("exact", exact), exact)
    two = keys.stream("two plain", REGION + 1)
    yield _opens("two-regions", "the last region holds one byte", seal("two", two), two)
    table = seal("table", TABLE, content=_csv(), media_type="text/csv", rule=_rule())
    yield _opens("table-with-rule", "a CSV file with its columns and a rule", table, TABLE)
    second = InlineKey(
        keys.reader_key("second").id,
        keys.wrap("second", seal("readers", HELLO).data_key, "readers second"),
    )
    readers = seal("readers", HELLO)
    both = replace(readers.manifest, readers=(*readers.manifest.readers, second))
    yield _opens("two-readers", "sealed for two", replace(readers, manifest=both), HELLO)
    yield from _refused(hello)


def _refused(hello: SealedParts) -> Iterator[Vector]:
    good = hello.together()
    other = seal("other", HELLO)
    end = len(hello.body)

    def flip(offset: int) -> bytes:
        return good[:offset] + bytes([good[offset] ^ 1]) + good[offset + 1 :]

    def sealed(name: str, expect: str, comment: str, data: bytes) -> Vector:
        return Vector("sealed", name, expect, comment, data, _sealed_headers())

    yield sealed("flipped-ciphertext", "tampered", "first byte of the body", flip(0))
    yield sealed("flipped-tag", "tampered", "last byte of the region", flip(end - 1))
    yield sealed("flipped-table", "tampered", "first byte of the table", flip(end))
    yield sealed("flipped-magic", "malformed", "last byte of the file", flip(len(good) - 1))
    yield sealed("cut-at-the-end", "malformed", "one byte is missing", good[:-1])
    yield sealed("cut-in-the-body", "tampered", "first byte is missing", good[1:])
    yield sealed("grown-body", "tampered", "a byte too many before the table", b"\0" + good)
    yield sealed("grown-end", "malformed", "a byte behind the footer", good + b"\0")
    yield sealed("empty-file", "malformed", "no byte at all", b"")
    yield sealed("only-a-footer", "malformed", "an envelope of no bytes", bytes(4) + MAGIC)
    yield sealed(
        "envelope-too-long",
        "malformed",
        "the footer claims 4 GiB",
        good[:-FOOTER_BYTES] + b"\xff" * 4 + MAGIC,
    )
    yield sealed(
        "body-of-another-file",
        "tampered",
        "same size, same owner, same place",
        other.body + good[end:],
    )
    yield sealed(
        "manifest-of-another-file",
        "tampered",
        "signed by the owner",
        good[:end] + other.together()[end:],
    )
    yield sealed(
        "foreign-signature", "tampered", "signed by a stranger", hello.together("stranger")
    )
    yield sealed(
        "other-payload-type",
        "tampered",
        "the owner signed these bytes as something else",
        hello.together(payload_type=STATEMENT),
    )
    payload = hello.manifest.to_bytes()
    unsigned = canonical(
        {"payload": base64_text(payload), "payloadType": PAYLOAD_TYPE, "signatures": []}, "envelope"
    )
    yield sealed(
        "unsigned",
        "malformed",
        "an envelope without a signature",
        hello.body + trailer(RegionTable(hello.table), unsigned),
    )
    yield from (
        sealed(name, expect, comment, hello.with_changed(**changes))
        for name, expect, comment, changes in _CHANGED
    )
    yield sealed(
        "duplicate-field",
        "malformed",
        "one field twice, with two values",
        hello.with_payload(payload.replace(b'{"cipher"', b'{"cipher":"none","cipher"', 1)),
    )
    yield sealed(
        "not-canonical",
        "malformed",
        "a space after a colon",
        hello.with_payload(payload.replace(b":", b": ", 1)),
    )


_ABSURD = {"plaintext_size": 2**53 - 1, "region_size": REGION, "region_count": 1}
_CHANGED: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("unknown-field", "malformed", "a field nobody knows", {"extra": 1}),
    ("missing-field", "malformed", "no rule, not even null", {"rule": DROP}),
    ("unknown-cipher", "malformed", "another algorithm", {"cipher": "AES-128-CBC"}),
    ("unknown-format", "malformed", "a later version", {"format": "cleanroom/sealed/v2"}),
    ("absurd-size", "malformed", "8 PiB in one region", {"layout": _ABSURD}),
    (
        "other-region-size",
        "tampered",
        "consistent, but not how the file is laid out",
        {"layout": {"plaintext_size": 10, "region_size": REGION, "region_count": 1}},
    ),
    (
        "odd-region-size",
        "malformed",
        "not a power of two",
        {"layout": {"plaintext_size": 18, "region_size": REGION + 1, "region_count": 1}},
    ),
    ("no-readers", "malformed", "for nobody", {"readers": []}),
    (
        "another-reader",
        "policy_refused",
        "for somebody else",
        {
            "readers": [
                InlineKey(
                    keys.reader_key("second").id, keys.wrap("second", bytes(32), "x")
                ).to_dict()
            ]
        },
    ),
    (
        "key-in-a-vault",
        "policy_refused",
        "the wrapped key is not in the file",
        {
            "readers": [
                VaultKey(
                    keys.reader_key("reader").id, "https://owner.vault.azure.net/secrets/hello"
                ).to_dict()
            ]
        },
    ),
    (
        "wrong-data-key",
        "tampered",
        "a wrapped key that opens to another key",
        {
            "readers": [
                InlineKey(
                    keys.reader_key("reader").id, keys.wrap("reader", bytes(32), "y")
                ).to_dict()
            ]
        },
    ),
    (
        "short-data-key",
        "tampered",
        "a wrapped key of 16 bytes",
        {
            "readers": [
                InlineKey(
                    keys.reader_key("reader").id, keys.wrap("reader", bytes(16), "z")
                ).to_dict()
            ]
        },
    ),
)


def _opens(name: str, comment: str, parts: SealedParts, plain: bytes) -> Vector:
    headers = (
        *_sealed_headers(),
        ("plaintext", Digest.of(plain).text),
        ("manifest", parts.manifest.digest.text),
        ("data-key", parts.data_key.hex()),
    )
    return Vector("sealed", name, "opens", comment, parts.together(), headers)


def _sealed_headers() -> tuple[tuple[str, str], ...]:
    return (("owner", keys.signing_key("owner").to_json()), ("reader", "reader"))


def _csv() -> CsvTable:
    found = columns(builders.columns(), "columns")
    return CsvTable(found, 2, Dialect(",", '"', '"', True, "", "", ""))


def _rule() -> Any:
    return rule(builders.aggregation_rule(), "rule")
