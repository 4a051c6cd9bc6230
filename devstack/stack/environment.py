"""What a program needs to use the stack as one of its identities, as environment variables.

- A party gets what is its own: its identity, its container, reading of what is for all, and where
  its own systems publish events.
- The operator, the functions and the runner also get the account's key, the bus and the topics.
- Everything is derived from the home: nothing has to run, and asking twice says the same (but for
  signatures of storage, which tell when they were made).
"""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cleanroom.errors import Malformed
from devstack import tokens
from devstack.hardware.machine import ROOT_FILE
from devstack.home import HOST, Home
from devstack.runner import policy
from devstack.stack import ports
from devstack.stack.settings import OURS, Settings

ACCOUNT = "cleanroom"
"""The name of the storage account."""
BUS_RULE = "RootManageSharedAccessKey"
CONTAINERS = ("rooms", "datasets", "results", "control", "dead-letters")
"""Containers that are no party's own."""
SHARED = {"rooms": "rl", "results": "rl"}
"""What a party may do in containers that are not its own."""
OWN = "rcwdl"
"""What a party may do in its own container: read, create, write, delete, list."""
INBOX = "parties"
"""The topic into which parties publish."""
TOPICS = ("cleanroom", INBOX, "storage")

type Sign = Callable[[str, str], str]
"""Makes a shared access signature for a container and what may be done there."""


def own_container(party: str) -> str:
    """Name the container in which a party drops its datasets and approvals."""
    return f"datasets-{party}"


def roles(parties: Sequence[str]) -> list[tuple[str, str]]:
    """Say what the parties' identities may do with storage, each in which containers."""
    own = [(f"{one}=contributor", own_container(one)) for one in parties]
    return own + [(f"{one}=reader", container) for one in parties for container in SHARED]


def app_roles(parties: Sequence[str]) -> dict[str, str]:
    """Say which role in the control plane's API each has that has one."""
    return {"operator": "operator"} | {party: f"party:{party}" for party in parties}


