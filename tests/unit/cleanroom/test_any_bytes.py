"""Whatever bytes arrive: a document is refused by an error of ours, or is exactly what it says."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from cleanroom import (
    approval,
    dsse,
    ids,
    job,
    keys,
    parameters,
    receipt,
    requirements,
    rules,
    schema,
    statement,
)
from cleanroom import contract as contracts
from cleanroom.approval import Approval
from cleanroom.canonical import canonical
from cleanroom.contract import Contract
from cleanroom.dsse import Signed
from cleanroom.errors import CleanroomError
from cleanroom.fields import base64_text
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input, JobRequest, Outcome, ResultRef, Trigger
from cleanroom.receipt import ApprovalRef, Receipt, RuleDecision, RunnerProof, unchanged
from cleanroom.statement import Subject
from cleanroom.walls import Wall
from tests.builders import DIGEST, NOW, Keys, contract

MODULES = (
    *(approval, contracts, dsse, ids, job, keys, parameters, receipt, requirements, rules),
    *(schema, statement),
)
NORTH, SOUTH = Keys.make(), Keys.make()
NAME = Digest(DIGEST)

REQUEST = JobRequest(
    "room", NAME, (Input("a", NAME),), {"limit": 3}, Trigger("request", None, "0f" * 16)
)
OUTCOME = Outcome(
    "room", NAME, NAME, Ending("completed", None), NOW, NAME, (ResultRef("result", NAME),)
)
APPROVAL = Approval(NAME, "north", "approve", NOW, NOW.replace(year=2027))
RECEIPT = Receipt(
    results=(Subject("result", NAME),),
    room="room",
    job=NAME,
    contract=NAME,
    approvals=(ApprovalRef("north", NAME),),
    inputs=(Input("a", NAME),),
    program=NAME,
    parameters={"limit": 3},
    decisions=(RuleDecision("a", "threshold", passed=True),),
    ending=Ending("completed", None),
    started=NOW,
    finished=NOW,
    runner=RunnerProof(
        "simulated", frozenset({Wall.NET, Wall.PID}), NORTH.signing, b"evidence", "to.ke.n"
    ),
)
SIGNED_RECEIPT = RECEIPT.sign(NORTH.signer)


@dataclass(frozen=True)
class Kind:
    """A kind of document: a valid one, how it is read, and how a value of it is spelled."""

    valid: bytes
    parse: Callable[[bytes, str], Any]
    read: Callable[[Any], bytes]  # the bytes of what was read
    spell: Callable[[Any], bytes]  # the bytes of a JSON value


def to_bytes(document: Any) -> bytes:
    found = document.to_bytes()
    assert isinstance(found, bytes)
    return found


def envelope(found: Signed) -> bytes:
    signature = {"keyid": found.key_id.text, "sig": base64_text(found.signature)}
    return plain(
        {
            "payload": base64_text(found.payload),
            "payloadType": found.payload_type,
            "signatures": [signature],
        }
    )


def plain(value: Any) -> bytes:
    return canonical(value, "test")


def named(value: Any) -> bytes:
    """Spell a job's request under its right name, so that the rest of it is looked at."""
    rest = {key: item for key, item in value.items() if key != "job"}
    return plain(rest | {"job": Digest.of(plain(rest)).text})


KINDS = {
    "contract": Kind(plain(contract(NORTH, SOUTH)), Contract.parse, to_bytes, plain),
    "request": Kind(REQUEST.to_bytes(), JobRequest.parse, to_bytes, named),
    "outcome": Kind(OUTCOME.to_bytes(), Outcome.parse, to_bytes, plain),
    "approval": Kind(APPROVAL.to_bytes(), Approval.parse, to_bytes, plain),
    "receipt": Kind(RECEIPT.to_bytes(), Receipt.parse, to_bytes, plain),
    "envelope": Kind(SIGNED_RECEIPT, Signed.parse, envelope, plain),
}
every_kind = pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)

