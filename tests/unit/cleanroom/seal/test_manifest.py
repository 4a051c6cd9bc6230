"""The manifest: one spelling, nothing unknown, nothing missing, consistent in itself."""

import json
import re
from base64 import b64encode
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.canonical import canonical
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused
from cleanroom.ids import Digest
from cleanroom.seal.content import Bytes, Table
from cleanroom.seal.layout import MOST_REGIONS, SMALLEST_REGION, Layout
from cleanroom.seal.manifest import (
    DatasetOrigin,
    InlineKey,
    Manifest,
    ResultOrigin,
    VaultKey,
    wrapped_key,
)
from tests.builders import DIGEST, HEX, aggregation_rule, columns

DROP = object()
OTHER = "sha256:" + "ef" * 32
SECRET = "https://north.vault.azure.net/secrets/customers"  # noqa: S105  # an address
ABSURD = 2**53 - 1


def base64(data: bytes) -> str:
    return b64encode(data).decode()


def changed(made: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in (made | changes).items() if value is not DROP}


def origin(**changes: Any) -> dict[str, Any]:
    made = {"kind": "dataset", "party": "north", "dataset": "customers", "version": 7}
    return changed(made, changes)


def result_origin(**changes: Any) -> dict[str, Any]:
    return changed({"kind": "result", "job": DIGEST, "output": "totals"}, changes)


def layout(**changes: Any) -> dict[str, Any]:
    made = {"plaintext_size": 10, "region_size": SMALLEST_REGION, "region_count": 1}
    return changed(made, changes)


def reader(**changes: Any) -> dict[str, Any]:
    made = {"reader": DIGEST, "algorithm": "RSA-OAEP-256", "wrapped": base64(bytes(256))}
    return changed(made, changes)


def vault_reader(**changes: Any) -> dict[str, Any]:
    return reader(**({"wrapped": DROP, "secret": SECRET} | changes))


def parquet() -> dict[str, Any]:
    return {"kind": "parquet", "columns": columns(), "rows": 3}


def manifest(**changes: Any) -> dict[str, Any]:
    made = {
        "format": "cleanroom/sealed/v1",
        "cipher": "AES-256-GCM",
        "origin": origin(),
        "created": "2026-11-21T09:30:00Z",
        "media_type": "text/csv",
        "content": {"kind": "bytes"},
        "rule": None,
        "layout": layout(),
        "file_id": base64(bytes(16)),
        "regions": f"blake3:{HEX}",
        "readers": [reader()],
    }
    return changed(made, changes)


def parse(raw: object) -> Manifest:
    return Manifest.parse(canonical(raw, "manifest"), "manifest")


GOOD = {
    "a dataset of bytes": manifest(),
    "a result": manifest(origin=result_origin()),
    "a table": manifest(content=parquet()),
    "a table with its rule": manifest(content=parquet(), rule=aggregation_rule()),
    "a key in a vault": manifest(readers=[vault_reader()]),
    "two readers": manifest(readers=[reader(), vault_reader(reader=OTHER)]),
    "a key wrapped by 3072 bits": manifest(readers=[reader(wrapped=base64(bytes(384)))]),
    "a key wrapped by 4096 bits": manifest(readers=[reader(wrapped=base64(bytes(512)))]),
    "no bytes": manifest(layout=layout(plaintext_size=0, region_count=0)),
    "as many regions as may be": manifest(
        layout=layout(plaintext_size=MOST_REGIONS << 16, region_count=MOST_REGIONS)
    ),
    "a time long ago": manifest(created="0001-01-01T00:00:00Z"),
    "a time far off": manifest(created="9999-12-31T23:59:59Z"),
}


@pytest.mark.parametrize("raw", GOOD.values(), ids=GOOD.keys())
def test_a_manifest_is_written_as_it_was_read(raw: dict[str, Any]) -> None:
    payload = canonical(raw, "manifest")

    assert Manifest.parse(payload, "manifest").to_bytes() == payload


