"""One job, from a hint to an outcome: every step verifies what the ones after it rely on.

The numbers are those of `Job.run`; docs/spec/job.md says what a request and an outcome are. A job
raises what went wrong, or returns how it ended; what becomes of its message is for the loop.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from cleanroom.approval import Approval
from cleanroom.contract import Contract
from cleanroom.errors import CleanroomError, Disposition, Malformed, PolicyRefused, Unavailable
from cleanroom.ids import Digest
from cleanroom.job import Ending, JobRequest, Outcome
from cleanroom.parameters import Value, check_values
from cleanroom.receipt import ApprovalRef, Receipt, RuleDecision, RunnerProof
from cleanroom.statement import Subject
from runner import receipts
from runner.attest.attester import Attestation
from runner.attest.authority import AttestationService
from runner.compute import Compute, OpenInput
from runner.keys.release import Release, Released
from runner.machine import Believed, Machine, accepted
from runner.parallel import at_once
from runner.receipts import JobKey
from runner.room.datasets import Datasets, VerifiedInput
from runner.room.documents import Contracts, Room, check_inputs_named, check_standing
from runner.room.results import Output
from runner.room.storage import Account

EXACT_POLICY = "release_policy"
"""The decision that says: the vault's policy is just the one that the contract asks for."""


@dataclass(frozen=True, slots=True)
class Parts:
    """What jobs are run with: the services, the machine, the engine and the clock."""

    storage: Account
    contracts: Contracts
    datasets: Datasets
    authority: Callable[[str], AttestationService]
    machine: Machine
    believed: Believed
    release: Release
    compute: Compute
    clock: Callable[[], datetime]


@dataclass(frozen=True, slots=True)
class _Ready:
    """What is verified before the machine proves anything."""

    contract: Contract
    approvals: Sequence[Approval]
    parameters: Mapping[str, Value]
    inputs: Sequence[VerifiedInput]


@dataclass(frozen=True, slots=True)
class _Came:
    """What came of it."""

    ending: Ending
    results: tuple[Subject, ...] = ()
    blocks: tuple[str, ...] = ()  # of the result, handed in
    decisions: tuple[RuleDecision, ...] = ()


