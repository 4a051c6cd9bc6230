"""What a paper proves is said line by line, and so is what it does not."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cleanroom import dsse
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.canonical import canonical
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Malformed, PolicyRefused, Tampered, Unattested
from cleanroom.ids import Digest
from cleanroom.job import Ending
from cleanroom.receipt import ApprovalRef
from cleanroom.statement import PAYLOAD_TYPE, statement
from cleanroom.walls import Wall
from party import proving
from party.attesting import SIMULATED, Line
from party.errors import Usage
from party.proving import Kind, Papers, Verdict
from tests.builders import NOW, Keys, contract
from tests.hardware import paravisor
from tests.papers import JOB, RUNNER, RUNNER_POLICY, Job, evidence, sealed_result, word
from tests.sealing import Parts, flipped, seal_bytes

NOTHING = Papers(None, None, (), (), None, ())
FRACTION = timedelta(microseconds=1)
WANTED = "expected a sealed file, an approval, a receipt or evidence"

type Prove = Callable[..., Verdict]


@pytest.fixture(scope="module")
def job(north: Keys, south: Keys) -> Job:
    return Job.done(north, south, Keys.make())


@pytest.fixture
def prove(tmp_path: Path) -> Prove:
    """Prove a file of the folder with others of it, named without the folder."""

    def run(name: str, now: datetime = NOW, kind: Kind | None = None, **papers: Any) -> Verdict:
        if (tmp_path / "synthetic.pem").exists() and name.endswith(
            ("receipt.json", "evidence.json", "vm.json")
        ):
            papers = {"synthetic_roots": ["synthetic.pem"]} | papers
        brought: dict[str, Any] = {
            key: tuple(tmp_path / one for one in value)
            if isinstance(value, list)
            else tmp_path / value
            for key, value in papers.items()
        }
        return proving.prove(tmp_path / name, kind, replace(NOTHING, **brought), now)

    return run


def proven(verdict: Verdict) -> list[str]:
    return [line.text for line in verdict.lines if line.proven]


def open_questions(verdict: Verdict) -> list[str]:
    return [line.text for line in verdict.lines if not line.proven]


# --- sealed files


def test_a_sealed_file_is_proven_whole(prove: Prove, tmp_path: Path, north: Keys) -> None:
    north.write(tmp_path, "north")
    sealed = seal_bytes(bytes(100_000), north)
    (tmp_path / "a.sealed").write_bytes(sealed)

    verdict = prove("a.sealed", owner="north.signing.pub.pem")

    digest = Digest.of(Parts.of(sealed).payload)
    assert (verdict.kind, verdict.refusal) == ("sealed file", None)
    assert verdict.lines == (
        Line(proven=True, text=f"signed with the key {north.signing.id}"),
        Line(proven=True, text="every one of 2 regions is the one that was signed (97.7 KiB)"),
        Line(proven=True, text=f"this version's name is {digest}"),
        Line(proven=False, text="what is inside: only a reader's key can open it"),
        Line(proven=False, text="that no later version exists"),
    )
    assert (verdict.facts["signer"], verdict.facts["digest"]) == (
        north.signing.id.text,
        digest.text,
    )


@pytest.mark.parametrize(
    ("size", "words"),
    [
        pytest.param(0, "it holds nothing, as was signed (0 bytes)", id="nothing"),
        pytest.param(5, "its one region is the one that was signed (5 bytes)", id="one region"),
    ],
)
def test_a_small_sealed_file_is_proven_whole(
    size: int, words: str, prove: Prove, tmp_path: Path, north: Keys
) -> None:
    north.write(tmp_path, "north")
    (tmp_path / "a.sealed").write_bytes(seal_bytes(bytes(size), north))

    verdict = prove("a.sealed", owner="north.signing.pub.pem")

    assert verdict.lines[1] == Line(proven=True, text=words)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda data: flipped(data, 0), r"a\.sealed: region 0 is not the one", id="first region"
        ),
        pytest.param(
            lambda data: flipped(data, 70_000),
            r"a\.sealed: region 1 is not the one",
            id="last region",
        ),
        pytest.param(lambda data: data[:-1], r"a\.sealed: does not end as a sealed", id="cut"),
        pytest.param(lambda data: data[:10], r"a\.sealed: does not end as a sealed", id="cut off"),
        pytest.param(lambda _: b"", r"a\.sealed: does not end as a sealed", id="cut to nothing"),
        pytest.param(
            lambda data: b"x" + data, r"a\.sealed.* (size|begin|end|fit|byte)", id="grown in front"
        ),
    ],
)
def test_a_sealed_file_that_was_changed_is_refused(
    spoil: Callable[[bytes], bytes], message: str, prove: Prove, tmp_path: Path, north: Keys
) -> None:
    north.write(tmp_path, "north")
    (tmp_path / "a.sealed").write_bytes(spoil(seal_bytes(bytes(100_000), north)))

    with pytest.raises(Tampered, match=message):
        prove("a.sealed", owner="north.signing.pub.pem")


def test_a_sealed_file_of_another_owner_is_refused(
    prove: Prove, tmp_path: Path, north: Keys, south: Keys
) -> None:
    south.write(tmp_path, "south")
    (tmp_path / "a.sealed").write_bytes(seal_bytes(b"", north))

    with pytest.raises(Tampered, match=r"not by the expected"):
        prove("a.sealed", owner="south.signing.pub.pem")


def test_a_sealed_file_needs_its_owners_key(prove: Prove, tmp_path: Path, north: Keys) -> None:
    (tmp_path / "a.sealed").write_bytes(seal_bytes(b"", north))

    with pytest.raises(Usage, match=r"verified against its owner's key$") as caught:
        prove("a.sealed")

    assert caught.value.hint == "--from OWNER.signing.pub.pem"


# --- approvals


def test_an_approval_is_proven(prove: Prove, tmp_path: Path, job: Job, north: Keys) -> None:
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(job.approvals[0].sign(north.signer))

    verdict = prove("word", contract="contract.json")

    assert (verdict.kind, verdict.headline, verdict.refusal) == (
        "approval",
        "a party's approval",
        None,
    )
    assert proven(verdict) == [
        "signed by north, with the key that the contract names",
        f"about exactly this contract: {job.contract.digest}",
        "issued 2026-11-21T09:30:00Z, stands until 2027-02-19T09:30:00Z",
    ]
    assert open_questions(verdict) == ["that the party did not change its mind later"]
    assert verdict.facts == {
        "party": "north",
        "decision": "approve",
        "contract": job.contract.digest.text,
        "issued": "2026-11-21T09:30:00Z",
        "expires": "2027-02-19T09:30:00Z",
        "statement": Digest.of(job.approvals[0].to_bytes()).text,
    }


def test_a_revocation_is_called_one(prove: Prove, tmp_path: Path, job: Job, north: Keys) -> None:
    revoked = word("north", job.contract, decision="revoke")
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(revoked.sign(north.signer))

    verdict = prove("word", contract="contract.json")

    assert (verdict.kind, verdict.refusal) == ("revocation", None)
    assert (verdict.headline, verdict.facts["decision"]) == ("a party's revocation", "revoke")
    assert open_questions(verdict) == ["that the party did not approve again later"]


def test_a_revocation_is_no_approval(prove: Prove, tmp_path: Path, job: Job, north: Keys) -> None:
    revoked = word("north", job.contract, decision="revoke")
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(revoked.sign(north.signer))

    verdict = prove("word", contract="contract.json", kind=Kind.APPROVAL)

    assert isinstance(verdict.refusal, PolicyRefused)
    assert str(verdict.refusal).endswith("the word of 'north' is a revocation, not an approval")


@pytest.mark.parametrize(
    ("decision", "ends"),
    [
        pytest.param("approve", True, id="an approval"),
        pytest.param("revoke", False, id="not a revocation"),
    ],
)
def test_an_approval_ends_with_its_contract(
    decision: str, ends: bool, prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    end = job.contract.limits.expires
    said = word("north", job.contract, decision=decision, expires=end + timedelta(days=9))
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(said.sign(north.signer))

    before = prove("word", contract="contract.json", now=end - FRACTION)
    after = prove("word", contract="contract.json", now=end)

    assert before.refusal is None
    assert (after.refusal is not None) == ends
    assert "ended with its contract, at 2099-12-31T00:00:00Z" in str(after.refusal) or not ends


def test_an_approval_stands_until_the_second_it_expires(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    expires = job.approvals[0].expires
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(job.approvals[0].sign(north.signer))

    before = prove("word", contract="contract.json", now=expires - FRACTION)
    after = prove("word", contract="contract.json", now=expires)

    assert before.refusal is None
    assert isinstance(after.refusal, PolicyRefused)
    assert str(after.refusal).endswith("word: the word of 'north' expired at 2027-02-19T09:30:00Z")
    assert after.lines == before.lines


def test_an_approval_stands_from_the_second_it_was_issued(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    issued = job.approvals[0].issued
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(job.approvals[0].sign(north.signer))

    before = prove("word", contract="contract.json", now=issued - FRACTION)
    after = prove("word", contract="contract.json", now=issued)

    assert isinstance(before.refusal, PolicyRefused)
    assert str(before.refusal).endswith(
        "word: the word of 'north' stands from 2026-11-21T09:30:00Z on"
    )
    assert after.refusal is None
    assert after.lines == before.lines


def test_an_approval_needs_its_contract(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    (tmp_path / "word").write_bytes(job.approvals[0].sign(north.signer))

    with pytest.raises(Usage, match=r"verified against its contract$") as caught:
        prove("word")

    assert caught.value.hint == "--contract contract.yaml"


def test_an_approval_of_another_contract_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    other = word("north", job.contract, contract=JOB)
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(other.sign(north.signer))

    with pytest.raises(Tampered, match=rf"word: is about {JOB}, not {job.contract.digest}$"):
        prove("word", contract="contract.json")


# --- receipts


MACHINE = [
    "a simulated AMD Milan signed it (VCEK)",
    "its firmware: bootloader 4, tee 0, snp 24, microcode 219",
    "the host cannot debug the guest",
    "the guest cannot be moved by an agent",
    "a simulated issuer vouches for the utility VM around the containers, version 100",
    f"it runs under the policy {RUNNER_POLICY}",
]
UNREAD = "what that policy allows: read it, and compare its digest"


def test_a_receipt_without_its_contract_is_explained_and_not_accepted(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    verdict = prove("receipt.json")

    assert (verdict.kind, verdict.headline) == (
        "receipt",
        "a receipt of a job that completed, on SIMULATED hardware",
    )
    assert proven(verdict) == [
        *MACHINE,
        f"made for the contract {job.contract.digest}",
        "the key that signed it lived in that machine",
        "unchanged since it was signed",
        "it says which walls stood around the program: landlock, seccomp",
    ]
    assert open_questions(verdict) == [
        SIMULATED,
        UNREAD,
        f"what the contract says (--contract): {job.contract.digest}",
        f"its result 'result' (--result): {job.receipt.results[0].digest}",
        "that the contract accepts this runner",
    ]
    assert isinstance(verdict.refusal, Unattested)
    assert verdict.refusal.hint == "--contract contract.yaml"


def test_a_receipt_with_all_its_papers_is_accepted(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    verdict = prove(
        "receipt.json",
        contract="contract.json",
        approvals=["south.json", "north.json"],
        results=["result.sealed"],
    )

    assert verdict.refusal is None
    assert proven(verdict) == [
        *MACHINE,
        f"made for the contract {job.contract.digest}",
        "the key that signed it lived in that machine",
        "unchanged since it was signed",
        "it says which walls stood around the program: landlock, seccomp",
        f"about exactly this contract: {job.contract.digest}",
        "its room, program, parameters, inputs and results are the contract's",
        "names an approval of every party",
        "rests on the approval that south signed",
        "rests on the approval that north signed",
        f"{tmp_path / 'result.sealed'} is its result 'result', whole",
        "acceptable as runner 1 of the contract",
    ]
    assert open_questions(verdict) == [SIMULATED, UNREAD]


def test_a_receipt_with_one_approval_leaves_the_other_open(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    verdict = prove(
        "receipt.json",
        contract="contract.json",
        approvals=["north.json"],
    )

    statement_of_south = job.receipt.approvals[1].statement
    assert "rests on the approval that north signed" in proven(verdict)
    assert f"the approval of south (--approval): {statement_of_south}" in open_questions(verdict)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        pytest.param(Ending("failed", "program_failed"), "failed", id="failed"),
        pytest.param(Ending("refused", "policy_refused"), "was refused", id="refused"),
    ],
)
def test_a_receipt_of_a_job_without_result_says_why(
    ending: Ending,
    words: str,
    prove: Prove,
    tmp_path: Path,
    job: Job,
    north: Keys,
    south: Keys,
) -> None:
    job.write(tmp_path, north, south, ending=ending, results=())

    verdict = prove("receipt.json")

    assert verdict.headline == f"a receipt of a job that {words}, on SIMULATED hardware"
    assert verdict.facts == {
        "room": "room",
        "job": JOB.text,
        "contract": job.contract.digest.text,
        "status": ending.status,
        "reason": ending.reason,
        "platform": "simulated",
        "walls": ["landlock", "seccomp"],
        "synthetic": True,
        "finished": "2026-11-21T09:30:03Z",
    }


def test_simulated_hardware_is_believed_only_by_whoever_names_its_root(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    with pytest.raises(Unattested, match=r"root"):
        prove("receipt.json", contract="contract.json", synthetic_roots=[])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            lambda job: {"evidence": evidence(JOB, job.runner.signing.id)},
            r"^cleanroom-contract: expected ",
            id="another contract",
        ),
        pytest.param(
            lambda job: {"evidence": evidence(job.contract.digest, JOB)},
            r"^cleanroom-receipt-key: expected ",
            id="another key",
        ),
    ],
)
def test_a_receipt_with_evidence_for_something_else_is_refused(
    changes: Callable[[Job], dict[str, Any]],
    message: str,
    prove: Prove,
    tmp_path: Path,
    job: Job,
    north: Keys,
    south: Keys,
) -> None:
    job.write(tmp_path, north, south, runner=replace(job.receipt.runner, **changes(job)))

    with pytest.raises(Unattested, match=message):
        prove("receipt.json", contract="contract.json")


def test_a_runner_that_the_contract_does_not_accept_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    agreed = Contract.from_value(contract(north, south), "contract")  # names a container
    runner = replace(job.receipt.runner, evidence=evidence(agreed.digest, job.runner.signing.id))
    job.write(tmp_path, north, south, contract=agreed.digest, runner=runner)
    (tmp_path / "other.json").write_bytes(agreed.to_bytes())

    with pytest.raises(Unattested, match=r"^no runner of the contract: runner 1: the hardware"):
        prove("receipt.json", contract="other.json")


def test_a_receipt_signed_by_another_key_than_it_names_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    (tmp_path / "receipt.json").write_bytes(job.receipt.sign(north.signer))

    with pytest.raises(Tampered, match=r"not by the expected"):
        prove("receipt.json")


def test_a_receipt_about_another_contract_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    runner = replace(job.receipt.runner, evidence=evidence(JOB, job.runner.signing.id))
    job.write(tmp_path, north, south, contract=JOB, runner=runner)

    with pytest.raises(Tampered, match=rf"is about {JOB}, not {job.contract.digest}$"):
        prove("receipt.json", contract="contract.json")


@pytest.mark.parametrize(
    "approvals",
    [
        pytest.param(["later.json"], id="another word of the party"),
        pytest.param(["north.json", "north.json"], id="one approval twice"),
    ],
)
def test_a_receipt_that_does_not_rest_on_an_approval_is_refused(
    approvals: list[str], prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)
    later = word("north", job.contract, issued=NOW + timedelta(days=1))
    (tmp_path / "later.json").write_bytes(later.sign(north.signer))

    with pytest.raises(Tampered, match=rf"does not rest on the approval .*{approvals[-1]}$"):
        prove("receipt.json", contract="contract.json", approvals=approvals)


def test_an_approval_by_a_stranger_is_no_paper_of_a_receipt(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)
    stranger = Keys.make()
    (tmp_path / "north.json").write_bytes(job.approvals[0].sign(stranger.signer))

    with pytest.raises(Tampered, match=r"which no party of the contract has$"):
        prove("receipt.json", contract="contract.json", approvals=["north.json"])


def results_that_do_not_belong(job: Job, reader: Keys) -> dict[str, tuple[bytes, str]]:
    return {
        "another runner's": (sealed_result(reader, reader), r"not by the expected"),
        "another job's": (
            sealed_result(job.runner, reader, job=Digest.of(b"other")),
            rf"is not a result of the job {JOB}$",
        ),
        "a dataset": (seal_bytes(b"", job.runner), rf"is not a result of the job {JOB}$"),
        "another output": (
            sealed_result(job.runner, reader, output="other"),
            r"does not name the result",
        ),
        "sealed again": (sealed_result(job.runner, reader), r"does not name the result"),
        "changed": (flipped(job.result, 0), r"region 0 is not the one"),
    }


@pytest.mark.parametrize(
    "case",
    ["another runner's", "another job's", "a dataset", "another output", "sealed again", "changed"],
)
def test_a_result_that_does_not_belong_is_refused(
    case: str, prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)
    result, message = results_that_do_not_belong(job, north)[case]
    (tmp_path / "result.sealed").write_bytes(result)

    with pytest.raises(Tampered, match=message):
        prove("receipt.json", results=["result.sealed"])


def test_a_result_given_twice_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    with pytest.raises(Tampered, match=r"does not name the result"):
        prove("receipt.json", results=["result.sealed", "result.sealed"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"decision": "revoke"},
            r"later\.json: is a revocation, and no job rests on one$",
            id="revocation",
        ),
        pytest.param(
            {"expires": NOW, "issued": NOW - timedelta(days=1)},
            r"later\.json: stands from 2026-11-20T09:30:00Z until 2026-11-21T09:30:00Z,"
            r" and the job started at 2026-11-21T09:30:00Z$",
            id="expired",
        ),
        pytest.param(
            {"issued": NOW + timedelta(seconds=1)},
            r"later\.json: stands from 2026-11-21T09:30:01Z until ",
            id="issued after the start",
        ),
    ],
)
def test_a_receipt_cannot_rest_on_a_word_that_did_not_stand(
    changes: dict[str, Any],
    message: str,
    prove: Prove,
    tmp_path: Path,
    job: Job,
    north: Keys,
    south: Keys,
) -> None:
    said = word("north", job.contract, **changes)
    named = ApprovalRef("north", Digest.of(said.to_bytes()))
    job.write(tmp_path, north, south, approvals=(named, job.receipt.approvals[1]))
    (tmp_path / "later.json").write_bytes(said.sign(north.signer))

    with pytest.raises(Tampered, match=message):
        prove("receipt.json", contract="contract.json", approvals=["later.json"])


def test_a_receipt_that_is_not_of_the_contracts_run_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south, room="other")

    with pytest.raises(Tampered, match=r"receipt\.json: the room is other, and .* is room$"):
        prove("receipt.json", contract="contract.json")


def test_a_receipt_names_the_platform_that_its_evidence_shows(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south, runner=replace(job.receipt.runner, platform="aci"))

    with pytest.raises(Unattested, match=r"names the platform 'aci', and .* is 'simulated'$"):
        prove("receipt.json", contract="contract.json")


def test_a_receipt_without_a_wall_that_its_contract_demands_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    runner = replace(job.receipt.runner, walls=frozenset({Wall.SECCOMP}))
    job.write(tmp_path, north, south, runner=runner)

    with pytest.raises(Unattested, match=r"runner 1: the walls are .*, without landlock$"):
        prove("receipt.json", contract="contract.json")


def test_a_receipt_without_walls_says_so(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south, runner=replace(job.receipt.runner, walls=frozenset()))

    verdict = prove("receipt.json")

    assert proven(verdict)[-1] == "it says which walls stood around the program: none"


# --- options that say nothing about a paper


@pytest.mark.parametrize(
    ("name", "option", "message"),
    [
        *(
            pytest.param(
                name,
                {field: value},
                rf"^{option}: says nothing about {label}, which .*{name} is$",
                id=f"{option} of {label}",
            )
            for name, label, options in (
                ("result.sealed", "a sealed file", "--approval --result --synthetic-root"),
                ("north.json", "an approval", "--from --approval --result --synthetic-root"),
                ("receipt.json", "a receipt", "--from --at"),
                ("evidence.json", "evidence", "--from --approval --result"),
            )
            for option, field, value in (
                ("--from", "owner", "contract.json"),
                ("--approval", "approvals", ["south.json"]),
                ("--result", "results", ["result.sealed"]),
                ("--synthetic-root", "synthetic_roots", ["synthetic.pem"]),
            )
            if option in options.split()
        ),
        pytest.param(
            "receipt.json", {"approvals": ["north.json"]}, "^--approval: is comp", id="no contract"
        ),
    ],
)
def test_an_option_that_says_nothing_is_refused(
    name: str,
    option: dict[str, Any],
    message: str,
    prove: Prove,
    tmp_path: Path,
    job: Job,
    north: Keys,
    south: Keys,
) -> None:
    job.write(tmp_path, north, south)

    with pytest.raises(Usage, match=message):
        prove(name, **{"synthetic_roots": []} | option)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("receipt.json", r"^--at: says nothing about a receipt", id="receipt"),
        pytest.param("result.sealed", r"^--at: is compared with a contract$", id="sealed file"),
    ],
)
def test_a_time_that_says_nothing_is_refused(
    name: str, message: str, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    with pytest.raises(Usage, match=message):
        proving.prove(tmp_path / name, None, replace(NOTHING, at=NOW), NOW)


# --- evidence


def test_evidence_is_explained(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    verdict = prove("evidence.json")

    assert (verdict.kind, verdict.headline, verdict.refusal) == (
        "evidence",
        "evidence of SIMULATED hardware (aci)",
        None,
    )
    assert verdict.lines[0] == Line(proven=False, text=SIMULATED)
    assert proven(verdict) == [*MACHINE, f"made for the contract {job.contract.digest}"]
    assert open_questions(verdict)[-1] == "that a contract accepts it (--contract)"
    assert verdict.facts["synthetic"] is True
    assert verdict.facts["host_data"] == RUNNER_POLICY


def test_evidence_of_a_machine_is_explained(prove: Prove, tmp_path: Path) -> None:
    made = paravisor()
    (tmp_path / "vm.json").write_bytes(EvidenceBundle(made.evidence(b"nonce")).to_bytes())
    (tmp_path / "synthetic.pem").write_bytes(made.chip.amd.pem("ark"))

    verdict = prove("vm.json")

    assert verdict.headline == "evidence of SIMULATED hardware (azure-cvm)"
    assert "Azure's own paravisor runs beside the guest" in open_questions(verdict)
    assert "made for the contract of no name" in open_questions(verdict)
    assert any(line.startswith("its TPM signed the registers 0, 1,") for line in proven(verdict))


def test_evidence_is_held_against_a_contract(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    verdict = prove("evidence.json", contract="contract.json")

    assert proven(verdict)[-2:] == [
        f"made for exactly this contract: {job.contract.digest}",
        "acceptable as runner 1 of the contract",
    ]
    assert open_questions(verdict)[-1] == (
        "that the walls stand which it demands (a receipt tells): landlock"
    )


def test_evidence_leaves_no_wall_open_where_none_is_demanded(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    runners = [RUNNER | {"walls": []}]
    agreed = Contract.from_value(contract(north, south, runners=runners), "contract")
    job.write(tmp_path, north, south)
    (tmp_path / "other.json").write_bytes(agreed.to_bytes())
    (tmp_path / "evidence.json").write_bytes(evidence(agreed.digest, job.runner.signing.id))

    verdict = prove("evidence.json", contract="other.json")

    assert proven(verdict)[-1] == "acceptable as runner 1 of the contract"
    assert open_questions(verdict)[-1] == UNREAD


def test_evidence_for_another_contract_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)
    (tmp_path / "evidence.json").write_bytes(evidence(JOB, JOB))

    with pytest.raises(Unattested, match=rf"^made for the contract {JOB}, not for "):
        prove("evidence.json", contract="contract.json")


def test_evidence_is_looked_at_as_of_the_time_given(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)
    later = datetime(2099, 1, 1, tzinfo=UTC)

    with pytest.raises(Unattested, match=r"is valid from .* not at 2099-01-01T00:00:00Z"):
        prove("evidence.json", now=later)


def test_a_paper_of_another_kind_than_expected_is_refused(
    prove: Prove, tmp_path: Path, job: Job, north: Keys, south: Keys
) -> None:
    job.write(tmp_path, north, south)

    with pytest.raises(Malformed, match=r"evidence\.json: expected a receipt, got evidence$"):
        prove("evidence.json", kind=Kind.RECEIPT)
    with pytest.raises(
        Malformed, match=r"result\.sealed: expected an approval, got a sealed file$"
    ):
        prove("result.sealed", kind=Kind.APPROVAL)


# --- anything else


def envelope(payload: bytes, keys: Keys, kind: str = PAYLOAD_TYPE) -> bytes:
    return dsse.sign(payload, kind, keys.signer)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        pytest.param(lambda _: b"", rf"{WANTED}, got something else$", id="nothing"),
        pytest.param(lambda _: b"a", rf"{WANTED}, got something else$", id="short"),
        pytest.param(lambda _: bytes(range(256)), rf"{WANTED}, got something else$", id="garbage"),
        pytest.param(lambda _: b"a,b\n1,2\n", rf"{WANTED}, got something else$", id="table"),
        pytest.param(lambda keys: keys.signing.pem.encode(), rf"{WANTED}, got a key", id="key"),
        pytest.param(lambda _: b"{}", rf"{WANTED}, got another document$", id="no envelope"),
        pytest.param(lambda _: b"[]", rf"{WANTED}, got something else$", id="list"),
        pytest.param(
            lambda _: b'{"format":"cleanroom/contract/v1"}',
            rf"{WANTED}, got a contract$",
            id="contract",
        ),
        pytest.param(lambda _: b'{"payload":', r"expected JSON in UTF-8$", id="cut"),
        pytest.param(
            lambda _: b'{"payload":""}', r"expected a field 'payloadType'$", id="half an envelope"
        ),
        pytest.param(
            lambda _: bytes(dsse.LARGEST_ENVELOPE + 1),
            rf"{WANTED}, got a file of more than 1,402,200 bytes$",
            id="too large",
        ),
        pytest.param(
            lambda keys: envelope(b"{}", keys, "text/plain"),
            r"expected a payload of type application/vnd\.in-toto\+json, got 'text/plain'$",
            id="another payload",
        ),
        pytest.param(
            lambda keys: envelope(b"not JSON", keys), r"expected JSON in UTF-8", id="no JSON inside"
        ),
        pytest.param(
            lambda keys: envelope(b"[]", keys),
            rf"{WANTED}, got another statement$",
            id="a list inside",
        ),
        pytest.param(
            lambda keys: envelope(statement((), "urn:other:v1", {}), keys),
            rf"{WANTED}, got another statement$",
            id="another statement",
        ),
        pytest.param(
            lambda keys: envelope(canonical({"predicateType": ["a"]}, "x"), keys),
            rf"{WANTED}, got another statement$",
            id="a predicate type of another type",
        ),
    ],
)
def test_what_is_no_paper_is_refused(
    make: Callable[[Keys], bytes], message: str, prove: Prove, tmp_path: Path, north: Keys
) -> None:
    (tmp_path / "paper").write_bytes(make(north))

    with pytest.raises(Malformed, match=message):
        prove("paper")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        pytest.param("missing", r"there is no such file or folder$", id="missing"),
        pytest.param(".", r"expected a file, got a folder$", id="folder"),
    ],
)
def test_a_paper_must_be_a_file(name: str, message: str, prove: Prove) -> None:
    with pytest.raises(CleanroomError, match=message):
        prove(name)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("contract.json", "cleanroom contract show FILE", id="contract"),
        pytest.param("a.yaml", "is it a contract? cleanroom contract show FILE", id="YAML"),
        pytest.param("north.signing.pub.pem", "cleanroom keys show FILE", id="key"),
        pytest.param("table.csv", "", id="table"),
    ],
)
def test_what_is_no_paper_is_told_where_to_go(
    name: str, hint: str, prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    north.write(tmp_path, "north")
    (tmp_path / "contract.json").write_bytes(job.contract.to_bytes())
    (tmp_path / "a.yaml").write_text("room: room\n")
    (tmp_path / "table.csv").write_text("a,b\n")

    with pytest.raises(Malformed, match=WANTED) as caught:
        prove(name)

    assert caught.value.hint == hint


def test_the_contract_of_an_approval_may_be_written_by_people(
    prove: Prove, tmp_path: Path, job: Job, north: Keys
) -> None:
    (tmp_path / "contract.yaml").write_bytes(job.contract.to_bytes())
    (tmp_path / "word").write_bytes(job.approvals[0].sign(north.signer))

    verdict = prove("word", contract="contract.yaml", now=datetime(2026, 12, 1, tzinfo=UTC))

    assert verdict.facts["contract"] == job.contract.digest.text
