"""The servers of a stack as processes to be."""

import itertools
import json
import runpy
import sys
from dataclasses import replace

import pytest

from cleanroom.errors import Malformed, Unavailable
from devstack.eventgrid import configuration
from devstack.eventgrid.names import SYSTEM_TOPIC
from devstack.home import Home
from devstack.stack import environment, plan
from devstack.stack.environment import Stack
from devstack.stack.plan import PLANNED
from devstack.stack.records import Server
from devstack.stack.settings import Settings
from runner.settings import Settings as RunnerSettings

WITHOUT_AN_APP = set(PLANNED) - {"functions", "runner"}
OURS = sorted(set(PLANNED) - {"azurite"})


@pytest.fixture
def stack(home: Home) -> Stack:
    return Stack(home, Settings())


@pytest.fixture
def hosting(home: Home) -> Stack:
    return Stack(home, replace(Settings(), functions="/app", runner=True))


def planned(stack: Stack, name: str) -> Server:
    return plan.planned(stack, [name])[0]


def option(server: Server, name: str) -> str:
    return server.command[server.command.index(name) + 1]


def options(server: Server, name: str) -> list[str]:
    return [value for word, value in itertools.pairwise(server.command) if word == name]


def test_without_an_app_neither_functions_nor_runner_run(stack: Stack) -> None:
    assert set(plan.selected(stack, [])) == WITHOUT_AN_APP


def test_a_runner_that_nobody_wants_is_refused(stack: Stack) -> None:
    with pytest.raises(Malformed, match="--runner"):
        plan.selected(stack, ["runner"])


def test_a_runner_finds_all_that_it_needs_in_its_environment(hosting: Stack) -> None:
    told = RunnerSettings.parse(planned(hosting, "runner").environment)

    assert told.platform == "simulated"
    assert told.storage_url == hosting.storage


def test_with_an_app_all_run(hosting: Stack) -> None:
    assert set(plan.selected(hosting, [])) == set(PLANNED)


def test_a_named_server_brings_what_it_needs(stack: Stack) -> None:
    assert plan.selected(stack, ["storage"]) == ["azurite", "storage"]


def test_a_server_that_needs_none_comes_alone(stack: Stack) -> None:
    assert plan.selected(stack, ["vault"]) == ["vault"]


def test_an_unknown_server_is_refused_with_those_that_there_are(stack: Stack) -> None:
    with pytest.raises(Malformed, match=r"one of attestation, azurite, bus.*got 'valut'"):
        plan.selected(stack, ["valut"])


def test_functions_without_an_app_are_refused(stack: Stack) -> None:
    with pytest.raises(Malformed, match="--functions DIR"):
        plan.selected(stack, ["functions"])


def test_every_port_is_opened_by_one_server(hosting: Stack) -> None:
    opened = [name for one in plan.planned(hosting, PLANNED) for name in one.ports]

    assert sorted(opened) == sorted(hosting.settings.ports)


def test_every_server_is_asked_on_a_port_of_its_own(hosting: Stack) -> None:
    servers = plan.planned(hosting, PLANNED)

    assert [one.name for one in servers if one.health.port not in one.ports.values()] == []


@pytest.mark.parametrize("name", OURS)
def test_every_server_of_ours_takes_the_options_that_it_is_given(
    name: str,
    hosting: Stack,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    _, _, _, module, *given = planned(hosting, name).command
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    # Another test of this process may have imported it.
    monkeypatch.delitem(sys.modules, f"{module}.__main__", raising=False)

    with pytest.raises(SystemExit):
        runpy.run_module(module, run_name="__main__")

    helped = capsys.readouterr().out
    assert [word for word in given if word.startswith("--") and word not in helped] == []


def test_a_plan_is_the_same_each_time(hosting: Stack) -> None:
    assert plan.planned(hosting, PLANNED) == plan.planned(hosting, PLANNED)


def test_no_secret_is_in_a_command_that_all_users_see(hosting: Stack) -> None:
    shown = json.dumps([one.command for one in plan.planned(hosting, PLANNED)])

    secrets = ["storage/account", "functions/master", "identity/runner", "bus/control"]
    assert [name for name in secrets if hosting.home.secret(name) in shown] == []


def test_the_vaults_are_one_server_with_a_port_for_each_party(stack: Stack) -> None:
    vault = planned(stack, "vault")

    assert vault.command[-4:] == ("--vault", "north-bank=8451", "--vault", "south-bank=8452")
    assert vault.health.port == 8452  # opened last


def test_the_bus_has_our_queue_and_topic_unless_told_otherwise(stack: Stack, home: Home) -> None:
    config = option(planned(stack, "bus"), "--config")
    other = replace(stack.settings, bus_config="/other.json")

    assert config == str(plan.DEFAULTS / "bus.json")
    assert option(planned(Stack(home, other), "bus"), "--config") == "/other.json"


def test_each_identity_is_named_with_its_role_in_the_control_plane_s_api(stack: Stack) -> None:
    assert options(planned(stack, "identity"), "--identity") == [
        *("north-bank=party:north-bank", "south-bank=party:south-bank"),
        *("operator=operator", "functions", "runner"),
    ]


def test_parties_publish_to_their_topic_alone(stack: Stack) -> None:
    assert options(planned(stack, "eventgrid"), "--sender") == [
        "north-bank:parties",
        "south-bank:parties",
    ]


def test_functions_are_subscribed_where_an_app_is_hosted(
    stack: Stack, hosting: Stack, home: Home
) -> None:
    own = Stack(home, replace(hosting.settings, eventgrid_config="/other.json"))

    found = [option(planned(one, "eventgrid"), "--config") for one in (stack, hosting, own)]

    assert found == [
        str(plan.DEFAULTS / "eventgrid.json"),
        str(plan.DEFAULTS / "eventgrid-functions.json"),
        "/other.json",
    ]


def test_the_topics_are_the_same_with_an_app_and_without() -> None:
    files = [plan.DEFAULTS / name for name in ("eventgrid.json", "eventgrid-functions.json")]

    without, hosting = [{one.name: one for one in configuration.read(file)} for file in files]

    assert {*without, SYSTEM_TOPIC} == {*hosting} == {*environment.TOPICS}
    subscribed = {name: [s.name for s in one.subscriptions] for name, one in hosting.items()}
    assert subscribed == {"cleanroom": [], "parties": ["functions"], "storage": ["functions"]}
    assert [one.subscriptions for one in without.values()] == [(), ()]


def test_functions_are_watched_if_asked_for(hosting: Stack, home: Home) -> None:
    watching = Stack(home, replace(hosting.settings, watch=True))

    assert "--watch" not in planned(hosting, "functions").command
    assert "--watch" in planned(watching, "functions").command


def test_storage_without_node_says_what_to_install(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "")

    with pytest.raises(Unavailable, match="node: not found") as caught:
        planned(stack, "azurite")

    assert "install Node.js" in caught.value.hint
