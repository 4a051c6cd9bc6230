"""A job is named by what it is to do; its outcome says how it ended, and no more."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from cleanroom.canonical import canonical
from cleanroom.errors import Malformed, Tampered
from cleanroom.ids import Digest
from cleanroom.job import LARGEST, Ending, Input, JobRequest, Outcome, ResultRef, Trigger
from tests.builders import DIGEST, HEX, NOW

type Spoil = Callable[[Any], object]

ARRIVAL = {"kind": "arrival", "at": None, "id": None}
REQUEST = JobRequest(
    room="room",
    contract=Digest(DIGEST),
    inputs=(Input("a", Digest(DIGEST)), Input("b", Digest(f"sha256:{HEX}"))),
    parameters={"since": "2026-01-01", "limit": 3, "all": True},
    trigger=Trigger("arrival", None, None),
)
COMPLETED = Outcome(
    room="room",
    job=REQUEST.id,
    contract=Digest(DIGEST),
    ending=Ending("completed", None),
    finished=NOW,
    receipt=Digest(f"sha256:{HEX}"),
    results=(ResultRef("result", Digest(DIGEST)),),
)
REFUSED = replace(COMPLETED, ending=Ending("refused", "policy_refused"), receipt=None, results=())
FAILED = replace(COMPLETED, ending=Ending("failed", "program_failed"), results=())


def request_value(**changes: Any) -> Any:
    return json.loads(REQUEST.to_bytes()) | changes


def outcome_value(**changes: Any) -> Any:
    return json.loads(COMPLETED.to_bytes()) | changes


def named(value: Any) -> bytes:
    """Spell a request under the digest of the rest, whatever that is."""
    rest = {key: item for key, item in value.items() if key != "job"}
    return canonical(rest | {"job": Digest.of(canonical(rest, "test")).text}, "test")


# --- requests


@pytest.mark.parametrize(
    "request_",
    [
        pytest.param(REQUEST, id="after an arrival"),
        pytest.param(replace(REQUEST, trigger=Trigger("approval", None, None)), id="approval"),
        pytest.param(replace(REQUEST, trigger=Trigger("schedule", NOW, None)), id="schedule"),
        pytest.param(replace(REQUEST, trigger=Trigger("request", None, "0f" * 16)), id="request"),
        pytest.param(replace(REQUEST, parameters={}), id="no parameters"),
        pytest.param(
            replace(REQUEST, trigger=Trigger("schedule", datetime(1, 1, 1, tzinfo=UTC), None)),
            id="long ago",
        ),
        pytest.param(
            replace(REQUEST, inputs=tuple(Input(f"a{i:02}", Digest(DIGEST)) for i in range(64))),
            id="as many inputs as there may be",
        ),
    ],
)
def test_a_request_comes_back_from_its_bytes(request_: JobRequest) -> None:
    data = request_.to_bytes()

    found = JobRequest.parse(data, "job")

    assert found == request_
    assert found.to_bytes() == data


def test_a_job_is_named_by_the_digest_of_the_rest() -> None:
    value = json.loads(REQUEST.to_bytes())
    name = value.pop("job")

    assert name == Digest.of(canonical(value, "test")).text == REQUEST.id.text


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(replace(REQUEST, room="room2"), id="room"),
        pytest.param(replace(REQUEST, contract=Digest.of(b"")), id="contract"),
        pytest.param(replace(REQUEST, inputs=REQUEST.inputs[:1]), id="inputs"),
        pytest.param(replace(REQUEST, parameters={"limit": 4}), id="parameters"),
        pytest.param(replace(REQUEST, trigger=Trigger("approval", None, None)), id="trigger"),
    ],
)
def test_other_work_has_another_name(other: JobRequest) -> None:
    assert other.id != REQUEST.id


def test_the_same_work_has_the_same_name() -> None:
    parameters = dict(reversed(list(REQUEST.parameters.items())))

    assert replace(REQUEST, parameters=parameters).id == REQUEST.id


def test_a_request_under_another_name_is_refused() -> None:
    data = canonical(request_value(job=DIGEST), "test")

    with pytest.raises(Tampered, match=f"^x.job: {DIGEST} is not the digest of the request$"):
        JobRequest.parse(data, "x")


def test_a_request_changed_under_its_name_is_refused() -> None:
    data = canonical(request_value(parameters={"limit": 4}), "test")

    with pytest.raises(Tampered, match=f"^x.job: {REQUEST.id} is not the digest of the request$"):
        JobRequest.parse(data, "x")


@pytest.mark.parametrize("field", ["format", "room", "contract", "inputs", "parameters", "trigger"])
def test_a_request_with_a_missing_field_is_refused(field: str) -> None:
    spoiled = request_value()
    del spoiled[field]

    with pytest.raises(Malformed, match=f"^x: expected a field '{field}'$"):
        JobRequest.parse(named(spoiled), "x")


def test_a_request_without_a_name_is_refused() -> None:
    spoiled = request_value()
    del spoiled["job"]

    with pytest.raises(Malformed, match=r"^x: expected a field 'job'$"):
        JobRequest.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda r: r.update(more=1), "x: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            lambda r: r.update(format="cleanroom/job/v2"),
            "x.format: expected 'cleanroom/job/v1', got 'cleanroom/job/v2'",
            id="another format",
        ),
        pytest.param(
            lambda r: r.update(format="cleanroom/outcome/v1"),
            "x.format: expected 'cleanroom/job/v1', got 'cleanroom/outcome/v1'",
            id="an outcome",
        ),
        pytest.param(lambda r: r.update(room="Room"), "x.room: expected a name", id="room"),
        pytest.param(
            lambda r: r.update(contract=HEX), "x.contract: expected 'sha256:'", id="contract"
        ),
        pytest.param(
            lambda r: r.update(inputs=[]),
            "x.inputs: expected 1 to 64 entries, got 0",
            id="no input",
        ),
        pytest.param(
            lambda r: r.update(inputs=r["inputs"] * 33),
            "x.inputs: expected 1 to 64 entries, got 66",
            id="too many inputs",
        ),
        pytest.param(
            lambda r: r.update(inputs={"a": DIGEST}),
            "x.inputs: expected a list, got an object",
            id="inputs as an object",
        ),
        pytest.param(
            lambda r: r["inputs"].reverse(),
            "x.inputs: expected inputs in the order of their aliases",
            id="inputs out of order",
        ),
        pytest.param(
            lambda r: r["inputs"][1].update(alias="a"),
            "x.inputs: expected each name once, got 'a'",
            id="input twice",
        ),
        pytest.param(
            lambda r: r["inputs"][0].update(alias="A"),
            "x.inputs[0].alias: expected 1 to 63 lower-case letters",
            id="alias in upper case",
        ),
        pytest.param(
            lambda r: r["inputs"][0].pop("alias"),
            "x.inputs[0]: expected a field 'alias'",
            id="input without alias",
        ),
        pytest.param(
            lambda r: r["inputs"][0].pop("manifest"),
            "x.inputs[0]: expected a field 'manifest'",
            id="input without digest",
        ),
        pytest.param(
            lambda r: r["inputs"][1].update(manifest=DIGEST[:-1]),
            "x.inputs[1].manifest: expected 'sha256:'",
            id="short digest",
        ),
        pytest.param(
            lambda r: r["inputs"][0].update(location="https://a.example/a"),
            "x.inputs[0]: expected no other field, got 'location'",
            id="input with a location",
        ),
        pytest.param(
            lambda r: r.update(parameters=[]),
            "x.parameters: expected an object of at most 64 values",
            id="parameters as a list",
        ),
        pytest.param(
            lambda r: r.update(parameters=None),
            "x.parameters: expected an object of at most 64 values",
            id="null parameters",
        ),
        pytest.param(
            lambda r: r.update(parameters={f"p{i}": i for i in range(65)}),
            "x.parameters: expected an object of at most 64 values",
            id="too many parameters",
        ),
        pytest.param(
            lambda r: r.update(parameters={"a-b": 1}),
            "x.parameters: expected 1 to 63 lower-case letters",
            id="parameter with a hyphen",
        ),
        pytest.param(
            lambda r: r.update(parameters={"a": None}),
            "x.parameters.a: expected text, got nothing",
            id="null for a value",
        ),
        pytest.param(
            lambda r: r.update(parameters={"a": ["b"]}),
            "x.parameters.a: expected text, got a list",
            id="list for a value",
        ),
        pytest.param(
            lambda r: r.update(parameters={"a": "\0"}),
            "x.parameters.a: expected no control characters",
            id="zero byte in a value",
        ),
        pytest.param(
            lambda r: r.update(trigger="arrival"),
            "x.trigger: expected an object with named fields, got text",
            id="trigger as text",
        ),
        pytest.param(
            lambda r: r["trigger"].pop("kind"), "x.trigger: expected a field 'kind'", id="no kind"
        ),
        pytest.param(
            lambda r: r["trigger"].pop("at"), "x.trigger: expected a field 'at'", id="no time"
        ),
        pytest.param(
            lambda r: r["trigger"].pop("id"), "x.trigger: expected a field 'id'", id="no id"
        ),
        pytest.param(
            lambda r: r["trigger"].update(by="north"),
            "x.trigger: expected no other field, got 'by'",
            id="trigger with more",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="whim"),
            "x.trigger.kind: expected 'approval' or 'arrival' or 'request' or 'schedule', got 'whi",
            id="another trigger",
        ),
        pytest.param(
            lambda r: r["trigger"].update(at="2026-11-21T09:30:00Z"),
            "x.trigger.at: expected a time for a schedule, null for others",
            id="arrival with a time",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="schedule"),
            "x.trigger.at: expected a time for a schedule, null for others",
            id="schedule without a time",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="schedule", at="2026-11-21T10:30:00+01:00"),
            "x.trigger.at: expected a UTC time",
            id="schedule in another zone",
        ),
        pytest.param(
            lambda r: r["trigger"].update(id="0f" * 16),
            "x.trigger.id: expected an id for a request, null for others",
            id="arrival with an id",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="request"),
            "x.trigger.id: expected an id for a request, null for others",
            id="request without an id",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="request", id="0F" * 16),
            "x.trigger.id: expected 32 lower-case hexadecimal digits",
            id="request id in upper case",
        ),
        pytest.param(
            lambda r: r["trigger"].update(kind="request", id="0f" * 15),
            "x.trigger.id: expected 32 lower-case hexadecimal digits",
            id="request id too short",
        ),
    ],
)
def test_a_request_with_one_thing_wrong_is_refused(spoil: Spoil, message: str) -> None:
    spoiled = request_value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        JobRequest.parse(named(spoiled), "x")


# --- outcomes


@pytest.mark.parametrize(
    "outcome",
    [
        pytest.param(COMPLETED, id="completed"),
        pytest.param(REFUSED, id="refused before it began"),
        pytest.param(replace(REFUSED, receipt=Digest(DIGEST)), id="refused with a receipt"),
        pytest.param(FAILED, id="failed with a receipt"),
        pytest.param(replace(FAILED, receipt=None), id="failed without a receipt"),
        pytest.param(
            replace(
                COMPLETED, results=tuple(ResultRef(f"r{i}", Digest(DIGEST)) for i in range(64))
            ),
            id="as many results as there may be",
        ),
    ],
)
def test_an_outcome_comes_back_from_its_bytes(outcome: Outcome) -> None:
    data = outcome.to_bytes()

    found = Outcome.parse(data, "outcome")

    assert found == outcome
    assert found.to_bytes() == data


@pytest.mark.parametrize(
    "field", ["format", "room", "job", "contract", "ending", "finished", "receipt", "results"]
)
def test_an_outcome_with_a_missing_field_is_refused(field: str) -> None:
    spoiled = outcome_value()
    del spoiled[field]

    with pytest.raises(Malformed, match=f"^x: expected a field '{field}'$"):
        Outcome.parse(canonical(spoiled, "test"), "x")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        pytest.param(
            lambda o: o.update(more=1), "x: expected no other field, got 'more'", id="unknown field"
        ),
        pytest.param(
            lambda o: o.update(format="cleanroom/job/v1"),
            "x.format: expected 'cleanroom/outcome/v1', got 'cleanroom/job/v1'",
            id="a request",
        ),
        pytest.param(lambda o: o.update(room=""), "x.room: expected a name", id="no room"),
        pytest.param(lambda o: o.update(job=HEX), "x.job: expected 'sha256:'", id="job"),
        pytest.param(lambda o: o.update(job=None), "x.job: expected 'sha256:'", id="no job"),
        pytest.param(
            lambda o: o.update(contract=1), "x.contract: expected 'sha256:'", id="contract"
        ),
        pytest.param(
            lambda o: o.update(finished=1_763_717_400),
            "x.finished: expected a UTC time",
            id="time as a number",
        ),
        pytest.param(
            lambda o: o.update(receipt=""), "x.receipt: expected 'sha256:'", id="empty receipt"
        ),
        pytest.param(
            lambda o: o.update(receipt=None),
            "x: expected results and a receipt exactly for a completed job",
            id="completed without a receipt",
        ),
        pytest.param(
            lambda o: o.update(results=[]),
            "x: expected results and a receipt exactly for a completed job",
            id="completed without results",
        ),
        pytest.param(
            lambda o: o.update(ending={"status": "failed", "reason": "program_failed"}),
            "x: expected results and a receipt exactly for a completed job",
            id="failed with results",
        ),
        pytest.param(
            lambda o: o.update(ending={"status": "refused", "reason": "policy_refused"}),
            "x: expected results and a receipt exactly for a completed job",
            id="refused with results",
        ),
        pytest.param(
            lambda o: o.update(ending="completed"),
            "x.ending: expected an object with named fields, got text",
            id="ending as text",
        ),
        pytest.param(
            lambda o: o["ending"].pop("status"),
            "x.ending: expected a field 'status'",
            id="no status",
        ),
        pytest.param(
            lambda o: o["ending"].pop("reason"),
            "x.ending: expected a field 'reason'",
            id="no reason",
        ),
        pytest.param(
            lambda o: o["ending"].update(text="alice@example.com"),
            "x.ending: expected no other field, got 'text'",
            id="ending with a text",
        ),
        pytest.param(
            lambda o: o["ending"].update(status="done"),
            "x.ending.status: expected 'completed' or 'failed' or 'refused', got 'done'",
            id="another status",
        ),
        pytest.param(
            lambda o: o["ending"].update(reason="program_failed"),
            "x.ending.reason: expected null for a completed job, a code for others",
            id="completed with a reason",
        ),
        pytest.param(
            lambda o: o["ending"].update(status="failed"),
            "x.ending.reason: expected null for a completed job, a code for others",
            id="failed without a reason",
        ),
        pytest.param(
            lambda o: o["ending"].update(status="failed", reason="could not convert 'alice'"),
            "x.ending.reason: expected a code of lower-case letters, digits and underscores",
            id="reason in words",
        ),
        pytest.param(
            lambda o: o["ending"].update(status="failed", reason="a" * 64),
            "x.ending.reason: expected a code of lower-case letters, digits and underscores",
            id="reason too long",
        ),
        pytest.param(
            lambda o: o["ending"].update(status="failed", reason=""),
            "x.ending.reason: expected a code of lower-case letters, digits and underscores",
            id="empty reason",
        ),
        pytest.param(
            lambda o: o.update(results=o["results"] * 65),
            "x.results: expected 0 to 64 entries, got 65",
            id="too many results",
        ),
        pytest.param(
            lambda o: o.update(results=o["results"] * 2),
            "x.results: expected each name once, got 'result'",
            id="result twice",
        ),
        pytest.param(
            lambda o: o.update(results={"result": DIGEST}),
            "x.results: expected a list, got an object",
            id="results as an object",
        ),
        pytest.param(
            lambda o: o["results"][0].update(name="../result"),
            "x.results[0].name: expected a name",
            id="result above",
        ),
        pytest.param(
            lambda o: o["results"][0].update(manifest=HEX),
            "x.results[0].manifest: expected 'sha256:'",
            id="result without algorithm",
        ),
        pytest.param(
            lambda o: o["results"][0].pop("name"),
            "x.results[0]: expected a field 'name'",
            id="result without name",
        ),
        pytest.param(
            lambda o: o["results"][0].pop("manifest"),
            "x.results[0]: expected a field 'manifest'",
            id="result without digest",
        ),
        pytest.param(
            lambda o: o["results"][0].update(rows=3),
            "x.results[0]: expected no other field, got 'rows'",
            id="result with a count",
        ),
    ],
)
def test_an_outcome_with_one_thing_wrong_is_refused(spoil: Spoil, message: str) -> None:
    spoiled = outcome_value()
    spoil(spoiled)

    with pytest.raises(Malformed, match=f"^{re.escape(message)}"):
        Outcome.parse(canonical(spoiled, "test"), "x")


# --- bytes


@pytest.mark.parametrize("parse", [JobRequest.parse, Outcome.parse])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        pytest.param(b"", "JSON in UTF-8", id="nothing"),
        pytest.param(b"[]", "an object with named fields, got a list", id="list"),
        pytest.param(b"{}", "a field 'format'", id="empty object"),
        pytest.param(b'{"format": 1}', "canonical JSON", id="another spelling"),
        pytest.param(b'{"job":1,"job":2}', "each field once", id="field twice"),
        pytest.param(b'{"a":1.5}', "integers only", id="fraction"),
        pytest.param(b'{"a":9007199254740992}', "integers within", id="integer too large"),
        pytest.param(b"[" * 100, "at most 32 levels of nesting", id="too deep"),
        pytest.param(bytes(LARGEST + 1), "at most 262144 bytes, got 262145", id="too large"),
    ],
)
def test_bytes_that_are_no_message_are_refused(
    parse: Callable[[bytes, str], object], data: bytes, message: str
) -> None:
    with pytest.raises(Malformed, match=f"^x: expected {message}"):
        parse(data, "x")
