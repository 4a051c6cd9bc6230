"""`cleanroom verify`: what is proven, what is not, and an exit code that says the worst of it."""

import os
from datetime import timedelta
from pathlib import Path

import pytest

from party import clock
from tests.builders import Keys
from tests.commands import Here, masked
from tests.papers import RUNNER_POLICY, Job, word
from tests.sealing import flipped, seal_bytes

PAPERS = ("--contract", "contract.json", "--approval", "north.json", "--approval", "south.json")
WANTED = "expected a sealed file, an approval, a receipt or evidence"
SIMULATED = ("--synthetic-root", "synthetic.pem")


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
        "  proven      its one region is the one that was signed (5 bytes)\n"
        "  proven      this version's name is <digest>\n"
        "  not proven  what is inside: only a reader's key can open it\n"
        "  not proven  that no later version exists\n"
    )


def test_an_approval_is_verified(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "standing.json", "--contract", "contract.json")

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


def test_a_revocation_is_verified_as_one(
    papers: Job, cleanroom: Here, folder: Path, south: Keys
) -> None:
    now = clock.now()
    revoked = word(
        "south", papers.contract, decision="revoke", issued=now, expires=now + timedelta(days=1)
    )
    (folder / "revoked.json").write_bytes(revoked.sign(south.signer))

    ran = cleanroom("verify", "revoked.json", "--contract", "contract.json")
    as_json = cleanroom("verify", "revoked.json", "--contract", "contract.json", "--json").json
    asked = cleanroom("verify", "approval", "revoked.json", "--contract", "contract.json")

    assert ran.text.startswith("revoked.json: a party's revocation\n")
    assert ran.text.endswith("  not proven  that the party did not approve again later\n")
    assert as_json["kind"] == "revocation"
    assert (asked.code, asked.err) == (
        3,
        "cleanroom: revoked.json: the word of 'south' is a revocation, not an approval\n",
    )


def test_a_sealed_dataset_is_held_against_its_contract(
    papers: Job, cleanroom: Here, folder: Path
) -> None:
    del papers
    seal = ("seal", "table.csv", "--party", "north", "--dataset", "customers", "--header")
    types = ("--type", "amount=decimal(12,2)", "--for", "north.reader.pub.pem")
    cleanroom(*seal, *types, "--sign-with", "north.signing.pem")

    owner = ("--from", "north.signing.pub.pem")
    ran = cleanroom("verify", "table.csv.sealed", *owner, "--contract", "contract.json")

    assert (folder / "table.csv.sealed").exists()
    assert ran.text == (
        "table.csv.sealed: a sealed file, whole and as its owner signed it\n"
        "  proven      signed with the key <digest>\n"
        "  proven      its one region is the one that was signed (46 bytes)\n"
        "  proven      this version's name is <digest>\n"
        "  proven      dataset 'a' of the contract, with the columns it names\n"
        "  proven      sealed for the room key of north\n"
        "  not proven  what is inside: only a reader's key can open it\n"
        "  not proven  that no later version exists\n"
    )


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


def test_an_approval_from_the_future_is_explained_and_refused(
    papers: Job, cleanroom: Here, folder: Path, north: Keys
) -> None:
    issued = clock.now() + timedelta(days=1)
    early = word("north", papers.contract, issued=issued, expires=issued + timedelta(days=1))
    (folder / "early.json").write_bytes(early.sign(north.signer))

    ran = cleanroom("verify", "early.json", "--contract", "contract.json")

    assert ran.code == 3
    assert ran.out.startswith("early.json: a party's approval\n  proven      signed by north")
    assert masked(ran.err) == ("cleanroom: early.json: the word of 'north' stands from <time> on\n")


MACHINE = (
    "  not proven  SIMULATED HARDWARE: software signed this, so nothing here proves anything\n"
    "  proven      a simulated AMD Milan signed it (VCEK)\n"
    "  proven      its firmware: bootloader 4, tee 0, snp 24, microcode 219\n"
    "  proven      the host cannot debug the guest\n"
    "  proven      the guest cannot be moved by an agent\n"
    "  proven      a simulated issuer vouches for the utility VM around the containers, version 100"
    "\n"
    f"  proven      it runs under the policy {RUNNER_POLICY}\n"
    "  not proven  what that policy allows: read it, and compare its digest\n"
    "  proven      made for the contract <digest>\n"
)


def test_a_receipt_is_verified(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "receipt.json", *PAPERS, "--result", "result.sealed", *SIMULATED)

    assert ran.text == (
        "receipt.json: a receipt of a job that completed, on SIMULATED hardware\n"
        + MACHINE
        + "  proven      the key that signed it lived in that machine\n"
        "  proven      unchanged since it was signed\n"
        "  proven      it says which walls stood around the program: landlock, seccomp\n"
        "  proven      about exactly this contract: <digest>\n"
        "  proven      its room, program, parameters, inputs and results are the contract's\n"
        "  proven      names an approval of every party\n"
        "  proven      rests on the approval that north signed\n"
        "  proven      rests on the approval that south signed\n"
        "  proven      result.sealed is its result 'result', whole\n"
        "  proven      acceptable as runner 1 of the contract\n"
    )


def test_evidence_is_verified(papers: Job, cleanroom: Here) -> None:
    del papers

    ran = cleanroom("verify", "evidence", "evidence.json", *SIMULATED)

    assert ran.text == (
        "evidence.json: evidence of SIMULATED hardware (aci)\n"
        + MACHINE
        + "  not proven  that a contract accepts it (--contract)\n"
    )


