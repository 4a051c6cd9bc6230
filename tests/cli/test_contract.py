"""`cleanroom contract`: from people's YAML to a document with a name."""

import json
from pathlib import Path

import pytest

from cleanroom.contract import Contract
from tests.builders import Keys, contract
from tests.commands import Here

FORMS = ["contract.yaml", "contract.json"]


@pytest.fixture
def agreed(folder: Path, north: Keys, south: Keys) -> Contract:
    """The contract in the folder, which is there in its canonical form too."""
    agreed = Contract.from_value(contract(north, south), "contract")
    (folder / "contract.json").write_bytes(agreed.to_bytes())
    return agreed


@pytest.mark.parametrize("form", FORMS)
def test_a_contract_that_can_be_approved_is_named(
    form: str, cleanroom: Here, agreed: Contract
) -> None:
    ran = cleanroom("contract", "check", form)

    assert ran.code == 0
    assert ran.out == (
        f"{form}: a contract that can be approved\n"
        f"  digest  {agreed.digest}\n"
        f"  words   {agreed.digest.words}\n"
    )


def test_the_canonical_document_is_written(cleanroom: Here, folder: Path, agreed: Contract) -> None:
    ran = cleanroom("contract", "check", "contract.yaml", "-o", "written.json")

    assert ran.text.endswith("\n  written to  written.json\n")
    assert (folder / "written.json").read_bytes() == agreed.to_bytes()


