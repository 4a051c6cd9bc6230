"""The parts of the control plane, put together once for a process, when they are first needed."""

import asyncio
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from azure.core.credentials import AzureKeyCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.eventgrid.aio import EventGridPublisherClient
from azure.identity.aio import DefaultAzureCredential
from azure.servicebus.aio import ServiceBusClient

from functions import clock, names, settings
from functions.accounts import Accounts
from functions.carrying import Carrier
from functions.directories import Identity
from functions.ending import Endings
from functions.ledger import Ledger
from functions.owned import Owned
from functions.reconciling import Reconciler
from functions.settings import Bus, Settings
from functions.sweeping import Sweeper
from functions.telemetry import Provider, Telemetry, hush, telemetry
from functions.telling import Queue, Topic
from functions.words import Desk

_CONNECTIONS = 64


@dataclass(frozen=True, slots=True)
class Parts:
    """Everything that a function needs."""

    settings: Settings
    accounts: Accounts
    rooms: Owned
    control: Owned
    queue: Queue
    topic: Topic
    reconciler: Reconciler
    endings: Endings
    sweeper: Sweeper
    desk: Desk
    session: aiohttp.ClientSession
    credential: DefaultAzureCredential
    identity: Identity
    bus: ServiceBusClient
    telemetry: Telemetry
    providers: tuple[Provider, ...]

    async def close(self) -> None:
        """Close what is open, and send what is held back."""
        for provider in self.providers:
            await asyncio.to_thread(provider.shutdown)
        await self.bus.close()
        await self.identity.close()
        await self.credential.close()
        await self.session.close()


def assemble(given: Settings, now: Callable[[], datetime] = clock.now) -> Parts:
    """Make the parts; nothing is asked for over the network yet."""
    hush()
    tls = ssl.create_default_context()
    connector = aiohttp.TCPConnector(limit=_CONNECTIONS, ssl=tls)
    session = aiohttp.ClientSession(connector=connector)
    credential = DefaultAzureCredential(managed_identity_client_id=given.identity)
    identity = Identity(credential, given.directories, session)
    accounts = Accounts(given, identity, session)
    rooms, control = accounts.own(names.ROOMS), accounts.own(names.CONTROL)
    bus = _bus(given.bus, credential)
    queue = Queue(bus, given.bus.jobs)
    topic = Topic(
        EventGridPublisherClient(
            given.topic.endpoint,
            AzureKeyCredential(given.topic.key) if given.topic.key else credential,
            transport=AioHttpTransport(session=session, session_owner=False),
        )
    )
    ledger = Ledger(control)
    carrier = Carrier(rooms, control, ledger, queue, topic)
    reconciler = Reconciler(accounts, carrier, ledger, now)
    endings = Endings(rooms, control, ledger, topic, now)
    sweeper = Sweeper(accounts, reconciler, endings, carrier, ledger, now)
    return Parts(
        *(given, accounts, rooms, control, queue, topic, reconciler, endings, sweeper),
        *(Desk(accounts, rooms), session, credential, identity, bus),
        *telemetry(given.telemetry),
    )


def _bus(given: Bus, credential: DefaultAzureCredential) -> ServiceBusClient:
    if given.connection is not None:
        return ServiceBusClient.from_connection_string(given.connection)
    return ServiceBusClient(given.namespace or "", credential)


_made: dict[int, Parts] = {}


def get() -> Parts:
    """Return the parts of the running event loop."""
    loop = id(asyncio.get_running_loop())
    if loop not in _made:
        _made[loop] = assemble(settings.read())
    return _made[loop]
