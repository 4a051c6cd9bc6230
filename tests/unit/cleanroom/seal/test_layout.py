"""Region arithmetic, the footer, and the sizes that a file may claim."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cleanroom.errors import CleanroomError, Malformed, Tampered
from cleanroom.seal import layout
from cleanroom.seal.layout import (
    FOOTER_BYTES,
    LARGEST_REGION,
    MAGIC,
    SMALLEST_REGION,
    TAG_BYTES,
    Layout,
    Span,
)

LARGEST_ENVELOPE = 1 << 20

powers = st.integers(16, 26).map(lambda shift: 1 << shift)


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    region_size = draw(powers)
    near = draw(st.integers(0, 40)) * region_size + draw(st.integers(-2, 2))
    return Layout(max(0, near), region_size)


@st.composite
def layouts_and_spans(draw: st.DrawFn) -> tuple[Layout, Span]:
    found = draw(layouts())
    start = draw(st.integers(0, found.plaintext_size))
    return found, Span(start, draw(st.integers(0, found.plaintext_size - start)))


def ends(spans: list[Span]) -> list[int]:
    return [0, *(span.end for span in spans)]


@given(layouts())
def test_regions_tile_the_plaintext(found: Layout) -> None:
    plain = [found.plain(index) for index in range(found.regions)]

    assert [span.offset for span in plain] == ends(plain)[:-1]
    assert ends(plain)[-1] == found.plaintext_size
    assert all(0 < span.length <= found.region_size for span in plain)


@given(layouts())
def test_stored_regions_tile_the_body(found: Layout) -> None:
    stored = [found.stored(index) for index in range(found.regions)]

    assert [span.offset for span in stored] == ends(stored)[:-1]
    assert ends(stored)[-1] == found.body_size == found.table.offset


@given(layouts())
def test_a_stored_region_is_longer_by_its_tag(found: Layout) -> None:
    for index in range(found.regions):
        assert found.stored(index).length == found.plain(index).length + TAG_BYTES


@given(layouts_and_spans())
def test_pieces_tile_the_span_they_were_asked_for(case: tuple[Layout, Span]) -> None:
    found, wanted = case

    pieces = [
        Span(found.plain(index).offset + piece.offset, piece.length)
        for index, piece in found.pieces(wanted)
    ]

    assert sum(piece.length for piece in pieces) == wanted.length
    assert [piece.offset for piece in pieces] == [wanted.offset, *(p.end for p in pieces)][:-1]
    assert all(piece.length > 0 for piece in pieces)


@given(layouts_and_spans())
def test_pieces_lie_within_their_region(case: tuple[Layout, Span]) -> None:
    found, wanted = case

    for index, piece in found.pieces(wanted):
        assert 0 <= piece.offset < piece.end <= found.plain(index).length


@given(layouts_and_spans())
def test_only_regions_that_hold_a_part_cover_a_span(case: tuple[Layout, Span]) -> None:
    found, wanted = case

    touched = [
        index
        for index in range(found.regions)
        if found.plain(index).offset < wanted.end and wanted.offset < found.plain(index).end
    ]

    assert list(found.covering(wanted)) == (touched if wanted.length else [])


def test_an_empty_file_has_no_regions_and_no_table() -> None:
    empty = Layout(0, SMALLEST_REGION)

    assert (empty.regions, empty.body_size, empty.table) == (0, 0, Span(0, 0))


def test_nothing_covers_an_empty_span() -> None:
    assert list(Layout(10, SMALLEST_REGION).covering(Span(5, 0))) == []


@given(powers)
def test_every_power_of_two_in_range_is_a_region_size(size: int) -> None:
    assert layout.region_size(size, "size") == size


@pytest.mark.parametrize(
    ("size", "message"),
    [
        pytest.param(0, "a whole number 65536 to 67108864, got 0", id="zero"),
        pytest.param(SMALLEST_REGION >> 1, "65536 to 67108864, got 32768", id="too small"),
        pytest.param(LARGEST_REGION << 1, "65536 to 67108864, got 134217728", id="too large"),
        pytest.param(-SMALLEST_REGION, "65536 to 67108864, got -65536", id="negative"),
        pytest.param(SMALLEST_REGION + 1, "a power of two, got 65537", id="odd"),
        pytest.param(3 * SMALLEST_REGION, "a power of two, got 196608", id="three times"),
        pytest.param("65536", "a whole number 65536 to 67108864, got '65536'", id="text"),
        pytest.param(True, "65536 to 67108864, got True", id="true"),
        pytest.param(None, "65536 to 67108864, got nothing", id="null"),
    ],
)
def test_any_other_region_size_is_refused(size: object, message: str) -> None:
    with pytest.raises(Malformed, match=f"^size: expected .*{message}$"):
        layout.region_size(size, "size")


def test_the_footer_says_how_long_the_envelope_is_and_ends_in_the_magic_number() -> None:
    assert layout.footer(b"x" * 258) == b"\0\0\x01\x02" + b"\x89sealed\r\n\x1a\n\x01"


@given(st.binary(min_size=1, max_size=300), st.integers(0, 1 << 50))
def test_the_envelope_is_found_where_it_was_written(envelope: bytes, before: int) -> None:
    tail = envelope + layout.footer(envelope)

    span = layout.envelope_span(tail, before + len(tail), "file", LARGEST_ENVELOPE)

    assert span == Span(before, len(envelope))


@pytest.mark.parametrize(
    "tail",
    [
        pytest.param(b"", id="empty"),
        pytest.param(MAGIC, id="no length"),
        pytest.param(bytes(3) + MAGIC, id="cut length"),
        pytest.param(bytes(FOOTER_BYTES), id="no magic"),
        pytest.param(bytes(4) + MAGIC[:-1] + b"\x02", id="later version"),
        pytest.param(bytes(4) + MAGIC.replace(b"\r\n", b"\n"), id="line ends mended"),
        pytest.param(bytes(4) + MAGIC + b"\n", id="line feed behind"),
    ],
)
def test_a_file_without_the_magic_number_at_its_end_is_refused(tail: bytes) -> None:
    with pytest.raises(Malformed, match=r"a sealed file, which ends in its magic number") as caught:
        layout.envelope_span(tail, len(tail), "file", LARGEST_ENVELOPE)

    assert caught.value.hint == "was the file cut, or sent in text mode?"


@pytest.mark.parametrize(
    ("length", "file_size"),
    [
        pytest.param(0, 1 << 30, id="no envelope"),
        pytest.param(101, 100 + FOOTER_BYTES, id="longer than the file"),
        pytest.param(LARGEST_ENVELOPE + 1, 1 << 30, id="longer than allowed"),
        pytest.param((1 << 32) - 1, 1 << 40, id="4 GiB"),
    ],
)
def test_an_envelope_that_cannot_be_is_refused(length: int, file_size: int) -> None:
    tail = length.to_bytes(4, "big") + MAGIC

    with pytest.raises(Malformed, match=f"a manifest that fits the file, got {length} bytes"):
        layout.envelope_span(tail, file_size, "file", LARGEST_ENVELOPE)


@given(layouts(), st.integers(-(1 << 20), 1 << 20))
def test_the_signed_size_is_the_real_one_or_the_file_is_refused(found: Layout, by: int) -> None:
    envelope = Span(found.table.end + by, 100)

    refused: CleanroomError | None = None
    try:
        layout.check_size(found, envelope, "file")
    except Tampered as error:
        refused = error

    assert (refused is None) == (by == 0)


def test_a_cut_file_says_what_is_missing() -> None:
    with pytest.raises(
        Tampered, match=r"^file: the manifest says 58 bytes come before it, but there are 57$"
    ):
        layout.check_size(Layout(10, SMALLEST_REGION), Span(57, 9), "file")