def test_the_canonical_document_is_not_replaced_unless_told_to(
    cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    (folder / "contract.json").write_text("theirs")

    ran = cleanroom("contract", "check", "contract.yaml", "-o", "contract.json")
    forced = cleanroom("contract", "check", "contract.yaml", "-o", "contract.json", "--force")

    assert ran.refusal == (
        1,
        "contract.json: it exists already",
        "name another output with --output, or replace it with --force",
    )
    assert forced.code == 0
    assert (folder / "contract.json").read_bytes() == agreed.to_bytes()


@pytest.mark.parametrize("output", ["contract.json", "./contract.json", "link"])
def test_the_canonical_document_never_replaces_what_it_was_made_of(
    output: str, cleanroom: Here, folder: Path, agreed: Contract
) -> None:
    (folder / "link").symlink_to("contract.json")

    ran = cleanroom("contract", "check", "contract.json", "-o", output, "--force")

    assert ran.refusal == (1, f"--output: {Path(output)} is the contract", "")
    assert (folder / "contract.json").read_bytes() == agreed.to_bytes()


@pytest.mark.parametrize("output", ["north.signing.pub.pem", "north.reader.pub.pem", "p.sql"])
def test_the_canonical_document_never_replaces_what_the_contract_names(
    output: str, cleanroom: Here, folder: Path, north: Keys, south: Keys
) -> None:
    document = contract(north, south)
    document["parties"][0]["signing_key"] = "north.signing.pub.pem"
    document["parties"][0]["room_key"]["public"] = "north.reader.pub.pem"
    document["program"]["source"] = {"file": "p.sql"}
    (folder / "contract.yaml").write_text(json.dumps(document))
    (folder / "p.sql").write_text("select 1")
    before = (folder / output).read_bytes()

    ran = cleanroom("contract", "check", "contract.yaml", "-o", output, "--force")

    expected = f"--output: {output} is {output}, which the contract names"
    assert ran.refusal == (1, expected, "")
    assert (folder / output).read_bytes() == before


@pytest.mark.parametrize(
    ("part", "change", "row"),
    [
        pytest.param(
            "limits",
            {"expires": "2020-01-01T00:00:00Z"},
            "  expires  2020-01-01T00:00:00Z, which is past\n",
            id="expired",
        ),
        pytest.param(
            "runners",
            {"platform": "simulated"},
            "  runner  simulated: proves nothing, for trying things out\n",
            id="simulated",
        ),
    ],
)
def test_a_contract_is_checked_with_warnings(
    part: str,
    change: dict[str, str],
    row: str,
    cleanroom: Here,
    folder: Path,
    north: Keys,
    south: Keys,
) -> None:
    document = contract(north, south)
    changed = document[part][0] if part == "runners" else document[part]
    changed.update(change)
    (folder / "contract.yaml").write_text(json.dumps(document))

    ran = cleanroom("contract", "check", "contract.yaml")

    assert ran.code == 0
    assert ran.out.endswith(row)


@pytest.mark.parametrize("output", [None, "written.json"])
def test_a_checked_contract_as_json(output: str | None, cleanroom: Here, agreed: Contract) -> None:
    more = ["--output", output] if output else []

    checked = cleanroom("contract", "check", "contract.yaml", "--json", *more).json

    assert checked == {
        "digest": agreed.digest.text,
        "words": agreed.digest.words,
        "output": output,
    }


@pytest.mark.parametrize("form", FORMS)
def test_the_digest_alone_is_for_scripts(form: str, cleanroom: Here, agreed: Contract) -> None:
    ran = cleanroom("contract", "digest", form)

    assert (ran.code, ran.out, ran.err) == (0, f"{agreed.digest}\n", "")


def test_the_digest_as_json_comes_with_its_words(cleanroom: Here, agreed: Contract) -> None:
    shown = cleanroom("contract", "digest", "contract.yaml", "--json").json

    assert shown == {"digest": agreed.digest.text, "words": agreed.digest.words}


def test_a_contract_is_shown_part_by_part(cleanroom: Here, agreed: Contract) -> None:
    ran = cleanroom("contract", "show", "contract.yaml")

    assert ran.out.startswith("room, contract 1\n  purpose        Find fraud.\n  party north  ")
    assert f"  digest         {agreed.digest}\n" in ran.out
    assert ran.code == 0


def test_a_contract_as_json_is_its_document(cleanroom: Here, agreed: Contract) -> None:
    shown = cleanroom("contract", "show", "contract.yaml", "--json").json

    assert shown["digest"] == agreed.digest.text
    assert shown["contract"] == json.loads(agreed.to_bytes())


@pytest.mark.parametrize("command", ["check", "digest", "show"])
@pytest.mark.parametrize(
    ("file", "code", "message"),
    [
        pytest.param("missing", 1, "missing: there is no such file or folder", id="missing"),
        pytest.param(".", 1, ".: expected a file, got a folder", id="folder"),
        pytest.param("table.csv", 2, "table.csv: expected an object with named fields", id="table"),
        pytest.param("garbage.json", 2, "garbage.json: expected JSON in UTF-8", id="garbage"),
        pytest.param(
            "spaced.json", 2, "spaced.json: expected canonical JSON", id="not canonical JSON"
        ),
        pytest.param(
            "other.yaml", 2, "other.yaml: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            "tagged.yaml",
            2,
            "tagged.yaml, line 2: expected YAML, got tags (!name) are not allowed",
            id="tag",
        ),
        pytest.param(
            "curious.yaml",
            2,
            "curious.yaml.program.source.file: expected the bare name of a file beside the"
            " contract, got '../private.txt'",
            id="file of another folder",
        ),
        pytest.param(
            "odd.yaml",
            2,
            "odd.yaml.program.source.file: expected the bare name of a file beside the contract,"
            " got 'a\\x00b'",
            id="zero byte in a file's name",
        ),
        pytest.param(
            "hidden.yaml",
            2,
            "hidden.yaml, line 1: expected only characters that can be seen, got U+2028",
            id="hidden line",
        ),
        pytest.param("wide.yaml", 2, "wide.yaml: expected YAML in UTF-8", id="UTF-16"),
    ],
)
def test_what_is_no_contract_is_refused(
    command: str, file: str, code: int, message: str, cleanroom: Here, folder: Path
) -> None:
    document = json.loads((folder / "contract.yaml").read_text())
    (folder / "garbage.json").write_bytes(bytes(range(256)))
    (folder / "spaced.json").write_text(json.dumps(document))
    (folder / "other.yaml").write_text(json.dumps(document | {"more": 1}))
    (folder / "tagged.yaml").write_text("room: room\npurpose: !!str Find fraud.\n")
    (folder / "hidden.yaml").write_text("# a comment\u2028room: other\n")
    for name, named in (("curious", "../private.txt"), ("odd", "a\0b")):
        program = document["program"] | {"source": {"file": named}}
        (folder / f"{name}.yaml").write_text(json.dumps(document | {"program": program}))
    (folder / "wide.yaml").write_text(json.dumps(document), encoding="utf-16")

    ran = cleanroom("contract", command, file)

    assert ran.refusal[0] == code
    assert ran.refusal[1].startswith(message)
