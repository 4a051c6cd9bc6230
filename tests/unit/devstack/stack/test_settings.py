"""What was asked of a stack is remembered, and read back strictly."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from cleanroom.errors import Malformed
from devstack.stack import ports, settings
from devstack.stack.settings import Settings

CHOSEN = Settings(
    parties=("east",),
    ports=ports.chosen(("east",), base=20000),
    functions="/app",
    watch=True,
    runner=True,
    bus_config="/bus.json",
    eventgrid_config="/grid.json",
)


def test_settings_read_back_as_they_were_written() -> None:
    assert Settings.parse(CHOSEN.to_bytes(), "settings") == CHOSEN


def test_without_a_file_there_are_two_banks(tmp_path: Path) -> None:
    found = settings.remembered(tmp_path / "settings.json")

    assert found.parties == ("north-bank", "south-bank")
    assert found == Settings()


def test_settings_are_remembered(tmp_path: Path) -> None:
    file = tmp_path / "settings.json"

    settings.remember(file, CHOSEN)

    assert settings.remembered(file) == CHOSEN


def test_settings_of_a_stack_without_a_runner_are_still_read() -> None:
    content = json.loads(CHOSEN.to_bytes())
    del content["runner"], content["ports"]["runner"]

    found = Settings.parse(json.dumps(content).encode(), "settings")

    assert not found.runner
    assert found.ports["runner"] == ports.DEFAULTS["runner"]


def test_everyone_with_an_identity_is_named() -> None:
    assert CHOSEN.identities == ("east", "operator", "functions", "runner")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"more": 1}, "no other field", id="unknown"),
        pytest.param({"watch": "yes"}, "true or false", id="kind"),
        pytest.param({"ports": []}, "an object with named fields", id="no ports"),
        pytest.param({"ports": {"bus": 1}}, "a port for each server", id="ports missing"),
        pytest.param({"parties": ["east", "west"]}, "a port for each", id="vault missing"),
        pytest.param({"parties": []}, "1 to 50 entries", id="nobody"),
    ],
)
def test_settings_that_are_none_are_refused(change: dict[str, Any], expected: str) -> None:
    content = json.loads(CHOSEN.to_bytes()) | change

    with pytest.raises(Malformed, match=expected):
        Settings.parse(json.dumps(content).encode(), "settings")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param(("Bank",), "a name of 1 to 63", id="capital"),
        pytest.param(("a b",), "a name of 1 to 63", id="space"),
        pytest.param(("a" * 55,), "at most 54 characters", id="too long for a container"),
        pytest.param(("runner",), "another name than operator", id="ours"),
        pytest.param(("a", "b", "a"), "each party once", id="twice"),
        pytest.param((), "1 to 50 parties", id="none"),
        pytest.param(tuple(f"p{i}" for i in range(51)), "1 to 50 parties", id="many"),
    ],
)
def test_parties_that_cannot_be_are_refused(names: tuple[str, ...], expected: str) -> None:
    with pytest.raises(Malformed, match=re.escape(expected)):
        settings.parties(names)
