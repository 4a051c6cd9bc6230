"""The settings of the app that the stack hosts, in the format of local.settings.json.

- What every app needs: the storage of its host, its identity, the stack's authority.
- Each endpoint and key of the stack by name, as `cleanroom-dev env functions` has them, and what
  the control plane reads by the names that it has in Azure.
- The app's own local.settings.json wins, but for the storage of a development machine.
"""

import json
from collections.abc import Mapping
from pathlib import Path

from cleanroom.canonical import parse_json
from cleanroom.errors import Malformed
from devstack import files, tokens
from devstack.stack.environment import Stack

APP = "function_app.py"
RUNNER = Path("runner", "__main__.py")
OWN = "local.settings.json"
_LARGEST = 1 << 20
_STORAGE = "AzureWebJobsStorage"
_ELSEWHERE = ("", "UseDevelopmentStorage=true")


def here(folder: Path) -> Path | None:
    """Return the folder if an app is in it."""
    return folder if (folder / APP).is_file() else None


def has_runner(app: str) -> bool:
    """Tell whether what runs the app's jobs is beside it."""
    return bool(app) and (Path(app) / RUNNER).is_file()


def file(home: Path) -> Path:
    """Where the settings of a stack's app stand."""
    return home / "functions" / "settings.json"


def write(stack: Stack, own: Mapping[str, object]) -> None:
    """Write the settings for the host to read; there are secrets in them."""
    stack.home.folder("functions")
    content = {"IsEncrypted": False, "Values": values(stack, own)}
    files.replace(file(stack.home.path), json.dumps(content, indent=2).encode())


def values(stack: Stack, own: Mapping[str, object]) -> dict[str, object]:
    """Put the app's own settings over those of the stack."""
    ours = stack.of("functions", lambda _container, _may: "") | {
        _STORAGE: stack.storage_connection,
        "AzureWebJobsServiceBus": stack.bus_connection,
        "CLEANROOM_STORAGE__blobServiceUri": stack.storage,
        "CLEANROOM_BUS": stack.bus_connection,
        "CLEANROOM_EVENTS_ENDPOINT": stack.endpoint("cleanroom"),
        "CLEANROOM_API_ISSUER": stack.authority,
        "CLEANROOM_API_AUDIENCE": tokens.API,
    }
    kept = {k: v for k, v in own.items() if not (k == _STORAGE and v in _ELSEWHERE)}
    return {**ours, **kept}


def own(folder: Path) -> Mapping[str, object]:
    """Read the app's own settings; none, if it has no such file."""
    try:
        data = (folder / OWN).read_bytes()
    except FileNotFoundError:
        return {}
    raw = parse_json(data, OWN, _LARGEST)
    found = raw.get("Values", {}) if isinstance(raw, dict) else None
    if not isinstance(found, dict):
        raise Malformed(f"{OWN}.Values", "an object with named fields")
    return found
