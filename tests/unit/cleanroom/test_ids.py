"""Names and digests have one spelling."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cleanroom.errors import Malformed
from cleanroom.ids import Digest, alias, name
from tests.builders import DIGEST

EMPTY = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a", id="one letter"),
        pytest.param("north", id="word"),
        pytest.param("north-bank-2", id="hyphens and digits"),
        pytest.param("a" * 63, id="longest"),
        pytest.param("a" + "-a" * 31, id="longest, with hyphens"),
    ],
)
def test_a_name_is_accepted(raw: str) -> None:
    assert name(raw, "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 64, id="too long"),
        pytest.param("a" + "-a" * 32, id="too long, with hyphens"),
        pytest.param("North", id="upper case"),
        pytest.param("1north", id="digit first"),
        pytest.param("-north", id="hyphen first"),
        pytest.param("north-", id="hyphen last"),
        pytest.param("north--bank", id="two hyphens"),
        pytest.param("north_bank", id="underscore"),
        pytest.param("north.bank", id="dot"),
        pytest.param("..", id="parent folder"),
        pytest.param("north/bank", id="slash"),
        pytest.param("north bank", id="space"),
        pytest.param("north\n", id="line feed after"),
        pytest.param("no\nrth", id="line feed inside"),
        pytest.param("n\u043erth", id="Cyrillic o"),
        pytest.param("nort\u210e", id="letter that normalises to h"),
        pytest.param("a\u200b", id="zero width space"),
        pytest.param(1, id="number"),
        pytest.param(None, id="null"),
        pytest.param(["north"], id="list"),
    ],
)
def test_anything_else_is_no_name(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a name of 1 to 63 lower-case letters"):
        name(raw, "x")


def test_a_name_that_almost_matches_is_refused_in_no_time() -> None:
    with pytest.raises(Malformed, match=r"^x: expected a name"):
        name("a" + "-a" * 500_000 + "-", "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("a", id="one letter"),
        pytest.param("_", id="underscore"),
        pytest.param("a_b_2", id="underscores and digits"),
        pytest.param("a" * 63, id="longest"),
    ],
)
def test_an_alias_is_accepted(raw: str) -> None:
    assert alias(raw, "x") == raw


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param("a" * 64, id="too long"),
        pytest.param("A", id="upper case"),
        pytest.param("2a", id="digit first"),
        pytest.param("a-b", id="hyphen"),
        pytest.param('a"b', id="quote"),
        pytest.param("a;drop", id="semicolon"),
        pytest.param("a\n", id="line feed after"),
        pytest.param("\u0430", id="Cyrillic a"),
        pytest.param(1, id="number"),
        pytest.param(None, id="null"),
    ],
)
def test_anything_else_is_no_alias(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected 1 to 63 lower-case letters, digits and und"):
        alias(raw, "x")


def test_a_digest_names_bytes() -> None:
    digest = Digest.of(b"")

    assert digest.text == EMPTY
    assert str(digest) == EMPTY
    assert digest.hex == EMPTY.removeprefix("sha256:")


def test_a_digest_matches_its_bytes_only() -> None:
    digest = Digest.of(b"bytes")

    assert digest.matches(b"bytes")
    assert not digest.matches(b"Bytes")
    assert not digest.matches(b"")


def test_a_digest_is_read_in_both_spellings() -> None:
    assert Digest.parse(EMPTY, "x") == Digest.of(b"")
    assert Digest.from_hex(EMPTY.removeprefix("sha256:"), "x") == Digest.of(b"")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param(DIGEST.removeprefix("sha256:"), id="no algorithm"),
        pytest.param(DIGEST.upper(), id="upper case"),
        pytest.param("sha256:" + "AB" * 32, id="upper case digits"),
        pytest.param("SHA256:" + "ab" * 32, id="upper case algorithm"),
        pytest.param("sha512:" + "ab" * 32, id="another algorithm"),
        pytest.param(DIGEST[:-1], id="a digit short"),
        pytest.param(DIGEST + "0", id="a digit more"),
        pytest.param(DIGEST[:-1] + "g", id="no hexadecimal digit"),
        pytest.param(DIGEST + "\n", id="line feed after"),
        pytest.param(" " + DIGEST, id="space before"),
        pytest.param("sha256:" + "\u0661" * 64, id="digits of another script"),
        pytest.param(7, id="number"),
        pytest.param(None, id="null"),
        pytest.param({"sha256": "ab" * 32}, id="object"),
    ],
)
def test_anything_else_is_no_digest(raw: object) -> None:
    message = "x: expected 'sha256:' and 64 lower-case hexadecimal digits, got "

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Digest.parse(raw, "x")


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param("", id="empty"),
        pytest.param(DIGEST, id="with the algorithm"),
        pytest.param("AB" * 32, id="upper case"),
        pytest.param("ab" * 31, id="too short"),
        pytest.param("ab" * 33, id="too long"),
        pytest.param("ab" * 32 + "\n", id="line feed after"),
        pytest.param(7, id="number"),
        pytest.param(None, id="null"),
        pytest.param(["ab" * 32], id="list"),
    ],
)
def test_anything_else_is_no_bare_digest(raw: object) -> None:
    with pytest.raises(Malformed, match=r"^x: expected .*64 lower-case hexadecimal digits"):
        Digest.from_hex(raw, "x")


def test_a_digest_is_spoken_as_six_words() -> None:
    addresses = "7f000001" + "3f54dcc1" + "3f760723"  # examples of the proposal, arXiv:0901.4016

    digest = Digest(f"sha256:{addresses}{'00' * 20}")

    assert digest.words == "lusab-babad-gutih-tugad-gutuk-bisog"


@given(data=st.binary(max_size=32), other=st.binary(max_size=32))
@settings(max_examples=100, deadline=None)
def test_digests_are_equal_exactly_when_their_bytes_are(data: bytes, other: bytes) -> None:
    digest = Digest.of(data)

    assert Digest.parse(digest.text, "x") == digest
    assert digest.matches(other) == (data == other)
