"""The storage front with a real Azurite behind it, and somebody in Event Grid's place."""

import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from azure.core.credentials import AccessToken
from azure.core.exceptions import AzureError
from azure.storage.blob import (
    BlobServiceClient,
    ContainerClient,
    ContainerSasPermissions,
    LinearRetry,
    generate_container_sas,
)

from devstack import clock, tokens
from devstack.home import HOST, Home
from devstack.storage import ACCOUNT, azurite
from tests.endpoints import Endpoint
from tests.servers import Server, free_ports, running, trusting

_PATIENCE = 20.0
_POLL = 0.01
AUTHORITY = "http://127.0.0.1:8440/00000000-0000-0000-0000-000000000001"


def quick_retries(most: int = 100) -> LinearRetry:
    """Come again as the SDK does, but sooner; for as long as a server may take to start."""
    quick: Any = 0.2  # seconds: the SDK takes fractions too
    policy = LinearRetry(backoff=quick, retry_total=most, random_jitter_range=0)
    policy.connect_retries = policy.read_retries = policy.status_retries = most
    return policy


def code_of(error: AzureError) -> object:
    """Read the service's code out of an error, where the SDK puts it."""
    return vars(error)["error_code"]


@dataclass
class Azurite:
    """A running Azurite."""

    start: azurite.Start
    port: int
    log: Path
    process: subprocess.Popen[bytes] = field(init=False)

    def run(self) -> None:
        """Start it, and wait until it answers."""
        with self.log.open("ab") as out:
            self.process = subprocess.Popen(
                self.start.command, env=dict(self.start.environment), stdout=out, stderr=out
            )
        until = time.monotonic() + _PATIENCE
        while not _listens(self.port):
            assert time.monotonic() < until, self.log.read_text()
            time.sleep(_POLL)

    def kill(self, which: signal.Signals = signal.SIGKILL) -> None:
        """End it."""
        self.process.send_signal(which)
        self.process.wait(_PATIENCE)


class Gate:
    """A way to Azurite that can be closed: for answers, or for requests too."""

    def __init__(self, port: int, to: int) -> None:
        self._to = to
        self._server = socket.create_server((HOST, port))
        self._open = threading.Event()
        self._open.set()
        self._for_requests = threading.Event()
        self._for_requests.set()
        self.held = threading.Event()
        self._dropping = False
        self._stopped = False
        threading.Thread(target=self._accept, daemon=True).start()

    def hold_answers(self) -> None:
        """Let requests through, and keep what is answered."""
        self._begin()
        self._open.clear()

    def hold_requests(self) -> None:
        """Let nothing through."""
        self._begin()
        self._for_requests.clear()

    def drop(self) -> None:
        """Let nothing of what is held through, and everything that comes later."""
        self._dropping = True
        self.release()

    def release(self) -> None:
        """Let everything through."""
        self._open.set()
        self._for_requests.set()

    def close(self) -> None:
        """Stop accepting."""
        self._stopped = True
        self.release()
        self._server.close()

    def _begin(self) -> None:
        self.held.clear()
        self._dropping = False

    def _accept(self) -> None:
        while not self._stopped:
            try:
                near, _ = self._server.accept()
            except OSError:
                return
            try:
                far = socket.create_connection((HOST, self._to))
            except OSError:
                near.close()
                continue
            for pair in ((near, far, self._for_requests), (far, near, self._open)):
                threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, sink: socket.socket, way: threading.Event) -> None:
        try:
            while data := source.recv(1 << 16):
                if not way.is_set():
                    self.held.set()
                    way.wait(_PATIENCE)
                    if self._dropping:
                        break
                sink.sendall(data)
        except OSError:
            pass
        for end in (source, sink):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)  # closing alone does not wake the other thread
            end.close()


