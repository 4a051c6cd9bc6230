"""A bus of the dev stack for tests: started, its entities made through its control API."""

import http.client
import json
import ssl
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from devstack import clock, tokens
from devstack.home import HOST, Home
from tests.servers import Server, free_ports, running

ROOT = "RootManageSharedAccessKey"
SENDER = "sender"
LISTENER = "listener"
CONFIG = {
    "UserConfig": {
        "Namespaces": [
            {
                "Name": "sbemulatorns",
                "AuthorizationRules": [
                    {"Name": SENDER, "Properties": {"Rights": ["Send"]}},
                    {"Name": LISTENER, "Properties": {"Rights": ["Listen"]}},
                ],
            }
        ]
    }
}
"""No entities, and two keys with fewer rights than the root's."""


@dataclass(frozen=True)
class Control:
    """The bus's control API, as a program of a developer would use it."""

    home: Home
    port: int

    def queue(self, **properties: object) -> str:
        """Make a queue with a new name."""
        name = f"queue-{uuid.uuid4().hex}"
        self.put(f"queues/{name}", properties)
        return name

    def topic(self, **properties: object) -> str:
        """Make a topic with a new name."""
        name = f"topic-{uuid.uuid4().hex}"
        self.put(f"topics/{name}", properties)
        return name

    def subscription(self, topic: str, name: str, **properties: object) -> str:
        """Make a subscription; it has the default rule."""
        self.put(f"topics/{topic}/subscriptions/{name}", properties)
        return name

    def put(self, path: str, properties: Mapping[str, object]) -> None:
        """Make an entity, or change it."""
        self.ask("PUT", path, properties)

    def get(self, path: str) -> Any:
        """Return what the bus says of an entity."""
        return self.ask("GET", path, None)

    def delete(self, path: str) -> None:
        """Take an entity away, with its messages."""
        self.ask("DELETE", path, None)

    def ask(self, method: str, path: str, body: Mapping[str, object] | None) -> Any:
        """Ask, and expect that the bus does it."""
        status, answer = self.answer(method, path, body)
        assert status < http.client.MULTIPLE_CHOICES, (status, answer)
        return json.loads(answer) if answer else None

    def answer(
        self, method: str, path: str, body: Mapping[str, object] | None
    ) -> tuple[int, bytes]:
        """Ask, and return what the bus answers."""
        link = http.client.HTTPConnection(HOST, self.port, timeout=30)
        try:
            link.request(
                method,
                f"/devstack/{quote(path)}",
                None if body is None else json.dumps(body).encode(),
                {
                    "Authorization": f"Bearer {self.home.secret('bus/control')}",
                    "Content-Type": "application/json",
                },
            )
            answer = link.getresponse()
            return answer.status, answer.read()
        finally:
            link.close()


@dataclass(frozen=True)
class Bus:
    """A running bus."""

    home: Home
    port: int
    tls_port: int
    control: Control
    server: Server

    def connection_string(self, rule: str = ROOT, entity: str | None = None) -> str:
        """Return what a program gets to reach the bus without TLS."""
        parts = {
            "Endpoint": f"sb://{HOST}:{self.port}",
            "SharedAccessKeyName": rule,
            "SharedAccessKey": self.home.secret(f"bus/{rule}"),
            "UseDevelopmentEmulator": "true",
            **({"EntityPath": entity} if entity else {}),
        }
        return ";".join(f"{name}={value}" for name, value in parts.items())


def token(home: Home, audience: str = tokens.SERVICE_BUS, name: str = "runner") -> str:
    """Issue a token as the stack's identity server does."""
    tenant = home.object_id("tenant")
    issuer = tokens.Issuer(f"http://{HOST}:8440/{tenant}", tenant, home.token_key())
    return issuer.issue(tokens.Caller(name, home.object_id(name)), audience, clock.now())


@contextmanager
def running_bus(
    folder: Path,
    config: Mapping[str, object] | None = None,
    more: Sequence[str] = (),
) -> Iterator[Bus]:
    """Run a bus with its data in a folder until the block ends."""
    home = Home.at(folder / "home")
    (folder / "config.json").write_text(json.dumps(config or CONFIG))
    plain, tls, control = free_ports(3)
    options = ["--home", str(home.path), "--config", str(folder / "config.json")]
    options += ["--port", str(plain), "--tls-port", str(tls), "--control-port", str(control), *more]
    no_tls: ssl.SSLContext | None = None
    with running("devstack.bus", options, (control, no_tls), folder / "bus.log") as server:
        yield Bus(home, plain, tls, Control(home, control), server)
