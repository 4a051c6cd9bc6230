"""What the runner is told from outside, read once.

Addresses of vaults and attestation services are never here: contracts name them, and these settings
only say which hosts may be called at all (threat O9).
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from cleanroom import directories
from cleanroom.directories import Directories
from cleanroom.errors import Malformed
from cleanroom.fields import integer, list_of, matching, one_of
from cleanroom.requirements import PLATFORMS
from cleanroom.urls import https_url
from cleanroom.walls import Wall, Walls
from runner.room.places import Hosts

PREFIX = "CLEANROOM_RUNNER_"
_MOST_HOSTS = 64
_MOST_JOBS = 64
_DAY = 24 * 60 * 60

_account = https_url(r"(/[a-z0-9]{3,24})?", "a storage account, https://NAME.blob.core.windows.net")
_entity = matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,259}", "the name of a queue or topic")
_namespace = matching(r"[a-z0-9.-]{1,253}", "the host name of a Service Bus namespace")
_host = matching(
    r"\.?[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", "a host, or .example.com for all below"
)
_walls = list_of(one_of(*(wall.value for wall in Wall)), 0, len(Wall))
_NUMBER = re.compile(r"[0-9]{1,6}", re.ASCII)

VARIABLES = {
    "STORAGE_URL": "the operator's storage account, https://NAME.blob.core.windows.net",
    "SERVICEBUS": "the bus's host name, NAME.servicebus.windows.net",
    "SERVICEBUS_CONNECTION_STRING": "instead of SERVICEBUS, a connection string",
    "QUEUE": "where jobs come from (jobs)",
    "TOPIC": "where outcomes go (outcomes)",
    "PLATFORM": "aci, azure-cvm or simulated",
    "CONTEXT": "the container's security context (UVM_SECURITY_CONTEXT_DIR), or the folder of a "
    "simulated guest",
    "SYNTHETIC_ROOTS": "a PEM file of simulated hardware that is believed; never in production",
    "TRUST": "a PEM file of the roots that vaults' certificates lead to (the public ones)",
    "VAULT_HOSTS": "hosts of vaults that may be called (.vault.azure.net)",
    "ATTESTATION_HOSTS": "hosts of attestation services that may be called (.attest.azure.net)",
    "STORAGE_HOSTS": "hosts of accounts with datasets (.blob.core.windows.net)",
    "JOBS": "how many jobs run at once (the number of cores)",
    "DRAIN_SECONDS": "how long jobs may go on when the runner is told to stop (30)",
    "SPILL": "a folder for what does not fit into memory; it is encrypted (none)",
    **directories.VARIABLES,
    "WALLS": "walls without which the runner does not start, with commas between (none)",
}
"""Every variable, without its prefix, and what it says."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything that can be set."""

    storage_url: str
    servicebus: str | None
    servicebus_connection: str | None = field(repr=False)
    queue: str
    topic: str
    platform: str
    context: Path | None
    synthetic_roots: Path | None
    trust: Path | None
    vault_hosts: Hosts
    attestation_hosts: Hosts
    storage_hosts: Hosts
    directories: Directories
    jobs: int
    drain_seconds: int
    spill: Path | None
    walls: Walls

    @classmethod
    def read(cls) -> Self:
        """Read the environment of the process."""
        return cls.parse(os.environ)  # noqa: TID251  # the place that may

    @classmethod
    def parse(cls, environment: Mapping[str, str]) -> Self:
        """Accept variables of our prefix that are known, each in its one shape."""
        given = _Given.of(environment)
        connection = given.get("SERVICEBUS_CONNECTION_STRING")
        platform = one_of(*PLATFORMS)(given.needed("PLATFORM"), f"{PREFIX}PLATFORM")
        roots = given.path("SYNTHETIC_ROOTS")
        if (roots is None) == (platform == "simulated"):
            raise Malformed(f"{PREFIX}SYNTHETIC_ROOTS", "a file exactly for simulated hardware")
        if platform == "azure-cvm":
            context = None
        else:
            context = given.path("CONTEXT") or Path(environment.get("UVM_SECURITY_CONTEXT_DIR", ""))
        return cls(
            storage_url=_account(given.needed("STORAGE_URL"), f"{PREFIX}STORAGE_URL"),
            servicebus=None
            if connection
            else _namespace(given.needed("SERVICEBUS"), f"{PREFIX}SERVICEBUS"),
            servicebus_connection=connection,
            queue=_entity(given.get("QUEUE") or "jobs", f"{PREFIX}QUEUE"),
            topic=_entity(given.get("TOPIC") or "outcomes", f"{PREFIX}TOPIC"),
            platform=platform,
            context=context,
            synthetic_roots=roots,
            trust=given.path("TRUST"),
            vault_hosts=given.hosts("VAULT_HOSTS", ".vault.azure.net"),
            attestation_hosts=given.hosts("ATTESTATION_HOSTS", ".attest.azure.net"),
            storage_hosts=given.hosts("STORAGE_HOSTS", ".blob.core.windows.net"),
            directories=Directories.parse(given.get, PREFIX),
            jobs=given.number("JOBS", os.process_cpu_count() or 1, _MOST_JOBS),
            drain_seconds=given.number("DRAIN_SECONDS", 30, _DAY),
            spill=given.path("SPILL"),
            walls=frozenset(map(Wall, _walls(given.list("WALLS", ""), f"{PREFIX}WALLS"))),
        )


@dataclass(frozen=True, slots=True)
class _Given:
    values: Mapping[str, str]

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> Self:
        """Take what has our prefix and is not empty; a misspelled name is refused."""
        found = {
            name.removeprefix(PREFIX): value
            for name, value in environment.items()
            if name.startswith(PREFIX) and value
        }
        if unknown := sorted(found.keys() - VARIABLES):
            raise Malformed(f"{PREFIX}{unknown[0]}", "no such variable")
        return cls(found)

    def get(self, name: str) -> str | None:
        return self.values.get(name)

    def needed(self, name: str) -> str:
        if name not in self.values:
            raise Malformed(f"{PREFIX}{name}", VARIABLES[name], "nothing")
        return self.values[name]

    def path(self, name: str) -> Path | None:
        found = self.values.get(name)
        return Path(found) if found else None

    def list(self, name: str, otherwise: str) -> list[str]:
        return [
            part.strip() for part in self.values.get(name, otherwise).split(",") if part.strip()
        ]

    def hosts(self, name: str, otherwise: str) -> Hosts:
        hosts = list_of(_host, 1, _MOST_HOSTS)
        return Hosts(hosts(self.list(name, otherwise), f"{PREFIX}{name}"))

    def number(self, name: str, otherwise: int, highest: int) -> int:
        found = self.values.get(name, str(otherwise))
        whole = int(found) if _NUMBER.fullmatch(found) else found
        return integer(1, highest)(whole, f"{PREFIX}{name}")
