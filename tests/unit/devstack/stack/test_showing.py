"""How servers are shown: in 80 columns for people, by the names of their ports for programs."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from devstack.home import Home
from devstack.stack import plan, showing
from devstack.stack.environment import Stack
from devstack.stack.plan import PLANNED
from devstack.stack.records import Running
from devstack.stack.settings import Settings

HOME = Path("/home")
COLUMNS = 80


@pytest.fixture
def pairs(home: Home) -> showing.Pairs:
    stack = Stack(home, replace(Settings(), functions="/app"))
    return [(one, Running(one.name, "", "starting")) for one in plan.planned(stack, PLANNED)]


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_vault_is_shown_for_each_party(
    pairs: showing.Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    showing.status(HOME, [pair for pair in pairs if pair[0].name == "vault"], as_json=False)

    assert lines(capsys) == [
        "server        address                 process  state     restarts  memory",
        "vault                                          starting  0",
        "  north-bank  https://127.0.0.1:8451",
        "  south-bank  https://127.0.0.1:8452",
    ]


def test_every_address_of_the_bus_is_shown(
    pairs: showing.Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    showing.status(HOME, [pair for pair in pairs if pair[0].name == "bus"], as_json=False)

    assert [line.partition("  starting")[0].rstrip() for line in lines(capsys)[1:]] == [
        "bus        sb://127.0.0.1:5672",
        "  tls      sb://127.0.0.1:5671",
        "  control  http://127.0.0.1:5300",
    ]


def test_a_whole_stack_fits_into_a_terminal(
    pairs: showing.Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    failed = [(one, replace(at, phase="failed", exit=-9)) for one, at in pairs]

    showing.status(HOME, failed, as_json=False)

    shown = lines(capsys)
    assert max(map(len, shown)) < COLUMNS
    assert [line for line in shown if "exit code -9" in line]


def test_programs_find_addresses_by_the_names_of_ports(
    pairs: showing.Pairs, capsys: pytest.CaptureFixture[str]
) -> None:
    showing.status(HOME, pairs, as_json=True)

    servers = json.loads(capsys.readouterr().out)["servers"]
    found = {name: address for one in servers for name, address in one["addresses"].items()}
    assert found["vault/south-bank"] == "https://127.0.0.1:8452"
    assert found["bus-tls"] == "sb://127.0.0.1:5671"
    assert [one["name"] for one in servers if one["ports"].keys() != one["addresses"].keys()] == []