@given(
    origin=st.builds(DatasetOrigin, st.just("north"), st.just("sales"), st.integers(1, ABSURD))
    | st.builds(ResultOrigin, st.binary().map(Digest.of), st.just("totals")),
    created=st.datetimes(timezones=st.just(UTC)).map(lambda moment: moment.replace(microsecond=0)),
    size=st.integers(0, MOST_REGIONS << 16),
    content=st.just(Bytes()) | st.builds(Table, st.just("jsonl"), st.none(), st.integers(0)),
    file_id=st.binary(min_size=16, max_size=16),
    table_digest=st.binary(min_size=32, max_size=32),
    wrapped=st.binary(min_size=256, max_size=256),
)
def test_a_manifest_is_read_as_it_was_written(
    origin: DatasetOrigin | ResultOrigin,
    created: datetime,
    size: int,
    content: Bytes | Table,
    file_id: bytes,
    table_digest: bytes,
    wrapped: bytes,
) -> None:
    made = Manifest(
        origin,
        created,
        "text/csv",
        Bytes() if isinstance(content, Bytes) else parse(manifest(content=parquet())).content,
        None,
        Layout(size, SMALLEST_REGION),
        file_id,
        table_digest,
        (InlineKey(Digest(DIGEST), wrapped), VaultKey(Digest(OTHER), SECRET)),
    )

    assert Manifest.parse(made.to_bytes(), "manifest") == made


def test_the_digest_of_a_version_is_that_of_the_signed_bytes() -> None:
    payload = canonical(manifest(), "manifest")

    assert Manifest.parse(payload, "manifest").digest == Digest.of(payload)


@pytest.mark.parametrize("field", list(manifest()))
def test_every_field_must_be_there(field: str) -> None:
    with pytest.raises(Malformed, match=f"^manifest: expected a field '{field}'$"):
        parse(manifest(**{field: DROP}))


@pytest.mark.parametrize("field", list(origin()))
def test_every_field_of_a_dataset_must_be_there(field: str) -> None:
    with pytest.raises(Malformed, match=f"^manifest.origin: expected a field '{field}'$"):
        parse(manifest(origin=origin(**{field: DROP})))


@pytest.mark.parametrize("field", list(result_origin()))
def test_every_field_of_a_result_must_be_there(field: str) -> None:
    with pytest.raises(Malformed, match=f"^manifest.origin: expected a field '{field}'$"):
        parse(manifest(origin=result_origin(**{field: DROP})))


@pytest.mark.parametrize("field", list(layout()))
def test_every_field_of_the_layout_must_be_there(field: str) -> None:
    with pytest.raises(Malformed, match=f"^manifest.layout: expected a field '{field}'$"):
        parse(manifest(layout=layout(**{field: DROP})))


