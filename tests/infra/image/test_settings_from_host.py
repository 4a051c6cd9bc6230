"""What an operator may say to a measured machine, and what not."""

import base64
import importlib.util
import re
from types import ModuleType

import pytest

from runner.settings import PREFIX, VARIABLES, Settings
from tests.infra.tree import INFRA, tree

FILE = INFRA / "image" / "settings_from_host.py"
GOAL = b"""<?xml version="1.0"?><GoalState><Incarnation>7</Incarnation><Container>
<ContainerId>c-1</ContainerId><RoleInstanceList><RoleInstance><InstanceId>i-1</InstanceId>
</RoleInstance></RoleInstanceList></Container></GoalState>"""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script, which stands in the image and not in a package."""
    spec = importlib.util.spec_from_file_location("settings_from_host", FILE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def said(*lines: str) -> str:
    return base64.b64encode("\n".join(lines).encode()).decode()


def test_what_the_template_says_is_what_a_runner_starts_with(script: ModuleType) -> None:
    lines = re.findall(r"'([A-Z_]+=[^']*)'", (INFRA / "modules/runner-vm.bicep").read_text())
    values = {
        "${identityClientId}": "11111111-1111-1111-1111-111111111111",
        "${storageUrl}": "https://account.blob.core.windows.net",
        "${serviceBusNamespace}": "bus.servicebus.windows.net",
        "${tenant().tenantId}": "22222222-2222-2222-2222-222222222222",
        "${directoryIds}": ",".join(
            f"{number:08x}-1111-1111-1111-111111111111" for number in range(64)
        ),
        "${applicationId}": "33333333-3333-3333-3333-333333333333",
    }
    given = [line.replace(key, values[key]) for line in lines for key in values if key in line]
    given.append("CLEANROOM_RUNNER_PLATFORM=azure-cvm")

    accepted = script.accepted(said(*given))

    environment = dict(line.split("=", 1) for line in accepted.splitlines())
    started = Settings.parse({**environment, f"{PREFIX}PLATFORM": "azure-cvm"})
    assert started.storage_url == values["${storageUrl}"]
    assert (started.queue, started.topic) == ("jobs", "outcomes")
    assert f"{PREFIX}PLATFORM" not in environment
    assert started.directories.own == values["${tenant().tenantId}"]
    assert len(started.directories.others) == 64


@pytest.mark.parametrize(
    "line",
    [
        "CLEANROOM_RUNNER_PLATFORM=simulated",
        "CLEANROOM_RUNNER_SYNTHETIC_ROOTS=/run/roots.pem",
        "CLEANROOM_RUNNER_TRUST=/run/roots.pem",
        "CLEANROOM_RUNNER_VAULT_HOSTS=.example.com",
        "CLEANROOM_RUNNER_ATTESTATION_HOSTS=.example.com",
        "CLEANROOM_RUNNER_SERVICEBUS_CONNECTION_STRING=Endpoint",
        "LD_PRELOAD=/run/evil.so",
        "PYTHONPATH=/run",
        "HTTPS_PROXY=http://203.0.113.1",
        "REQUESTS_CA_BUNDLE=/run/roots.pem",
        "CLEANROOM_RUNNER_QUEUE=a b",
        "CLEANROOM_RUNNER_QUEUE=$(reboot)",
        "CLEANROOM_RUNNER_QUEUE",
        " CLEANROOM_RUNNER_QUEUE=jobs",
    ],
)
def test_what_the_operator_may_not_say_ends_the_start(script: ModuleType, line: str) -> None:
    with pytest.raises(ValueError, match="may not be set"):
        script.accepted(said("CLEANROOM_RUNNER_TOPIC=outcomes", line))


def test_a_setting_stands_once(script: ModuleType) -> None:
    with pytest.raises(ValueError, match="twice"):
        script.accepted(said("CLEANROOM_RUNNER_JOBS=1", "CLEANROOM_RUNNER_JOBS=2"))


def test_what_may_be_said_is_known_to_the_runner(script: ModuleType) -> None:
    ours = {name.removeprefix(PREFIX) for name in script.ALLOWED if name.startswith(PREFIX)}

    assert ours <= VARIABLES.keys()


def test_azure_is_told_that_the_machine_is_up(script: ModuleType) -> None:
    answer = script.ready(GOAL).decode()

    assert "<GoalStateIncarnation>7</GoalStateIncarnation>" in answer
    assert "<ContainerId>c-1</ContainerId>" in answer
    assert "<InstanceId>i-1</InstanceId>" in answer


@pytest.mark.parametrize("bad", [b"<GoalState/>", GOAL.replace(b"i-1", b"&lt;x&gt;")])
def test_an_odd_goal_state_is_not_answered(script: ModuleType, bad: bytes) -> None:
    with pytest.raises(ValueError, match="goal state"):
        script.ready(bad)


def test_the_machines_are_told_the_same(script: ModuleType) -> None:
    del script
    vm, vmss = (tree().templates[f"modules/runner-{kind}.bicep"] for kind in ("vm", "vmss"))

    for name in ("settings", "elsewhere"):
        assert vm.variables[name].text == vmss.variables[name].text
