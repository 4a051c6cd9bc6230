"""Opening sealed files, and every way of spoiling one that must be refused."""

import os
import signal
import threading
import time
import tracemalloc
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unavailable
from cleanroom.fields import base64_text
from cleanroom.keys import DataKey
from cleanroom.schema import Column
from cleanroom.seal import document
from cleanroom.seal.content import Table
from cleanroom.seal.layout import MAGIC, Span
from cleanroom.seal.manifest import PAYLOAD_TYPE, DatasetOrigin
from cleanroom.seal.regions import region_digest
from cleanroom.statement import PAYLOAD_TYPE as STATEMENT
from party import keyfiles
from party.errors import Usage
from party.files import Output
from party.opening import SealedFile, opened, read_envelope
from tests.builders import Keys
from tests.sealing import (
    DROP,
    REGION,
    STORED,
    Parts,
    data_key,
    flipped,
    ignore,
    memory_file,
    nameless_files_work,
    open_bytes,
    plaintext,
    python,
    refusal,
    seal_bytes,
)

PLAIN = plaintext(3 * REGION + 100)
LAST = 3 * STORED  # offset of the last region
ABSURD = 2**53 - 1
MEBIBYTE = 1 << 20

patient = settings(deadline=None, max_examples=50)
sizes = st.builds(
    lambda regions, by: max(0, regions * REGION + by), st.integers(0, 3), st.integers(-2, 2)
)


@pytest.fixture(scope="module")
def sealed(north: Keys, south: Keys) -> bytes:
    """Four regions, by north, for south and for north itself."""
    return seal_bytes(PLAIN, north, south, north)


@pytest.fixture(scope="module")
def other(north: Keys, south: Keys) -> bytes:
    """Another file of the same size, owner and readers."""
    return seal_bytes(plaintext(len(PLAIN), "other"), north, south, north)


@pytest.fixture
def fd(sealed: bytes) -> Iterator[int]:
    with memory_file(sealed) as found:
        yield found


def refused(fd: int, owner: Keys) -> bool:
    """Tell whether nothing is read from the file; any error but ours is a failure."""
    try:
        SealedFile(fd, "file", owner.signing)
    except CleanroomError:
        return True
    return False


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def not_the_region(index: int) -> str:
    return f"file: region {index} is not the one that was signed for this place"


# Opening what is whole


@pytest.mark.parametrize("size", [0, 1, REGION - 1, REGION, REGION + 1, 3 * REGION])
def test_opening_undoes_sealing(size: int, north: Keys, south: Keys) -> None:
    sealed = seal_bytes(plaintext(size), north, south)

    assert open_bytes(sealed, north, south) == plaintext(size)


@patient
@given(plain=st.binary(max_size=1000))
def test_opening_undoes_sealing_of_any_bytes(plain: bytes, north: Keys, south: Keys) -> None:
    assert open_bytes(seal_bytes(plain, north, south), north, south) == plain


def test_every_reader_opens_the_file(sealed: bytes, north: Keys, south: Keys) -> None:
    assert open_bytes(sealed, north, south) == PLAIN
    assert open_bytes(sealed, north, north) == PLAIN


def test_progress_counts_every_byte_once(fd: int, tmp_path: Path, north: Keys, south: Keys) -> None:
    file = SealedFile(fd, "file", north.signing)
    counts: list[int] = []

    with Output(tmp_path / "opened", force=False) as output:
        file.open_to(data_key(file, south), output, counts.append)

    assert sorted(counts) == [100, REGION, REGION, REGION]


def test_the_regions_of_a_whole_file_are_verified_without_a_key(fd: int, north: Keys) -> None:
    counts: list[int] = []

    SealedFile(fd, "file", north.signing).verify_regions(counts.append)

    assert sum(counts) == len(PLAIN)


def test_a_manifest_of_many_columns_is_read_though_it_is_long(north: Keys) -> None:
    columns = tuple(Column(f"{i:04}" + "x" * 100, "text", nullable=True) for i in range(1000))
    sealed = seal_bytes(PLAIN, north, content=Table("parquet", columns, 1))

    assert len(Parts.of(sealed).envelope) > 1 << 16
    assert open_bytes(sealed, north, north) == PLAIN


# Reading spans


