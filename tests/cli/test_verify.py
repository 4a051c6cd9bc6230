"""`cleanroom verify`: what is proven, what is not, and an exit code that says the worst of it."""

from datetime import timedelta
from pathlib import Path

import pytest

from party import clock
from tests.builders import Keys
from tests.commands import Here, masked
from tests.papers import Job, word
from tests.sealing import flipped, seal_bytes

PAPERS = ("--contract", "contract.json", "--approval", "north.json", "--approval", "south.json")


@pytest.fixture(scope="module")
def job(north: Keys, south: Keys) -> Job:
    return Job.done(north, south, Keys.make())


@pytest.fixture
def papers(job: Job, folder: Path, north: Keys, south: Keys) -> Job:
    """The papers of a job, in the folder; its approvals still stand."""
    job.write(folder, north, south)
    now = clock.now()
    standing = word("north", job.contract, issued=now, expires=now + timedelta(days=1))
    (folder / "standing.json").write_bytes(standing.sign(north.signer))
    (folder / "file.sealed").write_bytes(seal_bytes(b"plain", north, south))
    return job


def test_a_sealed_file_is_verified(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "file.sealed", "--from", "north.signing.pub.pem")

    assert ran.text == (
        "file.sealed: a sealed file, whole and as its owner signed it\n"
        "  proven      signed with the key <digest>\n"
        "  proven      every one of 1 regions is the one that was signed (5 bytes)\n"
        "  proven      this version's name is <digest>\n"
        "  not proven  what is inside: only a reader's key can open it\n"
        "  not proven  that no later version exists\n"
    )


def test_an_approval_is_verified(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "standing.json", "--contract", "contract.yaml")

    assert ran.text == (
        "standing.json: a party's approval\n"
        "  proven      signed by north, with the key that the contract names\n"
        "  proven      about exactly this contract: <digest>\n"
        "  proven      issued <time>, stands until <time>\n"
        "  not proven  that the party did not change its mind later\n"
    )


def test_an_approval_as_json(papers: Job, cleanroom: Here) -> None:
    verified = cleanroom("verify", "standing.json", "--contract", "contract.json", "--json").json

    assert sorted(verified) == ["facts", "headline", "kind", "not_proven", "proven"]
    assert (verified["kind"], verified["headline"]) == ("approval", "a party's approval")
    assert (len(verified["proven"]), len(verified["not_proven"])) == (3, 1)
    assert verified["facts"]["contract"] == papers.contract.digest.text


def test_an_expired_approval_is_explained_and_refused(
    papers: Job, cleanroom: Here, folder: Path, north: Keys
) -> None:
    issued = clock.now() - timedelta(days=2)
    expired = word("north", papers.contract, issued=issued, expires=issued + timedelta(days=1))
    (folder / "expired.json").write_bytes(expired.sign(north.signer))

    ran = cleanroom("verify", "expired.json", "--contract", "contract.json")

    assert ran.code == 3
    assert ran.out.startswith("expired.json: a party's approval\n  proven      signed by north")
    assert masked(ran.err) == "cleanroom: expired.json: the word of 'north' expired at <time>\n"


def test_a_receipt_is_explained_and_its_evidence_missed(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "receipt.json", *PAPERS, "--result", "result.sealed")

    assert ran.code == 4
    assert masked(ran.out) == (
        "receipt.json: a receipt of a job that completed\n"
        "  proven      unchanged since it was signed with the key that it names\n"
        "  proven      about exactly this contract: <digest>\n"
        "  proven      rests on the approval that north signed\n"
        "  proven      rests on the approval that south signed\n"
        "  proven      result.sealed is its result 'result', whole\n"
        "  not proven  that the key lived in a genuine runner: the evidence was not verified\n"
    )
    assert ran.err == (
        "cleanroom: receipt.json: the evidence of the runner was not verified\n"
        "hint: this version checks signatures and digests; it cannot verify hardware evidence"
        " yet\n"
    )


def test_a_receipt_as_json_is_facts_and_an_error(papers: Job, cleanroom: Here) -> None:
    ran = cleanroom("verify", "receipt.json", "--json")

    assert ran.code == 4
    assert ran.json_error["code"] == "unattested"
    assert f'"job": "{papers.receipt.job}"' in ran.out


@pytest.mark.parametrize(
    ("arguments", "code", "message", "hint"),
    [
        pytest.param(
            ["file.sealed"],
            1,
            "file.sealed: a sealed file is verified against its owner's key",
            "--from OWNER.signing.pub.pem",
            id="whose file",
        ),
        pytest.param(
            ["file.sealed", "--from", "south.signing.pub.pem"],
            3,
            "file.sealed: signed by <digest>, not by the expected <digest>",
            "",
            id="another's file",
        ),
        pytest.param(
            ["changed.sealed", "--from", "north.signing.pub.pem"],
            3,
            "region 0 is not the one that was signed for this place",
            "",
            id="changed file",
        ),
        pytest.param(
            ["file.sealed", "--from", "missing"],
            1,
            "missing: there is no such file or folder",
            "",
            id="no owner",
        ),
        pytest.param(
            ["north.json"],
            1,
            "north.json: an approval is verified against its contract",
            "--contract contract.yaml",
            id="of which contract",
        ),
        pytest.param(
            ["north.json", "--contract", "table.csv"],
            2,
            "table.csv: expected an object with named fields, got text",
            "",
            id="no contract",
        ),
        pytest.param(
            ["receipt.json", "--contract", "contract.json", "--approval", "standing.json"],
            3,
            "receipt.json: does not rest on the approval standing.json",
            "",
            id="another approval",
        ),
        pytest.param(
            ["receipt.json", "--result", "file.sealed"],
            3,
            "file.sealed: signed by <digest>, not by the expected <digest>",
            "",
            id="another result",
        ),
        pytest.param(["missing"], 1, "missing: there is no such file or folder", "", id="missing"),
        pytest.param(["."], 1, ".: expected a file, got a folder", "", id="folder"),
        pytest.param(["table.csv"], 2, "table.csv: expected JSON in UTF-8", "", id="plain file"),
        pytest.param(["/dev/null"], 2, "/dev/null: expected JSON in UTF-8", "", id="nothing"),
        pytest.param(
            ["contract.json"], 2, "contract.json: expected a field 'payload'", "", id="contract"
        ),
    ],
)
def test_what_does_not_hold_is_refused(
    arguments: list[str],
    code: int,
    message: str,
    hint: str,
    papers: Job,
    cleanroom: Here,
    folder: Path,
) -> None:
    del papers
    sealed = (folder / "file.sealed").read_bytes()
    (folder / "changed.sealed").write_bytes(flipped(sealed, 0))

    ran = cleanroom("verify", *arguments)

    assert ran.code == code
    assert message in ran.refusal[1]
    assert ran.refusal[2] == hint


def test_a_result_is_shown_as_what_it_is(papers: Job, cleanroom: Here) -> None:
    ran = cleanroom("inspect", "result.sealed")

    assert "  result     result\n  of job     <digest>\n" in ran.text
    assert f"  of job     {papers.receipt.job}\n" in ran.out
