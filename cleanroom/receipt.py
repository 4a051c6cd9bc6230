"""The receipt: what ran, on what, where, and what came of it (docs/spec/statements.md §3).

Signed by a key made for the one job. That the key lives in a genuine runner is not shown by the
signature but by the evidence inside: until the evidence is verified, a receipt proves only that it
was not changed since.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from cleanroom import dsse, walls
from cleanroom.errors import Malformed
from cleanroom.fields import (
    Fields,
    base64_bytes,
    base64_text,
    boolean,
    instant,
    instant_text,
    list_of,
    matching,
    one_of,
    unique,
)
from cleanroom.ids import Digest, alias, name
from cleanroom.job import Ending, Input, inputs
from cleanroom.keys import SigningKey
from cleanroom.parameters import Value, values
from cleanroom.requirements import PLATFORMS
from cleanroom.statement import PAYLOAD_TYPE, Subject, parse_statement, statement
from cleanroom.walls import Walls

PREDICATE_TYPE = "urn:cleanroom:receipt:v1"
_MOST = 64
_MOST_CHECKS = 1024
_LARGEST_EVIDENCE = 256 * 1024

_token = matching(
    r"(?=.{1,65536}\Z)[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+",
    "a JSON web token of at most 65536 characters",
)
_check = matching(r"[a-z][a-z0-9_]{0,62}", "a code of lower-case letters, digits and underscores")


@dataclass(frozen=True, slots=True)
class ApprovalRef:
    """An approval that the run relied on, named by the digest of its statement."""

    party: str
    statement: Digest

    @classmethod
    def parse(cls, raw: object, where: str) -> "ApprovalRef":
        """Accept a reference."""
        f = Fields(raw, where)
        found = cls(f.take("party", name), f.take("statement", Digest.parse))
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"party": self.party, "statement": self.statement.text}


@dataclass(frozen=True, slots=True)
class RuleDecision:
    """One rule of one dataset, as it was decided in this run."""

    dataset: str
    check: str
    passed: bool

    @classmethod
    def parse(cls, raw: object, where: str) -> "RuleDecision":
        """Accept a decision."""
        f = Fields(raw, where)
        found = cls(f.take("dataset", alias), f.take("check", _check), f.take("passed", boolean))
        f.end()
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {"dataset": self.dataset, "check": self.check, "passed": self.passed}


@dataclass(frozen=True, slots=True)
class RunnerProof:
    """What the runner says of itself: its walls, its key for this job, its evidence, the token."""

    platform: str
    walls: Walls
    key: SigningKey
    evidence: bytes
    token: str

    @classmethod
    def parse(cls, raw: object, where: str) -> "RunnerProof":
        """Accept a proof; nothing in it is verified yet."""
        f = Fields(raw, where)
        found = cls(
            f.take("platform", one_of(*PLATFORMS)),
            f.take("walls", walls.parse),
            f.take("key", SigningKey.parse),
            f.take("evidence", base64_bytes(_LARGEST_EVIDENCE)),
            f.take("token", _token),
        )
        f.end()
        if not found.evidence:
            raise Malformed(f"{where}.evidence", "evidence, not nothing")
        return found

    def to_dict(self) -> dict[str, object]:
        """Spell it as `parse` reads it."""
        return {
            "platform": self.platform,
            "walls": walls.names(self.walls),
            "key": self.key.to_json(),
            "evidence": base64_text(self.evidence),
            "token": self.token,
        }


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ran on what, where, and what came of it."""

    results: tuple[Subject, ...]
    room: str
    job: Digest
    contract: Digest
    approvals: tuple[ApprovalRef, ...]
    inputs: tuple[Input, ...]
    program: Digest
    parameters: Mapping[str, Value]
    decisions: tuple[RuleDecision, ...]
    ending: Ending
    started: datetime
    finished: datetime
    runner: RunnerProof

    @classmethod
    def parse(cls, payload: bytes, where: str) -> "Receipt":
        """Accept the canonical statement."""
        subjects, predicate = parse_statement(payload, PREDICATE_TYPE, where)
        f = Fields(predicate, f"{where}.predicate")
        receipt = cls(
            subjects,
            f.take("room", name),
            f.take("job", Digest.parse),
            f.take("contract", Digest.parse),
            f.take("approvals", list_of(ApprovalRef.parse, 1, _MOST)),
            f.take("inputs", inputs),
            f.take("program", Digest.parse),
            f.take("parameters", values),
            f.take("decisions", list_of(RuleDecision.parse, 0, _MOST_CHECKS)),
            f.take("ending", Ending.parse),
            f.take("started", instant),
            f.take("finished", instant),
            f.take("runner", RunnerProof.parse),
        )
        f.end()
        unique([ref.party for ref in receipt.approvals], f"{where}.predicate.approvals")
        receipt._check_whole(where)
        return receipt

    def _check_whole(self, where: str) -> None:
        """Check what no single part can: that the parts tell one story."""
        if self.finished < self.started:
            raise Malformed(f"{where}.predicate.finished", "a time not before 'started'")
        completed = self.ending.status == "completed"
        if completed != bool(self.results):
            raise Malformed(f"{where}.subject", "results exactly for a completed job")
        place = f"{where}.predicate.decisions"
        unique([f"{decision.dataset}: {decision.check}" for decision in self.decisions], place)
        used = [item.alias for item in self.inputs]
        for i, decision in enumerate(self.decisions):
            if decision.dataset not in used:
                raise Malformed(
                    f"{place}[{i}].dataset", "one of the inputs", repr(decision.dataset)
                )
            if completed and not decision.passed:
                raise Malformed(f"{place}[{i}].passed", "true for a completed job")

    def to_bytes(self) -> bytes:
        """Spell it as `parse` reads it."""
        return statement(
            self.results,
            PREDICATE_TYPE,
            {
                "room": self.room,
                "job": self.job.text,
                "contract": self.contract.text,
                "approvals": [ref.to_dict() for ref in self.approvals],
                "inputs": [item.to_dict() for item in self.inputs],
                "program": self.program.text,
                "parameters": dict(self.parameters),
                "decisions": [decision.to_dict() for decision in self.decisions],
                "ending": self.ending.to_dict(),
                "started": instant_text(self.started),
                "finished": instant_text(self.finished),
                "runner": self.runner.to_dict(),
            },
        )

    def sign(self, signer: dsse.Signer) -> bytes:
        """Write the envelope that goes beside the result."""
        return dsse.sign(self.to_bytes(), PAYLOAD_TYPE, signer)


def unchanged(envelope: bytes, where: str) -> Receipt:
    """Return a receipt whose signature holds under the key it names for itself.

    Who holds that key is for its evidence to show.
    """
    signed = dsse.Signed.parse(envelope, where)
    receipt = Receipt.parse(signed.payload, where)
    signed.verify(PAYLOAD_TYPE, receipt.runner.key, where)
    return receipt
