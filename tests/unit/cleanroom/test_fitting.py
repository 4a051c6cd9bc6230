"""Only what a contract describes is taken for one of its datasets."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cleanroom import fitting
from cleanroom.contract import Contract, Dataset
from cleanroom.errors import PolicyRefused
from cleanroom.ids import Digest
from cleanroom.rules import rule
from cleanroom.schema import Column
from cleanroom.seal.content import Bytes, Table
from cleanroom.seal.layout import Layout
from cleanroom.seal.manifest import DatasetOrigin, InlineKey, Manifest, ResultOrigin
from tests.builders import NOW, Keys, aggregation_rule, contract, dataset

JOB = Digest.of(b"job")
COLUMNS = (Column("customer", "text", False), Column("amount", "decimal(12,2)", True))


def agreed(north: Keys, south: Keys, **versions: Any) -> tuple[Contract, Dataset]:
    """Make a contract on a dataset of north, whose versions are restricted further."""
    said = {"minimum": 3, "only": None, "maximum_age": None} | versions
    datasets = [dataset("a", "north", versions=said), dataset("b", "south")]
    made = Contract.from_value(contract(north, south, datasets=datasets), "contract")
    return made, made.datasets[0]


def manifest(**changes: Any) -> Manifest:
    found = Manifest(
        origin=DatasetOrigin("north", "customers", 3),
        created=NOW,
        media_type="text/csv",
        content=Table("parquet", COLUMNS, 2),
        rule=None,
        layout=Layout(100, 65536),
        file_id=bytes(16),
        table_digest=bytes(32),
        readers=(InlineKey(JOB, bytes(256)),),
    )
    return replace(found, **changes)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="just what is described"),
        pytest.param({"origin": DatasetOrigin("north", "customers", 9)}, id="later version"),
        pytest.param(
            {"content": Table("parquet", (COLUMNS[0], replace(COLUMNS[1], nullable=False)), 2)},
            id="nothing empty",
        ),
        pytest.param({"rule": rule(aggregation_rule(), "rule")}, id="rule for the same readers"),
    ],
)
def test_what_fits_is_taken(changes: dict[str, Any], north: Keys, south: Keys) -> None:
    made, wanted = agreed(north, south)

    fitting.check(manifest(**changes), made, wanted, NOW, "file")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"origin": ResultOrigin(JOB, "result")}, "is not north/", id="result"),
        pytest.param({"origin": DatasetOrigin("north", "b", 3)}, "is not north/", id="dataset"),
        pytest.param({"origin": DatasetOrigin("south", "customers", 3)}, "is not", id="party"),
        pytest.param(
            {"origin": DatasetOrigin("north", "customers", 2)},
            "is version 2, and the contract takes 3 or later",
            id="old version",
        ),
        pytest.param({"content": Bytes()}, "column 1 is not there", id="bytes"),
        pytest.param({"content": Table("parquet", COLUMNS[::-1], 2)}, "column 1", id="order"),
        pytest.param(
            {"rule": rule(aggregation_rule(readers=["south"]), "rule")},
            "its own rule is for south only",
            id="rule",
        ),
    ],
)
def test_what_differs_is_refused(
    changes: dict[str, Any], message: str, north: Keys, south: Keys
) -> None:
    made, wanted = agreed(north, south)

    with pytest.raises(PolicyRefused, match=f"^file: {message}"):
        fitting.check(manifest(**changes), made, wanted, NOW, "file")


def test_a_version_other_than_the_only_one_is_refused(north: Keys, south: Keys) -> None:
    made, wanted = agreed(north, south, only=manifest().digest.text)
    other = manifest(created=NOW - timedelta(days=1))

    fitting.check(manifest(), made, wanted, NOW, "file")
    with pytest.raises(PolicyRefused, match=rf"takes only {manifest().digest}$"):
        fitting.check(other, made, wanted, NOW, "file")


def test_a_version_that_grew_too_old_is_refused(north: Keys, south: Keys) -> None:
    made, wanted = agreed(north, south, maximum_age=60)
    last = NOW + timedelta(seconds=60)

    fitting.check(manifest(), made, wanted, last, "file")
    with pytest.raises(PolicyRefused, match="was too old"):
        fitting.check(manifest(), made, wanted, last + timedelta(seconds=1), "file")