@dataclass(frozen=True, slots=True)
class Stack:
    """A home and what was asked of it: all addresses and secrets follow."""

    home: Home
    settings: Settings

    def url(self, server: str, *, tls: bool = True) -> str:
        """Say where a server listens."""
        return f"http{'s' if tls else ''}://{HOST}:{self.settings.ports[server]}"

    @property
    def storage(self) -> str:
        """The address of the storage account."""
        return f"{self.url('storage')}/{ACCOUNT}"

    @property
    def storage_connection(self) -> str:
        """The connection string of the storage account."""
        return (
            f"DefaultEndpointsProtocol=https;AccountName={ACCOUNT};"
            f"AccountKey={self.home.secret('storage/account')};BlobEndpoint={self.storage};"
        )

    @property
    def bus_connection(self) -> str:
        """The connection string of the bus."""
        return bus_connection(self.home, self.settings.ports["bus"])

    @property
    def authority(self) -> str:
        """The directory that issues the tokens of identities."""
        return f"{self.url('identity', tls=False)}/{self.home.object_id('tenant')}"

    def endpoint(self, topic: str) -> str:
        """Say where to publish to a topic."""
        return f"{self.url('eventgrid')}/topics/{topic}/api/events"

    def trust(self) -> dict[str, str]:
        """Have clients trust the stack's authority, and ask no proxy for the loopback."""
        authority = str(self.home.authority_file)
        names = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
        here = f"{HOST},localhost"
        return dict.fromkeys(names, authority) | {"NO_PROXY": here, "no_proxy": here}

    def identity(self, name: str) -> dict[str, str]:
        """Let azure-identity find the identity, and look nowhere else."""
        return {
            "AZURE_TOKEN_CREDENTIALS": "ManagedIdentityCredential",
            "IDENTITY_ENDPOINT": f"{self.url('identity', tls=False)}/msi/token",
            "IDENTITY_HEADER": self.home.secret(f"identity/{name}"),
        }

    def of(self, name: str, sign: Sign) -> dict[str, str]:
        """Say everything that an identity of the stack needs; `sign` limits it to containers."""
        if name not in self.settings.identities:
            known = ", ".join(self.settings.identities)
            raise Malformed("identity", f"one of {known}", repr(name))
        special = self._ours() if name in OURS else self._partys(name, sign)
        return {**self.identity(name), **self.trust(), **self._common(name), **special}

    def _common(self, name: str) -> dict[str, str]:
        vaults = {
            f"VAULT_URL_{variable(party)}": self.url(ports.vault(party))
            for party in self.settings.parties
        }
        return _prefixed(
            {
                "HOME": str(self.home.path),
                "IDENTITY": name,
                "STORAGE_URL": self.storage,
                "ATTESTATION_URL": self.url("attestation"),
                "FUNCTIONS_URL": self.url("functions", tls=False),
            }
            | vaults
        )

    def runner(self) -> dict[str, str]:
        """Say everything that the stack's runner needs."""
        told = {
            "STORAGE_URL": self.storage,
            "SERVICEBUS_CONNECTION_STRING": self.bus_connection,
            "PLATFORM": "simulated",
            "CONTEXT": policy.CONTEXT,
            "SYNTHETIC_ROOTS": str(self.home.path / "hardware" / ROOT_FILE),
            "TRUST": str(self.home.authority_file),
            "VAULT_HOSTS": HOST,
            "ATTESTATION_HOSTS": HOST,
            "STORAGE_HOSTS": HOST,
            "DRAIN_SECONDS": "5",
        }
        named = {f"CLEANROOM_RUNNER_{variable}": value for variable, value in told.items()}
        return {**self.identity("runner"), **self.trust(), **named}

    def _ours(self) -> dict[str, str]:
        topics = {
            f"EVENTGRID_{variable(topic)}_{what}": value
            for topic in TOPICS
            for what, value in (
                ("ENDPOINT", self.endpoint(topic)),
                ("KEY", self.home.secret(f"eventgrid/{topic}")),
            )
        }
        return _prefixed(
            {
                "STORAGE_CONNECTION_STRING": self.storage_connection,
                "SERVICEBUS_CONNECTION_STRING": self.bus_connection,
                "SERVICEBUS_CONTROL_URL": self.url("bus-control", tls=False),
                "SERVICEBUS_CONTROL_KEY": self.home.secret("bus/control"),
                "EVENTGRID_CONTROL_URL": self.url("eventgrid"),
                "EVENTGRID_CONTROL_KEY": self.home.secret("eventgrid/control"),
                "FUNCTIONS_KEY": self.home.secret("functions/master"),
            }
            | topics
        )

    def _partys(self, name: str, sign: Sign) -> dict[str, str]:
        own = own_container(name)
        return self._profile(name) | _prefixed(self._own(name, own, sign))

    def _profile(self, name: str) -> dict[str, str]:
        """Tell the `cleanroom` command all that a party's profile would."""
        known = {
            "NAME": name,
            "API": f"{self.url('functions', tls=False)}/api",
            "AUDIENCE": tokens.API,
            "VAULT": self.url(ports.vault(name)),
            "AUTHORITY": self.url("attestation"),
            "DATASETS": f"{self.storage}/{own_container(name)}",
            "ROOMS": f"{self.storage}/rooms",
            "RUNNERS": json.dumps([policy.requirement()]),
            "SYNTHETIC_ROOT": str(self.home.path / "hardware" / ROOT_FILE),
        }
        return {f"CLEANROOM_PARTY_{variable}": value for variable, value in known.items()}

    def _own(self, name: str, own: str, sign: Sign) -> dict[str, str]:
        shared = {
            f"{container.upper()}_URL": f"{self.storage}/{container}?{sign(container, may)}"
            for container, may in SHARED.items()
        }
        return {
            "VAULT_URL": self.url(ports.vault(name)),
            "DATASETS_CONTAINER": own,
            "DATASETS_URL": f"{self.storage}/{own}?{sign(own, OWN)}",
            f"EVENTGRID_{variable(INBOX)}_ENDPOINT": self.endpoint(INBOX),
        } | shared


def bus_connection(home: Home, port: int) -> str:
    """Write the connection string of a bus, as for Microsoft's emulator."""
    return (
        f"Endpoint=sb://{HOST}:{port};SharedAccessKeyName={BUS_RULE};"
        f"SharedAccessKey={home.secret(f'bus/{BUS_RULE}')};UseDevelopmentEmulator=true"
    )


def variable(name: str) -> str:
    """Spell a name as part of a variable's name."""
    return name.upper().replace("-", "_")


def shell(variables: Mapping[str, str]) -> str:
    """Write lines that a POSIX shell can evaluate, whatever the values hold."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())


def dotenv(variables: Mapping[str, str]) -> str:
    """Write the lines of a .env file."""
    return "\n".join(f"{name}={_quoted(value)}" for name, value in variables.items())


def as_json(variables: Mapping[str, str]) -> str:
    """Write one JSON object."""
    return json.dumps(variables, indent=2)


def _quoted(value: str) -> str:
    """Quote as both python-dotenv and Node's --env-file read it: nothing is expanded."""
    if "'" not in value:
        return f"'{value}'"
    if any(special in value for special in '"$\\`\n'):
        raise Malformed("dotenv", "values that its quotes can hold (use --format shell)")
    return f'"{value}"'


def _prefixed(variables: Mapping[str, str]) -> dict[str, str]:
    return {f"CLEANROOM_DEV_{name}": value for name, value in variables.items()}
