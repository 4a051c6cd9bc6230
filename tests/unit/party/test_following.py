"""What a contract waits for, and what of that is for the party that asks."""

from typing import Any

import pytest

from cleanroom.contract import Contract
from party import asking, datasets, following
from party.errors import Usage
from party.views import Runs, Waiting
from tests.builders import Keys, contract, dataset, triggers
from tests.unit.party.test_timeline import agreement


@pytest.fixture
def agreed(north: Keys, south: Keys) -> Contract:
    return Contract.from_value(contract(north, south), "contract")


@pytest.mark.parametrize(
    ("change", "party", "expected"),
    [
        pytest.param(
            {"missing": ("south",), "waiting": ()}, "north", ["the approval of south"], id="other"
        ),
        pytest.param(
            {"missing": ("south",), "waiting": ()},
            "south",
            ["the approval of south; it is for you: cleanroom approve room"],
            id="own word",
        ),
        pytest.param(
            {"missing": (), "waiting": (Waiting("a", "missing"), Waiting("b", "missing"))},
            "north",
            [
                "data a of north; it is for you: cleanroom drop FILE room --dataset customers",
                "data b of south",
            ],
            id="data",
        ),
        pytest.param(
            {"missing": (), "waiting": (), "runs": Runs("day", 2, 2)},
            "north",
            ["the next period: its runs are used up"],
            id="limit",
        ),
        pytest.param(
            {"missing": (), "waiting": ()},
            "north",
            ["nothing: it runs when new data arrives, or as its triggers say"],
            id="nothing",
        ),
        pytest.param({"status": "over"}, "north", ["nothing: it is over"], id="over"),
    ],
)
def test_it_is_said_what_is_waited_for(
    change: dict[str, Any], party: str, expected: list[str], agreed: Contract
) -> None:
    assert following.needs(agreement(**change), agreed, party) == expected


def test_without_the_contract_less_is_said() -> None:
    assert following.needs(agreement(missing=()), None, "north") == ["data a"]


# --- which dataset


def test_the_only_dataset_of_a_party_is_meant(agreed: Contract) -> None:
    assert datasets.chosen(agreed, "south", None).alias == "b"
    assert datasets.chosen(agreed, None, "a").alias == "a"


def test_of_several_one_must_be_named(north: Keys, south: Keys) -> None:
    more = [dataset("a", "north"), dataset("c", "north", dataset="orders"), dataset("b", "south")]
    agreed = Contract.from_value(contract(north, south) | {"datasets": more}, "contract")

    with pytest.raises(Usage, match="which dataset is it") as caught:
        datasets.chosen(agreed, "north", None)

    assert caught.value.hint == "--dataset customers"
    assert datasets.chosen(agreed, "north", "orders").alias == "c"
    assert datasets.chosen(agreed, "north", "c").alias == "c"


@pytest.mark.parametrize(
    ("party", "name", "message"),
    [
        pytest.param("west", None, "datasets of west in this contract: none", id="party"),
        pytest.param(
            "north",
            "orders",
            "datasets of north in this contract: customers, not 'orders'",
            id="no",
        ),
    ],
)
def test_a_dataset_that_is_none_is_refused(
    party: str, name: str | None, message: str, agreed: Contract
) -> None:
    with pytest.raises(Usage, match=message):
        datasets.chosen(agreed, party, name)


# --- values for parameters


def parameter(name: str, kind: str, **changes: Any) -> dict[str, Any]:
    limits = {"minimum": None, "maximum": None, "choices": None}
    return {"name": name, "type": kind, **limits, **changes}


@pytest.fixture
def asked(north: Keys, south: Keys) -> Contract:
    value = contract(north, south) | {"triggers": triggers(on_request=True)}
    value["program"]["parameters"] = [
        parameter("least", "integer", minimum=1, maximum=9),
        parameter("wide", "boolean"),
        parameter("since", "date"),
    ]
    return Contract.from_value(value, "contract")


def test_values_are_read_by_their_types(asked: Contract) -> None:
    found = asking.values(asked, ["least=3", "wide=true", "since=2026-01-31"])

    assert found == {"least": 3, "wide": True, "since": "2026-01-31"}


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            ["least"], "expected NAME=VALUE once for each of least, wide, since", id="no ="
        ),
        pytest.param(["most=1"], "got 'most=1'", id="unknown"),
        pytest.param(["least=1", "least=2"], "got 'least=2'", id="twice"),
        pytest.param(["least=3"], "a field 'wide'", id="missing"),
        pytest.param(["least=three", "wide=true", "since=2026-01-31"], "values.least", id="word"),
        pytest.param(["least=10", "wide=true", "since=2026-01-31"], "values.least", id="range"),
        pytest.param(["least=1", "wide=yes", "since=2026-01-31"], "values.wide", id="yes"),
    ],
)
def test_values_that_cannot_be_are_refused(given: list[str], message: str, asked: Contract) -> None:
    with pytest.raises(Usage, match=message):
        asking.values(asked, given)
