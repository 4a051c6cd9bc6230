"""A Service Bus namespace for tests: a bus of the dev stack, or a namespace of Azure.

What tests ask for is in the emulator's words (devstack/bus/entities.py); for Azure it is put into
those of the genuine administration client.
"""

import asyncio
import re
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import pytest
from azure.core.credentials import AccessToken
from azure.identity import DefaultAzureCredential
from azure.identity.aio import DefaultAzureCredential as AsyncDefaultAzureCredential
from azure.servicebus import _servicebus_receiver, _servicebus_sender
from azure.servicebus._pyamqp import client
from azure.servicebus._pyamqp.aio import _client_async
from azure.servicebus.aio import _servicebus_receiver_async, _servicebus_sender_async
from azure.servicebus.management import (
    CorrelationRuleFilter,
    ServiceBusAdministrationClient,
    SqlRuleAction,
    SqlRuleFilter,
)

from devstack import tokens
from devstack.home import HOST, Home
from tests.buses import LISTENER, ROOT, SENDER, Bus, running_bus, token
from tests.ports.azure import settings

_FAR = 4_000_000_000  # a time, in seconds, at which no test looks at a token


class Namespace(Protocol):
    """What tests need of either."""

    @property
    def shortest(self) -> float:
        """The shortest lock there is, in seconds."""

    def queue(self, **properties: object) -> str:
        """Make a queue with a new name."""

    def topic(self, **properties: object) -> str:
        """Make a topic with a new name."""

    def subscription(self, topic: str, **properties: object) -> str:
        """Make a subscription that takes everything."""

    def rule(self, topic: str, subscription: str, properties: Mapping[str, Any]) -> None:
        """Give a subscription a rule, and take the one away that takes everything."""

    def connection_string(self, rule: str = ROOT, **parts: str) -> str:
        """Return a connection string for one of three keys, with some parts exchanged."""

    def by_identity(self) -> dict[str, Any]:
        """Return how to make a client without a key."""

    def by_identity_aio(self) -> dict[str, Any]:
        """Return how to make an aio client without a key."""


@dataclass(frozen=True)
class Local:
    """A bus of the dev stack."""

    bus: Bus
    shortest: float = 0.6

    def queue(self, **properties: object) -> str:
        """Make a queue with a new name."""
        return self.bus.control.queue(**properties)

    def topic(self, **properties: object) -> str:
        """Make a topic with a new name."""
        return self.bus.control.topic(**properties)

    def subscription(self, topic: str, **properties: object) -> str:
        """Make a subscription that takes everything."""
        return self.bus.control.subscription(topic, f"s-{uuid.uuid4().hex}", **properties)

    def rule(self, topic: str, subscription: str, properties: Mapping[str, Any]) -> None:
        """Give a subscription a rule, and take the one away that takes everything."""
        rules = f"topics/{topic}/subscriptions/{subscription}/rules"
        self.bus.control.put(f"{rules}/{uuid.uuid4().hex}", properties)
        self.bus.control.answer("DELETE", f"{rules}/$Default", None)  # if it is still there

    def connection_string(self, rule: str = ROOT, **parts: str) -> str:
        """Return a connection string for one of three keys, with some parts exchanged."""
        return _changed(self.bus.connection_string(rule), parts)

    def by_identity(self) -> dict[str, Any]:
        """Return how to make a client without a key."""
        return {
            "fully_qualified_namespace": f"{HOST}:{self.bus.port}",
            "credential": Credential(self.bus.home),
            "use_tls": False,
        }

    def by_identity_aio(self) -> dict[str, Any]:
        """Return how to make an aio client without a key."""
        return self.by_identity() | {"credential": AsyncCredential(self.bus.home)}


@dataclass(frozen=True)
class Credential:
    """The token of an identity of the dev stack."""

    home: Home
    audience: str = tokens.SERVICE_BUS

    def get_token(self, *_: str, **__: Any) -> AccessToken:
        """Issue a token."""
        return AccessToken(token(self.home, self.audience), _FAR)


class AsyncCredential(Credential):
    """The same for aio clients."""

    async def get_token(self, *_: str, **__: Any) -> AccessToken:  # type: ignore[override]  # aio's
        """Issue a token."""
        return super().get_token()

    async def close(self) -> None:
        """Do nothing: nothing is open."""


