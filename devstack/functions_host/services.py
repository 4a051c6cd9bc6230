"""The services that bindings read and write: Service Bus, Event Grid, blobs.

Clients are made once for each connection and kept. They trust the authorities of this machine and
the one of the stack.
"""

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack

import aiohttp
from azure.core.exceptions import AzureError, ResourceNotFoundError
from azure.core.pipeline.transport import AioHttpTransport
from azure.servicebus import ServiceBusMessage
from azure.servicebus.aio import ServiceBusClient, ServiceBusSender
from azure.storage.blob.aio import BlobClient, BlobServiceClient

from cleanroom.errors import Malformed, Unavailable
from devstack.functions_host.data import Binary, Datum, Document, Text
from devstack.functions_host.functions import (
    BlobInput,
    BlobOutput,
    Connection,
    Entity,
    EventGridOutput,
    HttpOutput,
    Output,
    ServiceBusOutput,
)
from devstack.functions_host.identity import Identity
from devstack.functions_host.settings import Settings
from devstack.home import Home

_EVENT_GRID = "https://eventgrid.azure.net/.default"
_VERSION = {"api-version": "2018-01-01"}
_LOCAL = re.compile(r"(?:127\.0\.0\.1|localhost):(?!5671$)\d+")
_PATIENCE = aiohttp.ClientTimeout(total=60)


class Services:
    """Clients of one app, closed together."""

    def __init__(
        self, settings: Settings, session: aiohttp.ClientSession, tls: ssl.SSLContext
    ) -> None:
        self._settings = settings
        self._session = session
        self._tls = tls
        self._buses: dict[Connection, ServiceBusClient] = {}
        self._senders: dict[tuple[Connection, Entity], ServiceBusSender] = {}
        self._turns: dict[tuple[Connection, Entity], asyncio.Lock] = {}
        self._stores: dict[Connection, BlobServiceClient] = {}

    @classmethod
    def open(cls, settings: Settings, home: Home) -> "Services":
        """Make what reaches services, without reaching for them yet."""
        tls = ssl.create_default_context()
        tls.load_verify_locations(home.authority_file)
        connector = aiohttp.TCPConnector(ssl=tls)
        session = aiohttp.ClientSession(connector=connector, timeout=_PATIENCE, trust_env=True)
        return cls(settings, session, tls)

    async def close(self) -> None:
        """Close every client, whatever becomes of another."""
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._session.close)
            for store in self._stores.values():
                stack.push_async_callback(store.close)
            for bus in self._buses.values():  # each closes its senders and receivers
                stack.push_async_callback(bus.close)

    # --- inputs and outputs

    async def read(self, binding: BlobInput, data: Mapping[str, str]) -> Datum | None:
        """Read a blob; nothing if there is none."""
        client = self._blob(binding.connection, binding.path.filled(data))
        try:
            stream = await client.download_blob()
            content = await stream.readall()
        except ResourceNotFoundError:
            return None
        except (AzureError, ValueError) as error:
            raise _unavailable(binding.name, error) from error
        return Text(content.decode("utf-8", "replace")) if binding.as_text else Binary(content)

    async def write(self, binding: Output, value: Datum, data: Mapping[str, str]) -> None:
        """Write what a function gave to an output."""
        try:
            match binding:
                case ServiceBusOutput(_, entity, connection):
                    await self._send(entity, connection, _bytes(value))
                case EventGridOutput():
                    await self._publish(binding, _bytes(value))
                case BlobOutput(_, path, connection):
                    client = self._blob(connection, path.filled(data))
                    await client.upload_blob(_bytes(value), overwrite=True)
                case HttpOutput():
                    pass  # the answer goes to the caller, not to a service
        except (AzureError, aiohttp.ClientError, TimeoutError) as error:
            raise _unavailable(binding.name, error) from error
        except ValueError as error:  # a name that no client can send
            raise Malformed(binding.name, "what its service can take") from error

    # --- clients

    def bus(self, connection: Connection) -> ServiceBusClient:
        """Return the client of a Service Bus namespace."""
        if connection not in self._buses:
            self._buses[connection] = self._new_bus(connection)
        return self._buses[connection]

    def _new_bus(self, connection: Connection) -> ServiceBusClient:
        if connection.string is not None:
            return ServiceBusClient.from_connection_string(connection.string, ssl_context=self._tls)
        credential = Identity(self._settings, connection.client_id, self._session)
        address = connection.address or ""
        # The SDK speaks TLS to port 5671 only; another port of this machine is a bus without TLS.
        plain = bool(_LOCAL.fullmatch(address))
        return ServiceBusClient(address, credential, ssl_context=self._tls, use_tls=not plain)

    async def _send(self, entity: Entity, connection: Connection, body: bytes) -> None:
        key = (connection, entity)
        async with self._turns.setdefault(key, asyncio.Lock()):  # a sender takes one call at a time
            if key not in self._senders:
                # For sending, queues and topics are alike.
                self._senders[key] = self.bus(connection).get_queue_sender(entity.name)
            await self._senders[key].send_messages(ServiceBusMessage(body))

    def _blob(self, connection: Connection, place: tuple[str, str]) -> BlobClient:
        if connection not in self._stores:
            self._stores[connection] = self._new_store(connection)
        return self._stores[connection].get_blob_client(*place)

    def _new_store(self, connection: Connection) -> BlobServiceClient:
        transport = AioHttpTransport(session=self._session, session_owner=False)
        if connection.string is not None:
            return BlobServiceClient.from_connection_string(connection.string, transport=transport)
        credential = Identity(self._settings, connection.client_id, self._session)
        return BlobServiceClient(connection.address or "", credential, transport=transport)

    async def _publish(self, binding: EventGridOutput, content: bytes) -> None:
        events = _events(content, binding.name)
        headers = {"Content-Type": _content_type(events)} | await self._proof(binding)
        async with self._session.post(
            binding.endpoint, params=_VERSION, data=json.dumps(events).encode(), headers=headers
        ) as reply:
            if not reply.ok:
                raise Unavailable(f"{binding.name}: the topic answered {reply.status}")

    async def _proof(self, binding: EventGridOutput) -> dict[str, str]:
        if binding.key is not None:
            return {"aeg-sas-key": binding.key}
        identity = Identity(self._settings, binding.client_id, self._session)
        token = await identity.get_token(_EVENT_GRID)
        return {"Authorization": f"Bearer {token.token}"}


def _bytes(value: Datum) -> bytes:
    match value:
        case Text(text) | Document(text):
            return text.encode()
        case Binary(data):
            return data
        case _:
            raise Malformed("output", "text, bytes or JSON")


def _events(content: bytes, name: str) -> list[object]:
    """Read what a function gave for a topic: one event or a list, texts of events among them."""
    try:
        raw = json.loads(content)
        found = raw if isinstance(raw, list) else [raw]
        return [json.loads(each) if isinstance(each, str) else each for each in found]
    except (ValueError, RecursionError) as error:
        raise Malformed(name, "events in JSON") from error


def _content_type(events: list[object]) -> str:
    cloud = all(isinstance(each, dict) and "specversion" in each for each in events)
    return "application/cloudevents-batch+json" if cloud else "application/json"


def _unavailable(name: str, error: Exception) -> Unavailable:
    """Name the kind of failure only: an SDK's text may hold addresses with their signatures."""
    return Unavailable(f"{name}: {type(error).__name__}")
