"""The control plane's API for tests: in a host of its own, asked with tokens or a key."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from devstack import tokens
from devstack.home import HOST, Home
from devstack.tokens import Caller, Issuer
from tests.ports.devstack.functions_apps import Hosted, hosted
from tests.stacks import RunningStack, being

ROOT = Path(__file__).parents[1]
PATIENCE = 30
_LEFT_OUT = ("outcome", "dead_letter", "blob_created", "party_event", "tick", "sweep")


@dataclass(frozen=True)
class Client:
    """Somebody who asks."""

    url: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        json: Any = None,
        headers: Mapping[str, str] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> requests.Response:
        return requests.request(
            method,
            f"{self.url}/{path}",
            params=query,
            data=body,
            json=json,
            headers={**self.headers, **(headers or {})},
            timeout=PATIENCE,
        )

    def get(self, path: str, **query: str) -> requests.Response:
        return self.ask("GET", path, query=query)

    def post(self, path: str, body: bytes | None = None, json: Any = None) -> requests.Response:
        return self.ask("POST", path, body, json)


@dataclass(frozen=True)
class Api:
    """A host of the app, and the directory whose tokens it takes."""

    host: Hosted
    issuer: Issuer

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.host.port}/api"

    def bearing(self, token: str) -> Client:
        """Ask with a token."""
        return Client(self.url, {"Authorization": f"Bearer {token}"})

    def being(self, *roles: str) -> Client:
        """Ask as somebody whom the directory gives these roles."""
        return self.bearing(self.token(roles))

    def token(self, roles: Sequence[str], audience: str = tokens.API) -> str:
        caller = Caller("somebody", self.host.home.object_id("somebody"))
        return self.issuer.issue(caller, audience, datetime.now(UTC), roles)

    def keyed(self) -> Client:
        """Ask with the functions' key."""
        return Client(self.url, {"x-functions-key": self.host.home.secret("functions/default")})

    def genuine(self, env: Mapping[str, str]) -> Client:
        """Ask as an identity of the stack, with a token that it gets where all get theirs."""
        found: dict[str, Any] = requests.get(
            env["IDENTITY_ENDPOINT"],
            params={"api-version": "2019-08-01", "resource": tokens.API},
            headers={"X-IDENTITY-HEADER": env["IDENTITY_HEADER"]},
            timeout=PATIENCE,
        ).json()
        return self.bearing(found["access_token"])


@contextmanager
def running_api(services: RunningStack, folder: Path, *, has_directory: bool) -> Iterator[Api]:
    """Host the app beside a stack; only what is asked by HTTP, and nothing that time sets going."""
    env, home = services.env("functions"), Home.at(services.home)
    tenant = home.object_id("tenant")
    identity = urlsplit(env["IDENTITY_ENDPOINT"])
    issuer = Issuer(f"http://{identity.netloc}/{tenant}", tenant, home.token_key())
    settings = {f"AzureWebJobs.{name}.Disabled": "true" for name in _LEFT_OUT} | {
        "AzureWebJobsStorage": env["CLEANROOM_DEV_STORAGE_CONNECTION_STRING"],
        "CLEANROOM_STORAGE__blobServiceUri": env["CLEANROOM_DEV_STORAGE_URL"],
        "CLEANROOM_BUS": env["CLEANROOM_DEV_SERVICEBUS_CONNECTION_STRING"],
        "CLEANROOM_EVENTS_ENDPOINT": env["CLEANROOM_DEV_EVENTGRID_CLEANROOM_ENDPOINT"],
    }
    if has_directory:
        settings |= {"CLEANROOM_API_ISSUER": issuer.url, "CLEANROOM_API_AUDIENCE": tokens.API}
    with being(env), hosted(ROOT, folder, settings, home=services.home) as host:
        yield Api(host, issuer)
