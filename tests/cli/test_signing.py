"""`cleanroom approve` and `cleanroom revoke`: a party's word on exactly one contract."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cleanroom import approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from tests.builders import Keys, contract
from tests.commands import Here

NORTH = ("--party", "north", "--sign-with", "north.signing.pem")


@pytest.fixture
def agreed(north: Keys, south: Keys) -> Contract:
    return Contract.from_value(contract(north, south), "contract")


@pytest.mark.parametrize(
    ("decision", "days"),
    [pytest.param("approve", 90, id="approve"), pytest.param("revoke", 3650, id="revoke")],
)
def test_a_word_on_a_contract_is_signed(
    decision: str, days: int, cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    ran = cleanroom(decision, "contract.yaml", *NORTH)

    envelope = (folder / f"north.{decision}.json").read_bytes()
    word = approval.verified(envelope, agreed, "word")
    assert (word.party, word.decision) == ("north", decision)
    assert word.expires - word.issued == timedelta(days=days)
    assert ran.text == (
        f"north: {decision} room, contract 1\n"
        "  contract    <digest>\n"
        "  words       <words>\n"
        "  until       <time>\n"
        "  statement   <digest>\n"
        f"  written to  north.{decision}.json\n"
    )


def test_a_word_as_json_names_contract_and_statement(
    cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    said = cleanroom("approve", "contract.yaml", *NORTH, "-o", "word", "--json").json

    word = approval.verified((folder / "word").read_bytes(), agreed, "word")
    assert said.pop("until").endswith("Z")
    assert said == {
        "party": "north",
        "decision": "approve",
        "contract": agreed.digest.text,
        "words": agreed.digest.words,
        "statement": Digest.of(word.to_bytes()).text,
        "output": "word",
    }


def test_a_word_stands_as_long_as_was_said(cleanroom: Here, folder: Path, agreed: Contract) -> None:
    cleanroom("approve", "contract.yaml", *NORTH, "--expires", "2 weeks")

    word = approval.verified((folder / "north.approve.json").read_bytes(), agreed, "word")
    assert word.expires - word.issued == timedelta(weeks=2)


@pytest.mark.parametrize("decision", ["approve", "revoke"])
def test_a_word_is_not_replaced_unless_told_to(
    decision: str, cleanroom: Here, folder: Path
) -> None:
    (folder / f"north.{decision}.json").write_text("theirs")

    ran = cleanroom(decision, "contract.yaml", *NORTH)
    forced = cleanroom(decision, "contract.yaml", *NORTH, "--force")

    assert ran.refusal == (
        1,
        f"north.{decision}.json: it exists already",
        "name another output with --output, or replace it with --force",
    )
    assert forced.code == 0
    assert json.loads((folder / f"north.{decision}.json").read_bytes())["signatures"]


@pytest.mark.parametrize("decision", ["approve", "revoke"])
@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        pytest.param(
            ["--party", "east"],
            1,
            "--party: expected one of north, south, got 'east'",
            id="no party",
        ),
        pytest.param(
            ["--party", "south"],
            3,
            "north.signing.pem: 'north' signed in the name of 'south'",
            id="in the name of another",
        ),
        pytest.param(
            ["--sign-with", "south.signing.pem"],
            3,
            "south.signing.pem: 'south' signed in the name of 'north'",
            id="with another's key",
        ),
        pytest.param(
            ["--sign-with", "east.signing.pem"],
            3,
            "east.signing.pem: signed by <digest>, which no party of the contract has",
            id="with a stranger's key",
        ),
        pytest.param(
            ["--sign-with", "missing"], 1, "missing: there is no such file or folder", id="no key"
        ),
        pytest.param(
            ["--expires", "soon"],
            2,
            "--expires: expected a duration such as 90 days, got 'soon'",
            id="no duration",
        ),
        pytest.param(
            ["--expires", "200 years"],
            2,
            "--expires: expected a duration in seconds, minutes, hours, days or weeks,"
            " got '200 years'",
            id="unknown unit",
        ),
        pytest.param(
            ["-o", "missing/a"], 1, "missing/a: there is no such file or folder", id="no folder"
        ),
    ],
)
def test_a_word_that_would_not_count_is_not_written(
    decision: str, more: list[str], code: int, message: str, cleanroom: Here, folder: Path
) -> None:
    Keys.make().write(folder, "east")
    before = sorted(folder.iterdir())

    ran = cleanroom(decision, "contract.yaml", *NORTH, *more)

    assert ran.refusal == (code, message, "")
    assert sorted(folder.iterdir()) == before


def test_a_word_that_ends_at_once_is_not_written(cleanroom: Here, folder: Path) -> None:
    ran = cleanroom("approve", "contract.yaml", *NORTH, "--expires", "0 days")

    assert ran.code == 2
    assert not (folder / "north.approve.json").exists()


def test_there_is_no_word_on_what_is_no_contract(cleanroom: Here) -> None:
    ran = cleanroom("approve", "table.csv", *NORTH)

    assert ran.refusal[:2] == (2, "table.csv: expected an object with named fields, got text")
