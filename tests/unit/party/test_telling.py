"""A contract in sentences: what may leave, to whom, how often, and what to beware of."""

from typing import Any

import pytest

from cleanroom.contract import Contract
from party import telling
from tests.builders import Keys, contract, dataset, triggers

REVIEWED = {"kind": "reviewed", "hidden": [], "threshold": None, "readers": ["north", "south"]}
LIST = {"kind": "list", "joins": ["customer"], "outputs": ["amount"], "readers": ["north"]}


def sentences(
    north: Keys, south: Keys, party: str | None = None, **changes: Any
) -> list[tuple[str, str]]:
    value = contract(north, south) | changes
    return telling.sentences(Contract.from_value(value, "contract"), party)


def about(said: list[tuple[str, str]], what: str) -> str:
    return "\n".join(text for name, text in said if name == what)


def with_rule(rule: dict[str, Any]) -> dict[str, Any]:
    return {"datasets": [dataset("a", "north", rule=rule), dataset("b", "south")]}


def test_it_is_said_what_runs_on_what(north: Keys, south: Keys) -> None:
    said = about(sentences(north, south), "computes")

    assert said == (
        "the SQL program below, and no other, runs on north's customers and south's customers"
    )


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        pytest.param(
            None,
            "of north's rows only sum leave, each over at least 10 different values of customer",
            id="aggregation",
        ),
        pytest.param(
            LIST,
            "of north's rows that match another party's on customer, the columns amount leave as"
            " they are",
            id="list",
        ),
        pytest.param(REVIEWED, "whatever the program makes of north's rows may leave", id="all"),
        pytest.param(
            REVIEWED
            | {"hidden": ["customer"], "threshold": {"identity": "customer", "minimum": 7}},
            "whatever the program makes of north's rows may leave, but never customer; a row that"
            " fewer than 7 different values of customer stand behind is withheld",
            id="not all",
        ),
    ],
)
def test_it_is_said_what_may_leave(
    rule: dict[str, Any] | None, expected: str, north: Keys, south: Keys
) -> None:
    changes = with_rule(rule) if rule else {}

    assert about(sentences(north, south, **changes), "from a") == expected


def test_a_party_is_spoken_to(north: Keys, south: Keys) -> None:
    said = sentences(north, south, "north")

    assert about(said, "from a").startswith("of your rows")
    assert about(said, "from b").startswith("of south's rows")
    assert about(said, "to whom") == "you can open it, and nobody else"


def test_it_is_said_how_often_and_how_much_at_most(north: Keys, south: Keys) -> None:
    limits = contract(north, south)["limits"] | {"runs": 3, "period": "week"}
    starts = triggers(on_arrival=True, on_approval=True, schedule="0 6 * * 1")

    said = about(sentences(north, south, limits=limits, triggers=starts), "how often")

    assert said.startswith(
        "whenever new data has arrived, once all have approved and all data is there and by the"
        " schedule 0 6 * * 1 (UTC); at most 3 times a week, so at most 300 rows a week; until "
    )


def test_one_run_is_called_so(north: Keys, south: Keys) -> None:
    limits = contract(north, south)["limits"] | {"runs": 1, "period": "lifetime"}
    starts = triggers(on_request=True)

    said = about(sentences(north, south, limits=limits, triggers=starts), "how often")

    assert said.startswith("when a party asks for it; at most once ever, so at most 100 rows ever")


def test_real_hardware_is_said_to_vouch(north: Keys, south: Keys) -> None:
    said = about(sentences(north, south), "keys")

    assert said.endswith("that AMD's hardware vouches for, and only for this contract")
    assert about(sentences(north, south), "beware") == ""


def test_measured_images_are_said_to_be_such(north: Keys, south: Keys) -> None:
    runner = contract(north, south)["runners"][0]
    code = {"kind": "pcrs", "values": [{"index": 4, "sha256": "ab" * 32}]}

    said = sentences(north, south, runners=[runner | {"platform": "azure-cvm", "code": code}])

    assert "a virtual machine with the measured image" in about(said, "keys")


def test_what_nobody_may_overlook_is_said(north: Keys, south: Keys) -> None:
    value = contract(north, south)
    runner = value["runners"][0] | {"platform": "simulated"}
    source = {"kind": "sealed", "owner": "south", "manifest": "sha256:" + "ab" * 32}
    program = value["program"] | {"source": source}

    said = sentences(
        north, south, "north", runners=[runner], program=program, **with_rule(REVIEWED)
    )

    assert "a program that only south can read runs on" in about(said, "computes")
    assert about(said, "beware").split("\n") == [
        "simulated hardware proves nothing: for data that is made up, only",
        "you cannot read the program: only the rules and the result's shape limit it",
        "nothing but the program limits what a row of the result tells of a: read it",
    ]


def test_what_concerns_another_partys_data_is_not_its_beware(north: Keys, south: Keys) -> None:
    assert about(sentences(north, south, "south", **with_rule(REVIEWED)), "beware") == ""
