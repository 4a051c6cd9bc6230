"""`cleanroom keys`: four files, private halves for their owner only, and never shown."""

import stat
from pathlib import Path

import pytest

from tests.builders import Keys
from tests.commands import Here
from tests.sealing import python

# Somebody makes a file of one of the names, after it was looked for and before it is given.
KEYS = """
import os, sys
from pathlib import Path

from cleanroom.errors import CleanroomError
from party import keyfiles

os.chdir(sys.argv[1])
mine = Path("new.signing.pem")
done = []


def hook(event, args):
    if event == "os.link" and not done:
        done.append(event)
        mine.write_text("theirs")


sys.addaudithook(hook)
try:
    keyfiles.make(Path(), "new", 2048, force=False)
except CleanroomError as error:
    print(error)
print(mine.read_text())
"""
FILES = ["new.reader.pem", "new.reader.pub.pem", "new.signing.pem", "new.signing.pub.pem"]


def test_new_keys_are_four_files(cleanroom: Here, folder: Path) -> None:
    ran = cleanroom("keys", "new", "new", "--bits", 2048)

    assert sorted(path.name for path in folder.glob("new.*")) == FILES
    assert ran.text == (
        "made two key pairs for new\n"
        "  signing, private  new.signing.pem\n"
        "  signing, public   new.signing.pub.pem\n"
        "                    <digest>\n"
        "                    <words>\n"
        "  reader, private   new.reader.pem\n"
        "  reader, public    new.reader.pub.pem\n"
        "                    <digest>\n"
        "                    <words>\n"
        "  give away         the public ones, to every party; compare the words by voice\n"
        "  keep              the private ones; whoever has them can sign and open as you\n"
    )


@pytest.mark.parametrize("purpose", ["signing", "reader"])
def test_new_private_keys_are_for_their_owner_only(
    purpose: str, cleanroom: Here, folder: Path
) -> None:
    cleanroom("keys", "new", "new", "--bits", 2048)

    assert stat.S_IMODE((folder / f"new.{purpose}.pem").stat().st_mode) == 0o600


def test_new_keys_as_json_name_files_and_ids(cleanroom: Here) -> None:
    made = cleanroom("keys", "new", "new", "--bits", 2048, "--json").json

    assert list(made) == ["signing", "reader"]
    assert made["signing"] | {"id": ""} == {
        "private": "new.signing.pem",
        "public": "new.signing.pub.pem",
        "id": "",
    }
    assert cleanroom("keys", "show", "new.reader.pem", "--json").json["id"] == made["reader"]["id"]


def test_new_keys_go_where_they_are_told(cleanroom: Here, folder: Path) -> None:
    (folder / "keys").mkdir()

    made = cleanroom("keys", "new", "new", "--bits", 2048, "-d", "keys", "--json").json

    assert made["reader"]["private"] == "keys/new.reader.pem"
    assert sorted(path.name for path in (folder / "keys").iterdir()) == FILES


def test_keys_that_exist_are_left_alone(cleanroom: Here, folder: Path) -> None:
    before = (folder / "north.reader.pem").read_bytes()

    ran = cleanroom("keys", "new", "north", "--bits", 2048)

    assert ran.refusal == (
        1,
        "north.signing.pem: it exists already",
        (
            "choose another name; --force makes new keys, and what was sealed for the old ones can"
            " then never be opened"
        ),
    )
    assert (folder / "north.reader.pem").read_bytes() == before


def test_a_key_file_that_cannot_appear_leaves_none_of_the_four(
    folder: Path,
) -> None:
    before = sorted(folder.iterdir())

    with python(KEYS, folder) as ran:
        out, _ = ran.communicate()

    assert out.decode().splitlines() == ["new.signing.pem: it exists already", "theirs"]
    assert sorted(folder.iterdir()) == sorted([*before, folder / "new.signing.pem"])