@dataclass
class Storage:
    """A front, Azurite, and who takes the events."""

    home: Home
    port: int
    azurite: Azurite
    grid: Endpoint
    front: Server
    gate: Gate | None = None
    _events: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """Where the account is."""
        return f"https://{HOST}:{self.port}/{ACCOUNT}"

    @property
    def trust(self) -> str:
        """Whom clients trust."""
        return str(self.home.authority_file)

    def client(self, **options: Any) -> BlobServiceClient:
        """Connect with the account's key."""
        all_options: dict[str, Any] = {
            "connection_verify": self.trust,
            "retry_policy": quick_retries(),
            **options,
        }
        return BlobServiceClient.from_connection_string(
            azurite.connection_string(self.home, self.port), **all_options
        )

    def container(self, name: str, **options: Any) -> ContainerClient:
        """Make a container, with the account's key."""
        return self.client(**options).create_container(name)

    def sas(self, container: str, *, valid: bool = True, permission: str = "racwdl") -> str:
        """Sign what a party gets: access to its own container."""
        now = datetime.now(UTC)
        return generate_container_sas(
            ACCOUNT,
            container,
            azurite.account_key(self.home),
            permission=ContainerSasPermissions.from_string(permission),
            expiry=now + timedelta(hours=1 if valid else -1),
            protocol="https",
        )

    def events(self, count: int) -> list[dict[str, Any]]:
        """Wait until Event Grid has so many events, and take them in their order.

        An id is taken once, as Event Grid does: a batch may come twice when an answer is lost.
        """
        until = time.monotonic() + _PATIENCE
        while len(self._events) < count and time.monotonic() < until:
            self._take()
            time.sleep(_POLL)
        self._take()
        taken, self._events = list(self._events.values()), {}
        assert len(taken) == count, [(e["type"], e["subject"]) for e in taken]
        return taken

    def etags(self, wanted: set[str]) -> list[str]:
        """Wait until Event Grid knows these etags, and take all that it knows by then."""
        until = time.monotonic() + _PATIENCE
        found: list[str] = []
        while not wanted <= set(found) and time.monotonic() < until:
            self._take()
            found = [event["data"]["eTag"] for event in self._events.values()]
            time.sleep(_POLL)
        self._events = {}
        return found

    def _take(self) -> None:
        for received in self.grid.all():
            for event in json.loads(received.body):
                self._events.setdefault(event["id"], event)


class Identity:
    """A credential of a named identity, as azure-identity would give it."""

    def __init__(self, home: Home, name: str, audience: str = tokens.STORAGE) -> None:
        self._issuer = tokens.Issuer(AUTHORITY, home.object_id("tenant"), home.token_key())
        self._caller = tokens.Caller(name, home.object_id(name))
        self._audience = audience
        self.asked: list[tuple[tuple[str, ...], str | None]] = []

    def get_token(self, *scopes: str, **options: Any) -> AccessToken:
        """Issue a token."""
        self.asked.append((scopes, options.get("tenant_id")))
        token = self._issuer.issue(self._caller, self._audience, clock.now())
        return AccessToken(token, int(clock.now().timestamp()) + 3600)


@contextmanager
def storage(
    folder: Path,
    options: Sequence[str] = (),
    *,
    gated: bool = False,
    grid_url: str | None = None,
) -> Iterator[Storage]:
    """Run a front and Azurite on data of their own."""
    home = Home.at(folder / "home")
    azurite_port, gate_port, port = free_ports(3)
    emulator = Azurite(azurite.start(home, azurite_port), azurite_port, folder / "azurite.log")
    with ExitStack() as stack:
        emulator.run()
        stack.callback(lambda: emulator.kill(signal.SIGTERM))
        grid = stack.enter_context(Endpoint(tls=home.tls()))
        gate = Gate(gate_port, azurite_port) if gated else None
        if gate:
            stack.callback(gate.close)
        ports = ["--port", str(port), "--azurite-port", str(gate_port if gated else azurite_port)]
        own = [
            "--home",
            str(home.path),
            "--eventgrid",
            grid_url or grid.url.removesuffix("/events"),
            *ports,
        ]
        front = stack.enter_context(
            running(
                "devstack.storage",
                [*own, "--authority", AUTHORITY, *options],
                (port, trusting(home)),
                folder / "front.log",
            )
        )
        yield Storage(home, port, emulator, grid, front, gate)


def _listens(port: int) -> bool:
    with socket.socket() as link:
        return link.connect_ex((HOST, port)) == 0
