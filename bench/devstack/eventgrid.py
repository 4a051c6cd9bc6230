"""Event Grid: from an event published to its webhook, and how many events a second pass through.

The publisher is the genuine client over HTTPS; the webhook is a server of this process.
"""

import asyncio
import ssl
import statistics
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
from aiohttp import web
from azure.core.credentials import AzureKeyCredential
from azure.core.messaging import CloudEvent
from azure.core.pipeline.transport import AioHttpTransport
from azure.eventgrid.aio import EventGridPublisherClient

from bench.devstack.figures import Figure
from devstack.home import HOST, Home

_WARM = 20
_SINGLE = 300
_BATCHES, _BATCH = 20, 100
_PAUSE = 0.005
_PATIENCE = 60
_PORT = 8442


@dataclass
class _Webhook:
    """Who takes the events, and when each came."""

    came: asyncio.Queue[float] = field(default_factory=asyncio.Queue)
    url: str = ""

    async def take(self, request: web.Request) -> web.Response:
        self.came.put_nowait(time.perf_counter())
        await request.read()
        return web.Response()

    async def permit(self, _: web.Request) -> web.Response:
        return web.Response(headers={"WebHook-Allowed-Origin": "*", "WebHook-Allowed-Rate": "*"})


def measure(home: Home, port: int = _PORT) -> list[Figure]:
    """Measure a running Event Grid."""
    return asyncio.run(_measure(home, f"https://{HOST}:{port}"))


async def _measure(home: Home, url: str) -> list[Figure]:
    topic = f"bench-{uuid.uuid4().hex[:8]}"
    key = AzureKeyCredential(home.secret(f"eventgrid/{topic}"))
    connector = aiohttp.TCPConnector(ssl=_trusting(home))  # else the SDK reads it at every call
    async with (
        _webhook() as webhook,
        _topic(home, url, topic, webhook.url),
        aiohttp.ClientSession(connector=connector) as session,
        EventGridPublisherClient(
            f"{url}/topics/{topic}/api/events",
            key,
            transport=AioHttpTransport(session=session, session_owner=False),
        ) as publisher,
    ):
        await _singly(publisher, webhook, _WARM)
        waits, answers = await _singly(publisher, webhook, _SINGLE)
        rate = await _in_batches(publisher, webhook)
    return [
        Figure("eventgrid: publish to webhook, p50", _percentile(waits, 50), "ms", 8),
        Figure("eventgrid: publish to webhook, p95", _percentile(waits, 95), "ms", 8),
        Figure("eventgrid: publish accepted, p95", _percentile(answers, 95), "ms", 8),
        Figure("eventgrid: delivered singly in bulk", rate, "events/s", 200, at_least=True),
    ]


async def _singly(
    publisher: EventGridPublisherClient, webhook: _Webhook, count: int
) -> tuple[list[float], list[float]]:
    """Publish one event after the other, and say in ms when it came and when it was accepted."""
    waits, answers = [], []
    for _ in range(count):
        started = time.perf_counter()
        await publisher.send(CloudEvent(source="/bench", type="Bench", data={"x": 1}))
        answers.append((time.perf_counter() - started) * 1e3)
        came = await asyncio.wait_for(webhook.came.get(), _PATIENCE)
        waits.append((came - started) * 1e3)
        await asyncio.sleep(_PAUSE)
    return waits, answers


async def _in_batches(publisher: EventGridPublisherClient, webhook: _Webhook) -> float:
    """Publish many events at once, and say how many a second arrive."""
    started = time.perf_counter()
    for _ in range(_BATCHES):
        events = [CloudEvent(source="/bench", type="Bench", data={"x": 1}) for _ in range(_BATCH)]
        await publisher.send(events)
    for _ in range(_BATCHES * _BATCH):
        await asyncio.wait_for(webhook.came.get(), _PATIENCE)
    return _BATCHES * _BATCH / (time.perf_counter() - started)


@asynccontextmanager
async def _webhook() -> AsyncIterator[_Webhook]:
    webhook = _Webhook()
    app = web.Application()
    app.router.add_post("/", webhook.take)
    app.router.add_route("OPTIONS", "/", webhook.permit)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0)
    await site.start()
    webhook.url = f"http://{HOST}:{runner.addresses[0][1]}/"
    try:
        yield webhook
    finally:
        await runner.cleanup()


@asynccontextmanager
async def _topic(home: Home, url: str, topic: str, endpoint: str) -> AsyncIterator[None]:
    """Make a topic with one subscription, and take it away again."""
    headers = {"Authorization": f"Bearer {home.secret('eventgrid/control')}"}
    subscription = {
        "destination": {"endpointType": "WebHook", "properties": {"endpointUrl": endpoint}}
    }
    path = f"{url}/devstack/topics/{topic}"
    tls = aiohttp.TCPConnector(ssl=_trusting(home))
    async with aiohttp.ClientSession(headers=headers, connector=tls) as session:
        for made, body in ((path, {}), (f"{path}/subscriptions/bench", subscription)):
            async with session.put(made, json=body) as answer:
                answer.raise_for_status()
        try:
            yield
        finally:
            async with session.delete(path) as answer:
                answer.raise_for_status()


def _trusting(home: Home) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(home.authority_file))


def _percentile(values: list[float], which: int) -> float:
    return statistics.quantiles(values, n=100)[which - 1]
