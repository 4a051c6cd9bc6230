"""What each identity is given, and that shells and files take it whatever it holds."""

import json
import shlex
import subprocess
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from devstack.home import Home
from devstack.stack import environment
from devstack.stack.environment import Stack
from devstack.stack.settings import Settings

ODD = {"A": "", "B": "a b", "C": "a'b", "D": '$HOME `id` "x" \\', "E": "two\nlines", "F": "é;&|"}


@pytest.fixture
def stack(home: Home) -> Stack:
    return Stack(home, Settings())


def signed(container: str, may: str) -> str:
    return f"signed={container}.{may}"


def of(stack: Stack, identity: str) -> dict[str, str]:
    return stack.of(identity, signed)


@pytest.mark.parametrize("identity", ["north-bank", "operator", "functions", "runner"])
def test_everyone_can_prove_who_they_are_and_trusts_the_stack(identity: str, stack: Stack) -> None:
    found = of(stack, identity)

    assert found["IDENTITY_ENDPOINT"] == "http://127.0.0.1:8440/msi/token"
    assert found["IDENTITY_HEADER"] == stack.home.secret(f"identity/{identity}")
    assert Path(found["SSL_CERT_FILE"]).read_bytes().startswith(b"-----BEGIN CERTIFICATE-----")
    assert found["REQUESTS_CA_BUNDLE"] == found["NODE_EXTRA_CA_CERTS"] == found["SSL_CERT_FILE"]
    assert found["NO_PROXY"] == "127.0.0.1,localhost"


def test_a_party_gets_its_own_vault_and_containers(stack: Stack) -> None:
    found = of(stack, "south-bank")

    assert found["CLEANROOM_DEV_VAULT_URL"] == "https://127.0.0.1:8452"
    assert found["CLEANROOM_DEV_DATASETS_CONTAINER"] == "datasets-south-bank"
    assert found["CLEANROOM_DEV_DATASETS_URL"] == (
        "https://127.0.0.1:10000/cleanroom/datasets-south-bank?signed=datasets-south-bank.rcwdl"
    )
    assert found["CLEANROOM_DEV_RESULTS_URL"].endswith("/results?signed=results.rl")


def test_a_party_is_told_where_its_systems_publish(stack: Stack) -> None:
    found = of(stack, "south-bank")

    assert [name for name in found if "EVENTGRID" in name] == [
        "CLEANROOM_DEV_EVENTGRID_PARTIES_ENDPOINT"
    ]
    assert found["CLEANROOM_DEV_EVENTGRID_PARTIES_ENDPOINT"] == (
        "https://127.0.0.1:8442/topics/parties/api/events"
    )


def test_a_party_gets_no_secret_but_its_own(stack: Stack) -> None:
    shown = json.dumps(of(stack, "north-bank"))

    others = ["storage/account", "functions/master", "identity/south-bank", "identity/operator"]
    others += [f"bus/{environment.BUS_RULE}", "eventgrid/control"]
    others += [f"eventgrid/{topic}" for topic in environment.TOPICS]
    assert [name for name in others if stack.home.secret(name) in shown] == []


@pytest.mark.parametrize("identity", ["operator", "functions", "runner"])
def test_who_runs_the_room_gets_storage_bus_and_topics(identity: str, stack: Stack) -> None:
    found = of(stack, identity)

    assert found["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"] == (
        "Endpoint=sb://127.0.0.1:5672;SharedAccessKeyName=RootManageSharedAccessKey;"
        f"SharedAccessKey={stack.home.secret('bus/RootManageSharedAccessKey')};"
        "UseDevelopmentEmulator=true"
    )
    assert stack.home.secret("storage/account") in found["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"]
    assert found["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"] == (
        "https://127.0.0.1:8442/topics/cleanroom/api/events"
    )
    assert found["CLEANROOM_DEV_VAULT_URL_NORTH_BANK"] == "https://127.0.0.1:8451"
    assert found["CLEANROOM_DEV_FUNCTIONS_URL"] == "http://127.0.0.1:7071"


def test_whom_the_stack_does_not_know_is_refused(stack: Stack) -> None:
    with pytest.raises(Malformed, match="one of north-bank, south-bank, operator, functions"):
        of(stack, "nobody")


def test_a_shell_gets_each_value_as_it_is() -> None:
    script = (
        f"{environment.shell(ODD)}\nfor name in A B C D E F; do printf '%s\\0' \"${{!name}}\"; done"
    )

    done = subprocess.run(["/bin/bash", "-c", script], capture_output=True, check=True)

    assert done.stdout.decode().split("\0")[:-1] == list(ODD.values())


def test_a_shell_exports_each_value() -> None:
    assert environment.shell({"A": "b c"}) == f"export A={shlex.quote('b c')}"


def test_a_file_of_variables_quotes_so_that_nothing_is_expanded() -> None:
    written = environment.dotenv({"A": "$HOME;b c", "B": "it's"})

    assert written == "A='$HOME;b c'\nB=\"it's\""


def test_a_file_of_variables_refuses_what_it_cannot_hold() -> None:
    with pytest.raises(Malformed, match="--format shell"):
        environment.dotenv({"A": "it's $HOME"})


def test_variables_as_json_are_one_object() -> None:
    assert json.loads(environment.as_json(ODD)) == ODD


def test_a_partys_identity_reaches_its_own_container_and_reads_what_is_shared() -> None:
    assert environment.roles(["north"]) == [
        ("north=contributor", "datasets-north"),
        ("north=reader", "rooms"),
        ("north=reader", "results"),
    ]


def test_parties_and_operator_have_a_role_in_the_control_plane_s_api() -> None:
    assert environment.app_roles(["north"]) == {"operator": "operator", "north": "party:north"}
