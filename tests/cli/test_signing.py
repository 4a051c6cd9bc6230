"""`cleanroom approve` and `cleanroom revoke`: a party's word on exactly one contract."""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from cleanroom import approval
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from tests.builders import Keys, contract
from tests.commands import Here

SURELY = (
    "  to be sure  take the contract's digest out of the release policy of your room key:\n"
    "              whoever stores this file could hide it, and only your vault surely stops further"
    " runs\n"
)
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
    ) + (SURELY if decision == "revoke" else "")


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
            1,
            "--expires: expected a duration such as 90 days, got 'soon'",
            id="no duration",
        ),
        pytest.param(
            ["--expires", "200 years"],
            1,
            "--expires: expected a duration in seconds, minutes, hours, days or weeks,"
            " got '200 years'",
            id="unknown unit",
        ),
        pytest.param(
            ["--expires", "0 days"],
            1,
            "--expires: expected a time to come, got '0 days'",
            id="no time at all",
        ),
        pytest.param(
            ["--expires", "2020-01-01T00:00:00Z"],
            1,
            "--expires: expected a time to come, got '<time>'",
            id="a time that is past",
        ),
        pytest.param(
            ["--expires", "2100-02-30T00:00:00Z"],
            1,
            "--expires: expected a date and time that exist, got '<time>'",
            id="no time",
        ),
        pytest.param(
            ["-o", "north.signing.pem", "--force"],
            1,
            "--output: north.signing.pem is the signing key",
            id="over the key",
        ),
        pytest.param(
            ["-o", "contract.yaml", "--force"],
            1,
            "--output: contract.yaml is the contract",
            id="over the contract",
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
    before = {path: path.read_bytes() for path in folder.iterdir()}

    ran = cleanroom(decision, "contract.yaml", *NORTH, *more)

    assert ran.refusal == (code, message, "")
    assert {path: path.read_bytes() for path in folder.iterdir()} == before


def test_there_is_no_word_on_what_is_no_contract(cleanroom: Here) -> None:
    ran = cleanroom("approve", "table.csv", *NORTH)

    assert ran.refusal[:2] == (2, "table.csv: expected an object with named fields, got text")


@pytest.mark.parametrize("decision", ["approve", "revoke"])
def test_a_word_stands_until_a_time(
    decision: str, cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    cleanroom(decision, "contract.yaml", *NORTH, "--expires", "2098-01-02T03:04:05Z")

    word = approval.verified((folder / f"north.{decision}.json").read_bytes(), agreed, "word")
    assert word.expires == datetime(2098, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_an_approval_stands_no_longer_than_its_contract(
    cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    ran = cleanroom("approve", "contract.yaml", *NORTH, "--expires", "2199-01-01T00:00:00Z")

    word = approval.verified((folder / "north.approve.json").read_bytes(), agreed, "word")
    assert word.expires == agreed.limits.expires
    assert "  until       2099-12-31T00:00:00Z, when the contract expires\n" in ran.out


def test_an_expired_contract_can_be_revoked_and_not_approved(
    cleanroom: Here, folder: Path, north: Keys, south: Keys
) -> None:
    document = contract(north, south)
    document["limits"]["expires"] = "2020-01-01T00:00:00Z"
    (folder / "contract.yaml").write_text(json.dumps(document))

    approved = cleanroom("approve", "contract.yaml", *NORTH)
    revoked = cleanroom("revoke", "contract.yaml", *NORTH)

    expected = "contract.yaml: the contract expired at 2020-01-01T00:00:00Z"
    assert (approved.code, approved.err) == (3, f"cleanroom: {expected}\n")
    assert not (folder / "north.approve.json").exists()
    assert revoked.code == 0


def test_an_approval_warns_of_a_simulated_runner(
    cleanroom: Here, folder: Path, north: Keys, south: Keys
) -> None:
    document = contract(north, south)
    document["runners"][0]["platform"] = "simulated"
    (folder / "contract.yaml").write_text(json.dumps(document))

    ran = cleanroom("approve", "contract.yaml", *NORTH)

    assert ran.text.endswith("  runner      simulated: proves nothing, for trying things out\n")


@pytest.mark.parametrize("decision", ["approve", "revoke"])
def test_a_word_never_replaces_what_the_contract_names(
    decision: str, cleanroom: Here, folder: Path, north: Keys, south: Keys
) -> None:
    document = contract(north, south)
    document["parties"][0]["signing_key"] = "north.signing.pub.pem"
    (folder / "contract.yaml").write_text(json.dumps(document))

    ran = cleanroom(decision, "contract.yaml", *NORTH, "-o", "north.signing.pub.pem", "-f")

    named = "north.signing.pub.pem, which the contract names"
    assert ran.refusal == (1, f"--output: north.signing.pub.pem is {named}", "")
