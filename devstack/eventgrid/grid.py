"""The whole of the service: topics, who subscribes to them, and the lanes that events take.

- The system topic is always there; it takes CloudEvents, each id once, and delivers both schemas.
- A custom topic takes one schema for its life; events of CloudEvents stay CloudEvents, as their
  extension attributes have no place elsewhere.
- Only a subscription that has proven its endpoint gets events, and only what comes after.
"""

import asyncio
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from cleanroom.errors import Malformed
from devstack.eventgrid import subscriptions
from devstack.eventgrid.destinations import WebHook
from devstack.eventgrid.events import Event, Schema
from devstack.eventgrid.handshake import MANUAL_FOR, State
from devstack.eventgrid.lane import Lane
from devstack.eventgrid.means import Means
from devstack.eventgrid.names import SYSTEM_TOPIC, Names
from devstack.eventgrid.store import Record
from devstack.eventgrid.subscriptions import Subscription
from devstack.eventgrid.webhooks import WebHooks


class Grid:
    """Topics and subscriptions as they are now."""

    def __init__(self, means: Means, webhooks: WebHooks, names: Names) -> None:
        self.names = names
        self._means = means
        self._store = means.store
        self._webhooks = webhooks
        self._store.put_topic(SYSTEM_TOPIC, Schema.CLOUD_EVENTS)
        self._topics = self._store.topics()
        self._records: dict[tuple[str, str], Record] = {}
        self._lanes: dict[int, Lane] = {}
        self._asked: set[str] = set()
        self._proven: set[str] = set()
        self._stopping = False
        for record in self._store.subscriptions():
            self._adopt(record, self.parsed(record.topic, record.name, record.properties))
        for number, seq, due in self._store.waiting():
            self._lanes[number].add(seq, due)

    async def stop(self, _: object = None) -> None:
        """Let nobody wait for idleness any more: the server is about to end."""
        self._stopping = True
        self._means.settled.set()

    async def close(self) -> None:
        """Stop delivering; all that is not settled stays in the store."""
        await asyncio.gather(*(lane.close() for lane in self._lanes.values()))

    def schema(self, topic: str) -> Schema | None:
        """Say which schema a topic takes, if there is such a topic."""
        return self._topics.get(topic)

    def put_topic(self, topic: str, schema: Schema) -> bool:
        """Make a topic, and say whether it is new."""
        known = self._topics.get(topic)
        if known is not None and known is not schema:
            raise Malformed("inputSchema", f"{known.value}, as it cannot be changed", schema.value)
        self._store.put_topic(topic, schema)
        self._topics[topic] = schema
        return known is None

    async def delete_topic(self, topic: str) -> bool:
        """Forget a topic with all that hangs on it, and say whether there was one."""
        if topic == SYSTEM_TOPIC:
            raise Malformed("topic", "a custom topic", "the system topic")
        for _, name in [key for key in self._records if key[0] == topic]:
            await self.delete_subscription(topic, name)
        self._store.delete_topic(topic)
        return self._topics.pop(topic, None) is not None

    def subscription(self, topic: str, name: str) -> Record | None:
        """Find a subscription as it is kept."""
        return self._records.get((topic, name))

    def state(self, record: Record) -> State:
        """Say how far a subscription is: nobody waits for ever for its proof."""
        late = self._means.now() > record.until
        state = State(record.state)
        return State.FAILED if state is State.AWAITING and late else state

    def parsed(self, topic: str, name: str, properties: object) -> Subscription:
        """Read what a subscription asks for."""
        schema = self._topics[topic]
        if topic == SYSTEM_TOPIC:
            return subscriptions.parse(properties, topic, name, Schema.EVENT_GRID, tuple(Schema))
        allowed = (schema,) if schema is Schema.CLOUD_EVENTS else tuple(Schema)
        return subscriptions.parse(properties, topic, name, schema, allowed)

    async def subscribe(self, topic: str, name: str, properties: object) -> Record:
        """Make a subscription or replace it.

        One that has not changed has proven itself; one that cannot prove itself does not take the
        place of one that could.
        """
        subscription = self.parsed(topic, name, properties)
        known = self._records.get((topic, name))
        proven = known is not None and known.state == State.SUCCEEDED.value
        if known is not None and proven and known.properties == properties:
            return known
        code = str(uuid.uuid4())
        state = await self._prove(subscription, code)
        until = self._means.now() + MANUAL_FOR.total_seconds()
        record = Record(0, topic, name, properties, state.value, code, until)
        if topic not in self._topics:
            raise Malformed("topic", "one that is still there")
        if state is State.FAILED and proven:
            return record
        record = self._store.put_subscription(record)
        self._adopt(record, subscription)
        return record

    async def delete_subscription(self, topic: str, name: str) -> bool:
        """Forget a subscription and what it had yet to get, and say whether there was one."""
        record = self._records.pop((topic, name), None)
        if record is None:
            return False
        lane = self._lanes.pop(record.id)
        self._store.delete_subscription(record.id)
        await lane.close()
        self._means.settled.set()
        return True

    def validate(self, code: str) -> bool:
        """Take the proof of whoever was sent a code, and say whether it is one."""
        if code in self._asked:
            self._proven.add(code)
            return True
        for record in self._records.values():
            if record.code == code and self.state(record) in (State.AWAITING, State.SUCCEEDED):
                self._succeed(record)
                return True
        return False

    def publish(self, topic: str, events: Sequence[Event]) -> None:
        """Accept events: when this returns, they are safe and on their way."""
        wanted = [(event, str(uuid.uuid4()), self._takers(topic, event)) for event in events]
        once = topic == SYSTEM_TOPIC
        for seq, takers in self._store.accept(wanted, self._means.now(), once=once):
            for number in takers:
                self._lanes[number].add(seq)

    async def idle(self, patience: float, *, retries: bool) -> bool:
        """Wait until nothing is under way, and with `retries` nothing waits either."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self._is_busy(retries=retries) and not self._stopping:
                    self._means.settled.clear()
                    await self._means.settled.wait()
        return not self._is_busy(retries=retries)

    def _is_busy(self, *, retries: bool) -> bool:
        return any(lane.busy or (retries and lane.waiting) for lane in self._lanes.values())

    def _takers(self, topic: str, event: Event) -> list[int]:
        return [
            record.id
            for record in self._records.values()
            if record.topic == topic
            and record.state == State.SUCCEEDED.value
            and self._lanes[record.id].subscription.filter.matches(event)
        ]

    async def _prove(self, subscription: Subscription, code: str) -> State:
        destination = subscription.destination
        if not isinstance(destination, WebHook):
            return State.SUCCEEDED  # resources of Azure need no handshake
        proof = self.names.proof(subscription.topic, subscription.name, code)
        self._asked.add(code)
        try:
            state = await self._webhooks.prove(
                destination.url, proof, subscription.schema, self._means.clock
            )
            return State.SUCCEEDED if code in self._proven else state
        finally:
            self._asked.discard(code)
            self._proven.discard(code)

    def _adopt(self, record: Record, subscription: Subscription) -> None:
        self._records[record.topic, record.name] = record
        lane = self._lanes.get(record.id)
        if lane is None:
            self._lanes[record.id] = Lane(record.id, subscription, self._means)
        else:
            lane.subscription = subscription

    def _succeed(self, record: Record) -> None:
        proven = self._store.put_subscription(replace(record, state=State.SUCCEEDED.value))
        self._records[record.topic, record.name] = proven
