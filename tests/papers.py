"""Papers of one job to start from: contract, approvals, sealed result, receipt."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

from cryptography.hazmat.primitives.asymmetric import rsa

from cleanroom.approval import Approval
from cleanroom.attestation.evidence import EvidenceBundle
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input
from cleanroom.receipt import ApprovalRef, Receipt, RuleDecision, RunnerProof
from cleanroom.release.binding import runtime_data
from cleanroom.seal.manifest import ResultOrigin
from cleanroom.statement import Subject
from cleanroom.walls import Wall
from devstack.hardware.amd import pem, rsa_key
from tests.builders import MILAN, NOW, Keys, contract
from tests.hardware import group
from tests.sealing import Parts, seal_bytes

JOB = Digest.of(b"job")
MACHINE = group()
RUNNER_POLICY = MACHINE.chip.template.host_data.hex()
RUNNER = {
    "platform": "simulated",
    "code": {"kind": "host-data", "value": RUNNER_POLICY, "utility_vm_svn": 100},
    "minimum_svn": MILAN,
    "walls": ["landlock"],
    "debug": False,
}


@dataclass(frozen=True)
class Job:
    """What one job leaves behind; the runner's key was made for it."""

    runner: Keys
    contract: Contract
    approvals: tuple[Approval, Approval]
    result: bytes
    receipt: Receipt

    @classmethod
    def done(cls, north: Keys, south: Keys, runner: Keys) -> Self:
        agreed = Contract.from_value(contract(north, south, runners=[RUNNER]), "contract")
        approvals = (word("north", agreed), word("south", agreed))
        result = sealed_result(runner, north)
        return cls(
            runner,
            agreed,
            approvals,
            result,
            Receipt(
                results=(Subject("result", Digest.of(Parts.of(result).payload)),),
                room="room",
                job=JOB,
                contract=agreed.digest,
                approvals=tuple(
                    ApprovalRef(said.party, Digest.of(said.to_bytes())) for said in approvals
                ),
                inputs=(Input("a", Digest.of(b"a")), Input("b", Digest.of(b"b"))),
                program=Digest.of(b"select 1"),
                parameters={},
                decisions=(RuleDecision("a", "threshold", passed=True),),
                ending=Ending("completed", None),
                started=NOW,
                finished=NOW + timedelta(seconds=3),
                runner=RunnerProof(
                    "simulated",
                    frozenset({Wall.LANDLOCK, Wall.SECCOMP}),
                    runner.signing,
                    evidence(agreed.digest, runner.signing.id),
                    "a.b.c",
                ),
            ),
        )

    def write(self, folder: Path, north: Keys, south: Keys, **changes: Any) -> Path:
        """Write all papers, with changes to the receipt, and return where the receipt is."""
        (folder / "contract.json").write_bytes(self.contract.to_bytes())
        for said, keys in zip(self.approvals, (north, south), strict=True):
            (folder / f"{said.party}.json").write_bytes(said.sign(keys.signer))
        (folder / "result.sealed").write_bytes(self.result)
        (folder / "evidence.json").write_bytes(self.receipt.runner.evidence)
        (folder / "synthetic.pem").write_bytes(
            MACHINE.chip.amd.pem("ark") + pem(MACHINE.endorser.chain()[-1])
        )
        receipt = replace(self.receipt, **changes)
        (folder / "receipt.json").write_bytes(receipt.sign(self.runner.signer))
        return folder / "receipt.json"


def evidence(agreed: Digest, receipt_key: Digest) -> bytes:
    """Have the simulated machine say what it is, for a contract and a receipt."""
    wrapping: rsa.RSAPublicKey = rsa_key("wrapping", 2048).public_key()
    said = runtime_data(agreed, receipt_key, wrapping)
    return EvidenceBundle(MACHINE.evidence(said)).to_bytes()


def word(party: str, agreed: Contract, **changes: Any) -> Approval:
    """Say what a party says of a contract."""
    said = Approval(agreed.digest, party, "approve", NOW, NOW + timedelta(days=90))
    return replace(said, **changes)


def sealed_result(runner: Keys, reader: Keys, job: Digest = JOB, output: str = "result") -> bytes:
    return seal_bytes(b"total\n42\n", runner, reader, origin=ResultOrigin(job, output))
