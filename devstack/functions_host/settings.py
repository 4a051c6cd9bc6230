"""App settings: the process's environment, and a file shaped like local.settings.json.

The file wins over the environment, unlike with the genuine tools: whoever starts the host from a
shell that is another identity of the stack must not make the app that identity. Settings are values
of the app: they name queues and schedules, and hold connection strings, so they are never shown.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Malformed
from cleanroom.fields import kind
from devstack.functions_host.host_json import document
from devstack.home import HOST

_REFERENCE = re.compile(r"%([^%\s]+)%")
_PREFIX = "AzureWebJobs"


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings of one app."""

    values: Mapping[str, str]

    def get(self, name: str) -> str | None:
        """Return a setting, unless it is missing or empty."""
        return self.values.get(name) or None

    def take(self, name: str, where: str) -> str:
        """Return a setting that must be there."""
        value = self.get(name)
        if value is None:
            raise Malformed(where, f"a setting named {name}")
        return value

    def resolve(self, text: str, where: str) -> str:
        """Put settings in place of each `%NAME%`."""
        return _REFERENCE.sub(lambda found: self.take(found[1], where), text)

    def connection(self, name: str) -> tuple[str | None, Mapping[str, str]]:
        """Return a connection's string, or the settings that describe it (`name__property`)."""
        for whole in (f"{_PREFIX}{name}", name):
            if value := self.get(whole):
                return value, {}
        parts = {
            key.removeprefix(f"{prefix}__"): value
            for prefix in (name, f"{_PREFIX}{name}")
            for key, value in self.values.items()
            if key.startswith(f"{prefix}__") and value
        }
        return None, parts

    def disabled(self, function: str) -> bool:
        """Tell whether a function is switched off."""
        names = (f"{_PREFIX}.{function}.Disabled", f"{_PREFIX}__{function}__Disabled")
        return any((self.get(name) or "").lower() in {"1", "true"} for name in names)


def read(file: Path | None, port: int, app: Path) -> Settings:
    """Read the settings of an app that is served on this port."""
    environment = dict(os.environ)  # noqa: TID251  # settings of an app *are* its environment
    given = parse(file.read_bytes(), file.name) if file else {}
    standard = {
        "AZURE_FUNCTIONS_ENVIRONMENT": "Development",
        "AzureWebJobsScriptRoot": str(app),
        "FUNCTIONS_WORKER_RUNTIME": "python",
        "WEBSITE_HOSTNAME": f"{HOST}:{port}",
    }
    return Settings(standard | environment | given)


def parse(content: bytes, where: str) -> dict[str, str]:
    """Read a settings file."""
    raw = document(content, where)
    if not isinstance(raw, dict):
        raise Malformed(where, "an object with named fields", kind(raw))
    if raw.get("IsEncrypted"):
        raise Malformed(f"{where}.IsEncrypted", "false: only open settings can be read")
    values = raw.get("Values", {})
    if not isinstance(values, dict):
        raise Malformed(f"{where}.Values", "an object with named fields", kind(values))
    return {name: _setting(value, f"{where}.Values.{name}") for name, value in values.items()}


def _setting(value: object, where: str) -> str:
    match value:
        case bool():
            return str(value)  # as .NET spells it: True
        case str():
            return value
        case int():
            return str(value)
        case _:
            raise Malformed(where, "text", kind(value))