@patient
@given(size=sizes, data=st.data())
def test_any_span_is_read_by_decrypting_only_the_regions_that_hold_it(
    size: int, data: st.DataObject, north: Keys
) -> None:
    plain = plaintext(size)
    start = data.draw(st.integers(0, size))
    wanted = Span(start, data.draw(st.integers(0, size - start)))

    with memory_file(seal_bytes(plain, north)) as fd:
        file = SealedFile(fd, "file", north.signing)
        reader = file.reader(data_key(file, north))
        found = reader.read(wanted)

    assert found == plain[wanted.offset : wanted.end]
    assert reader.decrypted == len(file.layout.covering(wanted))


@patient
@given(
    spans=st.lists(st.tuples(st.integers(0, len(PLAIN)), st.integers(0, 2 * REGION)), max_size=6)
)
def test_one_reader_reads_span_after_span(
    spans: list[tuple[int, int]], sealed: bytes, north: Keys, south: Keys
) -> None:
    wanted = [Span(start, min(length, len(PLAIN) - start)) for start, length in spans]

    with memory_file(sealed) as fd:
        file = SealedFile(fd, "file", north.signing)
        reader = file.reader(data_key(file, south))
        found = [reader.read(span) for span in wanted]

    assert found == [PLAIN[span.offset : span.end] for span in wanted]


