"""What command and supervisor write for each other reads back, and nothing else does."""

import json
from dataclasses import replace
from typing import Any

import pytest

from cleanroom.errors import Malformed
from devstack.stack.records import Health, Plan, Running, Server, State

SERVER = Server(
    name="bus",
    command=("python", "-m", "bus"),
    environment={"KEY": "a=b;\n"},
    ports={"bus": 5672},
    health=Health(5300, "/health", tls=False),
    addresses=("sb://127.0.0.1:5672",),
)
PLAN = Plan(7, "/ca.pem", (SERVER,))
RUNNING = Running("bus", SERVER.digest, "ready", 42, "boot/1", 250, 3, -9)
STATE = State(7, 41, (RUNNING, replace(RUNNING, name="vault", pid=None, exit=None)))


def test_a_plan_reads_back() -> None:
    assert Plan.parse(PLAN.to_bytes()) == PLAN


def test_a_state_reads_back() -> None:
    assert State.parse(STATE.to_bytes()) == STATE


def test_a_running_server_is_found_by_its_name() -> None:
    assert STATE.by_name["bus"] == RUNNING


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"name": "other"}, id="name"),
        pytest.param({"command": ("python",)}, id="command"),
        pytest.param({"environment": {}}, id="environment"),
        pytest.param({"ports": {"bus": 1}}, id="ports"),
        pytest.param({"health": replace(SERVER.health, status=400)}, id="health"),
    ],
)
def test_whatever_differs_is_another_server(change: dict[str, Any]) -> None:
    assert replace(SERVER, **change).digest != SERVER.digest


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"more": 1}, "no other field", id="unknown field"),
        pytest.param({"servers": [{}]}, "a field 'name'", id="no server"),
        pytest.param({"number": -1}, "at least 0", id="number"),
        pytest.param({"authority": None}, "text", id="authority"),
    ],
)
def test_a_plan_that_is_none_is_refused(change: dict[str, Any], expected: str) -> None:
    content = json.loads(PLAN.to_bytes()) | change

    with pytest.raises(Malformed, match=expected):
        Plan.parse(json.dumps(content).encode())


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param("command", [], id="no command"),
        pytest.param("environment", [], id="environment"),
        pytest.param("ports", {"bus": 0}, id="port"),
        pytest.param("health", {}, id="health"),
        pytest.param("more", 1, id="unknown field"),
    ],
)
def test_a_server_that_is_none_is_refused(field: str, value: object) -> None:
    content = json.loads(PLAN.to_bytes())
    content["servers"][0][field] = value

    with pytest.raises(Malformed):
        Plan.parse(json.dumps(content).encode())


def test_a_phase_that_nobody_knows_is_refused() -> None:
    content = json.loads(STATE.to_bytes())
    content["servers"][0]["phase"] = "sleeping"

    with pytest.raises(Malformed, match="phase"):
        State.parse(json.dumps(content).encode())
