"""`cleanroom party bicep-params`: a file for Azure, and what it lets whom do, in words."""

import json
from pathlib import Path

from tests.commands import Here

WHO = "00000000-0000-4000-8000-000000000001"
GIVEN = (
    *("party", "bicep-params", "north", "--vault-name", "north-cleanroom", "--runner", WHO),
    *("--functions", WHO, "--administrator", WHO),
)
AUTHORITY = ("--authority", "https://sharedweu.weu.attest.azure.net")


def test_a_file_is_written_and_its_policies_are_explained(folder: Path, cleanroom: Here) -> None:
    ran = cleanroom(*GIVEN, "--room", "fraud", *AUTHORITY)

    assert ran.text == (
        "party.parameters.json: parameters of infra/party/main.bicep\n"
        "  room fraud  its key is released to nobody yet\n"
    )
    written = json.loads((folder / "party.parameters.json").read_text())
    assert written["parameters"]["vaultName"] == {"value": "north-cleanroom"}


def test_a_file_that_is_there_is_kept(folder: Path, cleanroom: Here) -> None:
    (folder / "party.parameters.json").write_text("mine")

    code, message, _ = cleanroom(*GIVEN, "--room", "fraud", *AUTHORITY).refusal

    assert code == 1
    assert "party.parameters.json" in message
    assert (folder / "party.parameters.json").read_text() == "mine"


def test_an_authority_must_be_named(folder: Path, cleanroom: Here) -> None:
    code, message, hint = cleanroom(*GIVEN, "--room", "fraud").refusal

    assert (code, message) == (1, "missing: --authority")
    assert hint == "the attestation service that your vault shall believe"
    assert not list(folder.glob("*.parameters.json"))


def test_who_is_no_object_id_is_refused(cleanroom: Here) -> None:
    code, message, _ = cleanroom(
        *("party", "bicep-params", "north", "--vault-name", "north", "--runner", "me"),
        *("--functions", WHO, "--administrator", WHO, "--room", "fraud", *AUTHORITY),
    ).refusal

    assert (code, message.partition(":")[0]) == (1, "--runner")
