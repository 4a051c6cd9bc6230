"""The stack's Event Grid as a process, and what a test asks of it."""

import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from devstack.home import HOST, Home
from tests.servers import Server, free_ports, running, trusting

_PATIENCE = 40


@dataclass
class RunningGrid:
    """A running Event Grid, and its control API."""

    home: Home
    port: int
    server: Server
    made: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"https://{HOST}:{self.port}"

    def topic_url(self, topic: str) -> str:
        return f"{self.url}/topics/{topic}/api/events"

    def key(self, topic: str) -> str:
        return self.home.secret(f"eventgrid/{topic}")

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Ask the control API."""
        return requests.request(
            method,
            f"{self.url}/devstack{path}",
            json=body,
            headers={"Authorization": f"Bearer {self.home.secret('eventgrid/control')}"},
            verify=str(self.home.authority_file),
            timeout=_PATIENCE,
        )

    def topic(self, name: str, schema: str = "CloudEventSchemaV1_0") -> str:
        """Make a topic, and say where to publish."""
        answer = self.call("PUT", f"/topics/{name}", {"properties": {"inputSchema": schema}})
        assert answer.status_code in (200, 201), answer.text
        return self.topic_url(name)

    def subscribe(self, topic: str, name: str, properties: object) -> Any:
        """Subscribe, and give the properties back."""
        path = f"/topics/{topic}/subscriptions/{name}"
        answer = self.call("PUT", path, properties)
        assert answer.status_code == 201, answer.text
        self.made.append(path)
        return answer.json()["properties"]

    def forget(self) -> None:
        """Delete what was subscribed, so that nobody owes it anything."""
        while self.made:
            self.call("DELETE", self.made.pop())

    def idle(self, timeout: float = 20, retries: str = "wait") -> bool:
        """Wait until all is delivered."""
        answer = self.call("POST", f"/idle?timeout={timeout}&retries={retries}")
        return bool(answer.json()["idle"])


@contextmanager
def running_grid(
    home: Home, options: Sequence[str] = (), port: int | None = None
) -> Iterator[RunningGrid]:
    """Run an Event Grid until the block ends."""
    port = port or free_ports(1)[0]
    arguments = ["--home", str(home.path), "--port", str(port), *options]
    health: tuple[int, ssl.SSLContext] = (port, trusting(home))
    log = home.path / f"eventgrid-{port}.log"
    with running("devstack.eventgrid", arguments, health, log) as server:
        yield RunningGrid(home, port, server)


def webhook(url: str, **properties: object) -> dict[str, object]:
    """Ask for CloudEvents at an endpoint."""
    destination = {"endpointType": "WebHook", "properties": {"endpointUrl": url}}
    return {
        "destination": destination,
        "eventDeliverySchema": "CloudEventSchemaV1_0",
        **properties,
    }
