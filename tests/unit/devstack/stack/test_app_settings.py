"""What the app that the stack hosts is told."""

import json
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from devstack.home import Home
from devstack.stack import app_settings
from devstack.stack.environment import Stack
from devstack.stack.settings import Settings

NAMES = ("CLEANROOM_STORAGE", "CLEANROOM_BUS", "CLEANROOM_EVENTS", "CLEANROOM_API")


@pytest.fixture
def stack(home: Home) -> Stack:
    return Stack(home, Settings())


def test_the_app_knows_storage_bus_and_who_it_is(stack: Stack) -> None:
    found = app_settings.values(stack, {})

    assert found["AzureWebJobsStorage"] == stack.storage_connection
    assert found["AzureWebJobsServiceBus"] == stack.bus_connection
    assert found["IDENTITY_HEADER"] == stack.home.secret("identity/functions")


def test_the_control_plane_finds_what_it_needs_by_the_names_of_azure(stack: Stack) -> None:
    found = app_settings.values(stack, {})

    tenant = stack.home.object_id("tenant")
    assert {name: found[name] for name in found if name.startswith(NAMES)} == {
        "CLEANROOM_STORAGE__blobServiceUri": "https://127.0.0.1:10000/cleanroom",
        "CLEANROOM_BUS": stack.bus_connection,
        "CLEANROOM_EVENTS_ENDPOINT": "https://127.0.0.1:8442/topics/cleanroom/api/events",
        "CLEANROOM_API_ISSUER": f"http://127.0.0.1:8440/{tenant}",
        "CLEANROOM_API_AUDIENCE": "api://cleanroom",
    }


def test_the_apps_own_settings_win(stack: Stack) -> None:
    found = app_settings.values(stack, {"OWN": "1", "CLEANROOM_DEV_STORAGE_URL": "https://other"})

    assert (found["OWN"], found["CLEANROOM_DEV_STORAGE_URL"]) == ("1", "https://other")


@pytest.mark.parametrize("storage", ["", "UseDevelopmentStorage=true"])
def test_the_storage_of_a_development_machine_is_ours(storage: str, stack: Stack) -> None:
    found = app_settings.values(stack, {"AzureWebJobsStorage": storage})

    assert found["AzureWebJobsStorage"] == stack.storage_connection


def test_settings_are_written_for_this_user_alone(stack: Stack) -> None:
    app_settings.write(stack, {"OWN": "1"})

    file = app_settings.file(stack.home.path)
    assert json.loads(file.read_bytes())["Values"]["OWN"] == "1"
    assert file.stat().st_mode & 0o077 == 0


def test_an_app_without_settings_has_none(tmp_path: Path) -> None:
    assert app_settings.own(tmp_path) == {}


def test_an_apps_settings_are_read(tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text('{"IsEncrypted": false, "Values": {"A": "1"}}')

    assert app_settings.own(tmp_path) == {"A": "1"}


@pytest.mark.parametrize("content", ["[]", '{"Values": []}', "no JSON"])
def test_an_apps_settings_that_are_none_are_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "local.settings.json").write_text(content)

    with pytest.raises(Malformed, match=r"local\.settings\.json"):
        app_settings.own(tmp_path)


def test_an_app_is_found_where_its_file_is(tmp_path: Path) -> None:
    (tmp_path / "function_app.py").touch()

    assert app_settings.here(tmp_path) == tmp_path
    assert app_settings.here(tmp_path.parent) is None