@pytest.mark.parametrize("field", list(reader()))
def test_every_field_of_a_reader_must_be_there(field: str) -> None:
    with pytest.raises(Malformed, match=rf"^manifest.readers\[0\]: expected a field '{field}'$"):
        parse(manifest(readers=[reader(**{field: DROP})]))


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(manifest, id="manifest"),
        pytest.param(lambda **more: manifest(origin=origin(**more)), id="dataset"),
        pytest.param(lambda **more: manifest(origin=result_origin(**more)), id="result"),
        pytest.param(lambda **more: manifest(layout=layout(**more)), id="layout"),
        pytest.param(lambda **more: manifest(readers=[reader(**more)]), id="reader"),
        pytest.param(lambda **more: manifest(readers=[vault_reader(**more)]), id="vault reader"),
        pytest.param(lambda **more: manifest(content={"kind": "bytes"} | more), id="content"),
        pytest.param(
            lambda **more: manifest(content=parquet(), rule=aggregation_rule(**more)), id="rule"
        ),
    ],
)
def test_an_unknown_field_is_refused(build: Callable[..., dict[str, Any]]) -> None:
    with pytest.raises(Malformed, match=r"expected no other field, got 'extra'$"):
        parse(build(extra=1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"format": "cleanroom/sealed/v2"},
            "manifest.format: expected 'cleanroom/sealed/v1', got 'cleanroom/sealed/v2'",
            id="later format",
        ),
        pytest.param(
            {"cipher": "AES-256-CTR"},
            "manifest.cipher: expected 'AES-256-GCM', got 'AES-256-CTR'",
            id="other cipher",
        ),
        pytest.param(
            {"cipher": None}, "manifest.cipher: expected 'AES-256-GCM', got nothing", id="no cipher"
        ),
        pytest.param(
            {"origin": origin(kind="program")},
            "manifest.origin.kind: expected 'dataset' or 'result', got 'program'",
            id="other origin",
        ),
        pytest.param(
            {"origin": origin(version=0)},
            "manifest.origin.version: expected a whole number of at least 1, got 0",
            id="version zero",
        ),
        pytest.param(
            {"origin": origin(version=True)},
            "manifest.origin.version: expected a whole number of at least 1, got True",
            id="version true",
        ),
        pytest.param(
            {"origin": origin(version="7")},
            "manifest.origin.version: expected a whole number of at least 1, got '7'",
            id="version as text",
        ),
        pytest.param(
            {"origin": result_origin(job=HEX)},
            "manifest.origin.job: expected 'sha256:' and 64 lower-case hexadecimal digits,"
            f" got '{HEX[:36]}...",
            id="job without prefix",
        ),
        pytest.param(
            {"created": "2026-11-21T09:30:00+00:00"},
            "manifest.created: expected a UTC time such as 2026-11-21T09:30:00Z,"
            " got '2026-11-21T09:30:00+00:00'",
            id="time spelled otherwise",
        ),
        pytest.param(
            {"created": "2026-02-30T00:00:00Z"},
            "manifest.created: expected a date and time that exist, got '2026-02-30T00:00:00Z'",
            id="day that is not",
        ),
        pytest.param(
            {"media_type": "Text/CSV"},
            "manifest.media_type: expected a media type such as text/csv, got 'Text/CSV'",
            id="upper-case media type",
        ),
        pytest.param(
            {"media_type": "text/csv; charset=utf-8"},
            "manifest.media_type: expected a media type such as text/csv,"
            " got 'text/csv; charset=utf-8'",
            id="media type with parameter",
        ),
        pytest.param(
            {"media_type": "text/csv\n"},
            "manifest.media_type: expected a media type such as text/csv, got 'text/csv\\n'",
            id="line feed behind the media type",
        ),
        pytest.param(
            {"rule": aggregation_rule()},
            "manifest.rule: expected null, because plain bytes have no columns",
            id="rule on bytes",
        ),
        pytest.param(
            {"content": parquet(), "rule": aggregation_rule(joins=["iban"])},
            "manifest.rule.joins: expected a column of the dataset, got 'iban'",
            id="rule on a column that is not there",
        ),
        pytest.param(
            {"file_id": base64(bytes(15))},
            "manifest.file_id: expected 16 bytes, got 15",
            id="short file id",
        ),
        pytest.param(
            {"file_id": base64(bytes(17))},
            "manifest.file_id: expected base64 of at most 16 bytes, got 17",
            id="long file id",
        ),
        pytest.param(
            {"file_id": base64(bytes(16)).replace("A==", "B==")},
            "manifest.file_id: expected canonical base64",
            id="stray bits in base64",
        ),
        pytest.param(
            {"regions": f"sha256:{HEX}"},
            "manifest.regions: expected 'blake3:' and 64 lower-case hexadecimal digits,"
            f" got 'sha256:{HEX[:29]}...",
            id="other hash",
        ),
        pytest.param(
            {"regions": f"blake3:{HEX.upper()}"},
            "manifest.regions: expected 'blake3:' and 64 lower-case hexadecimal digits,"
            f" got 'blake3:{HEX.upper()[:29]}...",
            id="upper-case digest",
        ),
        pytest.param(
            {"readers": []}, "manifest.readers: expected 1 to 64 entries, got 0", id="no readers"
        ),
        pytest.param(
            {"readers": [reader()] * 65},
            "manifest.readers: expected 1 to 64 entries, got 65",
            id="too many readers",
        ),
        pytest.param(
            {"readers": [reader(), vault_reader()]},
            f"manifest.readers: expected each name once, got '{DIGEST}'",
            id="reader twice",
        ),
        pytest.param(
            {"readers": [reader(algorithm="RSA1_5")]},
            "manifest.readers[0].algorithm: expected 'RSA-OAEP-256', got 'RSA1_5'",
            id="other algorithm",
        ),
        pytest.param(
            {"readers": [reader(algorithm="none")]},
            "manifest.readers[0].algorithm: expected 'RSA-OAEP-256', got 'none'",
            id="no algorithm",
        ),
        pytest.param(
            {"readers": [reader(secret=SECRET)]},
            "manifest.readers[0]: expected no other field, got 'wrapped'",
            id="key both inside and in a vault",
        ),
        pytest.param(
            {"readers": [vault_reader() | {"secret": "http://169.254.169.254/secrets/customers"}]},
            "manifest.readers[0].secret: expected a Key Vault secret, such as"
            " https://name.vault.azure.net/secrets/name,"
            " got 'http://169.254.169.254/secrets/custo...",
            id="secret at the cloud's identity endpoint",
        ),
        pytest.param(
            {"readers": [reader(wrapped=base64(bytes(255)))]},
            "manifest.readers[0].wrapped: expected 256, 384 or 512 bytes, got 255",
            id="short wrapped key",
        ),
        pytest.param(
            {"readers": [reader(wrapped=base64(bytes(513)))]},
            "manifest.readers[0].wrapped: expected base64 of at most 512 bytes, got 513",
            id="long wrapped key",
        ),
        pytest.param(
            {"readers": [DIGEST]},
            "manifest.readers[0]: expected an object with named fields, got text",
            id="reader that is no object",
        ),
    ],
)
def test_a_manifest_with_another_value_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=f"^{re.escape(message)}'?$"):
        parse(manifest(**changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"plaintext_size": ABSURD},
            "manifest.layout.region_count: expected 137438953472, got 1",
            id="8 PiB in one region",
        ),
        pytest.param(
            {"plaintext_size": ABSURD, "region_count": 1 << 37},
            "manifest.layout.region_count: expected a whole number 0 to 1048576, got 137438953472",
            id="8 PiB in as many regions",
        ),
        pytest.param(
            {"plaintext_size": (MOST_REGIONS << 16) + 1, "region_count": MOST_REGIONS + 1},
            "manifest.layout.region_count: expected a whole number 0 to 1048576, got 1048577",
            id="one region too many",
        ),
        pytest.param(
            {"plaintext_size": 1 << 60},
            "values that canonical JSON can hold",
            id="larger than JSON holds",
        ),
        pytest.param(
            {"plaintext_size": -1},
            "manifest.layout.plaintext_size: expected a whole number of at least 0, got -1",
            id="negative size",
        ),
        pytest.param(
            {"region_count": 2},
            "manifest.layout.region_count: expected 1, got 2",
            id="one too many",
        ),
        pytest.param(
            {"region_count": 0}, "manifest.layout.region_count: expected 1, got 0", id="one too few"
        ),
        pytest.param(
            {"plaintext_size": 0},
            "manifest.layout.region_count: expected 0, got 1",
            id="region of no bytes",
        ),
        pytest.param(
            {"region_size": SMALLEST_REGION + 1},
            "manifest.layout.region_size: expected a power of two, got 65537",
            id="odd region size",
        ),
        pytest.param(
            {"region_size": 1},
            "manifest.layout.region_size: expected a whole number 65536 to 67108864, got 1",
            id="regions of one byte",
        ),
        pytest.param(
            {"region_size": 0},
            "manifest.layout.region_size: expected a whole number 65536 to 67108864, got 0",
            id="regions of no byte",
        ),
        pytest.param(
            {"region_size": 1 << 52},
            "manifest.layout.region_size: expected a whole number 65536 to 67108864,"
            " got 4503599627370496",
            id="one region of 4 PiB",
        ),
    ],
)
def test_sizes_that_cannot_be_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(Malformed, match=f"{re.escape(message)}$"):
        parse(manifest(layout=layout(**changes)))