@dataclass
class Remote:  # pragma: no cover  # runs where there is an Azure
    """A namespace of Azure; what was made is taken away at the end."""

    given: Mapping[str, str]
    shortest: float = 5.0
    queues: list[str] = field(default_factory=list)
    topics: list[str] = field(default_factory=list)

    @property
    def admin(self) -> ServiceBusAdministrationClient:
        """Return a client for entities."""
        return ServiceBusAdministrationClient.from_connection_string(self.given["SERVICEBUS_ROOT"])

    def queue(self, **properties: object) -> str:
        """Make a queue with a new name."""
        self.queues.append(f"queue-{uuid.uuid4().hex}")
        self.admin.create_queue(self.queues[-1], **_options(properties))
        return self.queues[-1]

    def topic(self, **properties: object) -> str:
        """Make a topic with a new name."""
        self.topics.append(f"topic-{uuid.uuid4().hex}")
        self.admin.create_topic(self.topics[-1], **_options(properties))
        return self.topics[-1]

    def subscription(self, topic: str, **properties: object) -> str:
        """Make a subscription that takes everything."""
        name = f"s-{uuid.uuid4().hex}"
        self.admin.create_subscription(topic, name, **_options(properties))
        return name

    def rule(self, topic: str, subscription: str, properties: Mapping[str, Any]) -> None:
        """Give a subscription a rule, and take the one away that takes everything."""
        action = properties.get("Action")
        self.admin.create_rule(
            topic,
            subscription,
            uuid.uuid4().hex,
            filter=_filter(properties),
            action=SqlRuleAction(action["SqlExpression"]) if action else None,
        )
        if any(one.name == "$Default" for one in self.admin.list_rules(topic, subscription)):
            self.admin.delete_rule(topic, subscription, "$Default")

    def connection_string(self, rule: str = ROOT, **parts: str) -> str:
        """Return a connection string for one of three keys, with some parts exchanged."""
        name = {ROOT: "ROOT", SENDER: "SENDER", LISTENER: "LISTENER"}[rule]
        return _changed(self.given[f"SERVICEBUS_{name}"], parts)

    def by_identity(self) -> dict[str, Any]:
        """Return how to make a client without a key."""
        return {
            "fully_qualified_namespace": self.given["SERVICEBUS_NAMESPACE"],
            "credential": DefaultAzureCredential(),
        }

    def by_identity_aio(self) -> dict[str, Any]:
        """Return how to make an aio client without a key."""
        return self.by_identity() | {"credential": AsyncDefaultAzureCredential()}

    def clear(self) -> None:
        """Take everything away that was made."""
        for name in self.queues:
            self.admin.delete_queue(name)
        for name in self.topics:
            self.admin.delete_topic(name)


@contextmanager
def namespace_at(place: str, folder: Path) -> Iterator[Namespace]:
    """Have a namespace at one of the places of tests/ports/azure.py."""
    if place == "azure":  # pragma: no cover
        remote = Remote(settings("SERVICEBUS"))
        try:
            yield remote
        finally:
            remote.clear()
    else:
        with running_bus(folder) as bus:
            yield Local(bus)


class _Hurried:
    """A module with a `sleep`, which here takes a twentieth of the time."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)

    def sleep(self, seconds: float) -> Any:
        """Sleep, or return what sleeps."""
        return self._module.sleep(seconds / 20)


def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the SDK look more often: it polls every 50 ms while it opens, every second to close."""
    for module in (_servicebus_sender, _servicebus_receiver, client):
        monkeypatch.setattr(module, "time", _Hurried(time))
    for module in (_servicebus_sender_async, _servicebus_receiver_async, _client_async):
        monkeypatch.setattr(module, "asyncio", _Hurried(asyncio))


def _changed(connection_string: str, parts: Mapping[str, str]) -> str:
    pairs = dict(part.split("=", 1) for part in connection_string.strip(";").split(";"))
    return ";".join(f"{name}={value}" for name, value in {**pairs, **parts}.items())


def _options(properties: Mapping[str, object]) -> dict[str, Any]:  # pragma: no cover  # as above
    """Put the emulator's names into those of the administration client."""
    return {
        re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower(): value
        for name, value in properties.items()
    }


def _filter(  # pragma: no cover  # as above
    properties: Mapping[str, Any],
) -> SqlRuleFilter | CorrelationRuleFilter:
    if properties["FilterType"] == "Sql":
        return SqlRuleFilter(properties["SqlFilter"]["SqlExpression"])
    return CorrelationRuleFilter(**_options(properties["CorrelationFilter"]))
