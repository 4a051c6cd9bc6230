from dataclasses import replace
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from cleanroom.contract import Contract, Versions
from cleanroom.errors import Malformed
from cleanroom.ids import Digest
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes, Table
from cleanroom.seal.layout import Span
from cleanroom.seal.manifest import DatasetOrigin
from functions.arrivals import Expected, Version, better, envelope_in, version
from functions.refusals import Reason
from tests import builders
from tests.builders import NOW, Keys
from tests.sealing import Parts, seal_bytes

COLUMNS = (
    Column("customer", "text", nullable=False),
    Column("amount", "decimal(12,2)", nullable=True),
)
EMPTY_CELLS = tuple(replace(column, nullable=True) for column in COLUMNS)
VERSION = Version(Digest.of(b"a"), 1, NOW, "room/a/1.sealed", "0x1")
ANY = Versions(1, None, None)


@pytest.fixture
def expected(north: Keys, south: Keys) -> Expected:
    contract = Contract.from_value(builders.contract(north, south), "contract")
    return Expected.of(contract, contract.datasets[0])


def sealed(owner: Keys, reader: Keys, **changes: Any) -> bytes:
    label: dict[str, Any] = {
        "origin": DatasetOrigin("north", "customers", 7),
        "content": Table("parquet", COLUMNS, 1),
    }
    return seal_bytes(b"rows", owner, reader, **(label | changes))


def judged(data: bytes, expected: Expected) -> Version | Reason:
    span = envelope_in(data, len(data))
    assert span is not None
    envelope = data[span.offset :][: span.length]
    return version(envelope, span, "a.sealed", "0x1", expected)


def test_what_the_owner_sealed_for_the_room_is_a_version(north: Keys, expected: Expected) -> None:
    data = sealed(north, north)

    found = judged(data, expected)

    manifest = Digest.of(Parts.of(data).payload)
    assert found == Version(manifest, 7, NOW, "a.sealed", "0x1")


def test_a_column_that_is_never_empty_does_where_the_contract_allows_empty_cells(
    north: Keys, expected: Expected
) -> None:
    never_empty = tuple(replace(column, nullable=False) for column in COLUMNS)

    found = judged(sealed(north, north, content=Table("parquet", never_empty, 1)), expected)

    assert isinstance(found, Version)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"origin": DatasetOrigin("north", "others", 7)}, Reason.DATASET),
        ({"origin": DatasetOrigin("south", "customers", 7)}, Reason.DATASET),
        ({"content": Bytes()}, Reason.COLUMNS),
        ({"content": Table("parquet", COLUMNS[:1], 1)}, Reason.COLUMNS),
        ({"content": Table("parquet", COLUMNS[::-1], 1)}, Reason.COLUMNS),
        ({"content": Table("parquet", EMPTY_CELLS, 1)}, Reason.COLUMNS),
    ],
    ids=["dataset", "party", "no table", "fewer columns", "other order", "empty cells"],
)
def test_what_is_another_dataset_is_refused(
    north: Keys, expected: Expected, changes: dict[str, Any], reason: Reason
) -> None:
    assert judged(sealed(north, north, **changes), expected) == reason


def test_what_the_room_cannot_open_is_refused(north: Keys, south: Keys, expected: Expected) -> None:
    assert judged(sealed(north, south), expected) == Reason.READER


def test_what_another_signed_or_changed_is_refused(
    north: Keys, south: Keys, expected: Expected
) -> None:
    good = sealed(north, north)

    assert judged(sealed(south, north), expected) == Reason.SIGNATURE
    assert judged(good[1:], expected) == Reason.MALFORMED
    spoiled = Parts.of(good).with_envelope(payload="e30=").join()
    assert judged(spoiled, expected) == Reason.SIGNATURE


@pytest.mark.parametrize(
    "tail", [b"", b"x", b"\x00" * 64, b"customer,amount\n" * 10], ids=["empty", "1", "0s", "CSV"]
)
def test_what_is_not_sealed_has_no_envelope(tail: bytes) -> None:
    assert envelope_in(tail, len(tail)) is None


def test_an_envelope_is_found_from_the_end_alone(north: Keys) -> None:
    data = sealed(north, north)

    found = envelope_in(data[-100:], len(data))

    assert found == envelope_in(data, len(data)) is not None
    assert isinstance(found, Span)


def test_a_version_is_read_as_it_is_written() -> None:
    assert Version.parse(VERSION.to_dict(), "version") == VERSION


@pytest.mark.parametrize(
    "changes",
    [{"number": 0}, {"manifest": "a"}, {"created": ""}, {"blob": "\x00"}, {"etag": ""}, {"x": 1}],
    ids=lambda changes: next(iter(changes)),
)
def test_what_is_no_version_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(Malformed):
        Version.parse({**VERSION.to_dict(), **changes}, "version")


def test_the_order_of_files_does_not_matter() -> None:
    files = [
        VERSION,
        replace(VERSION, number=2, manifest=Digest.of(b"b")),
        replace(VERSION, number=2, manifest=Digest.of(b"c")),
        replace(VERSION, number=2, manifest=Digest.of(b"d"), created=NOW - timedelta(days=1)),
    ]
    heads = set()
    for order in permutations(files):
        head: Version | None = None
        for file in order:
            head = file if better(head, file, ANY) else head
        heads.add(head)

    assert len(heads) == 1
    assert (heads.pop() or VERSION).number == 2


def test_only_the_version_that_the_contract_names_is_taken() -> None:
    rule = replace(ANY, only=VERSION.manifest)
    newer = replace(VERSION, number=2, manifest=Digest.of(b"b"))

    assert better(None, VERSION, rule)
    assert not better(None, newer, rule)
    assert not better(VERSION, newer, rule)