@pytest.mark.parametrize(
    ("payload", "message"),
    [
        pytest.param(b"", "JSON in UTF-8", id="empty"),
        pytest.param(b"[]", "an object with named fields, got a list", id="list"),
        pytest.param(
            canonical(manifest(), "").replace(b'{"cipher"', b'{"cipher":"none","cipher"', 1),
            "each field once",
            id="field twice",
        ),
        pytest.param(
            canonical(manifest(), "").replace(b'"version":7', b'"version":6,"version":7', 1),
            "each field once",
            id="field twice, further in",
        ),
        pytest.param(
            canonical(manifest(), "").replace(b'"version":7', b'"version":7.0', 1),
            "integers only (fractions are written as text)",
            id="fraction",
        ),
        pytest.param(
            canonical(manifest(), "").replace(b'"version":7', b'"version":9007199254740992', 1),
            "integers within +-(2**53 - 1)",
            id="integer that two readers may round",
        ),
        pytest.param(
            canonical(manifest(), "").replace(b":", b": ", 1),
            "canonical JSON (RFC 8785)",
            id="space",
        ),
        pytest.param(canonical(manifest(), "") + b"\n", "canonical JSON (RFC 8785)", id="new line"),
        pytest.param(b"\xef\xbb\xbf" + canonical(manifest(), ""), "JSON in UTF-8", id="mark"),
        pytest.param(
            canonical(manifest(), "").replace(b"north", b"n\\u006frth", 1),
            "canonical JSON (RFC 8785)",
            id="escaped letter",
        ),
        pytest.param(
            json.dumps(manifest()).encode(), "canonical JSON (RFC 8785)", id="fields out of order"
        ),
        pytest.param(
            canonical(manifest(), "").replace(b'{"cipher"', b'{"\\ud800":1,"cipher"', 1),
            "values that canonical JSON can hold",
            id="half a character",
        ),
        pytest.param(b"[" * 100_000, "at most 32 levels of nesting", id="deep"),
        pytest.param(bytes((1 << 20) + 1), "at most 1048576 bytes, got 1048577", id="large"),
    ],
)
def test_another_spelling_is_refused(payload: bytes, message: str) -> None:
    with pytest.raises(Malformed, match=f"^manifest: expected {re.escape(message)}$"):
        Manifest.parse(payload, "manifest")