class Job:
    """One try at one request; `now` is taken once."""

    def __init__(self, request: JobRequest, parts: Parts) -> None:
        self._request = request
        self._parts = parts
        self._room = Room(parts.storage, parts.contracts, request.room)
        self._now = parts.clock()
        self._key = JobKey()

    def run(self) -> Outcome:
        """Run the job, once and for all.

        1. The contract is the one that its digest names, and of this room.
        2. What is done is not done again: a genuine receipt says how it ended.
        3. The contract has not expired, and every party's approval of it stands now.
        4. The inputs are the contract's; each is the owner's, in a version that may be used, with
           the contract's columns, sealed for the owner's room key.
        5. The parameters are within their limits, and the program obeys the rules of the data.
        6. This machine is one that the contract accepts, with the walls that it demands, working
           for this contract and receipt.
        7. Each party's vault releases its room key to it; the data keys open.
        8. The program runs with those inputs and nothing else; its result passes the gate.
        9. The result is sealed to its readers, and handed in where nobody sees it yet.
        10. The receipt binds 1 to 9. It is written once: whoever comes second takes the first's.
        11. The result that the receipt names is committed.

        How often a contract has run is not counted yet. It will be between 5 and 6: a run is
        charged before any key is asked for, and never refunded.
        """
        agreed = self._room.contract(self._request.contract)  # 1
        earlier = self._room.receipt(self._request.id)
        if earlier is not None:  # 2
            return self._finished(earlier, agreed)
        ready = self._ready(agreed)  # 3, 4, 5
        proofs: list[RunnerProof] = []
        try:
            opened = self._opened(ready, proofs)  # 6, 7
            came = self._computed(ready, opened)  # 8, 9
        except CleanroomError as error:
            if not proofs or error.disposition not in _ENDINGS:
                raise
            came = _Came(Ending(_ENDINGS[error.disposition], error.code))
        return self._concluded(ready, proofs[0], came)  # 10, 11

    def _finished(self, envelope: bytes, agreed: Contract) -> Outcome:
        found = receipts.standing(envelope, self._request, agreed, self._parts.believed)
        if found.results:
            self._output(agreed).commit_staged(found.runner.key)  # 11, if that try was interrupted
        return receipts.outcome(found)

    def _ready(self, agreed: Contract) -> _Ready:
        words = self._room.approvals(agreed)
        check_standing(agreed, words, self._now)  # 3
        check_inputs_named(agreed, self._request)
        datasets = self._parts.datasets
        inputs = at_once(
            [partial(datasets.verified, agreed, item, self._now) for item in self._request.inputs]
        )  # 4
        parameters = _parameters(agreed, self._request)
        self._parts.compute.check(agreed, parameters, inputs)  # 5
        return _Ready(agreed, words, parameters, inputs)

    def _opened(self, ready: _Ready, proofs: list[RunnerProof]) -> tuple[OpenInput, ...]:
        """Prove the machine to each authority that a vault believes, and ask those vaults."""
        agreed, parts, released = ready.contract, self._parts, dict[str, Released]()
        for authority, theirs in _by_authority(ready.inputs).items():
            attester = parts.machine.attester(parts.authority(authority))
            with attester.attest(agreed.digest, self._key.public.id) as made:
                proofs.append(self._proof(agreed, made))  # 6
                released |= parts.release.keys(agreed, theirs, made, self._now)  # 7
        return tuple(
            OpenInput(each, released[each.dataset.alias].key, released[each.dataset.alias].exact)
            for each in ready.inputs
        )

    def _proof(self, agreed: Contract, made: Attestation) -> RunnerProof:
        evidence, key = made.evidence.to_bytes(), self._key.public
        walls = self._parts.compute.walls
        runner = accepted(evidence, agreed, key.id, walls, self._parts.believed, self._now)
        return RunnerProof(runner.platform, walls, key, evidence, made.token)

    def _computed(self, ready: _Ready, opened: tuple[OpenInput, ...]) -> _Came:
        agreed = ready.contract
        with self._parts.compute.run(agreed, ready.parameters, opened) as computed:  # 8
            result, blocks = self._output(agreed).stage(  # 9
                computed, self._key.public, self._key, self._now
            )
        exact = tuple(
            RuleDecision(each.verified.dataset.alias, EXACT_POLICY, passed=True)
            for each in opened
            if each.exact_policy
        )
        decisions = (*computed.decisions, *exact)
        return _Came(Ending("completed", None), (result,), blocks, decisions)

    def _concluded(self, ready: _Ready, runner: RunnerProof, came: _Came) -> Outcome:
        made = Receipt(
            results=came.results,
            room=self._request.room,
            job=self._request.id,
            contract=ready.contract.digest,
            approvals=tuple(
                ApprovalRef(word.party, Digest.of(word.to_bytes())) for word in ready.approvals
            ),
            inputs=self._request.inputs,
            program=receipts.program(ready.contract),
            parameters=ready.parameters,
            decisions=came.decisions,
            ending=came.ending,
            started=self._now,
            finished=max(self._now, self._parts.clock()),
            runner=runner,
        )
        if not self._room.keep_receipt(self._request.id, made.sign(self._key)):  # 10
            first = self._room.receipt(self._request.id)
            if first is None:
                raise Unavailable("a receipt is there and cannot be read")
            return self._finished(first, ready.contract)
        if made.results:
            self._output(ready.contract).commit(came.blocks)  # 11
        return receipts.outcome(made)

    def _output(self, agreed: Contract) -> Output:
        return Output(self._parts.storage, agreed.room, self._request.id, agreed.result)


_ENDINGS = {Disposition.REFUSE: "refused", Disposition.FAIL: "failed"}


def ended_by(request: JobRequest, error: CleanroomError, now: datetime) -> Outcome:
    """Say how a job ended that came to nothing before there was anything to sign."""
    return without_receipt(request, _ENDINGS[error.disposition], error.code, now)


def without_receipt(request: JobRequest, status: str, reason: str, now: datetime) -> Outcome:
    """Write an outcome that no receipt stands behind."""
    return Outcome(
        request.room, request.id, request.contract, Ending(status, reason), now, None, ()
    )


def _parameters(agreed: Contract, request: JobRequest) -> Mapping[str, Value]:
    try:
        return check_values(agreed.program.parameters, request.parameters, "parameters")
    except Malformed as error:  # well-formed, but not what the contract allows
        raise PolicyRefused("the parameters are not those that the contract allows") from error


def _by_authority(inputs: Sequence[VerifiedInput]) -> dict[str, list[VerifiedInput]]:
    found: dict[str, list[VerifiedInput]] = {}
    for each in inputs:
        if each.owner.room_key is not None:
            found.setdefault(each.owner.room_key.authority, []).append(each)
    return found
