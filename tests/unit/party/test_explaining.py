"""A contract in words says everything that it allows, and nothing that it does not."""

from typing import Any

import pytest

from cleanroom.contract import Contract
from party import explaining
from tests.builders import DIGEST, HEX, Keys, aggregation_rule, contract, dataset

AGGREGATION = (
    "rule: only sum of amount; by nothing; joined on customer; at least 10 different customer in"
    " every row; for north, south"
)
SVN = {"product": "Turin", "fmc": 1, "bootloader": 1, "tee": 1, "snp": 4, "microcode": 81}


def explained(north: Keys, south: Keys, **changes: Any) -> dict[str, str]:
    agreed = Contract.from_value(contract(north, south, **changes), "contract")
    return {name: str(said) for name, said in explaining.rows(agreed)}


def changed(north: Keys, south: Keys, part: str, **changes: Any) -> dict[str, str]:
    return explained(north, south, **{part: contract(north, south)[part] | changes})


def with_rule(north: Keys, south: Keys, rule: dict[str, Any]) -> str:
    datasets = [dataset("a", "north", rule=rule)]
    return explained(north, south, datasets=datasets)["data a"].splitlines()[-1]


def test_every_part_is_named_in_order(north: Keys, south: Keys) -> None:
    assert list(explained(north, south)) == [
        "purpose",
        "parties",
        "data a",
        "data b",
        "program (sql)",
        "result",
        "readers",
        "runs",
        "limits",
        "expires",
        "runner",
        "previous",
        "digest",
        "words",
    ]


def test_a_first_contract_is_told_in_full(north: Keys, south: Keys) -> None:
    agreed = Contract.from_value(contract(north, south), "contract")

    said = explained(north, south)

    assert (said["purpose"], said["parties"]) == ("Find fraud.", "north\nsouth")
    assert said["data a"] == (
        "north/customers at https://account.blob.core.windows.net/datasets/room/north-customers\n"
        "version 1 or later\n"
        "columns: customer text, amount decimal(12,2)?\n"
        f"{AGGREGATION}"
    )
    assert said["program (sql)"] == "select 1"
    assert said["result"] == "result, csv, at most 100 rows\ncolumns: total decimal(38,2)"
    assert said["readers"] == f"north  {north.reader.id}"
    assert said["runs"] == "when all data is there; at most 4 a month"
    assert said["limits"] == "10 minutes, 1 GiB of memory"
    assert said["expires"] == "2027-12-31T00:00:00Z"
    assert said["runner"] == (
        f"aci, no debugging, host data {HEX}, utility VM 100 or later\n"
        "Milan with firmware of at least: bootloader 4, tee 0, snp 24, microcode 219"
    )
    assert said["previous"] == "none, this is the first"
    assert (said["digest"], said["words"]) == (agreed.digest.text, agreed.digest.words)