def test_the_root_of_a_stack_that_is_gone_is_not_missed(
    papers: Job, cleanroom: Here, monkeypatch: pytest.MonkeyPatch
) -> None:
    del papers
    monkeypatch.setenv("CLEANROOM_PARTY_NAME", "north")
    monkeypatch.setenv("CLEANROOM_PARTY_SYNTHETIC_ROOT", "gone.pem")

    assert cleanroom("verify", "evidence.json", *SIMULATED).code == 0
    assert cleanroom("verify", "evidence.json", "--synthetic-root", "gone.pem").refusal[1] == (
        "gone.pem: there is no such file or folder"
    )


def test_evidence_as_json(papers: Job, cleanroom: Here) -> None:
    del papers

    verified = cleanroom("verify", "evidence", "evidence.json", *SIMULATED, "--json").json

    assert verified["kind"] == "evidence"
    assert verified["facts"]["synthetic"] is True
    assert verified["facts"]["reported_tcb"]["microcode"] == 219


def test_a_receipt_as_json_is_facts_and_an_error(papers: Job, cleanroom: Here) -> None:
    ran = cleanroom("verify", "receipt.json", *SIMULATED, "--json")

    assert ran.code == 4
    assert ran.json_error["code"] == "unattested"
    assert ran.json_error["hint"] == "--contract contract.yaml"
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
            "changed.sealed: region 0 is not the one that was signed for this place",
            "",
            id="changed file",
        ),
        pytest.param(
            ["cut.sealed", "--from", "north.signing.pub.pem"],
            3,
            "cut.sealed: does not end as a sealed file does; it may be cut",
            "",
            id="cut file",
        ),
        pytest.param(
            ["empty.sealed"],
            3,
            "empty.sealed: does not end as a sealed file does; it may be cut",
            "",
            id="file cut to nothing",
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
            [
                *("receipt.json", "--contract", "contract.json", "--approval", "standing.json"),
                *SIMULATED,
            ],
            3,
            "receipt.json: does not rest on the approval standing.json",
            "",
            id="another approval",
        ),
        pytest.param(
            ["receipt.json", "--result", "file.sealed", *SIMULATED],
            3,
            "file.sealed: signed by <digest>, not by the expected <digest>",
            "",
            id="another result",
        ),
        pytest.param(
            ["receipt.json"],
            4,
            "the chain has 0 trusted roots, expected exactly 1",
            "is this simulated hardware? then name its root: --synthetic-root FILE",
            id="simulated and nobody said so",
        ),
        pytest.param(
            ["evidence", "receipt.json"],
            2,
            "receipt.json: expected evidence, got a receipt",
            "",
            id="receipt for evidence",
        ),
        pytest.param(
            ["evidence", "evidence.json", *SIMULATED, "--at", "2099-01-01T00:00:00Z"],
            4,
            "valid from <time> to <time>, not at <time>",
            "",
            id="evidence out of date",
        ),
        pytest.param(
            ["evidence", "evidence.json", "--at", "yesterday"],
            1,
            "--at: expected a UTC time such as <time>, got 'yesterday'",
            "",
            id="no time",
        ),
        pytest.param(["missing"], 1, "missing: there is no such file or folder", "", id="missing"),
        pytest.param(
            ["nothing"],
            1,
            "nothing: has no receipt.json, so these are no papers of a job",
            "cleanroom open ROOM fetches them",
            id="folder",
        ),
        pytest.param(["table.csv"], 2, f"table.csv: {WANTED}, got something", "", id="plain file"),
        pytest.param(["empty"], 2, f"empty: {WANTED}, got something else", "", id="empty"),
        pytest.param(
            ["north.signing.pub.pem"],
            2,
            f"north.signing.pub.pem: {WANTED}, got a key or a certificate",
            "cleanroom keys show FILE",
            id="key",
        ),
        pytest.param(
            ["file.sealed", "--from", "north.signing.pub.pem", "--approval", "north.json"],
            1,
            "--approval: says nothing about a sealed file, which file.sealed is",
            "",
            id="option that says nothing",
        ),
        pytest.param(
            ["receipt.json", "--at", "2026-11-21T09:30:00Z", *SIMULATED],
            1,
            "--at: says nothing about a receipt, which receipt.json is",
            "",
            id="time that says nothing",
        ),
        pytest.param(
            ["file.sealed", "--from", "north.signing.pub.pem", "--contract", "contract.json"],
            3,
            "file.sealed: column 1 is not there, and the contract's is 'customer' text",
            "",
            id="not what the contract needs",
        ),
        pytest.param(
            ["/dev/null"],
            1,
            "/dev/null: expected a file, got a device or a pipe",
            "",
            id="device",
        ),
        pytest.param(["pipe"], 1, "pipe: expected a file, got a device or a pipe", "", id="pipe"),
        pytest.param(
            ["contract.json"],
            2,
            f"contract.json: {WANTED}, got a contract",
            "cleanroom contract show FILE",
            id="contract",
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
    (folder / "cut.sealed").write_bytes(sealed[:-1])
    (folder / "empty.sealed").touch()
    (folder / "empty").touch()
    os.mkfifo(folder / "pipe")
    (folder / "nothing").mkdir()

    ran = cleanroom("verify", *arguments)

    assert ran.code == code
    assert message in ran.refusal[1]
    assert ran.refusal[2] == hint


def test_a_result_is_shown_as_what_it_is(papers: Job, cleanroom: Here) -> None:
    ran = cleanroom("inspect", "result.sealed")

    assert "  result     result\n  of job     <digest>\n" in ran.text
    assert f"  of job     {papers.receipt.job}\n" in ran.out
