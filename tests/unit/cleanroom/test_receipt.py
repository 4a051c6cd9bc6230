"""A receipt says what ran on what, and cannot be changed unnoticed."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from cleanroom import dsse
from cleanroom.canonical import canonical
from cleanroom.errors import Malformed, Tampered
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input
from cleanroom.receipt import (
    PREDICATE_TYPE,
    ApprovalRef,
    Receipt,
    RuleDecision,
    RunnerProof,
    unchanged,
)
from cleanroom.statement import Subject
from cleanroom.walls import ALL, Wall, Walls
from tests.builders import DIGEST, HEX, NOW, Keys

type Spoil = Callable[[Any], object]

PLACES = {
    "x.predicate": (
        *("room", "job", "contract", "approvals", "inputs", "program", "parameters", "decisions"),
        *("ending", "started", "finished", "runner"),
    ),
    "x.predicate.approvals[1]": ("party", "statement"),
    "x.predicate.inputs[0]": ("alias", "manifest"),
    "x.predicate.decisions[0]": ("dataset", "check", "passed"),
    "x.predicate.ending": ("status", "reason"),
    "x.predicate.runner": ("platform", "walls", "key", "evidence", "token"),
}

WALLS = frozenset({Wall.NET, Wall.SECCOMP})


def receipt(keys: Keys) -> Receipt:
    return Receipt(
        results=(Subject("result", Digest(DIGEST)),),
        room="room",
        job=Digest(DIGEST),
        contract=Digest(f"sha256:{HEX}"),
        approvals=(ApprovalRef("north", Digest(DIGEST)), ApprovalRef("south", Digest(DIGEST))),
        inputs=(Input("a", Digest(DIGEST)), Input("b", Digest(DIGEST))),
        program=Digest(DIGEST),
        parameters={"since": "2026-01-01", "limit": 3, "all": False},
        decisions=(RuleDecision("a", "threshold", passed=True),),
        ending=Ending("completed", None),
        started=NOW,
        finished=NOW + timedelta(seconds=3),
        runner=RunnerProof(
            "simulated", WALLS, keys.signing, b"evidence", "header.claims.signature"
        ),
    )


def value(keys: Keys) -> Any:
    return json.loads(receipt(keys).to_bytes())


def at(found: Any, place: str) -> Any:
    for step in re.findall(r"\.(\w+)|\[(\d+)]", place):
        found = found[step[0] or int(step[1])]
    return found


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="completed"),
        pytest.param({"results": (), "ending": Ending("failed", "program_failed")}, id="failed"),
        pytest.param({"results": (), "ending": Ending("refused", "unattested")}, id="refused"),
        pytest.param({"decisions": ()}, id="no decisions"),
        pytest.param({"parameters": {}}, id="no parameters"),
        pytest.param({"finished": NOW}, id="in no time"),
        pytest.param({"started": datetime(1, 1, 1, tzinfo=UTC)}, id="long ago"),
    ],
)
def test_a_receipt_comes_back_from_its_bytes(changes: dict[str, Any], north: Keys) -> None:
    made = replace(receipt(north), **changes)
    data = made.to_bytes()

    found = Receipt.parse(data, "receipt")

    assert found == made
    assert found.to_bytes() == data


@pytest.mark.parametrize("platform", ["aci", "azure-cvm", "simulated"])
def test_a_receipt_names_its_platform(platform: str, north: Keys) -> None:
    made = receipt(north)
    made = replace(made, runner=replace(made.runner, platform=platform))

    assert Receipt.parse(made.to_bytes(), "receipt") == made


@pytest.mark.parametrize("stood", [ALL, WALLS, frozenset[Wall]()], ids=["all", "some", "none"])
def test_a_receipt_names_the_walls_that_stood(stood: Walls, north: Keys) -> None:
    made = receipt(north)
    made = replace(made, runner=replace(made.runner, walls=stood))

    assert Receipt.parse(made.to_bytes(), "receipt") == made


@pytest.mark.parametrize(
    ("place", "field"), [(place, field) for place, fields in PLACES.items() for field in fields]
)
def test_a_receipt_with_a_missing_field_is_refused(place: str, field: str, north: Keys) -> None:
    spoiled = value(north)
    del at(spoiled, place)[field]

    with pytest.raises(Malformed, match=f"^{re.escape(place)}: expected a field '{field}'$"):
        Receipt.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize("place", PLACES)
def test_a_receipt_with_an_unknown_field_is_refused(place: str, north: Keys) -> None:
    spoiled = value(north)
    at(spoiled, place)["surprise"] = 1

    with pytest.raises(
        Malformed, match=f"^{re.escape(place)}: expected no other field, got 'surprise'$"
    ):
        Receipt.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(lambda p: p.update(room="Room"), "room: expected a name", id="room"),
        pytest.param(lambda p: p.update(job=HEX), "job: expected 'sha256:'", id="job"),
        pytest.param(
            lambda p: p.update(contract=None), "contract: expected 'sha256:'", id="no contract"
        ),
        pytest.param(
            lambda p: p.update(approvals=[]),
            "approvals: expected 1 to 64 entries, got 0",
            id="no approvals",
        ),
        pytest.param(
            lambda p: p.update(approvals=p["approvals"] * 33),
            "approvals: expected 1 to 64 entries, got 66",
            id="too many approvals",
        ),
        pytest.param(
            lambda p: p["approvals"][1].update(party="north"),
            "approvals: expected each name once, got 'north'",
            id="approval twice",
        ),
        pytest.param(
            lambda p: p["approvals"][1].update(party="So uth"),
            "approvals[1].party: expected a name",
            id="approval of no party",
        ),
        pytest.param(
            lambda p: p["approvals"][0].update(statement=HEX),
            "approvals[0].statement: expected 'sha256:'",
            id="approval without algorithm",
        ),
        pytest.param(
            lambda p: p.update(inputs=[]), "inputs: expected 1 to 64 entries, got 0", id="no inputs"
        ),
        pytest.param(
            lambda p: p["inputs"].reverse(),
            "inputs: expected inputs in the order of their aliases",
            id="inputs out of order",
        ),
        pytest.param(
            lambda p: p["inputs"][1].update(alias="a"),
            "inputs: expected each name once, got 'a'",
            id="input twice",
        ),
        pytest.param(
            lambda p: p.update(program="select 1"), "program: expected 'sha256:'", id="program"
        ),
        pytest.param(
            lambda p: p.update(parameters=[]),
            "parameters: expected an object of at most 64 values",
            id="parameters as a list",
        ),
        pytest.param(
            lambda p: p["parameters"].update(limit=None),
            "parameters.limit: expected text, got nothing",
            id="null for a value",
        ),
        pytest.param(
            lambda p: p.update(decisions=p["decisions"] * 1025),
            "decisions: expected 0 to 1024 entries, got 1025",
            id="too many decisions",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(dataset="A"),
            "decisions[0].dataset: expected 1 to 63 lower-case letters",
            id="decision about no dataset",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(check="groups of alice"),
            "decisions[0].check: expected a code of lower-case letters, digits and underscores",
            id="check in words",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(passed=1),
            "decisions[0].passed: expected true or false, got 1",
            id="1 for passed",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(passed=None),
            "decisions[0].passed: expected true or false, got nothing",
            id="null for passed",
        ),
        pytest.param(
            lambda p: p["ending"].update(reason="program_failed"),
            "ending.reason: expected null for a completed job",
            id="completed with a reason",
        ),
        pytest.param(
            lambda p: p["ending"].update(status="failed"),
            "ending.reason: expected null for a completed job",
            id="failed without a reason",
        ),
        pytest.param(
            lambda p: p.update(started="today"), "started: expected a UTC time", id="start"
        ),
        pytest.param(
            lambda p: p.update(finished=None), "finished: expected a UTC time", id="no end"
        ),
        pytest.param(
            lambda p: p.update(finished="2026-11-21T09:29:59Z"),
            "finished: expected a time not before 'started'",
            id="finished before it started",
        ),
        pytest.param(
            lambda p: p.update(runner=None),
            "runner: expected an object with named fields, got nothing",
            id="no runner",
        ),
        pytest.param(
            lambda p: p["runner"].update(platform="laptop"),
            "runner.platform: expected 'aci' or 'azure-cvm' or 'simulated', got 'laptop'",
            id="another platform",
        ),
        pytest.param(
            lambda p: p["runner"].update(walls=["seccomp", "net"]),
            "runner.walls: expected each wall once, in alphabetical order",
            id="walls out of order",
        ),
        pytest.param(
            lambda p: p["runner"].update(key="AAAA"),
            "runner.key: expected a DER public key",
            id="no key",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(passed=False),
            "decisions[0].passed: expected true for a completed job",
            id="completed against a rule",
        ),
        pytest.param(
            lambda p: p["decisions"][0].update(dataset="c"),
            "decisions[0].dataset: expected one of the inputs, got 'c'",
            id="decision about no input",
        ),
        pytest.param(
            lambda p: p.update(decisions=p["decisions"] * 2),
            "decisions: expected each name once, got ",
            id="decided twice",
        ),
        pytest.param(
            lambda p: p["runner"].update(evidence=""),
            "runner.evidence: expected evidence, not nothing",
            id="no evidence",
        ),
        pytest.param(
            lambda p: p["runner"].update(token="\u202e.y.z"),  # noqa: S106  # no secret
            "runner.token: expected a JSON web token",
            id="token that turns direction",
        ),
        pytest.param(
            lambda p: p["runner"].update(evidence="AAB="),
            "runner.evidence: expected canonical base64",
            id="stray bits in the evidence",
        ),
        pytest.param(
            lambda p: p["runner"].update(evidence="AAAA" * (1 << 17)),
            "runner.evidence: expected base64 of at most 262144 bytes",
            id="evidence too large",
        ),
        pytest.param(
            lambda p: p["runner"].update(token=""),
            "runner.token: expected a JSON web token of at most 65536 characters, got ''",
            id="empty token",
        ),
        pytest.param(
            lambda p: p["runner"].update(token="x" * 65_533 + ".y.z"),
            "runner.token: expected a JSON web token of at most 65536 characters, got 'xxx",
            id="token too long",
        ),
    ],
)
def test_a_receipt_with_one_thing_wrong_is_refused(spoil: Spoil, message: str, north: Keys) -> None:
    spoiled = value(north)
    spoil(spoiled["predicate"])

    with pytest.raises(Malformed, match=rf"^x\.predicate\.{re.escape(message)}"):
        Receipt.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda s: s.update(predicateType="urn:cleanroom:approval:v1"),
            f"x.predicateType: expected {PREDICATE_TYPE!r}, got 'urn:cleanroom:approval:v1'",
            id="an approval",
        ),
        pytest.param(
            lambda s: s.update(predicate=[]),
            "x.predicate: expected an object with named fields, got a list",
            id="predicate as a list",
        ),
        pytest.param(
            lambda s: s.update(subject=[]),
            "x.subject: expected results exactly for a completed job",
            id="completed without results",
        ),
        pytest.param(
            lambda s: s["predicate"].update(ending={"status": "failed", "reason": "tampered"}),
            "x.subject: expected results exactly for a completed job",
            id="failed with results",
        ),
        pytest.param(
            lambda s: s.update(subject=s["subject"] * 2),
            "x.subject: expected each name once, got 'result'",
            id="result twice",
        ),
    ],
)
def test_a_receipt_about_something_else_is_refused(spoil: Spoil, message: str, north: Keys) -> None:
    spoiled = value(north)
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Receipt.parse(canonical(spoiled, "test"), "x")


# --- the signature


def test_a_receipt_that_its_own_key_signed_is_unchanged(north: Keys) -> None:
    made = receipt(north)

    assert unchanged(made.sign(north.signer), "x") == made


def test_a_receipt_signed_by_another_key_is_refused(north: Keys, south: Keys) -> None:
    envelope = receipt(north).sign(south.signer)
    message = f"x: signed by {south.signing.id}, not by the expected {north.signing.id}"

    with pytest.raises(Tampered, match=f"^{message}$"):
        unchanged(envelope, "x")


def test_a_receipt_signed_by_another_in_its_keys_name_is_refused(north: Keys, south: Keys) -> None:
    envelope = json.loads(receipt(north).sign(south.signer))
    envelope["signatures"][0]["keyid"] = north.signing.id.text

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        unchanged(canonical(envelope, "test"), "x")


def test_a_receipt_changed_after_it_was_signed_is_refused(north: Keys) -> None:
    made = receipt(north)
    envelope = json.loads(made.sign(north.signer))
    changed = replace(made, parameters=dict(made.parameters) | {"limit": 4})
    envelope["payload"] = json.loads(changed.sign(north.signer))["payload"]

    with pytest.raises(Tampered, match=r"^x: the signature does not hold$"):
        unchanged(canonical(envelope, "test"), "x")


def test_a_receipt_signed_as_another_type_is_refused(north: Keys) -> None:
    envelope = dsse.sign(receipt(north).to_bytes(), "application/json", north.signer)

    with pytest.raises(Tampered, match=r"^x: signed as 'application/json', not 'application/vnd"):
        unchanged(envelope, "x")


def test_a_receipt_that_is_not_signed_is_refused(north: Keys) -> None:
    with pytest.raises(Malformed, match=r"^x: expected a field 'payload'$"):
        unchanged(receipt(north).to_bytes(), "x")
