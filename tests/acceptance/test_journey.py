"""From nothing to a result that was verified, by the commands that people type."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.parties import Party, whole_stack
from tests.stacks import RunningStack

ORDERS = "customer,amount\nann,1\nbob,2\ncid,3\n"
ACCOUNTS = "customer,balance\nbob,10\ncid,20\ndan,30\n"
PROGRAM = """SELECT count(*) AS customers, sum(a.amount + b.balance) AS total
FROM orders a JOIN accounts b USING (customer)
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStack]:
    with whole_stack(tmp_path_factory.mktemp("stack")) as made:
        yield made


@pytest.fixture
def parties(stack: RunningStack, tmp_path: Path) -> tuple[Party, Party]:
    north, south = (Party(name, tmp_path, stack.env(name)) for name in ("north", "south"))
    return north, south


def agreed(north: Party, south: Party, room: str) -> None:
    """Make keys, exchange cards, draft a contract, propose it, and approve it twice."""
    north.write("orders.csv", ORDERS)
    north.write("accounts.csv", ACCOUNTS)
    north.write("query.sql", PROGRAM)
    cards = [one.good("init", "--room", room)["card"] for one in (north, south)]
    north.good(
        *("contract", "new", "--program", "query.sql", "--reader", "north"),
        *(word for card in cards for word in ("--card", card)),
        *("--table", "north:orders.csv", "--table", "south:accounts.csv"),
        *("--purpose", "Find what customers of both are worth."),
    )
    north.good("propose", "contract.yaml")
    for one in (north, south):
        one.good("approve", room, "--yes")


def test_two_parties_compute_on_what_neither_shows(parties: tuple[Party, Party]) -> None:
    north, south = parties
    agreed(north, south, "whole")

    north.good("drop", "orders.csv", "whole")
    south.good("drop", "accounts.csv", "whole")
    followed = north("watch", "whole", "--until", "1", "--patience", "60 seconds", "--json")

    assert followed.code == 0, followed.err
    happened = [json.loads(line)["what"] for line in followed.out.splitlines()]
    assert happened[-1] == "completed"
    assert {"proposed", "approve", "in_force", "recorded", "queued"} <= set(happened)
    (job,) = north.good("results", "whole")["jobs"]
    opened = north.good("open", "whole")
    assert (opened["job"], opened["verified"]) == (job["job"], True)
    assert (north.folder / opened["output"]).read_text() == '"customers","total"\n2,35\n'
    verdict = north.good("verify", opened["papers"])
    assert verdict["facts"]["status"] == "completed"
    assert verdict["facts"]["synthetic"]
    assert [line for line in verdict["not_proven"] if "approval" in line] == []


def test_who_is_no_reader_opens_nothing(parties: tuple[Party, Party]) -> None:
    north, south = parties
    agreed(north, south, "readers")
    north.good("drop", "orders.csv", "readers")
    south.good("drop", "accounts.csv", "readers")
    north("watch", "readers", "--until", "1", "--patience", "60 seconds")

    code, message, hint = south("open", "readers").refusal

    assert (code, hint) == (3, "which party are you? --profile")
    assert message == "'south' is no reader of this contract's result: north"


def test_what_is_revoked_runs_no_more(parties: tuple[Party, Party]) -> None:
    north, south = parties
    agreed(north, south, "revoked")

    revoked = south.good("revoke", "revoked")
    north.good("drop", "orders.csv", "revoked")
    south.good("drop", "accounts.csv", "revoked")

    room = north.good("status", "revoked")
    (contract,) = room["contracts"]
    assert revoked["decision"] == "revoke"
    assert (contract["status"], contract["missing"]) == ("awaiting_approval", ["south"])
    assert room["jobs"] == []


def test_a_later_file_makes_a_later_result(parties: tuple[Party, Party]) -> None:
    north, south = parties
    agreed(north, south, "later")
    south.good("drop", "accounts.csv", "later")
    north.good("drop", "orders.csv", "later")
    assert north("watch", "later", "--until", "1", "--patience", "60 seconds").code == 0
    north.write("orders.csv", ORDERS + "dan,4\n")

    north.good("drop", "orders.csv", "later")
    assert north("watch", "later", "--until", "2", "--patience", "60 seconds").code == 0

    opened = north.good("open", "later")
    assert (north.folder / opened["output"]).read_text() == '"customers","total"\n3,69\n'
