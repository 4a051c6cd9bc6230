"""The bus: rates and latency through the genuine sync SDK, durable, 1 KiB bodies, on the loopback.

Client and bus share the machine, so most of each figure is the SDK's own time. A rate is the best
of three runs: what else the machine does only ever lowers it.
"""

import multiprocessing
import statistics
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import batched
from multiprocessing.connection import Connection

from azure.servicebus import ServiceBusClient, ServiceBusMessage

from bench.devstack.figures import Figure
from devstack.home import HOST, Home
from tests.buses import ROOT, Control

BODY = b"x" * 1024
SINGLE = 4000
BATCH = 100
BATCHES = 200
RECEIVED = 4000
RUNS = 3
PACED = 800
PACE = 0.01  # seconds between two messages whose way is timed


def measure(home: Home, port: int = 5672, control_port: int = 5300) -> list[Figure]:
    """Measure a running bus; the queues that it needs are made and taken away."""
    bus = _Clients(home, port, Control(home, control_port))
    way = bus.with_queue(_latency)
    return [
        Figure("bus: single sends", bus.with_queue(_single), "1/s", 2300, at_least=True),
        Figure(
            "bus: sends in batches of 100", bus.with_queue(_batches), "1/s", 10_000, at_least=True
        ),
        Figure("bus: receive and complete", bus.with_queue(_receive), "1/s", 3000, at_least=True),
        Figure("bus: send to receive, p50", statistics.median(way), "ms", 3),
        Figure("bus: send to receive, p99", statistics.quantiles(way, n=100)[98], "ms", 5),
        Figure("bus: send to receive, longest", max(way), "ms", 50),
    ]


class _Clients:
    """Makes clients of one bus."""

    def __init__(self, home: Home, port: int, control: Control) -> None:
        self._control = control
        key = home.secret(f"bus/{ROOT}")
        self.connection_string = (
            f"Endpoint=sb://{HOST}:{port};SharedAccessKeyName={ROOT};SharedAccessKey={key};"
            "UseDevelopmentEmulator=true"
        )

    @contextmanager
    def client(self) -> Iterator[ServiceBusClient]:
        """Connect."""
        with ServiceBusClient.from_connection_string(self.connection_string) as client:
            yield client

    def best(self, measured: "Callable[[_Clients, str], float]") -> float:
        """Run one measurement several times, and take the highest rate."""
        return max(self.with_queue(measured) for _ in range(RUNS))

    def with_queue[T](self, measured: "Callable[[_Clients, str], T]") -> T:
        """Run one measurement on a queue of its own."""
        queue = f"bench-{uuid.uuid4().hex}"
        self._control.put(f"queues/{queue}", {})
        try:
            return measured(self, queue)
        finally:
            self._control.delete(f"queues/{queue}")


def _single(bus: _Clients, queue: str) -> float:
    with bus.client() as client, client.get_queue_sender(queue) as sender:
        sender.send_messages(ServiceBusMessage(BODY))
        start = time.perf_counter()
        for _ in range(SINGLE):
            sender.send_messages(ServiceBusMessage(BODY))
        return SINGLE / (time.perf_counter() - start)


def _batches(bus: _Clients, queue: str) -> float:
    with bus.client() as client, client.get_queue_sender(queue) as sender:
        sender.send_messages(ServiceBusMessage(BODY))
        start = time.perf_counter()
        for _ in range(BATCHES):
            sender.send_messages([ServiceBusMessage(BODY) for _ in range(BATCH)])
        return BATCHES * BATCH / (time.perf_counter() - start)


def _receive(bus: _Clients, queue: str) -> float:
    _fill(bus, queue, RECEIVED + BATCH)
    with bus.client() as client, client.get_queue_receiver(queue) as receiver:
        for message in receiver.receive_messages(BATCH, max_wait_time=5):
            receiver.complete_message(message)
        done, start = 0, time.perf_counter()
        while done < RECEIVED:
            messages = receiver.receive_messages(BATCH, max_wait_time=5)
            if not messages:
                raise RuntimeError(f"bus: {RECEIVED - done} messages did not come")
            for message in messages:
                receiver.complete_message(message)
            done += len(messages)
        return done / (time.perf_counter() - start)


def _fill(bus: _Clients, queue: str, count: int) -> None:
    with bus.client() as client, client.get_queue_sender(queue) as sender:
        for numbers in batched(range(count), BATCH, strict=False):
            sender.send_messages([ServiceBusMessage(BODY) for _ in numbers])


def _latency(bus: _Clients, queue: str) -> list[float]:
    """Time messages, 10 ms apart, from before they are sent until another process has them."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    receiving = context.Process(target=_await, args=(bus.connection_string, queue, theirs))
    receiving.start()
    ours.recv()
    with bus.client() as client, client.get_queue_sender(queue) as sender:
        for _ in range(PACED):
            now = str(time.perf_counter_ns())  # one clock for all processes
            sender.send_messages(ServiceBusMessage(BODY, subject=now))
            time.sleep(PACE)
    found: list[float] = ours.recv()
    receiving.join()
    return found[PACED // 10 :]  # the first are the clients' own warming up


def _await(connection_string: str, queue: str, pipe: Connection) -> None:
    found: list[float] = []
    with (
        ServiceBusClient.from_connection_string(connection_string) as client,
        client.get_queue_receiver(queue, prefetch_count=BATCH) as receiver,
    ):
        receiver.peek_messages(1)
        pipe.send("ready")
        for message in receiver:
            now = time.perf_counter_ns()
            found.append((now - int(message.subject or "0")) / 1e6)
            receiver.complete_message(message)
            if len(found) == PACED:
                break
    pipe.send(found)
