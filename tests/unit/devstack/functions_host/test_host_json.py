"""host.json and app settings."""

import json
from datetime import timedelta
from pathlib import Path

import pytest

from cleanroom.errors import Malformed
from devstack.functions_host import settings
from devstack.functions_host.host_json import HostJson, Http, ServiceBus, parse
from devstack.functions_host.settings import Settings


def host(**fields: object) -> HostJson:
    return parse(json.dumps({"version": "2.0"} | fields).encode(), cores=2)


def test_the_defaults_are_those_of_the_cloud() -> None:
    assert host() == HostJson(
        Http("api", None, None),
        ServiceBus(32, 0, timedelta(minutes=5), 1000),
        timedelta(minutes=30),
        None,
        (),
    )


def test_what_is_heeded_is_read() -> None:
    found = host(
        functionTimeout="00:10:00",
        functions=["a"],
        logging={},
        telemetryMode="OpenTelemetry",
        extensions={
            "http": {"routePrefix": "/v1/", "maxConcurrentRequests": 3, "hsts": {}},
            "serviceBus": {
                "maxConcurrentCalls": 4,
                "prefetchCount": 5,
                "maxAutoLockRenewalDuration": "00:01:00",
                "maxMessageBatchSize": 6,
                "clientRetryOptions": {},
            },
            "blobs": {},
        },
    )

    assert found.http == Http("v1", None, 3)
    assert found.service_bus == ServiceBus(4, 5, timedelta(minutes=1), 6)
    assert (found.time_limit, found.only) == (timedelta(minutes=10), frozenset({"a"}))
    assert found.warnings == ()


def test_there_may_be_no_time_limit() -> None:
    assert host(functionTimeout="-1").time_limit is None


def test_what_nobody_knows_is_told() -> None:
    found = host(strange=1, extensions={"odd": {}, "http": {"x": 1}, "serviceBus": {"y": 1}})

    assert [warning.split(":")[0] for warning in found.warnings] == [
        "host.json",
        "host.json.extensions",
        "host.json.extensions.http",
        "host.json.extensions.serviceBus",
    ]


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({"version": "1.0"}, id="version"),
        pytest.param({"functionTimeout": 5}, id="time limit"),
        pytest.param({"functionTimeout": "00:00:00"}, id="no time at all"),
        pytest.param({"extensions": []}, id="extensions"),
        pytest.param({"logging": "x"}, id="logging"),
        pytest.param({"functions": "a"}, id="functions"),
        pytest.param({"functions": [1]}, id="names"),
        pytest.param({"extensions": {"http": 1}}, id="http"),
        pytest.param({"extensions": {"http": {"routePrefix": 1}}}, id="prefix"),
        pytest.param({"extensions": {"http": {"maxConcurrentRequests": "1"}}}, id="requests"),
        pytest.param({"extensions": {"serviceBus": {"maxConcurrentCalls": 0}}}, id="calls"),
        pytest.param({"extensions": {"serviceBus": {"prefetchCount": True}}}, id="prefetch"),
        pytest.param({"extensions": {"serviceBus": {"autoCompleteMessages": False}}}, id="settle"),
        pytest.param(
            {"extensions": {"serviceBus": {"maxAutoLockRenewalDuration": 5}}}, id="renewal"
        ),
    ],
)
def test_a_wrong_type_is_refused(fields: dict[str, object]) -> None:
    with pytest.raises(Malformed, match=r"host\.json"):
        host(**fields)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff", b"{"])
def test_what_is_no_object_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        parse(content, cores=1)


# --- settings


def test_a_file_of_settings_is_read() -> None:
    content = b'\xef\xbb\xbf{"IsEncrypted": false, "Values": {"a": "x", "b": 1, "c": true}}'

    assert settings.parse(content, "s") == {"a": "x", "b": "1", "c": "True"}


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"[]", id="list"),
        pytest.param(b'{"IsEncrypted": true}', id="encrypted"),
        pytest.param(b'{"Values": []}', id="values"),
        pytest.param(b'{"Values": {"a": {}}}', id="value"),
        pytest.param(b"{", id="no JSON"),
    ],
)
def test_what_is_no_file_of_settings_is_refused(content: bytes) -> None:
    with pytest.raises(Malformed):
        settings.parse(content, "s")


def test_the_file_wins_over_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "s.json"
    file.write_text('{"Values": {"ONE": "file", "TWO": "file"}}')
    monkeypatch.setenv("ONE", "environment")
    monkeypatch.setenv("THREE", "environment")

    found = settings.read(file, 7071, tmp_path)

    assert [found.get(name) for name in ("ONE", "TWO", "THREE")] == ["file", "file", "environment"]
    assert found.get("WEBSITE_HOSTNAME") == "127.0.0.1:7071"
    assert settings.read(None, 1, tmp_path).get("TWO") is None


def test_settings_stand_for_their_names() -> None:
    found = Settings({"A": "1", "EMPTY": ""})

    assert found.resolve("x%A%y%A%z 50 %", "f") == "x1y1z 50 %"
    with pytest.raises(Malformed, match="a setting named EMPTY"):
        found.resolve("%EMPTY%", "f")


@pytest.mark.parametrize(
    ("values", "found"),
    [
        pytest.param({"C": "s"}, ("s", {}), id="string"),
        pytest.param({"AzureWebJobsC": "s", "C": "t"}, ("s", {}), id="with the prefix"),
        pytest.param(
            {"C__a": "1", "C__b": "2", "C__c": ""}, (None, {"a": "1", "b": "2"}), id="parts"
        ),
        pytest.param({}, (None, {}), id="nothing"),
    ],
)
def test_a_connection_is_a_string_or_parts(values: dict[str, str], found: object) -> None:
    assert Settings(values).connection("C") == found


@pytest.mark.parametrize("name", ["AzureWebJobs.f.Disabled", "AzureWebJobs__f__Disabled"])
def test_a_function_is_disabled_by_a_setting(name: str) -> None:
    assert Settings({name: "True"}).disabled("f")
    assert not Settings({name: "false"}).disabled("f")
