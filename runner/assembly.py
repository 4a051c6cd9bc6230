"""Everything a runner needs, made of its settings, and closed in the end."""

import secrets
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests.utils
from azure.core.credentials import TokenCredential
from azure.identity import DefaultAzureCredential
from azure.servicebus import ServiceBusClient
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from cleanroom.directories import STORAGE
from cleanroom.errors import Malformed, Unavailable
from cleanroom.tpm import Tpm
from runner import clock
from runner.attest import certificates
from runner.attest.authority import AttestationService
from runner.attest.certificates import SecurityContext
from runner.attest.snp_guest import ConfigFs, GuestDevice, ReportDevice, SimulatedDevice
from runner.attest.tpm_device import TpmDevice
from runner.attest.wrapping import WrappingKeys, wrapping_key
from runner.bus import Bus
from runner.compute import Compute
from runner.directories import Identity
from runner.job import Parts
from runner.keys.release import Release
from runner.keys.vaults import Vaults
from runner.machine import Believed, ConfidentialVm, Container, Machine
from runner.room.datasets import Datasets
from runner.room.documents import Contracts
from runner.room.places import Hosts
from runner.room.storage import Account, Accounts
from runner.settings import Settings
from runner.spare import Spare

_SIMULATED_DEVICE = "device"  # in the folder of a simulated guest
_GUEST_DEVICE = Path("/dev/sev-guest")
_LARGEST_TRUST = 1 << 22
_RETRIES = 3
_PAUSE = 0.5  # seconds before the bus is tried again
_LONGEST_PAUSE = 5.0


class Authorities:
    """Attestation services that contracts name, each at a host that may be called."""

    def __init__(self, hosts: Hosts) -> None:
        self._hosts = hosts
        self._known: dict[str, AttestationService] = {}
        self._lock = threading.Lock()

    def at(self, url: str) -> AttestationService:
        """Give the client of a service."""
        self._hosts.check(url)
        with self._lock:
            if url not in self._known:
                self._known[url] = AttestationService(url)
            return self._known[url]

    def close(self) -> None:
        """Close all connections."""
        for service in self._known.values():
            service.close()


@dataclass(frozen=True, slots=True)
class Services:
    """The clients of everything outside."""

    storage: Account
    accounts: Accounts
    authorities: Authorities
    vaults: Vaults
    bus: Bus
    machine: Machine
    believed: Believed
    anchors: tuple[bytes, ...]


@contextmanager
def services(settings: Settings) -> Iterator[Services]:
    """Make all clients; none has called anybody yet but the machine's own devices."""
    with ExitStack() as stack:
        credential = stack.enter_context(DefaultAzureCredential())
        for_vaults = Identity(credential, settings.directories)  # their clients check the audience
        for_storage = Identity(credential, settings.directories, STORAGE)
        for identity in (for_vaults, for_storage):
            stack.callback(identity.close)
        made = Services(
            storage=Account(settings.storage_url, for_storage),
            accounts=Accounts(for_storage, settings.storage_hosts),
            authorities=Authorities(settings.attestation_hosts),
            vaults=Vaults(for_vaults, settings.vault_hosts),
            bus=Bus(
                lambda: bus_client(settings, credential), settings.queue, settings.topic, clock.now
            ),
            machine=machine(settings, stack),
            believed=Believed.adding(settings.synthetic_roots)
            if settings.synthetic_roots
            else Believed.genuine(),
            anchors=anchors(settings.trust),
        )
        for each in (made.storage, made.accounts, made.authorities, made.vaults, made.bus):
            stack.callback(each.close)
        yield made


def parts(made: Services, compute: Compute) -> Parts:
    """Put together what jobs are run with."""
    return Parts(
        storage=made.storage,
        contracts=Contracts(),
        datasets=Datasets(made.accounts),
        authority=made.authorities.at,
        machine=made.machine,
        believed=made.believed,
        release=Release(made.vaults, made.anchors, lambda: secrets.token_hex(16)),
        compute=compute,
        clock=clock.now,
    )


def machine(settings: Settings, stack: ExitStack) -> Machine:
    """Find the hardware that the platform has."""
    if settings.platform == "azure-cvm":
        return ConfidentialVm(Tpm(stack.enter_context(TpmDevice())), certificates.from_host())
    if settings.context is None:
        raise Malformed("settings", "a security context for a container")
    context = SecurityContext.read(settings.context)
    device: ReportDevice = GuestDevice() if _GUEST_DEVICE.exists() else ConfigFs()
    if settings.platform == "simulated":
        device = SimulatedDevice(settings.context / _SIMULATED_DEVICE)
    return Container(device, context, WrappingKeys(Spare(wrapping_key).take))


def anchors(trust: Path | None) -> tuple[bytes, ...]:
    """Read the roots that vaults' certificates may lead to, as DER."""
    path = trust or Path(requests.utils.DEFAULT_CA_BUNDLE_PATH)
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST_TRUST + 1)
    except OSError as error:
        raise Unavailable(f"{path}: not readable") from error
    try:
        found = x509.load_pem_x509_certificates(data[:_LARGEST_TRUST])
    except ValueError as error:
        raise Malformed(str(path), "certificates in PEM") from error
    return tuple(each.public_bytes(Encoding.DER) for each in found)


def bus_client(settings: Settings, credential: TokenCredential) -> ServiceBusClient:
    """Make a client of the bus: by identity, or by a connection string."""
    options: dict[str, Any] = {
        "retry_total": _RETRIES,
        "retry_backoff_factor": _PAUSE,
        "retry_backoff_max": _LONGEST_PAUSE,
    }
    if settings.servicebus_connection is not None:
        return ServiceBusClient.from_connection_string(settings.servicebus_connection, **options)
    return ServiceBusClient(settings.servicebus or "", credential, **options)
