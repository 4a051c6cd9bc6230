"""Topics and subscriptions from a file, applied at every start; what is there already stays.

```json
{"topics": [{"name": "outcomes", "properties": {"inputSchema": "CloudEventSchemaV1_0"},
  "eventSubscriptions": [{"name": "to-queue", "properties": {...}}]}]}
```

- The system topic is named too, to subscribe to it.
- A webhook that does not answer yet is asked again until it does, or for as long as a manual proof
  may take: the stack's servers start in any order.
"""

import asyncio
import logging
from dataclasses import dataclass
from pathlib import Path

from cleanroom.errors import Unavailable
from cleanroom.fields import list_of
from devstack.eventgrid import json_values
from devstack.eventgrid.control import input_schema
from devstack.eventgrid.events import Schema
from devstack.eventgrid.given import Given, anything
from devstack.eventgrid.grid import Grid
from devstack.eventgrid.handshake import MANUAL_FOR, State
from devstack.eventgrid.subscriptions import SUBSCRIPTION_NAME, TOPIC_NAME

_MOST = 1000
_AGAIN = 5.0  # seconds, as the service waits between two handshakes
_TRIES = int(MANUAL_FOR.total_seconds() / _AGAIN)

log = logging.getLogger("devstack.eventgrid")


@dataclass(frozen=True, slots=True)
class ConfiguredSubscription:
    """A subscription by name; its properties are read when it is made."""

    name: str
    properties: object

    @classmethod
    def parse(cls, raw: object, where: str) -> "ConfiguredSubscription":
        """Read one subscription."""
        f = Given(raw, where)
        found = cls(f.take("name", SUBSCRIPTION_NAME), f.take("properties", anything))
        f.end()
        return found


@dataclass(frozen=True, slots=True)
class ConfiguredTopic:
    """A topic and its subscriptions."""

    name: str
    schema: Schema
    subscriptions: tuple[ConfiguredSubscription, ...]

    @classmethod
    def parse(cls, raw: object, where: str) -> "ConfiguredTopic":
        """Read one topic."""
        f = Given(raw, where)
        found = cls(
            f.take("name", TOPIC_NAME),
            input_schema(f.get("properties", anything, {})),
            f.get("eventSubscriptions", list_of(ConfiguredSubscription.parse, 0, _MOST), ()),
        )
        f.end()
        return found


def parse(data: bytes, where: str) -> tuple[ConfiguredTopic, ...]:
    """Read a configuration file."""
    f = Given(json_values.parse(data, where), where)
    topics = f.take("topics", list_of(ConfiguredTopic.parse, 0, _MOST))
    f.end()
    return topics


def read(path: Path) -> tuple[ConfiguredTopic, ...]:
    """Read the configuration file at a path."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise Unavailable(f"{path}: cannot be read: {error.strerror}") from error
    return parse(data, str(path))


def prepare(topics: tuple[ConfiguredTopic, ...], grid: Grid) -> None:
    """Make the topics, and refuse subscriptions that could never be."""
    for topic in topics:
        grid.put_topic(topic.name, topic.schema)
        for one in topic.subscriptions:
            grid.parsed(topic.name, one.name, one.properties)


async def apply(topics: tuple[ConfiguredTopic, ...], grid: Grid, speed: float) -> None:
    """Make the subscriptions; returns when each has proven itself, or nobody waits for it more."""
    wanted = ((topic.name, one) for topic in topics for one in topic.subscriptions)
    await asyncio.gather(*(_subscribe(grid, topic, one, speed) for topic, one in wanted))


async def _subscribe(grid: Grid, topic: str, wanted: ConfiguredSubscription, speed: float) -> None:
    for _ in range(_TRIES):
        record = await grid.subscribe(topic, wanted.name, wanted.properties)
        if grid.state(record) is not State.FAILED:
            return
        await asyncio.sleep(_AGAIN / speed)
    log.error("%s/%s: not subscribed: its endpoint proves nothing", topic, wanted.name)
