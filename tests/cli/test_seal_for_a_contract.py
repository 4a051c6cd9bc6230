"""`cleanroom seal --contract`: as the contract's dataset, with its columns, for its room key."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.builders import Keys
from tests.commands import Here

SIGN = ("--sign-with", "north.signing.pem")
OF_NORTH = ("--contract", "contract.yaml", "--party", "north")


def test_all_that_the_contract_says_need_not_be_said(
    cleanroom: Here, north: Keys, folder: Path
) -> None:
    made = cleanroom("seal", "table.csv", *OF_NORTH, *SIGN, "--json").json["manifest"]

    contract: Any = json.loads((folder / "contract.yaml").read_text())
    (dataset,) = [each for each in contract["datasets"] if each["owner"] == "north"]
    assert (made["origin"]["party"], made["origin"]["dataset"]) == ("north", "customers")
    assert made["content"]["columns"] == dataset["columns"]
    assert [each["reader"] for each in made["readers"]] == [north.reader.id.text]


def test_what_is_sealed_so_is_what_the_contract_takes(cleanroom: Here) -> None:
    cleanroom("seal", "table.csv", *OF_NORTH, *SIGN)

    verified = cleanroom(
        *("verify", "table.csv.sealed", "--from", "north.signing.pub.pem"),
        *("--contract", "contract.yaml"),
    )

    assert "proven      dataset 'a' of the contract, with the columns it names" in verified.text


def test_more_readers_can_be_named(cleanroom: Here, south: Keys) -> None:
    made = cleanroom(
        "seal", "table.csv", *OF_NORTH, *SIGN, "--for", "south.reader.pub.pem", "--json"
    ).json["manifest"]

    assert [each["reader"] for each in made["readers"]][1:] == [south.reader.id.text]


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        pytest.param(
            ["--contract", "contract.yaml", *SIGN],
            1,
            "which dataset is it? there are north/customers, south/customers",
            id="of two",
        ),
        pytest.param(
            [*OF_NORTH, "--dataset", "orders", *SIGN],
            1,
            "datasets of north in this contract: customers, not 'orders'",
            id="no dataset",
        ),
        pytest.param([*OF_NORTH], 1, "missing: --sign-with", id="no key"),
        pytest.param(
            ["--contract", "missing.yaml", *SIGN],
            1,
            "missing.yaml: there is no such file or folder",
            id="no contract",
        ),
    ],
)
def test_what_is_not_the_contracts_is_refused(
    options: list[str], code: int, message: str, cleanroom: Here
) -> None:
    assert cleanroom("seal", "table.csv", *options).refusal[:2] == (code, message)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        pytest.param(
            "customer,balance\nann,1\n",
            "table.csv: there is no column 'amount', only customer, balance",
            id="other column",
        ),
        pytest.param(
            "customer,amount\nann,much\n",
            "table.csv: row 1, column 'amount': expected decimal(12,2)",
            id="other type",
        ),
    ],
)
def test_a_table_of_another_shape_is_refused_with_where(
    content: str, message: str, cleanroom: Here, folder: Path
) -> None:
    (folder / "table.csv").write_text(content)

    assert cleanroom("seal", "table.csv", *OF_NORTH, *SIGN).refusal[1] == message


def test_a_column_that_must_not_be_empty_is_left_for_the_contract_to_refuse(
    cleanroom: Here, folder: Path
) -> None:
    (folder / "table.csv").write_text("customer,amount\n,1.00\nbob,2.00\n")

    made = cleanroom("seal", "table.csv", *OF_NORTH, *SIGN, "--json").json["manifest"]
    verified = cleanroom(
        *("verify", "table.csv.sealed", "--from", "north.signing.pub.pem"),
        *("--contract", "contract.yaml"),
    ).refusal

    assert [each["nullable"] for each in made["content"]["columns"]] == [True, True]
    assert "column 1 is 'customer' text?, and the contract's is 'customer' text" in verified[1]
