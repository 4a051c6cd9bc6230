"""What is genuine is held against the contract, and whatever differs is named."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cleanroom.contract import Contract
from cleanroom.errors import PolicyRefused, Tampered
from cleanroom.ids import Digest
from cleanroom.job import Ending, Input
from cleanroom.receipt import ApprovalRef, Receipt
from cleanroom.rules import rule
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes, Table
from cleanroom.seal.layout import Layout
from cleanroom.seal.manifest import DatasetOrigin, InlineKey, Manifest, ResultOrigin, VaultKey
from cleanroom.statement import Subject
from party import comparing
from party.attesting import Line
from tests.builders import DIGEST, NOW, Keys, aggregation_rule, contract, dataset, triggers
from tests.papers import JOB, Job

COLUMNS = (Column("customer", "text", False), Column("amount", "decimal(12,2)", True))


# --- receipts


@pytest.fixture(scope="module")
def job(north: Keys, south: Keys) -> Job:
    return Job.done(north, south, Keys.make())


def test_a_receipt_of_the_contracts_run_is_accepted(job: Job) -> None:
    assert comparing.receipt(job.receipt, job.contract, "receipt") == [
        Line(proven=True, text=f"about exactly this contract: {job.contract.digest}"),
        Line(
            proven=True,
            text="its room, program, parameters, inputs and results are the contract's",
        ),
        Line(proven=True, text="names an approval of every party"),
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        pytest.param(lambda _: {"contract": JOB}, rf"is about {JOB}, not sha256:", id="contract"),
        pytest.param(lambda _: {"room": "other"}, r"the room is other, and .* is room", id="room"),
        pytest.param(
            lambda job: {"started": job.contract.limits.expires},
            r"started at 2099-12-31T00:00:00Z, and its contract expired at 2099-12-31T00:00:00Z",
            id="start",
        ),
        pytest.param(
            lambda job: {"approvals": job.receipt.approvals[:1]},
            r"its approvals are north, and the contract's are north, south",
            id="approval too few",
        ),
        pytest.param(
            lambda job: {"approvals": (*job.receipt.approvals, ApprovalRef("east", JOB))},
            r"its approvals are east, north, south, and the contract's are north, south",
            id="approval too many",
        ),
        pytest.param(
            lambda _: {"program": JOB},
            rf"the program is {JOB}, and the contract's is {Digest.of(b'select 1')}",
            id="program",
        ),
        pytest.param(
            lambda _: {"parameters": {"a": 1}},
            r"parameters: expected no other field, got 'a'",
            id="parameters",
        ),
        pytest.param(
            lambda job: {"inputs": job.receipt.inputs[:1]},
            r"its inputs are a, and the contract's are a, b",
            id="input too few",
        ),
        pytest.param(
            lambda job: {"inputs": (*job.receipt.inputs, Input("c", JOB))},
            r"its inputs are a, b, c, and the contract's are a, b",
            id="input too many",
        ),
        pytest.param(
            lambda _: {"results": (Subject("other", JOB),)},
            r"its results are other, and the contract's are result",
            id="result",
        ),
    ],
)
def test_a_receipt_of_anything_else_is_refused(
    change: Callable[[Job], dict[str, Any]], message: str, job: Job
) -> None:
    other: Receipt = replace(job.receipt, **change(job))

    with pytest.raises(Tampered, match=f"^receipt: {message}"):
        comparing.receipt(other, job.contract, "receipt")


def test_a_receipt_without_result_needs_none(job: Job) -> None:
    failed = replace(job.receipt, ending=Ending("failed", "program_failed"), results=())

    assert comparing.receipt(failed, job.contract, "receipt")


def test_a_sealed_program_is_named_by_its_manifest(job: Job, north: Keys, south: Keys) -> None:
    source = {"kind": "sealed", "owner": "south", "manifest": DIGEST}
    program = {"language": "sql", "source": source, "parameters": []}
    agreed = Contract.from_value(contract(north, south, program=program), "contract")
    right = replace(job.receipt, contract=agreed.digest, program=Digest(DIGEST))

    assert comparing.receipt(right, agreed, "receipt")
    with pytest.raises(Tampered, match=rf"^receipt: the program is {JOB}, and .* is {DIGEST}$"):
        comparing.receipt(replace(right, program=JOB), agreed, "receipt")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param({"p": 3}, None, id="within"),
        pytest.param({"p": 10}, r"parameters\.p: expected at most 9, got 10$", id="above"),
        pytest.param({}, r"parameters: expected a field 'p'$", id="missing"),
    ],
)
def test_parameters_must_be_those_that_the_contract_asks_for(
    given: dict[str, Any], message: str | None, job: Job, north: Keys, south: Keys
) -> None:
    whole = contract(north, south, triggers=triggers(on_request=True))
    asked = {"name": "p", "type": "integer", "minimum": 1, "maximum": 9, "choices": None}
    whole["program"]["parameters"] = [asked]
    agreed = Contract.from_value(whole, "contract")
    found = replace(job.receipt, contract=agreed.digest, parameters=given)

    if message is None:
        assert comparing.receipt(found, agreed, "receipt")
    else:
        with pytest.raises(Tampered, match=message):
            comparing.receipt(found, agreed, "receipt")


# --- sealed datasets


@pytest.fixture
def agreed(north: Keys, south: Keys) -> Contract:
    return with_versions(north, south)


def with_versions(north: Keys, south: Keys, **versions: Any) -> Contract:
    """Make a contract on a dataset of north whose versions are restricted further."""
    said = {"minimum": 3, "only": None, "maximum_age": None} | versions
    datasets = [dataset("a", "north", versions=said), dataset("b", "south")]
    return Contract.from_value(contract(north, south, datasets=datasets), "contract")


def manifest(reader: Keys, **changes: Any) -> Manifest:
    found = Manifest(
        origin=DatasetOrigin("north", "customers", 3),
        created=NOW,
        media_type="text/csv",
        content=Table("parquet", COLUMNS, 2),
        rule=None,
        layout=Layout(100, 65536),
        file_id=bytes(16),
        table_digest=bytes(32),
        readers=(InlineKey(reader.reader.id, bytes(256)),),
    )
    return replace(found, **changes)


def test_a_dataset_of_the_contract_is_accepted(agreed: Contract, north: Keys) -> None:
    lines = comparing.dataset(manifest(north), north.signing, agreed, NOW, "file")

    assert lines == [
        Line(proven=True, text="dataset 'a' of the contract, with the columns it names"),
        Line(proven=True, text="sealed for the room key of north"),
    ]


def column(content: tuple[Column, ...], **changes: Any) -> dict[str, Any]:
    return {"content": Table("parquet", (*content[:-1], replace(content[-1], **changes)), 2)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param(
            {"origin": ResultOrigin(JOB, "result")},
            r"is a result, not a dataset of the contract",
            id="result",
        ),
        pytest.param(
            {"origin": DatasetOrigin("north", "other", 3)},
            r"is north/other, and the contract's datasets are north/customers, south/customers",
            id="another dataset",
        ),
        pytest.param(
            {"origin": DatasetOrigin("east", "customers", 3)}, r"is east/customers, and", id="party"
        ),
        pytest.param(
            {"origin": DatasetOrigin("south", "customers", 3)},
            r"is signed with sha256:.*, not with sha256:.*, the key of 'south'",
            id="another's dataset",
        ),
        pytest.param(
            {"origin": DatasetOrigin("north", "customers", 2)},
            r"is version 2, and the contract takes 3 or later",
            id="old version",
        ),
        pytest.param(
            {"content": Bytes()}, r"column 1 is not there, and .* is 'customer' text", id="bytes"
        ),
        pytest.param(
            {"content": Table("parquet", COLUMNS[:1], 2)},
            r"column 2 is not there, and the contract's is 'amount' decimal\(12,2\)\?",
            id="column too few",
        ),
        pytest.param(
            {"content": Table("parquet", (*COLUMNS, Column("c", "text", False)), 2)},
            r"column 3 is 'c' text, and the contract's is not there",
            id="column too many",
        ),
        pytest.param(
            {"content": Table("parquet", COLUMNS[::-1], 2)}, r"column 1 is 'amount'", id="order"
        ),
        pytest.param(
            column(COLUMNS, type="float64"),
            r"column 2 is 'amount' float64\?, and the contract's is 'amount' decimal",
            id="type",
        ),
        pytest.param(column(COLUMNS, name="Amount"), r"column 2 is 'Amount'", id="name"),
        pytest.param(
            {"content": Table("parquet", (replace(COLUMNS[0], nullable=True), COLUMNS[1]), 2)},
            r"column 1 is 'customer' text\?, and the contract's is 'customer' text$",
            id="may be empty",
        ),
        pytest.param(
            {"rule": rule(aggregation_rule(readers=["south"]), "rule")},
            r"its own rule is for south only, and the contract's result is for 'north' too",
            id="rule",
        ),
        pytest.param(
            {"readers": (VaultKey(JOB, "https://a.vault.azure.net/secrets/a"),)},
            r"is not sealed for sha256:.*, the room key of 'north'$",
            id="reader",
        ),
    ],
)
def test_what_a_run_could_not_take_is_refused(
    changes: dict[str, Any], message: str, agreed: Contract, north: Keys
) -> None:
    with pytest.raises(PolicyRefused, match=f"^file: {message}"):
        comparing.dataset(manifest(north, **changes), north.signing, agreed, NOW, "file")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"origin": DatasetOrigin("north", "customers", 9)}, id="later version"),
        pytest.param(column(COLUMNS, nullable=False), id="nothing empty"),
        pytest.param({"rule": rule(aggregation_rule(), "rule")}, id="rule for the same readers"),
    ],
)
def test_what_is_stricter_than_the_contract_is_accepted(
    changes: dict[str, Any], agreed: Contract, north: Keys
) -> None:
    assert comparing.dataset(manifest(north, **changes), north.signing, agreed, NOW, "file")


def test_only_the_one_version_may_be_used(north: Keys, south: Keys) -> None:
    one = manifest(north)
    agreed = with_versions(north, south, only=one.digest.text)
    other = replace(one, created=NOW - timedelta(days=1))

    assert comparing.dataset(one, north.signing, agreed, NOW, "file")
    with pytest.raises(PolicyRefused, match=rf"takes only {one.digest}$"):
        comparing.dataset(other, north.signing, agreed, NOW, "file")


def test_a_dataset_grows_too_old(north: Keys, south: Keys) -> None:
    agreed = with_versions(north, south, maximum_age=60)
    last = NOW + timedelta(seconds=60)

    assert comparing.dataset(manifest(north), north.signing, agreed, last, "file")
    with pytest.raises(PolicyRefused, match=r"was too old for the contract after 2026-11-21T09:31"):
        comparing.dataset(
            manifest(north), north.signing, agreed, last + timedelta(seconds=1), "file"
        )
