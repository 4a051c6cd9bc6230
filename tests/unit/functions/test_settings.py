import pytest

from cleanroom.directories import Directories
from cleanroom.errors import Malformed
from functions.settings import Bus, Directory, Settings, Topic, parse

OURS, BANK = (f"{digit * 8}-1111-4111-8111-111111111111" for digit in "ab")
GOOD = {
    "CLEANROOM_STORAGE__blobServiceUri": "https://ours.blob.core.windows.net/",
    "CLEANROOM_BUS__fullyQualifiedNamespace": "ours.servicebus.windows.net",
    "CLEANROOM_EVENTS_ENDPOINT": "https://ours.eventgrid.azure.net/api/events",
}


def test_what_must_be_there_is_enough() -> None:
    assert parse(GOOD) == Settings(
        "https://ours.blob.core.windows.net",
        "blob.core.windows.net",
        Bus(None, "ours.servicebus.windows.net", "jobs"),
        Topic(GOOD["CLEANROOM_EVENTS_ENDPOINT"], None),
        None,
        None,
        None,
        Directories(),
    )


def test_everything_else_is_read() -> None:
    others = {
        "CLEANROOM_STORAGE_HOSTS": "blob.core.example",
        "CLEANROOM_JOBS": "others",
        "CLEANROOM_API_ISSUER": "https://issuer.example",
        "CLEANROOM_API_AUDIENCE": "api://cleanroom",
        "AZURE_CLIENT_ID": "id",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318",
        "CLEANROOM_DIRECTORY": OURS,
        "CLEANROOM_DIRECTORIES": BANK,
        "CLEANROOM_APPLICATION": OURS,
    }

    found = parse(GOOD | others)

    assert found.storage_hosts == "blob.core.example"
    assert found.bus.jobs == "others"
    assert found.directory == Directory("https://issuer.example", "api://cleanroom")
    assert (found.identity, found.telemetry) == ("id", "http://127.0.0.1:4318")
    assert found.directories == Directories(OURS, frozenset({BANK}), OURS)


@pytest.mark.parametrize(
    "changes",
    [
        {"CLEANROOM_STORAGE__blobServiceUri": ""},
        {"CLEANROOM_EVENTS_ENDPOINT": ""},
        {"CLEANROOM_BUS__fullyQualifiedNamespace": ""},
        {"CLEANROOM_BUS": "Endpoint=sb://ours/"},
        {"CLEANROOM_API_ISSUER": "https://issuer.example"},
        {"CLEANROOM_API_ISSUER": "http://issuer.example", "CLEANROOM_API_AUDIENCE": "a"},
    ],
    ids=["storage", "events", "no bus", "two buses", "no audience", "no TLS"],
)
def test_what_is_missing_or_contradicts_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(Malformed):
        parse(GOOD | changes)


def test_secrets_are_not_shown() -> None:
    given = {k: v for k, v in GOOD.items() if "Namespace" not in k}

    found = parse(given | {"CLEANROOM_BUS": "a secret", "CLEANROOM_EVENTS_KEY": "a secret"})

    assert "a secret" not in repr(found)
