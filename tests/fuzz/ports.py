"""Hostile bytes on the ports of a running server, which has to live, to work and to stay small.

An input is what one client says on one connection: a genuine request with something changed, sent
whole or in parts, read or not, ended in order or not, or held open. A finding is

- a server that is gone, or does not answer a genuine request any more,
- a traceback in its log: a client's mistake is no error of the server,
- memory or open files that grow with what clients say.
"""

import contextlib
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from devstack.home import HOST
from tests.fuzz import wire
from tests.fuzz.watching import Port, Subject, Watch

_MOST_HELD = 64  # connections at once
_REMEMBERED = 16  # inputs before a finding
_ANSWER = 0.25  # seconds that a hostile client waits for its answer
_PROBE = 5.0  # seconds between two looks whether the server works
_RESET = struct.pack("ii", 1, 0)  # SO_LINGER: close at once, by a reset


@dataclass
class Outcome:
    """What came of an attack."""

    inputs: int = 0
    grown: int = 0  # bytes
    finding: str | None = None
    last: deque[bytes] = field(default_factory=lambda: deque(maxlen=_REMEMBERED))


class _Held:
    """Connections of clients that say no more, and do not go either."""

    def __init__(self) -> None:
        self._open: deque[contextlib.ExitStack] = deque()

    def keep(self, link: contextlib.ExitStack) -> None:
        """Hold one more; the oldest gives way."""
        self._open.append(link)
        if len(self._open) > _MOST_HELD:
            self._open.popleft().close()

    def release(self) -> None:
        while self._open:
            self._open.popleft().close()


def attack(subject: Subject, seconds: float, seed: int) -> Outcome:
    """Throw changed requests at a server for a while, and see whether it minds.

    1. It works.
    2. What clients say for a tenth of the time may fill caches; from there on memory is counted.
    3. It lives, works now and then, and logs no traceback.
    4. Afterwards it works, and has given back what it took.
    """
    outcome = Outcome()
    watch = Watch(subject)  # 1
    started = time.monotonic()
    warm, probe = False, started + _PROBE
    held = _Held()
    for data in _inputs(subject, random.Random(seed), held):  # noqa: S311  # has to be the same again
        now = time.monotonic()
        if outcome.finding or now - started > seconds:
            break
        outcome.inputs += 1
        outcome.last.append(data)
        if not warm and now - started > seconds / 10:  # 2
            warm = True
            watch.start_counting()
        outcome.finding = watch.noticed()  # 3
        if now > probe and outcome.finding is None:
            probe = now + _PROBE
            outcome.finding = watch.broken()
    outcome.finding = outcome.finding or watch.broken()
    held.release()
    outcome.finding = outcome.finding or watch.kept()  # 4
    outcome.grown = watch.grown()
    return outcome


def again(subject: Subject, data: bytes) -> str | None:
    """Send one input to every port; tell what is wrong afterwards."""
    watch = Watch(subject)
    held = _Held()
    for port in subject.ports:
        for secure in {port.tls is not None, False}:
            _said(port, data, secure, random.Random(0), held)  # noqa: S311  # not a secret
    held.release()
    return watch.broken() or watch.noticed()


def _inputs(subject: Subject, chance: random.Random, held: _Held) -> Iterator[bytes]:
    """Say one thing after the other, and give each that was said."""
    hello = wire.client_hello()
    while True:
        port = chance.choice(subject.ports)
        secure = port.tls is not None and chance.random() < 7 / 8
        if port.tls is not None and not secure:
            data = wire.bytewise(chance.choice((hello, *port.seeds)), chance)
        else:
            data = port.mutate(chance.choice(port.seeds), chance)
        _said(port, data, secure, chance, held)
        yield data


def _said(port: Port, data: bytes, secure: bool, chance: random.Random, held: _Held) -> None:
    """Be one client; whatever the server does to it is its right."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as open_:
        link = open_.enter_context(socket.create_connection((HOST, port.number), 2.0))
        link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if secure and port.tls:
            link = open_.enter_context(port.tls.wrap_socket(link, server_hostname=HOST))
        for piece in wire.pieces(data, chance):
            link.sendall(piece)
        match chance.randrange(6):
            case 0:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            case 1:
                link.shutdown(socket.SHUT_WR)
            case 2:
                held.keep(open_.pop_all())
            case _:
                link.settimeout(_ANSWER)
                link.recv(1 << 16)