type Path = tuple[str | int, ...]


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Find every place in a JSON value, below the whole."""
    items = value if isinstance(value, list | dict) else []
    for step in items if isinstance(items, dict) else range(len(items)):
        yield (*path, step)
        yield from paths(value[step], (*path, step))


def changed(data: bytes, path: Path, change: Callable[[Any, str | int], object]) -> Any:
    """Change what stands at a place of a document."""
    value = json.loads(data)
    above = value
    for step in path[:-1]:
        above = above[step]
    change(above, path[-1])
    return value


def check(kind: Kind, data: bytes) -> None:
    """Assert that bytes are refused by an error of ours, or come back as they were."""
    try:
        found = kind.parse(data, "x")
    except CleanroomError:
        return
    assert kind.read(found) == data


other_values: st.SearchStrategy[Any] = (
    st.none()
    | st.booleans()
    | st.sampled_from([0, 1, -1, 2**53 - 1])
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(max_size=4)
    | st.sampled_from(
        ["a", "north", "room", DIGEST, "sha256", "2026-11-21T09:30:00Z", "sql", "AA=="]
    )
    | st.lists(st.just("a"), max_size=2)
    | st.dictionaries(st.just("a"), st.just(1), max_size=1)
)
splices = st.lists(
    st.tuples(st.integers(0, 1 << 14), st.integers(0, 3), st.binary(max_size=2)),
    min_size=1,
    max_size=3,
)


def spliced(data: bytes, changes: list[tuple[int, int, bytes]]) -> bytes:
    for place, length, new in changes:
        start = place % (len(data) + 1)
        data = data[:start] + new + data[start + length :]
    return data


@every_kind
def test_a_valid_document_comes_back_as_it_was(kind: Kind) -> None:
    found = kind.parse(kind.valid, "x")

    assert kind.read(found) == kind.valid


def test_no_part_of_a_document_can_change_once_it_is_read() -> None:
    types: set[Any] = {
        item
        for module in MODULES
        for item in vars(module).values()
        if isinstance(item, type) and is_dataclass(item)
    }

    assert {Contract, Signed, Receipt} < types
    assert [item for item in types if not item.__dataclass_params__.frozen] == []


@every_kind
@given(data=st.binary(max_size=100))
@settings(max_examples=50, deadline=None)
def test_random_bytes_are_refused(kind: Kind, data: bytes) -> None:
    with pytest.raises(CleanroomError):
        kind.parse(data, "x")


@every_kind
@given(changes=splices)
@settings(max_examples=100, deadline=None)
def test_a_document_with_changed_bytes_is_refused_or_says_so(
    kind: Kind, changes: list[tuple[int, int, bytes]]
) -> None:
    check(kind, spliced(kind.valid, changes))


@every_kind
@given(data=st.data(), other=other_values)
@settings(max_examples=150, deadline=None)
def test_a_document_with_another_value_is_refused_or_says_so(
    kind: Kind, data: st.DataObject, other: Any
) -> None:
    place = data.draw(st.sampled_from(list(paths(json.loads(kind.valid)))))

    spoiled = changed(kind.valid, place, lambda above, step: above.__setitem__(step, other))

    check(kind, kind.spell(spoiled))


@every_kind
@given(data=st.data())
@settings(max_examples=50, deadline=None)
def test_a_document_with_a_part_left_out_is_refused_or_says_so(
    kind: Kind, data: st.DataObject
) -> None:
    place = data.draw(st.sampled_from(list(paths(json.loads(kind.valid)))))

    spoiled = changed(kind.valid, place, lambda above, step: above.pop(step))

    check(kind, kind.spell(spoiled))


@given(changes=splices)
@settings(max_examples=100, deadline=None)
def test_a_signed_receipt_with_changed_bytes_is_refused(
    changes: list[tuple[int, int, bytes]],
) -> None:
    spoiled = spliced(SIGNED_RECEIPT, changes)
    assume(spoiled != SIGNED_RECEIPT)

    with pytest.raises(CleanroomError):
        unchanged(spoiled, "x")
