"""The functions of an app as this host runs them: triggers, inputs, outputs, all resolved."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from urllib.parse import quote

from cleanroom.errors import Malformed
from devstack.functions_host.data import RetryRule
from devstack.functions_host.routes import Route
from devstack.functions_host.schedule import Schedule

_NAME = re.compile(r"\{([\w.-]+)\}", re.ASCII)


class Level(Enum):
    """Which keys open an HTTP function."""

    ANONYMOUS = "anonymous"
    FUNCTION = "function"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Connection:
    """How to reach a service: by a connection string, or at an address as an identity.

    It holds a secret, so it does not show it.
    """

    setting: str
    string: str | None
    address: str | None
    client_id: str | None = None

    def __repr__(self) -> str:
        return f"Connection({self.setting!r})"


@dataclass(frozen=True, slots=True)
class Entity:
    """A queue, a topic, or with a subscription's name that subscription of a topic."""

    name: str
    subscription: str | None = None

    def __str__(self) -> str:
        return f"{self.name}/{self.subscription}" if self.subscription else self.name


@dataclass(frozen=True, slots=True)
class Template:
    """A path with `{names}` of the trigger's data in it."""

    text: str

    def filled(self, data: Mapping[str, str]) -> tuple[str, str]:
        """Return container and blob."""
        missing = [name for name in _NAME.findall(self.text) if name not in data]
        if missing:
            raise Malformed(self.text, f"the trigger to know {missing[0]!r}")
        whole = _NAME.sub(lambda found: data[found[1]], self.text)
        container, _, blob = whole.partition("/")
        return container, blob


@dataclass(frozen=True, slots=True)
class HttpTrigger:
    """Runs on a request."""

    name: str
    route: Route
    methods: frozenset[str]
    level: Level

    def url(self, origin: str) -> str:
        """Say where it is asked."""
        return f"{origin}/{quote(self.route.template, safe='/{}*:?=()')}"


@dataclass(frozen=True, slots=True)
class TimerTrigger:
    """Runs by the clock."""

    name: str
    schedule: Schedule
    on_startup: bool
    monitored: bool


@dataclass(frozen=True, slots=True)
class EventGridTrigger:
    """Runs on an event that Event Grid delivers."""

    name: str


@dataclass(frozen=True, slots=True)
class ServiceBusTrigger:
    """Runs on a message, or on many."""

    name: str
    entity: Entity
    connection: Connection
    many: bool
    binary: bool


type Trigger = HttpTrigger | TimerTrigger | EventGridTrigger | ServiceBusTrigger


@dataclass(frozen=True, slots=True)
class BlobInput:
    """A blob, read before the function runs."""

    name: str
    path: Template
    connection: Connection
    as_text: bool


@dataclass(frozen=True, slots=True)
class HttpOutput:
    """The answer to the request."""

    name: str


@dataclass(frozen=True, slots=True)
class ServiceBusOutput:
    """A message."""

    name: str
    entity: Entity
    connection: Connection


@dataclass(frozen=True, slots=True)
class EventGridOutput:
    """Events for a topic; with a key, or as an identity if that is nothing."""

    name: str
    endpoint: str
    key: str | None
    client_id: str | None

    def __repr__(self) -> str:
        return f"EventGridOutput({self.name!r}, {self.endpoint!r})"


@dataclass(frozen=True, slots=True)
class BlobOutput:
    """A blob, written after the function ran."""

    name: str
    path: Template
    connection: Connection


type Output = HttpOutput | ServiceBusOutput | EventGridOutput | BlobOutput


@dataclass(frozen=True, slots=True)
class Function:
    """One function."""

    name: str
    id: str
    trigger: Trigger
    inputs: tuple[BlobInput, ...]
    outputs: tuple[Output, ...]
    retry: RetryRule | None
    disabled: bool
    bindings: tuple[Mapping[str, object], ...]
    """As the app declares them, for who asks."""

    @property
    def kind(self) -> str:
        """What runs it, in Microsoft's word."""
        return {
            HttpTrigger: "httpTrigger",
            TimerTrigger: "timerTrigger",
            EventGridTrigger: "eventGridTrigger",
            ServiceBusTrigger: "serviceBusTrigger",
        }[type(self.trigger)]
