"""What the bus has to endure: power cuts under load, and clients that come and go.

Each campaign is a short test (test_bus_campaigns.py) and a long run (make conformance all).
"""

import contextlib
import gc
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import psutil
from azure.servicebus import ServiceBusClient, ServiceBusMessage
from azure.servicebus.exceptions import ServiceBusError

from devstack.home import HOST
from tests.buses import Bus

LOCK = 2  # seconds until a message comes back whose receiver did not hear that it is settled
GROWTH = 4.0  # MiB that Python may keep after a rush of connections
_REST = 1.5  # seconds until messages are gone that live for one
_PATIENCE = 30.0
_CLOSED = struct.pack("ii", 1, 0)  # SO_LINGER: end a connection by a reset


@dataclass
class Ledger:
    """What programs were told: sent is sent, completed is completed.

    `doubled` came again though their completion had been acknowledged. `in_doubt` came, and the
    answer to their completion was cut off: they may be gone or come again.
    """

    sent: list[str] = field(default_factory=list)
    completed: set[str] = field(default_factory=set)
    in_doubt: set[str] = field(default_factory=set)
    doubled: set[str] = field(default_factory=set)
    errors: int = 0

    @property
    def lost(self) -> set[str]:
        """Messages that were acknowledged, and gone without anyone having completed them."""
        return set(self.sent) - self.completed - self.in_doubt


def crashes(bus: Bus, kills: int, messages: int) -> Ledger:
    """Kill the bus under load several times, start it again, and say what became of messages.

    Before each kill and at the end, so many messages are sent.
    What was not acknowledged is never sent again under its name: it may have arrived or not.
    """
    queue = bus.control.queue(LockDuration=f"PT{LOCK}S", MaxDeliveryCount=1000)
    ledger, stop_sending, stop_receiving = Ledger(), threading.Event(), threading.Event()
    sending = threading.Thread(target=_send, args=(bus, queue, ledger, stop_sending))
    receiving = threading.Thread(target=_receive, args=(bus, queue, ledger, stop_receiving))
    sending.start()
    receiving.start()
    try:
        for enough in range(messages, messages * (kills + 1), messages):
            _sent(ledger, enough)
            bus.server.kill()
            bus.server.restart()
        _sent(ledger, messages * (kills + 1))
    finally:
        stop_sending.set()
        sending.join()
        until = time.monotonic() + _PATIENCE
        while ledger.lost and time.monotonic() < until:
            time.sleep(0.1)
        stop_receiving.set()
        receiving.join()
    gc.collect()  # the sockets that the SDK forgot when they were cut
    return ledger


def _sent(ledger: Ledger, enough: int) -> None:
    """Wait until so many messages were acknowledged."""
    until = time.monotonic() + _PATIENCE
    while len(ledger.sent) < enough and time.monotonic() < until:
        time.sleep(0.01)


def _send(bus: Bus, queue: str, ledger: Ledger, stop: threading.Event) -> None:
    number = 0
    with _client(bus) as client, client.get_queue_sender(queue) as sender:
        while not stop.is_set():
            number += 1
            try:
                sender.send_messages(ServiceBusMessage(f"message {number}"))
            except ServiceBusError:
                ledger.errors += 1
            else:
                ledger.sent.append(f"message {number}")


def _receive(bus: Bus, queue: str, ledger: Ledger, stop: threading.Event) -> None:
    with _client(bus) as client, client.get_queue_receiver(queue) as receiver:
        while not stop.is_set():
            try:
                for message in receiver.receive_messages(20, max_wait_time=0.5):
                    name = str(message)
                    if name in ledger.completed:
                        ledger.doubled.add(name)
                    ledger.in_doubt.add(name)
                    receiver.complete_message(message)
                    ledger.completed.add(name)
            except ServiceBusError:
                ledger.errors += 1


@contextlib.contextmanager
def _client(bus: Bus) -> Iterator[ServiceBusClient]:
    """Connect, with every try of the SDK ours to count."""
    with ServiceBusClient.from_connection_string(bus.connection_string(), retry_total=0) as client:
        yield client


def connections(bus: Bus, count: int) -> float:
    """Open and drop many connections, and return by how many MiB the bus grew.

    Every other one says what a genuine sender says, up to a message, and is reset before an answer;
    the rest end at an earlier byte. As many again come first, so that what is made once is there.
    """
    said = conversation(bus)
    _come_and_go(bus.port, said, count)
    before = _resident(bus)
    _come_and_go(bus.port, said, count)
    return _resident(bus) - before


def _come_and_go(port: int, said: bytes, count: int) -> None:
    for number in range(count):
        with socket.create_connection((HOST, port), timeout=_PATIENCE) as link:
            link.sendall(said if number % 2 else said[: number % len(said)])
            if number % 4 == 1:
                link.recv(1)
            if number % 5 == 0:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _CLOSED)


def conversation(bus: Bus) -> bytes:
    """Record all that the SDK says when it sends a message."""
    # A message lives for a second: what arrives is not what is measured.
    queue = bus.control.queue(DefaultMessageTimeToLive="PT1S")
    said = bytearray()
    with socket.create_server((HOST, 0)) as listener:
        port = listener.getsockname()[1]
        listening = threading.Thread(target=_relay, args=(listener, bus.port, said))
        listening.start()
        at = bus.connection_string().replace(f":{bus.port};", f":{port};")
        with (
            ServiceBusClient.from_connection_string(at) as client,
            client.get_queue_sender(queue) as sender,
        ):
            sender.send_messages(ServiceBusMessage("recorded"))
            recorded = bytes(said)
        listening.join()
    return recorded


def _relay(listener: socket.socket, port: int, said: bytearray) -> None:
    """Pass one connection on, both ways, and keep what the client says."""
    client, _ = listener.accept()
    with client, socket.create_connection((HOST, port)) as bus:
        back = threading.Thread(target=_copy, args=(bus, client, bytearray()))
        back.start()
        _copy(client, bus, said)
        back.join()


def _copy(source: socket.socket, target: socket.socket, kept: bytearray) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(1 << 16):
            kept += part
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)


def _resident(bus: Bus) -> float:
    """Measure the bus's memory in MiB, once it has come to rest."""
    time.sleep(_REST)
    size: int = psutil.Process(bus.server.process.pid).memory_info().rss
    return size / (1 << 20)