@given(st.data())
def test_no_cut_or_flipped_manifest_is_taken_for_the_same(data: st.DataObject) -> None:
    payload = canonical(manifest(readers=[vault_reader()]), "manifest")
    at = data.draw(st.integers(0, len(payload) - 1))
    flip = data.draw(st.integers(1, 255))
    spoiled = payload[:at] + bytes([payload[at] ^ flip]) + payload[at + 1 :]

    read: Manifest | None = None
    try:
        read = Manifest.parse(spoiled, "manifest")
    except CleanroomError:
        return

    assert read.to_bytes() == spoiled
    assert read.digest != Digest.of(payload)


def test_the_wrapped_key_is_that_of_the_reader() -> None:
    found = parse(manifest(readers=[reader(), vault_reader(reader=OTHER)]))

    assert found.wrapped_for(Digest(DIGEST)) == InlineKey(Digest(DIGEST), bytes(256))
    assert found.wrapped_for(Digest(OTHER)) == VaultKey(Digest(OTHER), SECRET)


def test_there_is_no_wrapped_key_for_anybody_else() -> None:
    found = parse(manifest(readers=[reader(), vault_reader(reader=OTHER)]))
    stranger = Digest.of(b"stranger")

    with pytest.raises(
        PolicyRefused,
        match=f"^the file is not sealed for the key {stranger}, only for {DIGEST}, {OTHER}$",
    ) as caught:
        found.wrapped_for(stranger)

    assert caught.value.hint == "ask the owner to seal it for your reader key"


@pytest.mark.parametrize("size", [256, 384, 512])
def test_a_wrapped_key_is_as_long_as_an_rsa_key(size: int) -> None:
    assert wrapped_key(base64(bytes(size)), "key") == bytes(size)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param(base64(bytes(32)), id="a bare data key"),
        pytest.param(base64(bytes(256)) + "\n", id="new line"),
        pytest.param("*" * 344, id="not base64"),
        pytest.param(base64(bytes(600)), id="too long"),
        pytest.param(7, id="number"),
    ],
)
def test_nothing_else_is_a_wrapped_key(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^key: expected "):
        wrapped_key(raw, "key")