def test_reading_on_in_the_same_region_decrypts_it_once(fd: int, north: Keys, south: Keys) -> None:
    file = SealedFile(fd, "file", north.signing)
    reader = file.reader(data_key(file, south))

    for offset in range(0, REGION, REGION // 8):
        reader.read(Span(offset, REGION // 8))

    assert reader.decrypted == 1


def test_a_span_is_read_though_every_other_region_is_spoiled(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    spoiled = flipped(flipped(flipped(sealed, 0), 2 * STORED), LAST)

    with memory_file(spoiled) as fd:
        file = SealedFile(fd, "file", north.signing)
        found = file.reader(data_key(file, south)).read(Span(REGION, REGION))

    assert found == PLAIN[REGION : 2 * REGION]


def test_a_spoiled_region_is_refused_each_time_it_is_read(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    with memory_file(flipped(sealed, STORED)) as fd:
        file = SealedFile(fd, "file", north.signing)
        reader = file.reader(data_key(file, south))
        first = reader.read(Span(0, 10))

        for _ in range(2):
            with pytest.raises(Tampered, match=f"^{not_the_region(1)}$"):
                reader.read(Span(REGION, 10))

        assert reader.read(Span(0, 10)) == first == PLAIN[:10]


@pytest.mark.parametrize(
    "span",
    [
        pytest.param(Span(len(PLAIN), 1), id="behind the end"),
        pytest.param(Span(0, len(PLAIN) + 1), id="over the end"),
        pytest.param(Span(len(PLAIN) + 1, 0), id="nothing, behind the end"),
        pytest.param(Span(-1, 1), id="before the start"),
        pytest.param(Span(-10, 5), id="far before the start"),
        pytest.param(Span(10, -5), id="backwards"),
        pytest.param(Span(0, 1 << 62), id="huge"),
    ],
)
def test_a_span_outside_the_plaintext_is_our_own_mistake(
    fd: int, span: Span, north: Keys, south: Keys
) -> None:
    file = SealedFile(fd, "file", north.signing)
    reader = file.reader(data_key(file, south))

    with pytest.raises(ValueError, match=r"^a span must lie within the plaintext$"):
        reader.read(span)


# Flipped bits


@pytest.mark.parametrize("bit", range(8))
def test_a_flipped_bit_of_any_byte_of_the_trailer_is_refused(
    bit: int, sealed: bytes, fd: int, north: Keys
) -> None:
    start = len(sealed) - len(Parts.of(sealed).trailer)
    accepted = []

    for offset in range(start, len(sealed)):
        os.pwrite(fd, bytes([sealed[offset] ^ 1 << bit]), offset)
        if not refused(fd, north):
            accepted.append(offset)
        os.pwrite(fd, sealed[offset : offset + 1], offset)

    assert accepted == []
    assert not refused(fd, north)


@pytest.mark.parametrize("index", range(4))
def test_a_flipped_byte_of_a_region_is_refused(
    index: int, sealed: bytes, north: Keys, south: Keys
) -> None:
    region = Parts.of(sealed).regions[index]
    tag = range(len(region) - 16, len(region))

    for offset in (0, 1, 15, 16, 17, len(region) // 2, *tag):
        error = refusal(flipped(sealed, index * STORED + offset), north, south)

        assert (type(error), str(error)) == (Tampered, not_the_region(index))


@pytest.mark.parametrize("offset", [0, STORED - 1, STORED, LAST, LAST + 115])
def test_a_flipped_byte_of_a_region_is_found_without_a_key(
    offset: int, sealed: bytes, north: Keys
) -> None:
    with memory_file(flipped(sealed, offset)) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(Tampered, match=f"^{not_the_region(offset // STORED)}$"):
            file.verify_regions(ignore)


def test_a_flipped_byte_of_the_table_is_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    start = LAST + 116

    for offset in range(start, start + 4 * 32):
        error = refusal(flipped(sealed, offset), north, south)

        assert (type(error), str(error)) == (
            Tampered,
            "file: the table of regions is not the one that was signed",
        )


@patient
@given(data=st.data())
def test_any_flipped_bit_anywhere_is_refused(
    data: st.DataObject, sealed: bytes, north: Keys, south: Keys
) -> None:
    bit = data.draw(st.integers(0, len(sealed) * 8 - 1))

    refusal(flipped(sealed, bit // 8, 1 << bit % 8), north, south)


def test_any_flipped_bit_of_an_empty_file_is_refused(north: Keys) -> None:
    sealed = seal_bytes(b"", north)

    with memory_file(sealed) as fd:
        for bit in range(len(sealed) * 8):
            os.pwrite(fd, bytes([sealed[bit // 8] ^ 1 << bit % 8]), bit // 8)
            assert refused(fd, north)
            os.pwrite(fd, sealed[bit // 8 : bit // 8 + 1], bit // 8)


# Cut, grown, reordered


def test_a_file_cut_anywhere_in_the_trailer_is_refused(sealed: bytes, fd: int, north: Keys) -> None:
    start = len(sealed) - len(Parts.of(sealed).trailer)
    accepted = []

    for length in reversed(range(start, len(sealed))):
        os.truncate(fd, length)
        if not refused(fd, north):
            accepted.append(length)

    assert accepted == []


@pytest.mark.parametrize(
    "length", [0, 1, 15, 16, 17, STORED - 1, STORED, STORED + 1, LAST, LAST + 1, LAST + 115]
)
def test_a_file_cut_in_the_body_is_refused(
    length: int, sealed: bytes, north: Keys, south: Keys
) -> None:
    error = refusal(sealed[:length], north, south)

    assert (type(error), str(error)) == (
        Malformed,
        "file: expected a sealed file, which ends in its magic number",
    )


@pytest.mark.parametrize("end", [1, 16, STORED, 2 * STORED, LAST, LAST + 116])
def test_a_file_without_its_first_bytes_is_refused(
    end: int, sealed: bytes, north: Keys, south: Keys
) -> None:
    before = len(sealed) - len(Parts.of(sealed).trailer) + 4 * 32
    error = refusal(sealed[end:], north, south)

    assert (type(error), str(error)) == (
        Tampered,
        f"file: the manifest says {before} bytes come before it, but there are {before - end}",
    )


@pytest.mark.parametrize("index", range(4))
def test_a_file_without_one_of_its_regions_is_refused(
    index: int, sealed: bytes, north: Keys, south: Keys
) -> None:
    parts = Parts.of(sealed)
    left = parts.regions[:index] + parts.regions[index + 1 :]

    error = refusal(replace(parts, regions=left).join(), north, south)

    assert type(error) is Tampered
    assert "the manifest says" in str(error)


@patient
@given(data=st.data())
def test_any_cut_file_is_refused(
    data: st.DataObject, sealed: bytes, north: Keys, south: Keys
) -> None:
    start = data.draw(st.integers(0, len(sealed)))
    end = data.draw(st.integers(start, len(sealed) - (start == 0)))

    refusal(sealed[start:end], north, south)


@patient
@given(data=st.data(), more=st.binary(min_size=1, max_size=100))
def test_any_grown_file_is_refused(
    data: st.DataObject, more: bytes, sealed: bytes, north: Keys, south: Keys
) -> None:
    at = data.draw(st.integers(0, len(sealed)))

    refusal(sealed[:at] + more + sealed[at:], north, south)


@pytest.mark.parametrize(
    "more",
    [
        pytest.param(b"\0", id="zero"),
        pytest.param(b"\n", id="line feed"),
        pytest.param(MAGIC, id="magic number"),
        pytest.param(bytes(4) + MAGIC, id="footer of an empty envelope"),
        pytest.param(b"\xff" * 4 + MAGIC, id="footer of 4 GiB"),
        pytest.param(b"\0\0\0\x01" + MAGIC, id="footer of one byte"),
    ],
)
def test_a_file_with_more_behind_it_is_refused(
    more: bytes, sealed: bytes, north: Keys, south: Keys
) -> None:
    error = refusal(sealed + more, north, south)

    assert type(error) is Malformed


@pytest.mark.parametrize("at", [0, 1, STORED, LAST, LAST + 116, LAST + 116 + 128])
def test_bytes_put_in_before_the_envelope_are_refused(
    at: int, sealed: bytes, north: Keys, south: Keys
) -> None:
    before = LAST + 116 + 128
    error = refusal(sealed[:at] + b"more" + sealed[at:], north, south)

    assert (type(error), str(error)) == (
        Tampered,
        f"file: the manifest says {before} bytes come before it, but there are {before + 4}",
    )


def test_two_files_one_behind_the_other_are_refused(
    sealed: bytes, other: bytes, north: Keys, south: Keys
) -> None:
    error = refusal(other + sealed, north, south)

    assert type(error) is Tampered
    assert "the manifest says" in str(error)


def test_bytes_moved_from_the_body_into_the_table_are_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    parts = Parts.of(sealed)
    *regions, last = parts.regions
    shifted = replace(parts, regions=(*regions, last + b"x"), table=parts.table[:-1])

    error = refusal(shifted.join(), north, south)

    assert str(error) == "file: the table of regions is not the one that was signed"


def test_reordered_regions_are_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    parts = Parts.of(sealed)
    first, second, *rest = parts.regions

    error = refusal(replace(parts, regions=(second, first, *rest)).join(), north, south)

    assert type(error) is Tampered
    assert str(error) in (not_the_region(0), not_the_region(1))


def test_regions_reordered_with_their_digests_are_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    parts = Parts.of(sealed)
    first, second, *rest = parts.regions
    table = parts.table[32:64] + parts.table[:32] + parts.table[64:]

    error = refusal(
        replace(parts, regions=(second, first, *rest), table=table).join(), north, south
    )

    assert (type(error), str(error)) == (
        Tampered,
        "file: the table of regions is not the one that was signed",
    )


def test_a_region_in_place_of_another_is_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    parts = Parts.of(sealed)
    first, _, *rest = parts.regions

    error = refusal(replace(parts, regions=(first, first, *rest)).join(), north, south)

    assert (type(error), str(error)) == (Tampered, not_the_region(1))


# Parts of another file


@pytest.mark.parametrize("index", range(4))
def test_a_region_of_another_file_by_the_same_owner_is_refused(
    index: int, sealed: bytes, other: bytes, north: Keys, south: Keys
) -> None:
    parts, foreign = Parts.of(sealed), Parts.of(other)
    regions = list(parts.regions)
    regions[index] = foreign.regions[index]

    error = refusal(replace(parts, regions=tuple(regions)).join(), north, south)

    assert (type(error), str(error)) == (Tampered, not_the_region(index))


def test_the_table_of_another_file_is_refused(
    sealed: bytes, other: bytes, north: Keys, south: Keys
) -> None:
    error = refusal(replace(Parts.of(sealed), table=Parts.of(other).table).join(), north, south)

    assert (type(error), str(error)) == (
        Tampered,
        "file: the table of regions is not the one that was signed",
    )


def test_the_manifest_of_another_file_is_refused(
    sealed: bytes, other: bytes, north: Keys, south: Keys
) -> None:
    swapped = replace(Parts.of(sealed), envelope=Parts.of(other).envelope)

    error = refusal(swapped.join(), north, south)

    assert str(error) == "file: the table of regions is not the one that was signed"


def test_the_whole_trailer_of_another_file_is_refused(
    sealed: bytes, other: bytes, north: Keys, south: Keys
) -> None:
    swapped = replace(Parts.of(other), regions=Parts.of(sealed).regions)

    error = refusal(swapped.join(), north, south)

    assert type(error) is Tampered
    assert str(error) in [not_the_region(index) for index in range(4)]


def test_the_body_of_a_longer_file_is_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    longer = Parts.of(seal_bytes(PLAIN + b"more", north, south))
    swapped = replace(Parts.of(sealed), regions=longer.regions)

    error = refusal(swapped.join(), north, south)

    assert type(error) is Tampered
    assert "the manifest says" in str(error)


def test_an_older_version_is_refused_by_a_reader_who_knows_a_newer_one(north: Keys) -> None:
    older = seal_bytes(PLAIN, north, origin=DatasetOrigin("north", "customers", 4))

    with memory_file(older) as fd:
        manifest = SealedFile(fd, "file", north.signing).manifest

    with pytest.raises(PolicyRefused, match=r"^dataset 'customers' is version 4, older than 5$"):
        document.check_version(manifest, 5)


# Who signed, and what


def test_a_file_that_is_not_signed_is_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    error = refusal(Parts.of(sealed).with_envelope(signatures=[]).join(), north, south)

    assert (type(error), str(error)) == (
        Malformed,
        "file.signatures: expected 1 to 1 entries, got 0",
    )


def test_a_file_signed_by_somebody_else_is_refused(sealed: bytes, north: Keys, south: Keys) -> None:
    parts = Parts.of(sealed)

    error = refusal(parts.with_payload(parts.payload, south).join(), north, south)

    assert (type(error), str(error)) == (
        Tampered,
        f"file: signed by {south.signing.id}, not by the expected {north.signing.id}",
    )


def test_a_file_of_somebody_else_is_refused(north: Keys, south: Keys) -> None:
    error = refusal(seal_bytes(PLAIN, south, south), north, south)

    assert type(error) is Tampered
    assert "not by the expected" in str(error)


def test_a_manifest_signed_as_another_type_is_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    parts = Parts.of(sealed)

    error = refusal(parts.with_payload(parts.payload, north, STATEMENT).join(), north, south)

    assert (type(error), str(error)) == (
        Tampered,
        f"file: signed as '{STATEMENT}', not '{PAYLOAD_TYPE}'",
    )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"extra": 1}, "file: expected no other field, got 'extra'", id="unknown"),
        pytest.param({"rule": DROP}, "file: expected a field 'rule'", id="missing"),
        pytest.param(
            {"cipher": "AES-128-GCM"},
            "file.cipher: expected 'AES-256-GCM', got 'AES-128-GCM'",
            id="cipher",
        ),
        pytest.param(
            {"format": "cleanroom/sealed/v2"},
            "file.format: expected 'cleanroom/sealed/v1', got 'cleanroom/sealed/v2'",
            id="format",
        ),
    ],
)
def test_a_manifest_we_do_not_know_is_refused_though_the_owner_signed_it(
    changes: dict[str, Any], message: str, sealed: bytes, north: Keys, south: Keys
) -> None:
    error = refusal(Parts.of(sealed).with_manifest(north, **changes).join(), north, south)

    assert (type(error), str(error)) == (Malformed, message)


def test_a_field_twice_is_refused_though_the_owner_signed_it(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    parts = Parts.of(sealed)
    twice = parts.payload.replace(b'{"cipher"', b'{"cipher":"none","cipher"', 1)

    error = refusal(parts.with_payload(twice, north).join(), north, south)

    assert (type(error), str(error)) == (Malformed, "file: expected each field once")


# Sizes that would be costly to believe


def layout(size: int, count: int, region_size: int = REGION) -> dict[str, int]:
    return {"plaintext_size": size, "region_size": region_size, "region_count": count}


@pytest.mark.parametrize(
    ("claimed", "kind"),
    [
        pytest.param(layout(ABSURD, 1), Malformed, id="8 PiB in one region"),
        pytest.param(layout(ABSURD, 1 << 37), Malformed, id="8 PiB"),
        pytest.param(layout(1 << 46, 1 << 20, 1 << 26), Tampered, id="64 TiB, the most there is"),
        pytest.param(layout(1 << 36, 1 << 20), Tampered, id="a table of 32 MiB"),
        pytest.param(layout(1 << 26, 1, 1 << 26), Tampered, id="one region of 64 MiB"),
        pytest.param(layout(len(PLAIN), 5), Malformed, id="a region too many"),
        pytest.param(layout(len(PLAIN), 3), Malformed, id="a region too few"),
        pytest.param(layout(len(PLAIN), 3, 3 << 15), Malformed, id="not a power of two"),
        pytest.param(layout(len(PLAIN), 1, 1 << 52), Malformed, id="one region of 4 PiB"),
        pytest.param(layout(len(PLAIN), 2, REGION << 1), Tampered, id="larger regions"),
        pytest.param(layout(len(PLAIN) - 1, 4), Tampered, id="a byte less"),
    ],
)
def test_a_claimed_size_is_refused_before_memory_is_taken_for_it(
    claimed: dict[str, int], kind: type, sealed: bytes, north: Keys
) -> None:
    lying = Parts.of(sealed).with_manifest(north, layout=claimed).join()

    with memory_file(lying) as fd:
        tracemalloc.start()
        with pytest.raises(CleanroomError) as caught:
            SealedFile(fd, "file", north.signing)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert type(caught.value) is kind
    assert peak < MEBIBYTE


@pytest.mark.parametrize("length", [0, 1 << 19, (1 << 31) - 1, (1 << 32) - 1])
def test_a_claimed_length_of_the_envelope_is_refused_before_memory_is_taken_for_it(
    length: int, sealed: bytes
) -> None:
    lying = sealed[:-16] + length.to_bytes(4, "big") + MAGIC

    with memory_file(lying) as fd:
        tracemalloc.start()
        with pytest.raises(Malformed, match=f"a manifest that fits the file, got {length} bytes"):
            read_envelope(fd, "file")
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

    assert peak < MEBIBYTE


def test_a_hole_of_a_terabyte_that_claims_to_be_an_envelope_is_refused(north: Keys) -> None:
    with memory_file(b"") as fd:
        os.pwrite(fd, b"\xff" * 4 + MAGIC, (1 << 40) - 16)

        with pytest.raises(Malformed, match=r"a manifest that fits the file, got 4294967295 bytes"):
            SealedFile(fd, "file", north.signing)


# Whose key


def test_a_key_that_the_file_is_not_sealed_for_is_refused(north: Keys, south: Keys) -> None:
    sealed = seal_bytes(PLAIN, north, north)

    error = refusal(sealed, north, south)

    assert (type(error), str(error)) == (
        PolicyRefused,
        f"the file is not sealed for the key {south.reader.id}, only for {north.reader.id}",
    )


@pytest.fixture
def private_reader(south: Keys, tmp_path: Path) -> keyfiles.PrivateReader:
    south.write(tmp_path, "south")
    return keyfiles.PrivateReader(tmp_path / "south.reader.pem")


def unwrapped(sealed: bytes, owner: Keys, reader: keyfiles.PrivateReader) -> DataKey:
    with memory_file(sealed) as fd:
        wrapped = SealedFile(fd, "file", owner.signing).manifest.wrapped_for(reader.public.id)
    return document.data_key(wrapped, None, reader.unwrap)


def with_wrapped(sealed: bytes, wrapped: bytes, owner: Keys, reader: Keys) -> bytes:
    entry = {
        "reader": reader.reader.id.text,
        "algorithm": "RSA-OAEP-256",
        "wrapped": base64_text(wrapped),
    }
    return Parts.of(sealed).with_manifest(owner, readers=[entry]).join()


@pytest.mark.parametrize(
    "garbage",
    [
        pytest.param(bytes(256), id="zeros"),
        pytest.param(b"\xff" * 256, id="larger than the modulus"),
        pytest.param(plaintext(512), id="as long as another key"),
    ],
)
def test_a_wrapped_key_that_is_garbage_is_refused(
    garbage: bytes,
    sealed: bytes,
    north: Keys,
    south: Keys,
    private_reader: keyfiles.PrivateReader,
) -> None:
    spoiled = with_wrapped(sealed, garbage, north, south)

    with pytest.raises(
        Tampered, match=r"^the wrapped data key does not open with this reader key$"
    ):
        unwrapped(spoiled, north, private_reader)


def test_a_key_wrapped_for_somebody_else_under_my_name_is_refused(
    sealed: bytes, north: Keys, south: Keys, private_reader: keyfiles.PrivateReader
) -> None:
    spoiled = with_wrapped(sealed, north.reader.wrap(DataKey(bytes(32))), north, south)

    with pytest.raises(
        Tampered, match=r"^the wrapped data key does not open with this reader key$"
    ):
        unwrapped(spoiled, north, private_reader)


def test_another_data_key_than_the_regions_are_sealed_with_is_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    spoiled = with_wrapped(sealed, south.reader.wrap(DataKey(bytes(32))), north, south)

    error = refusal(spoiled, north, south)

    assert type(error) is Tampered
    assert str(error) in [f"file: region {index} does not open with this key" for index in range(4)]


def forge(sealed: bytes, owner: Keys, reader: Keys) -> Parts:
    """Let a reader, who knows the data key, seal another first region in place of the owner's."""
    with memory_file(sealed) as fd:
        file = SealedFile(fd, "file", owner.signing)
        cipher, file_id = AESGCM(data_key(file, reader).expose()), file.manifest.file_id
    parts = Parts.of(sealed)
    nonce, bound = bytes(12), file_id + bytes(8)
    forged = cipher.encrypt(nonce, plaintext(REGION, "forged"), bound)
    assert cipher.decrypt(nonce, forged, bound)  # GCM alone would believe it
    return replace(parts, regions=(forged, *parts.regions[1:]))


def test_a_region_forged_by_another_reader_is_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    forged = forge(sealed, north, reader=north)

    error = refusal(forged.join(), north, south)

    assert (type(error), str(error)) == (Tampered, not_the_region(0))


def test_a_region_forged_by_another_reader_is_refused_in_a_span(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    with memory_file(forge(sealed, north, reader=north).join()) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(Tampered, match=f"^{not_the_region(0)}$"):
            file.reader(data_key(file, south)).read(Span(0, 1))


def test_a_region_forged_together_with_its_digest_is_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    forged = forge(sealed, north, reader=south)
    table = region_digest(forged.regions[0]) + forged.table[32:]

    error = refusal(replace(forged, table=table).join(), north, north)

    assert (type(error), str(error)) == (
        Tampered,
        "file: the table of regions is not the one that was signed",
    )


def test_a_region_forged_together_with_table_and_manifest_is_refused(
    sealed: bytes, north: Keys, south: Keys
) -> None:
    forged = forge(sealed, north, reader=south)
    table = region_digest(forged.regions[0]) + forged.table[32:]
    digest = "blake3:" + region_digest(table).hex()
    whole = replace(forged, table=table).with_manifest(south, regions=digest)

    error = refusal(whole.join(), north, north)

    assert type(error) is Tampered
    assert "not by the expected" in str(error)


# Files that change, and things that are no files


def test_a_file_cut_after_its_manifest_was_read_is_refused(
    fd: int, north: Keys, south: Keys
) -> None:
    file = SealedFile(fd, "file", north.signing)
    os.truncate(fd, STORED + 5)

    with pytest.raises(Tampered, match=r"^file: the file ends before its signed size$"):
        file.reader(data_key(file, south)).read(Span(REGION, 1))


def test_a_file_changed_after_its_manifest_was_read_is_refused(
    fd: int, tmp_path: Path, north: Keys, south: Keys
) -> None:
    file = SealedFile(fd, "file", north.signing)
    os.pwrite(fd, b"changed", STORED)

    with pytest.raises(Tampered, match=f"^{not_the_region(1)}$"):
        open_to(file, tmp_path / "opened", south)

    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_no_sealed_file(tmp_path: Path, north: Keys) -> None:
    folder = os.open(tmp_path, os.O_RDONLY)
    try:
        with pytest.raises(Usage, match=r"^folder: expected a file, got a folder$"):
            SealedFile(folder, "folder", north.signing)
    finally:
        os.close(folder)


def test_a_pipe_is_no_sealed_file(north: Keys) -> None:
    read, write = os.pipe()
    try:
        with pytest.raises(Malformed, match="which ends in its magic number"):
            SealedFile(read, "pipe", north.signing)
    finally:
        os.close(read)
        os.close(write)


@pytest.mark.parametrize(
    ("name", "got"),
    [
        pytest.param(".", "a folder", id="folder"),
        pytest.param("pipe", "a device or a pipe", id="pipe that nobody writes to"),
        pytest.param("/dev/null", "a device or a pipe", id="empty device"),
        pytest.param("/dev/zero", "a device or a pipe", id="endless device"),
    ],
)
def test_only_files_are_opened(name: str, got: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    path = tmp_path / name

    with pytest.raises(Usage, match=f"^{path}: expected a file, got {got}$"), opened(path):
        pass


def test_a_refused_pipe_is_closed_again(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    before = descriptors()

    with pytest.raises(Usage), opened(tmp_path / "pipe"):
        pass

    assert descriptors() == before


def test_a_file_that_is_not_there_is_not_opened(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    with (
        pytest.raises(Usage, match=f"^{missing}: there is no such file or folder$"),
        opened(missing),
    ):
        pass


def test_a_closed_file_is_our_own_word_for_it(north: Keys) -> None:
    with pytest.raises(Unavailable, match=r"^file: bad file descriptor$"):
        SealedFile(1 << 20, "file", north.signing)


# Nothing is left of what did not open


def open_to(file: SealedFile, path: Path, reader: Keys, progress: Any = ignore) -> None:
    with Output(path, force=False) as output:
        file.open_to(data_key(file, reader), output, progress)


@pytest.mark.parametrize("offset", [0, LAST])
def test_nothing_is_left_of_a_file_that_was_tampered_with(
    offset: int, tmp_path: Path, sealed: bytes, north: Keys, south: Keys
) -> None:
    with memory_file(flipped(sealed, offset)) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(Tampered):
            open_to(file, tmp_path / "opened", south)

    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_of_a_tampered_file_where_no_nameless_files_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sealed: bytes, north: Keys, south: Keys
) -> None:
    monkeypatch.delattr(os, "O_TMPFILE")

    with memory_file(flipped(sealed, LAST)) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(Tampered):
            open_to(file, tmp_path / "opened", south)

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
def test_nothing_is_left_when_opening_is_interrupted(
    kind: type[BaseException], fd: int, tmp_path: Path, north: Keys, south: Keys
) -> None:
    file = SealedFile(fd, "file", north.signing)

    def interrupt(_count: int) -> NoReturn:
        raise kind

    with pytest.raises(kind):
        open_to(file, tmp_path / "opened", south, interrupt)

    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def terminal() -> Iterator[None]:
    """Ctrl-C interrupts, though whoever started the tests may have asked to ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("terminal")
def test_ctrl_c_stops_opening_and_leaves_nothing(tmp_path: Path, north: Keys) -> None:
    done: list[int] = []
    main = threading.main_thread().ident or 0

    def press(count: int) -> None:
        done.append(count)
        if len(done) == 1:
            signal.pthread_kill(main, signal.SIGINT)
        time.sleep(0.001)

    sealed = seal_bytes(bytes(400 * REGION), north)
    with memory_file(sealed) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(KeyboardInterrupt):
            open_to(file, tmp_path / "opened", north, press)

    assert list(tmp_path.iterdir()) == []
    assert len(done) < 400


def test_the_first_error_stops_the_other_workers(tmp_path: Path, north: Keys) -> None:
    done: list[int] = []

    def count(size: int) -> None:
        done.append(size)
        time.sleep(0.001)

    sealed = seal_bytes(bytes(400 * REGION), north)

    with memory_file(flipped(sealed, 0)) as fd:
        file = SealedFile(fd, "file", north.signing)

        with pytest.raises(Tampered, match=f"^{not_the_region(0)}$"):
            open_to(file, tmp_path / "opened", north, count)

    assert len(done) < 399


STUCK = """
import os, sys, threading
from pathlib import Path
from party.files import Output
from party.opening import SealedFile, opened
from tests.builders import Keys
from tests.sealing import REGION, data_key, seal_to

def stuck(count):
    os.write(1, b"opened\\n")
    threading.Event().wait()

north, folder = Keys.make(), Path(sys.argv[1])
with opened(Path(sys.argv[2])) as source:
    seal_to(folder / "sealed", source, north, (north,))
with opened(folder / "sealed") as fd, Output(folder / "opened", force=False) as output:
    file = SealedFile(fd, "file", north.signing)
    file.open_to(data_key(file, north), output, stuck)
"""


def test_kill_9_leaves_no_plaintext(tmp_path: Path) -> None:
    if not nameless_files_work(tmp_path):
        pytest.skip("this file system has no nameless files")
    source, folder = tmp_path / "source", tmp_path / "folder"
    source.write_bytes(PLAIN)
    folder.mkdir()

    with python(STUCK, folder, source) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        process.kill()

    assert line == b"opened\n"
    assert [path.name for path in folder.iterdir()] == ["sealed"]
