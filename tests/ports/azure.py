"""Whether real Azure is there for tests, and what they need to know of it.

CLEANROOM_AZURE names an environment file: NAME=VALUE in each line, as it is, without quotes; a line
that begins with `#` says nothing. Without the variable only the dev stack runs. A service may be
missing, and its tests are then skipped; of one that is there everything must be:

- SERVICEBUS_ROOT, SERVICEBUS_SENDER, SERVICEBUS_LISTENER: connection strings of one namespace, with
  keys that may do all, only send, only listen.
- SERVICEBUS_NAMESPACE: its host.
- STORAGE_CONNECTION: the connection string of a storage account, with its key.
- VAULT_URL: a vault with roles (RBAC).
- VAULT_TIER: `premium` or `standard`, whose vaults release no keys: those tests are skipped.
- EVENTGRID_TOPIC: the endpoint of a custom topic for CloudEvents 1.0.
- EVENTGRID_KEY: one of its keys.

Whoever `DefaultAzureCredential` finds needs these roles: Azure Service Bus Data Owner, Storage Blob
Data Contributor, Key Vault Administrator, EventGrid Data Sender. Tests make entities, containers,
keys and secrets with names that nobody else has, and take them away, so nothing there is in danger;
the topic should have no subscription that minds a few odd events.
"""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from cleanroom.errors import Malformed

FILE = "CLEANROOM_AZURE"

REAL = [pytest.param("azure", marks=pytest.mark.azure)] if os.environ.get(FILE) else []
PLACES = ["devstack", *REAL]
"""Where a test runs that knows nothing of the place."""


class _Value(NamedTuple):
    pattern: str
    words: str


_BUS = _Value(
    r"Endpoint=sb://[^;]+;.*SharedAccessKey=.+",
    "a connection string that begins with Endpoint=sb:// and has a SharedAccessKey",
)
NAMES: Mapping[str, _Value] = {
    "SERVICEBUS_ROOT": _BUS,
    "SERVICEBUS_SENDER": _BUS,
    "SERVICEBUS_LISTENER": _BUS,
    "SERVICEBUS_NAMESPACE": _Value(r"[A-Za-z0-9.-]+", "a host"),
    "STORAGE_CONNECTION": _Value(
        r"[A-Za-z]+=.*AccountName=.+;AccountKey=.+",
        "a connection string with AccountName and AccountKey",
    ),
    "VAULT_URL": _Value(r"https://[A-Za-z0-9.:-]+/?", "an https URL without path"),
    "VAULT_TIER": _Value(r"premium|standard", "premium or standard"),
    "EVENTGRID_TOPIC": _Value(
        r"https://[^\s\"]+/api/events", "an https URL that ends with /api/events"
    ),
    "EVENTGRID_KEY": _Value(r"[A-Za-z0-9+/=]+", "a key in base64"),
}
"""What a file may say."""


def settings(service: str) -> Mapping[str, str]:  # pragma: no cover  # runs where there is an Azure
    """Read what the file says of a service, or skip what wants to know it."""
    found = of_service(service, parse(Path(os.environ[FILE]).read_bytes()))
    if not found:
        pytest.skip(f"the file of {FILE} names nothing of {service}")
    return found


def parse(data: bytes) -> dict[str, str]:
    """Read such a file. Errors tell where, and nothing of a value: those are secrets."""
    try:
        lines = data.decode().splitlines()
    except UnicodeDecodeError:
        raise Malformed(FILE, "a file of text in UTF-8") from None
    found: dict[str, str] = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if line and not line.startswith("#"):
            name, value = _pair(line, f"{FILE}, line {number}")
            if name in found:
                raise Malformed(f"{FILE}, line {number}", f"{name} once")
            found[name] = value
    return found


def of_service(service: str, given: Mapping[str, str]) -> Mapping[str, str]:
    """Choose what is said of one service: everything, or nothing."""
    wanted = [name for name in NAMES if name.startswith(f"{service}_")]
    missing = [name for name in wanted if name not in given]
    if len(missing) == len(wanted):
        return {}
    if missing:
        raise Malformed(FILE, f"{' and '.join(missing)} too, as other lines are of {service}")
    return {name: given[name] for name in wanted}


def _pair(line: str, where: str) -> tuple[str, str]:
    name, equals, value = (part.strip() for part in line.partition("="))
    if not equals or not re.fullmatch(r"[A-Z][A-Z_]*", name):
        raise Malformed(where, "NAME=VALUE")  # the line may be a key that lost its name
    if name not in NAMES:
        raise Malformed(where, f"one of {', '.join(NAMES)}", name)
    if not re.fullmatch(NAMES[name].pattern, value):
        raise Malformed(f"{where}: {name}", f"{NAMES[name].words}, without quotes")
    return name, value
