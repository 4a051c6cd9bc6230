"""What the control plane tells, as a subscriber of its topic hears it."""

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import requests

from tests.endpoints import Endpoint
from tests.grids import webhook

_PATIENCE = 40.0


@dataclass
class Told:
    """A subscription to everything."""

    endpoint: Endpoint
    url: str
    key: str
    events: list[dict[str, Any]] = field(default_factory=list)

    def call(self, method: str, path: str, body: Any = None) -> requests.Response:
        """Ask the control API of the stack's Event Grid."""
        headers = {"Authorization": f"Bearer {self.key}"}
        found = requests.request(
            method, f"{self.url}/devstack{path}", json=body, headers=headers, timeout=_PATIENCE
        )
        assert found.status_code < 300, found.text
        return found

    def of(self, room: str) -> list[dict[str, Any]]:
        """Name what was told of a room, in the order of its coming."""
        assert self.call("POST", "/idle?timeout=20&retries=wait").json()["idle"]
        for one in self.endpoint.all():
            body = json.loads(one.body)
            self.events += body if isinstance(body, list) else [body]
        return [event for event in self.events if event["source"] == f"/rooms/{room}"]

    def kinds(self, room: str) -> list[str]:
        """Name the types of events of a room, without what they all begin with."""
        return sorted(event["type"].removeprefix("cleanroom.") for event in self.of(room))

    def ids(self, room: str, kind: str) -> list[str]:
        """Name the ids of events of a type."""
        return [event["id"] for event in self.of(room) if event["type"] == f"cleanroom.{kind}"]

    def reasons(self, room: str, kind: str = "document.refused") -> list[str]:
        """Name why documents were refused."""
        found = [event for event in self.of(room) if event["type"] == f"cleanroom.{kind}"]
        return sorted(event["data"]["reason"] for event in found)


@contextmanager
def telling(env: Mapping[str, str]) -> Iterator[Told]:
    """Subscribe until the block ends."""
    url = env["CLEANROOM_DEV_EVENTGRID_CONTROL_URL"]
    name = f"/topics/cleanroom/subscriptions/test-{uuid.uuid4().hex[:8]}"
    with Endpoint() as endpoint:
        told = Told(endpoint, url, env["CLEANROOM_DEV_EVENTGRID_CONTROL_KEY"])
        told.call("PUT", name, webhook(endpoint.url))
        try:
            yield told
        finally:
            told.call("DELETE", name)
