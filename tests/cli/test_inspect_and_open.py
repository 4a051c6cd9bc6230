"""`cleanroom inspect` and `cleanroom open`: whose word it is, and whole or not at all."""

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.builders import Keys
from tests.commands import TABLE, Here, Ran
from tests.sealing import Parts, flipped, seal_bytes

FROM = ("--from", "north.signing.pub.pem")
WITH = ("--with", "south.reader.pem")
VAULT = "https://north.vault.azure.net/secrets/customers"

type Open = Callable[..., Ran]


@pytest.fixture
def sealed(cleanroom: Here, folder: Path) -> Path:
    """The table, sealed by north for south; the table itself is gone."""
    cleanroom(
        "seal",
        "table.csv",
        *("--party", "north", "--dataset", "customers", "--version", 7),
        *("--sign-with", "north.signing.pem", "--for", "south.reader.pub.pem"),
    )
    (folder / "table.csv").unlink()
    return folder / "table.csv.sealed"


@pytest.fixture
def kept_apart(cleanroom: Here, folder: Path) -> Path:
    """The table, sealed with the wrapped key in a file of its own, as if it were in a vault."""
    cleanroom(
        "seal",
        "table.csv",
        *("--party", "north", "--dataset", "customers", "-o", "apart.sealed"),
        *("--sign-with", "north.signing.pem", "--for", "south.reader.pub.pem"),
        *("--keep-key-at", VAULT, "--wrapped-key-to", "wrapped.txt"),
    )
    return folder / "apart.sealed"


@pytest.fixture
def open_(cleanroom: Here) -> Open:
    """Open the sealed table as south, with more options or other ones."""
    return lambda *more, file="table.csv.sealed": cleanroom("open", file, *FROM, *WITH, *more)


# --- inspect


def test_a_sealed_file_says_of_itself(sealed: Path, cleanroom: Here) -> None:
    ran = cleanroom("inspect", sealed.name)

    assert ran.text == (
        "table.csv.sealed: says of itself, unverified\n"
        "  dataset    north/customers\n"
        "  version    7\n"
        "  created    <time>\n"
        "  size       46 bytes\n"
        "  content    csv, 2 rows\n"
        "  columns    customer  text\n"
        "             amount  float64\n"
        "  rule       none (the contract's decides)\n"
        "  readers    <digest>\n"
        "  digest     <digest>\n"
        "  words      <words>\n"
        "  signed by  <digest>\n"
    )


def test_a_sealed_file_as_json_is_not_verified(sealed: Path, cleanroom: Here, north: Keys) -> None:
    shown = cleanroom("inspect", sealed.name, "--json").json

    assert (shown["verified"], shown["signer"]) == (False, north.signing.id.text)
    assert shown["manifest"] == Parts.of(sealed.read_bytes()).manifest


def test_a_forged_file_says_of_itself_whatever_it_likes(
    sealed: Path, cleanroom: Here, south: Keys
) -> None:
    forged = Parts.of(sealed.read_bytes()).with_manifest(south, created="2000-01-01T00:00:00Z")
    sealed.write_bytes(forged.join())

    ran = cleanroom("inspect", sealed.name)

    assert "  created    2000-01-01T00:00:00Z\n" in ran.out
    assert ran.code == 0


def test_a_key_in_a_vault_is_shown_with_its_place(kept_apart: Path, cleanroom: Here) -> None:
    ran = cleanroom("inspect", kept_apart.name)

    assert f"  readers    <digest>\n             key at {VAULT}\n" in ran.text


