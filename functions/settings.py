"""What the app is told by its environment: read once, here and nowhere else.

Names ending in `__blobServiceUri` and `__fullyQualifiedNamespace` are those of Functions' own
bindings with a managed identity; `CLEANROOM_BUS` may be a connection string instead.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from cleanroom.directories import Directories
from cleanroom.errors import Malformed

_HOSTS = "blob.core.windows.net"
_PREFIX = "CLEANROOM_"
_ISSUER = "CLEANROOM_API_ISSUER"
_LOOPBACK = "http://127.0.0.1:"
_JOBS, _OUTCOMES = "jobs", "outcomes"


@dataclass(frozen=True, slots=True)
class Bus:
    """A Service Bus namespace: its connection string, or its host name for an identity."""

    connection: str | None = field(repr=False)
    namespace: str | None
    jobs: str


@dataclass(frozen=True, slots=True)
class Topic:
    """The Event Grid topic for completions; without a key, the identity publishes."""

    endpoint: str
    key: str | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class Directory:
    """Who issues tokens for the API, and for which audience."""

    issuer: str
    audience: str


@dataclass(frozen=True, slots=True)
class Settings:
    """Where everything is."""

    storage: str  # URL of the account
    storage_hosts: str  # domain of accounts of parties that may be read
    bus: Bus
    topic: Topic
    directory: Directory | None  # without one, whoever has the function's key is the operator
    identity: str | None  # client id of a user-assigned identity
    telemetry: str | None  # where OpenTelemetry goes, by OTLP over HTTP
    directories: Directories  # in which accounts of parties are


def read() -> Settings:
    """Read the settings of this process."""
    return parse(os.environ)  # noqa: TID251  # the place that may


def has_directory() -> bool:
    """Say whether tokens open the API, also where other settings are missing."""
    return bool(os.environ.get(_ISSUER))  # noqa: TID251  # the place that may


def parse(values: Mapping[str, str]) -> Settings:
    """Accept settings; what must be there is named if it is missing."""
    storage = _take(values, "CLEANROOM_STORAGE__blobServiceUri").rstrip("/")
    connection = values.get("CLEANROOM_BUS") or None
    namespace = values.get("CLEANROOM_BUS__fullyQualifiedNamespace") or None
    if (connection is None) == (namespace is None):
        raise Malformed(
            "settings", "either CLEANROOM_BUS or CLEANROOM_BUS__fullyQualifiedNamespace"
        )
    issuer = values.get(_ISSUER) or None
    audience = _take(values, "CLEANROOM_API_AUDIENCE") if issuer else ""
    if issuer and not issuer.startswith(("https://", _LOOPBACK)):
        raise Malformed(f"settings: {_ISSUER}", "an address that begins with https://")
    return Settings(
        storage,
        values.get("CLEANROOM_STORAGE_HOSTS") or _HOSTS,
        Bus(connection, namespace, values.get("CLEANROOM_JOBS") or _JOBS),
        Topic(_take(values, "CLEANROOM_EVENTS_ENDPOINT"), values.get("CLEANROOM_EVENTS_KEY")),
        Directory(issuer, audience) if issuer else None,
        values.get("AZURE_CLIENT_ID") or None,
        values.get("OTEL_EXPORTER_OTLP_ENDPOINT") or None,
        Directories.parse(lambda name: values.get(f"{_PREFIX}{name}"), _PREFIX),
    )


def _take(values: Mapping[str, str], name: str) -> str:
    value = values.get(name)
    if not value:
        raise Malformed("settings", f"a value for {name}")
    return value
