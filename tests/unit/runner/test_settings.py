"""Settings: each variable in its one shape, nothing else of our prefix."""

from pathlib import Path

import pytest

from cleanroom.directories import Directories
from cleanroom.errors import Malformed
from runner.settings import Settings

OURS, BANK = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "ab")
GOOD = {
    "CLEANROOM_RUNNER_STORAGE_URL": "https://account.blob.core.windows.net",
    "CLEANROOM_RUNNER_SERVICEBUS": "name.servicebus.windows.net",
    "CLEANROOM_RUNNER_PLATFORM": "aci",
    "UVM_SECURITY_CONTEXT_DIR": "/context",
    "PATH": "/bin",
}


def settings(**changes: str) -> Settings:
    return Settings.parse(GOOD | {f"CLEANROOM_RUNNER_{k}": v for k, v in changes.items()})


def test_three_variables_are_enough_on_azure() -> None:
    found = settings()

    assert (found.queue, found.topic) == ("jobs", "outcomes")
    assert found.context == Path("/context")
    assert found.vault_hosts.allowed == (".vault.azure.net",)
    assert found.jobs >= 1


def test_an_empty_variable_is_as_none() -> None:
    assert settings(QUEUE="", WALLS="") == settings()


def test_lists_have_commas_between() -> None:
    found = settings(VAULT_HOSTS="a.example, .example.com", WALLS="user,net")

    assert found.vault_hosts.allowed == ("a.example", ".example.com")
    assert found.walls == {"user", "net"}


def test_other_directories_stand_in_a_list() -> None:
    found = settings(DIRECTORY=OURS, DIRECTORIES=f"{BANK}, ", APPLICATION=OURS)

    assert found.directories == Directories(OURS, frozenset({BANK}), OURS)


def test_a_connection_string_stands_for_the_bus_and_is_not_shown() -> None:
    found = settings(SERVICEBUS_CONNECTION_STRING="Endpoint=sb://name;SharedAccessKey=secret")

    assert found.servicebus is None
    assert "secret" not in repr(found)


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"STORAGE": "x"}, id="no such variable"),
        pytest.param({"STORAGE_URL": "http://account.blob.core.windows.net"}, id="no TLS"),
        pytest.param({"STORAGE_URL": "https://10.0.0.1"}, id="an address"),
        pytest.param({"PLATFORM": "sgx"}, id="another platform"),
        pytest.param({"PLATFORM": "simulated"}, id="simulated without its root"),
        pytest.param({"SYNTHETIC_ROOTS": "/root.pem"}, id="genuine with a synthetic root"),
        pytest.param({"JOBS": "0"}, id="no jobs"),
        pytest.param({"JOBS": "two"}, id="jobs in words"),
        pytest.param({"JOBS": "65"}, id="too many jobs"),
        pytest.param({"VAULT_HOSTS": ","}, id="no hosts"),
        pytest.param({"VAULT_HOSTS": "https://a.example"}, id="a URL for a host"),
        pytest.param({"QUEUE": "a/b"}, id="a path for a queue"),
        pytest.param({"SERVICEBUS": "sb://name"}, id="a URL for a namespace"),
        pytest.param({"WALLS": "NET"}, id="a wall in capitals"),
        pytest.param({"DIRECTORIES": OURS}, id="other directories without an own one"),
        pytest.param({"DIRECTORY": "common"}, id="no directory's id"),
    ],
)
def test_what_has_another_shape_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Malformed, match=r"^CLEANROOM_RUNNER_"):
        settings(**changes)


@pytest.mark.parametrize("name", ["STORAGE_URL", "SERVICEBUS", "PLATFORM"])
def test_what_is_needed_and_not_there_is_named(name: str) -> None:
    given = {known: value for known, value in GOOD.items() if not known.endswith(f"_{name}")}

    with pytest.raises(Malformed, match=f"^CLEANROOM_RUNNER_{name}: "):
        Settings.parse(given)
