"""Vectors of the documents: contracts, approvals, jobs, outcomes and receipts, whole and spoilt."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from cleanroom.approval import Approval
from cleanroom.canonical import canonical
from cleanroom.contract import Contract
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input, JobRequest, Outcome, ResultRef, Trigger
from cleanroom.receipt import ApprovalRef, Receipt, RuleDecision, RunnerProof
from cleanroom.statement import Subject
from cleanroom.walls import ALL
from tests import builders
from tests.vectors import keys
from tests.vectors.vector import CREATED, Vector

PARAMETER = {"name": "p", "type": "integer", "minimum": 1, "maximum": 9, "choices": None}


def document_vectors() -> Iterator[Vector]:
    """Contracts, approvals, jobs, outcomes and receipts, whole and spoilt."""
    north, south = (_vector_keys(name) for name in ("north", "south"))
    value = builders.contract(north, south)
    value["runners"][0]["walls"] = ["landlock", "net"]
    value["limits"]["expires"] = "2027-12-31T00:00:00Z"  # as these vectors always said
    contract = Contract.from_value(value, "contract")
    yield from _document("contract", contract.to_bytes())
    yield from _contract_refusals(value)
    approval = Approval(
        contract.digest, "north", "approve", CREATED, datetime(2027, 2, 19, 9, 30, tzinfo=UTC)
    )
    signer = keys.DeterministicSigner("north")
    yield Vector("approval", "good", "parses", "as signed", approval.sign(signer))
    yield Vector(
        "approval",
        "in-the-name-of-another",
        "tampered",
        "north signs for south",
        replace(approval, party="south").sign(signer),
    )
    yield Vector(
        "approval",
        "of-another-contract",
        "tampered",
        "another digest",
        replace(approval, contract=Digest.of(b"other")).sign(signer),
    )
    yield Vector(
        "approval",
        "by-a-stranger",
        "tampered",
        "no party's key",
        approval.sign(keys.DeterministicSigner("stranger")),
    )
    request = JobRequest(
        "room",
        contract.digest,
        (Input("a", Digest.of(b"a")), Input("b", Digest.of(b"b"))),
        {"segment": "retail", "limit": 10, "deep": True},
        Trigger("request", None, "0123456789abcdef" * 2),
    )
    yield from _document("job", request.to_bytes())
    yield Vector(
        "job",
        "changed",
        "tampered",
        "the id is not the digest of the rest",
        request.to_bytes().replace(b'"limit":10', b'"limit":11'),
    )
    receipt = _receipt(request, approval)
    envelope = receipt.sign(keys.DeterministicSigner("job"))
    yield Vector("receipt", "good", "parses", "as signed", envelope)
    yield Vector(
        "receipt",
        "signed-by-another-key",
        "tampered",
        "not the key that it names",
        receipt.sign(keys.DeterministicSigner("stranger")),
    )
    outcome = Outcome(
        "room",
        request.id,
        contract.digest,
        Ending("completed", None),
        CREATED,
        Digest.of(receipt.to_bytes()),
        (ResultRef("result", Digest.of(b"result")),),
    )
    yield from _document("outcome", outcome.to_bytes())
    refused = replace(outcome, ending=Ending("refused", "policy_refused"), receipt=None, results=())
    yield Vector("outcome", "refused", "parses", "a job that was refused", refused.to_bytes())
    unsaid = outcome.to_bytes().replace(b'"reason":null', b'"reason":"because"')
    yield Vector("outcome", "reason-for-success", "malformed", "completed, yet a reason", unsaid)


def _receipt(request: JobRequest, approval: Approval) -> Receipt:
    return Receipt(
        (Subject("result", Digest.of(b"result")),),
        "room",
        request.id,
        request.contract,
        (ApprovalRef("north", Digest.of(approval.to_bytes())),),
        request.inputs,
        Digest.of(b"select 1"),
        request.parameters,
        (RuleDecision("a", "aggregation_threshold", passed=True),),
        Ending("completed", None),
        CREATED,
        CREATED,
        RunnerProof("simulated", ALL, keys.signing_key("job"), b"evidence", "to.ke.n"),
    )


def _document(kind: str, data: bytes) -> Iterator[Vector]:
    yield Vector(kind, "good", "parses", "canonical", data)
    yield Vector(kind, "unknown-field", "malformed", "a field too many", data[:-1] + b',"zz":1}')
    yield Vector(kind, "not-canonical", "malformed", "a space at the end", data + b" ")
    yield Vector(kind, "cut", "malformed", "the last byte is missing", data[:-1])
    first = data.index(b",")
    twice = b"{" + data[1 : first + 1] + data[1:]
    yield Vector(kind, "duplicate-field", "malformed", "the first field twice", twice)


def _contract_refusals(value: dict[str, Any]) -> Iterator[Vector]:
    changes: tuple[tuple[str, str, dict[str, Any]], ...] = (
        (
            "no-trigger",
            "would never run",
            {"triggers": dict.fromkeys(value["triggers"], False) | {"schedule": None}},
        ),
        (
            "parameters-by-nobody",
            "runs that start by themselves, and a parameter that only who asks can give",
            {"program": value["program"] | {"parameters": [PARAMETER]}},
        ),
        (
            "debug-runner",
            "a runner whose memory can be read",
            {"runners": [value["runners"][0] | {"debug": True}]},
        ),
        (
            "walls-out-of-order",
            "what is demanded has one spelling",
            {"runners": [value["runners"][0] | {"walls": ["net", "landlock"]}]},
        ),
        ("one-party", "nobody to agree with", {"parties": value["parties"][:1]}),
        (
            "unknown-owner",
            "data of nobody",
            {"datasets": [value["datasets"][0] | {"owner": "west"}]},
        ),
        (
            "metadata-endpoint",
            "an address inside the runner's network",
            {"datasets": [value["datasets"][0] | {"location": "https://169.254.169.254/metadata"}]},
        ),
        (
            "hidden-direction",
            "a program that does not read as it runs",
            {
                "program": value["program"]
                | {"source": {"kind": "inline", "text": "select 1 \u202e"}}
            },
        ),
    )
    for name, comment, change in changes:
        yield Vector("contract", name, "malformed", comment, canonical(value | change, name))


def _vector_keys(name: str) -> Any:
    class Public:
        signing = keys.signing_key(name)
        reader = keys.reader_key(name)

    return Public