@pytest.mark.parametrize(
    ("file", "code", "message", "hint"),
    [
        pytest.param("missing", 1, "missing: there is no such file or folder", "", id="missing"),
        pytest.param(".", 1, ".: expected a file, got a folder", "", id="folder"),
        pytest.param(
            "table.csv/x", 1, "table.csv/x: a part of the path is not a folder", "", id="no folder"
        ),
        pytest.param(
            "table.csv",
            2,
            "table.csv: expected a sealed file, which ends in its magic number",
            "was the file cut, or sent in text mode?",
            id="plain",
        ),
        pytest.param(
            "empty",
            2,
            "empty: expected a sealed file, which ends in its magic number",
            "was the file cut, or sent in text mode?",
            id="empty",
        ),
        pytest.param(
            "/dev/null", 1, "/dev/null: expected a file, got a device or a pipe", "", id="device"
        ),
        pytest.param("pipe", 1, "pipe: expected a file, got a device or a pipe", "", id="pipe"),
    ],
)
def test_what_is_no_sealed_file_cannot_be_inspected(
    file: str, code: int, message: str, hint: str, cleanroom: Here, folder: Path
) -> None:
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")

    ran = cleanroom("inspect", file)

    assert ran.refusal == (code, message, hint)


def test_an_error_about_a_file_with_a_nasty_name_is_one_line(cleanroom: Here, folder: Path) -> None:
    (folder / "a\nb\x1b[31m").touch()

    ran = cleanroom("inspect", "a\nb\x1b[31m")

    assert ran.refusal[1].startswith(r"a\nb\x1b[31m: expected a sealed file")


def test_an_error_about_a_file_whose_name_is_not_utf_8_is_printed(cleanroom: Here) -> None:
    ran = cleanroom("inspect", os.fsdecode(b"a\xff"))

    assert ran.refusal == (1, r"a\udcff: there is no such file or folder", "")


# --- open


def test_an_opened_file_is_what_was_sealed(sealed: Path, open_: Open, folder: Path) -> None:
    del sealed

    ran = open_()

    assert ran.text == (
        "opened table.csv.sealed as table.csv\n"
        "  size              46 bytes\n"
        "  version's digest  <digest>\n"
        "  signed by         north.signing.pub.pem (verified)\n"
    )
    assert (folder / "table.csv").read_text() == TABLE


def test_an_opened_file_is_for_its_owner_only(sealed: Path, open_: Open, folder: Path) -> None:
    del sealed

    open_()

    assert stat.S_IMODE((folder / "table.csv").stat().st_mode) == 0o600


def test_an_opened_file_as_json_is_its_verified_manifest(sealed: Path, open_: Open) -> None:
    opened = open_("-o", "plain", "--json").json

    assert (opened["output"], opened["verified"]) == ("plain", True)
    assert opened["manifest"] == Parts.of(sealed.read_bytes()).manifest


def test_an_output_that_exists_is_left_alone(sealed: Path, open_: Open, folder: Path) -> None:
    del sealed
    (folder / "table.csv").write_text("mine")

    ran = open_()

    assert ran.refusal == (
        1,
        "table.csv: it exists already",
        "name another output with --output, or replace it with --force",
    )
    assert (folder / "table.csv").read_text() == "mine"


def test_an_output_that_exists_is_replaced_if_told_to(
    sealed: Path, open_: Open, folder: Path
) -> None:
    del sealed
    (folder / "table.csv").write_text("mine")

    ran = open_("--force")

    assert ran.code == 0
    assert (folder / "table.csv").read_text() == TABLE


def test_a_file_without_our_ending_needs_a_name_for_its_output(
    sealed: Path, open_: Open, folder: Path
) -> None:
    sealed.rename(folder / "table")

    ran = open_(file="table")

    assert ran.refusal == (
        1,
        "table: without .sealed at the end, give the output's name",
        "--output NAME",
    )


def test_a_version_that_is_new_enough_opens(sealed: Path, open_: Open) -> None:
    del sealed

    ran = open_("--at-least", 7)

    assert ran.code == 0


def test_an_older_version_is_refused(sealed: Path, open_: Open, folder: Path) -> None:
    del sealed

    ran = open_("--at-least", 8)

    assert ran.refusal == (
        3,
        "dataset 'customers' is version 7, older than 8",
        "an older version was put in place of a newer one; ask the owner which is valid",
    )
    assert not (folder / "table.csv").exists()