def test_a_later_contract_names_the_one_before(north: Keys, south: Keys) -> None:
    said = explained(north, south, sequence=2, previous=DIGEST)

    assert said["previous"] == DIGEST


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        pytest.param(
            {"minimum": 7, "only": None, "maximum_age": None}, "version 7 or later", id="minimum"
        ),
        pytest.param(
            {"minimum": 1, "only": DIGEST, "maximum_age": None}, f"only {DIGEST}", id="only one"
        ),
        pytest.param(
            {"minimum": 2, "only": None, "maximum_age": 30 * 86400},
            "version 2 or later, at most 30 days old",
            id="age",
        ),
        pytest.param(
            {"minimum": 1, "only": DIGEST, "maximum_age": 86400},
            f"only {DIGEST}, at most 1 day old",
            id="only one, and age",
        ),
        pytest.param(
            {"minimum": 1, "only": None, "maximum_age": 12 * 3600},
            "version 1 or later, at most 12 hours old",
            id="age under a day",
        ),
        pytest.param(
            {"minimum": 1, "only": None, "maximum_age": 36 * 3600 + 1},
            "version 1 or later, at most 129601 seconds old",
            id="odd age",
        ),
    ],
)
def test_which_versions_may_be_used_is_said(
    versions: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    said = explained(north, south, datasets=[dataset("a", "north", versions=versions)])

    assert said["data a"].splitlines()[1] == words


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        pytest.param(aggregation_rule(), AGGREGATION, id="aggregation"),
        pytest.param(
            aggregation_rule(
                aggregates=[
                    {"column": "amount", "functions": ["sum", "avg"]},
                    {"column": "customer", "functions": ["count_distinct"]},
                ],
                dimensions=["customer", "amount"],
                joins=[],
                join_required=False,
            ),
            "rule: only sum/avg of amount, count_distinct of customer; by customer, amount; joined"
            " on nothing; at least 10 different customer in every row; for north, south",
            id="aggregation of several",
        ),
        pytest.param(
            {
                "kind": "list",
                "joins": ["customer"],
                "outputs": ["customer", "amount"],
                "readers": ["north"],
            },
            "rule: only customer, amount of rows that match on customer; for north",
            id="list",
        ),
        pytest.param(
            {"kind": "reviewed", "hidden": ["customer"], "threshold": None, "readers": ["north"]},
            "rule: whatever the program computes, without customer; for north",
            id="reviewed",
        ),
        pytest.param(
            {
                "kind": "reviewed",
                "hidden": [],
                "threshold": {"identity": "customer", "minimum": 5},
                "readers": ["north"],
            },
            "rule: whatever the program computes; at least 5 different customer; for north",
            id="reviewed with a threshold",
        ),
        pytest.param(
            {"kind": "reviewed", "hidden": [], "threshold": None, "readers": ["north"]},
            "rule: whatever the program computes; for north",
            id="reviewed with nothing hidden",
        ),
    ],
)
def test_every_rule_is_said_in_words(
    rule: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    assert with_rule(north, south, rule) == words


@pytest.mark.parametrize(
    ("parameter", "words"),
    [
        pytest.param({"type": "boolean"}, "boolean", id="free"),
        pytest.param({"type": "integer", "minimum": 1}, "integer, at least 1", id="minimum"),
        pytest.param(
            {"type": "integer", "minimum": 0}, "integer, at least 0", id="minimum of zero"
        ),
        pytest.param({"type": "integer", "maximum": 0}, "integer, at most 0", id="maximum of zero"),
        pytest.param(
            {"type": "date", "minimum": "2026-01-01", "maximum": "2026-12-31"},
            "date, at least 2026-01-01, at most 2026-12-31",
            id="range",
        ),
        pytest.param(
            {"type": "text", "choices": ["a", "b c"]}, "text, one of 'a', 'b c'", id="choices"
        ),
    ],
)
def test_every_parameter_is_said_with_its_limits(
    parameter: dict[str, Any], words: str, north: Keys, south: Keys
) -> None:
    whole = {"name": "asked", "minimum": None, "maximum": None, "choices": None} | parameter

    said = changed(north, south, "program", parameters=[whole, whole | {"name": "again"}])

    assert said["parameters"] == f"asked  {words}\nagain  {words}"


def test_a_sealed_program_is_said_to_be_one(north: Keys, south: Keys) -> None:
    source = {"kind": "sealed", "owner": "south", "manifest": DIGEST}

    said = changed(north, south, "program", language="onnx", source=source)

    assert said["program (onnx)"] == f"sealed by south: {DIGEST}"


def test_a_program_is_shown_to_its_last_line(north: Keys, south: Keys) -> None:
    source = {"kind": "inline", "text": "select 1\n-- end\n\n"}

    said = changed(north, south, "program", source=source)

    assert said["program (sql)"] == "select 1\n-- end"


def test_every_trigger_is_said(north: Keys, south: Keys) -> None:
    triggers = {
        "on_arrival": True,
        "on_approval": True,
        "on_request": True,
        "schedule": "0 6 * * 1",
    }

    said = explained(north, south, triggers=triggers)

    assert said["runs"] == (
        "when all data is there, when all have approved, when a party asks, by the schedule"
        " 0 6 * * 1 (UTC); at most 4 a month"
    )


@pytest.mark.parametrize(
    ("period", "words"),
    [("day", "a day"), ("week", "a week"), ("month", "a month"), ("lifetime", "in all")],
)
def test_how_often_is_said(period: str, words: str, north: Keys, south: Keys) -> None:
    said = changed(north, south, "limits", period=period)

    assert said["runs"] == f"when all data is there; at most 4 {words}"


def test_every_reader_is_said_with_the_key(north: Keys, south: Keys) -> None:
    readers = [
        {"party": "north", "key": north.reader.to_json()},
        {"party": "south", "key": south.reader.to_json()},
    ]

    said = changed(north, south, "result", readers=readers)

    assert said["readers"] == f"north  {north.reader.id}\nsouth  {south.reader.id}"


def test_every_runner_is_said(north: Keys, south: Keys) -> None:
    pcrs = [{"index": 4, "sha256": HEX}, {"index": 11, "sha256": "ef" * 32}]
    runners = [
        {
            "platform": "azure-cvm",
            "code": {"kind": "pcrs", "values": pcrs},
            "minimum_svn": SVN,
            "debug": False,
        },
        {
            "platform": "simulated",
            "code": {"kind": "host-data", "value": HEX, "utility_vm_svn": 100},
            "minimum_svn": SVN,
            "debug": False,
        },
    ]

    said = explained(north, south, runners=runners)

    assert said["runner"].splitlines()[::2] == [
        f"azure-cvm, no debugging, PCR 4 {HEX}, PCR 11 {'ef' * 32}",
        f"simulated, no debugging, host data {HEX}, utility VM 100 or later",
    ]
    assert said["runner"].splitlines()[1] == (
        "Turin with firmware of at least: fmc 1, bootloader 1, tee 1, snp 4, microcode 81"
    )