def test_keys_that_exist_are_replaced_if_told_to(cleanroom: Here, folder: Path) -> None:
    before = (folder / "north.reader.pem").read_bytes()

    ran = cleanroom("keys", "new", "north", "--bits", 2048, "--force")

    assert ran.code == 0
    assert (folder / "north.reader.pem").read_bytes() != before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        pytest.param(
            ["North"],
            1,
            "NAME: expected a name of 1 to 63 lower-case letters, digits and single hyphens,"
            " starting with a letter, got 'North'",
            id="upper case",
        ),
        pytest.param(
            ["new", "--bits", "1024"], 1, "--bits: expected 2048, 3072 or 4096, got 1024", id="weak"
        ),
        pytest.param(
            ["new", "-d", "missing"],
            1,
            "missing/new.signing.pem: there is no such file or folder",
            id="no such folder",
        ),
        pytest.param(
            ["new", "-d", "table.csv"],
            1,
            "table.csv/new.signing.pem: a part of the path is not a folder",
            id="a file for a folder",
        ),
    ],
)
def test_keys_that_cannot_be_made_are_refused(
    arguments: list[str], code: int, message: str, cleanroom: Here, folder: Path
) -> None:
    before = sorted(folder.iterdir())

    ran = cleanroom("keys", "new", *arguments)

    assert ran.refusal == (code, message, "")
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("purpose", ["signing", "reader"])
@pytest.mark.parametrize("half", ["pub.pem", "pem"])
def test_either_half_of_a_key_shows_the_public_one(
    purpose: str, half: str, cleanroom: Here, north: Keys
) -> None:
    key = north.signing if purpose == "signing" else north.reader
    file = f"north.{purpose}.{half}"

    ran = cleanroom("keys", "show", file)

    headline, name, words, first, *_ = ran.out.splitlines()
    assert headline == f"{file}: a {purpose} key"
    assert (name, words) == (f"  id      {key.id}", f"  words   {key.id.words}")
    assert first == "  public  -----BEGIN PUBLIC KEY-----"


def test_a_key_as_json_is_spelled_as_contracts_spell_it(cleanroom: Here, north: Keys) -> None:
    shown = cleanroom("keys", "show", "north.reader.pem", "--json").json

    assert shown == {
        "purpose": "reader",
        "id": north.reader.id.text,
        "words": north.reader.id.words,
        "public": north.reader.to_json(),
    }


def test_a_key_file_that_holds_two_is_not_shown_as_one(cleanroom: Here, folder: Path) -> None:
    both = "".join((folder / f"{who}.signing.pub.pem").read_text() for who in ("north", "south"))
    (folder / "both.pub.pem").write_text(both)

    ran = cleanroom("keys", "show", "both.pub.pem")

    assert ran.refusal == (2, "both.pub.pem: expected one key, got several", "")


def test_a_hint_can_be_pasted_into_a_shell(cleanroom: Here, folder: Path) -> None:
    (folder / "my $(key).pem").write_bytes((folder / "north.signing.pem").read_bytes())
    (folder / "my $(key).pem").chmod(0o644)

    ran = cleanroom("keys", "show", "my $(key).pem")

    assert ran.refusal[2] == "chmod 600 'my $(key).pem'"


@pytest.mark.parametrize(
    ("file", "code", "message", "hint"),
    [
        pytest.param("missing", 1, "missing: there is no such file or folder", "", id="missing"),
        pytest.param(".", 1, ".: expected a file, got a folder", "", id="folder"),
        pytest.param("table.csv", 2, "table.csv: expected a PEM public key", "", id="no key"),
        pytest.param(
            "open.pem",
            1,
            "open.pem: a private key that others may read (mode 0644)",
            "chmod 600 open.pem",
            id="readable by others",
        ),
    ],
)
def test_a_key_that_cannot_be_shown_is_refused(
    file: str, code: int, message: str, hint: str, cleanroom: Here, folder: Path
) -> None:
    (folder / "open.pem").write_bytes((folder / "north.signing.pem").read_bytes())
    (folder / "open.pem").chmod(0o644)

    ran = cleanroom("keys", "show", file)

    assert ran.refusal == (code, message, hint)