@pytest.mark.parametrize(
    ("more", "code", "message", "hint"),
    [
        pytest.param(
            ["--from", "south.signing.pub.pem"],
            3,
            "table.csv.sealed: signed by <digest>, not by the expected <digest>",
            "",
            id="sealed by another",
        ),
        pytest.param(
            ["--with", "north.reader.pem"],
            3,
            "the file is not sealed for the key <digest>, only for <digest>",
            "ask the owner to seal it for your reader key",
            id="sealed for another",
        ),
        pytest.param(
            ["--from", "north.reader.pub.pem"],
            2,
            "north.reader.pub.pem: expected an ECDSA P-256 public key",
            "a signing key is in the file that ends in .signing.pub.pem",
            id="reader key for the owner's",
        ),
        pytest.param(
            ["--from", "north.signing.pem"],
            2,
            "north.signing.pem: expected a public key, got a private key",
            "give the file that ends in .pub.pem; the private one stays where it is",
            id="private key for the owner's",
        ),
        pytest.param(
            ["--from", "missing"], 1, "missing: there is no such file or folder", "", id="no owner"
        ),
        pytest.param(
            ["--with", "south.signing.pem"],
            2,
            "south.signing.pem: expected an RSA private key, got another kind of key",
            "a reader key is in the file that ends in .reader.pem",
            id="signing key for the reader's",
        ),
        pytest.param(
            ["--with", "open.pem"],
            1,
            "open.pem: a private key that others may read (mode 0604)",
            "chmod 600 open.pem",
            id="key that others may read",
        ),
        pytest.param(
            ["--with", "missing"], 1, "missing: there is no such file or folder", "", id="no key"
        ),
        pytest.param(
            ["--with", "south.reader.pub.pem"],
            2,
            "south.reader.pub.pem: expected a private key, got a public one",
            "give the file without .pub in its name",
            id="public key for the reader's",
        ),
        pytest.param(
            ["--wrapped-key", "south.reader.pub.pem"],
            1,
            "--wrapped-key: the file holds the wrapped key itself",
            "",
            id="a wrapped key too many",
        ),
        pytest.param(
            ["--at-least", "0"],
            1,
            "--at-least: expected a whole number of at least 1, got 0",
            "",
            id="version zero",
        ),
    ],
)
def test_a_file_opens_only_with_the_right_keys(
    more: list[str], code: int, message: str, hint: str, sealed: Path, open_: Open, folder: Path
) -> None:
    del sealed
    (folder / "open.pem").write_bytes((folder / "south.reader.pem").read_bytes())
    (folder / "open.pem").chmod(0o604)

    ran = open_(*more)

    assert ran.refusal == (code, message, hint)
    assert not (folder / "table.csv").exists()


def test_what_was_changed_does_not_open(sealed: Path, open_: Open, folder: Path) -> None:
    sealed.write_bytes(flipped(sealed.read_bytes(), 3))

    ran = open_()

    assert ran.refusal == (
        3,
        "table.csv.sealed: region 0 is not the one that was signed for this place",
        "",
    )
    assert not (folder / "table.csv").exists()


def test_what_was_cut_does_not_open(sealed: Path, open_: Open, folder: Path) -> None:
    sealed.write_bytes(sealed.read_bytes()[:-1])

    ran = open_()

    assert ran.refusal[:2] == (
        2,
        "table.csv.sealed: expected a sealed file, which ends in its magic number",
    )
    assert not (folder / "table.csv").exists()


@pytest.mark.parametrize(
    ("file", "message"),
    [
        pytest.param(".", ".: expected a file, got a folder", id="current folder"),
        pytest.param("/", "/: expected a file, got a folder", id="root"),
        pytest.param("folder.sealed", "folder.sealed: expected a file, got a folder", id="folder"),
        pytest.param(
            "pipe.sealed", "pipe.sealed: expected a file, got a device or a pipe", id="pipe"
        ),
        pytest.param("/dev/null", "/dev/null: expected a file, got a device or a pipe", id="null"),
        pytest.param("missing", "missing: there is no such file or folder", id="missing"),
    ],
)
def test_what_is_no_file_does_not_open(file: str, message: str, open_: Open, folder: Path) -> None:
    (folder / "folder.sealed").mkdir()
    os.mkfifo(folder / "pipe.sealed")

    ran = open_(file=file)

    assert ran.refusal == (1, message, "")


@pytest.mark.parametrize(
    ("output", "message"),
    [
        pytest.param(
            "table.csv.sealed", "--output: table.csv.sealed is the sealed file", id="sealed file"
        ),
        pytest.param("link", "--output: link is the sealed file", id="by another name"),
        pytest.param("south.reader.pem", "--output: south.reader.pem is the key", id="key"),
        pytest.param(
            "north.signing.pub.pem",
            "--output: north.signing.pub.pem is the owner's key",
            id="owner's key",
        ),
        pytest.param("-", "--output: expected a file's name, got '-'", id="stdout"),
    ],
)
def test_what_is_opened_does_not_replace_what_it_was_opened_with(
    output: str, message: str, sealed: Path, open_: Open, folder: Path
) -> None:
    (folder / "link").symlink_to(sealed.name)
    before = {path: path.read_bytes() for path in folder.iterdir()}

    ran = open_("-o", output, "--force")

    assert ran.refusal == (1, message, "")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


# --- keys in a vault


def test_a_wrapped_key_is_never_written_over(open_: Open, kept_apart: Path, folder: Path) -> None:
    before = (folder / "wrapped.txt").read_bytes()
    options = ("--wrapped-key", "wrapped.txt", "-o", "wrapped.txt", "--force")

    ran = open_(*options, file=kept_apart.name)

    assert ran.refusal == (1, "--output: wrapped.txt is the wrapped key", "")
    assert (folder / "wrapped.txt").read_bytes() == before


def test_a_key_from_a_vault_opens_the_file(kept_apart: Path, open_: Open, folder: Path) -> None:
    ran = open_("--wrapped-key", "wrapped.txt", "-o", "plain", file=kept_apart.name)

    assert ran.code == 0
    assert (folder / "plain").read_text() == TABLE


def test_a_key_from_a_vault_may_end_in_a_line_feed(
    kept_apart: Path, open_: Open, folder: Path
) -> None:
    wrapped = folder / "wrapped.txt"
    wrapped.write_text(wrapped.read_text() + "\n")

    ran = open_("--wrapped-key", "wrapped.txt", "-o", "plain", file=kept_apart.name)

    assert ran.code == 0


def test_a_key_in_a_vault_must_be_brought_along(kept_apart: Path, open_: Open) -> None:
    ran = open_("-o", "plain", file=kept_apart.name)

    assert ran.refusal == (
        3,
        f"the wrapped key is not in the file but at {VAULT}",
        "read that secret, and give its value's file with --wrapped-key",
    )


def test_a_key_from_a_vault_must_be_there(kept_apart: Path, open_: Open) -> None:
    ran = open_("--wrapped-key", "missing", "-o", "plain", file=kept_apart.name)

    assert ran.refusal == (1, "missing: there is no such file or folder", "")


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        pytest.param("not base64!", 2, "wrapped.txt: expected standard base64", id="no base64"),
        pytest.param("\xff", 2, "wrapped.txt: expected standard base64", id="no ASCII"),
        pytest.param(
            "A" * 684 + "A" * 4,
            2,
            "wrapped.txt: expected base64 of at most 512 bytes",
            id="too long",
        ),
        pytest.param(
            "A" * 340 + "AA==",
            3,
            "the wrapped data key does not open with this reader key",
            id="of another file",
        ),
    ],
)
def test_another_key_from_a_vault_is_refused(
    text: str, code: int, message: str, kept_apart: Path, open_: Open, folder: Path
) -> None:
    (folder / "wrapped.txt").write_bytes(text.encode("latin-1"))

    ran = open_("--wrapped-key", "wrapped.txt", "-o", "plain", file=kept_apart.name)

    assert ran.refusal == (code, message, "")
    assert not (folder / "plain").exists()


# --- results


def test_a_file_of_plain_bytes_says_its_media_type(
    cleanroom: Here, folder: Path, north: Keys
) -> None:
    (folder / "a.sealed").write_bytes(seal_bytes(b"hi", north, media_type="text/plain"))

    ran = cleanroom("inspect", "a.sealed")

    assert "  content    text/plain\n" in ran.out
